import { ElectorStage, type ElectorSuiteContext } from "./elector-stage.ts";

/** One promise of the elector, as data for any test runner. */
export interface ElectorCase {
  /** `K…` and `E…` are traces of client-go's flaws; the others are its own cases. */
  readonly id: string;
  /** A sentence about behaviour. */
  readonly name: string;
  /** Rejects if the elector breaks the promise. */
  run(context: ElectorSuiteContext): Promise<void>;
}

/**
 * A case that ends with the check of every candidate: it settles in time after a stop, and was never a busy loop.
 */
export function electorCase(id: string, name: string, play: (stage: ElectorStage) => Promise<void>): ElectorCase {
  return {
    ...{ id, name },
    async run(context) {
      const stage = new ElectorStage(context);
      await play(stage);
      await stage.finish();
    },
  };
}
