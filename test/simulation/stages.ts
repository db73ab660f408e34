import { clusterFaultNames } from "./clusters/cluster-plan.ts";
import { simulateClusters } from "./clusters/simulate-clusters.ts";
import type { Stage } from "./jobs.ts";
import { faultNames } from "./plan.ts";
import { simulate, type Played } from "./simulate.ts";

/** What may be fixed of a run, whatever is played; faults by their names. */
export interface StageOptions {
  readonly drift?: number;
  readonly faults?: readonly string[];
}

/** A run on any stage. */
export interface StagePlayed extends Played {
  readonly plan: { readonly faults: ReadonlySet<string> };
}

/** The faults of each stage. */
export const faultsOf: Readonly<Record<Stage, readonly string[]>> = {
  election: faultNames,
  clusters: clusterFaultNames,
  clusterScope: clusterFaultNames,
};

/** Plays and judges one seed on that stage; names of faults that it does not have are left out. */
export function playOn(stage: Stage, seed: number, { drift, faults }: StageOptions = {}): Promise<StagePlayed> {
  const common = drift === undefined ? {} : { drift };
  const asked = <Name extends string>(names: readonly Name[]): { faults?: readonly Name[] } =>
    faults === undefined ? {} : { faults: names.filter((name) => faults.includes(name)) };
  if (stage === "election") return simulate(seed, { ...common, ...asked(faultNames) });
  const scope = stage === "clusterScope" ? "cluster" : "process";
  return simulateClusters(seed, { ...common, ...asked(clusterFaultNames), scope });
}
