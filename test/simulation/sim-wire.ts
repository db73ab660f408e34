import { StorageUnavailableError, UnknownOutcomeError } from "../../src/errors.ts";
import type { SimHost } from "./sim-host.ts";
import type { Network } from "./sim-network.ts";
import type { World } from "./world.ts";

/** Whose wire it is, and what it runs through. */
export interface SimWireParts {
  readonly world: World;
  readonly host: SimHost;
  readonly network: Network;
  /** Under which name the network knows the host; it may be drawn later than this is made. */
  readonly name: () => string;
}

/** The longest that an answer waits to be overtaken. */
const overtakenWithinMs = 9_000;

/** The connection of one process to a server, which applies each request apart from the time of its answer. */
export class SimWire {
  readonly #parts: SimWireParts;
  #overtaken: (() => void)[] = [];

  constructor(parts: SimWireParts) {
    this.#parts = parts;
  }

  /** One request and its answer, each with its own fate. `heard` is called once an answer has arrived. */
  send<T>(kind: "read" | "write", apply: (staleMs: number) => T | PromiseLike<T>, heard?: () => void): Promise<T> {
    const { world, network, name } = this.#parts;
    const passage = network.passage(name(), kind);
    return new Promise((resolve, reject) => {
      const answer = (run: () => void): void => {
        if (passage.answerLost) return;
        if (passage.overtaken) this.#hold(run);
        else world.after(passage.answerMs, () => this.#deliver(run));
      };
      const arrive = (delivery: "first" | "second"): void => {
        if (passage.refused !== undefined) {
          const { retryAfterMs } = passage.refused;
          const details = { applied: "no", ...(retryAfterMs > 0 && { retryAfterMs }) } as const;
          return answer(() => {
            network.untroubledAfter(retryAfterMs / 0.8); // it is honoured from now on, by a clock that may be slow
            reject(new StorageUnavailableError("429", details));
          });
        }
        const value = apply(passage.staleMs);
        if (passage.repeated && delivery === "first") return;
        answer(() => {
          if (passage.failsAfter) return reject(new UnknownOutcomeError("500"));
          heard?.();
          resolve(value);
        });
      };
      if (!passage.requestLost) world.after(passage.requestMs, () => arrive("first"));
      if (passage.doubledMs === undefined) return;
      world.after(passage.requestMs + passage.doubledMs, () => arrive("second"));
    });
  }

  /** An answer that waits until a later one has overtaken it. */
  #hold(run: () => void): void {
    const { world, host } = this.#parts;
    let told = false;
    const tell = (): void => {
      if (!told) host.deliver(run);
      told = true;
    };
    this.#overtaken.push(tell);
    world.after(overtakenWithinMs, tell);
  }

  #deliver(run: () => void): void {
    const { world, host } = this.#parts;
    host.deliver(run);
    for (const tell of this.#overtaken.splice(0)) world.after(0.01, tell);
  }
}
