import { Chance } from "../chance.ts";
import { played, playedOf, type Played } from "../simulate.ts";
import { drawClusterPlan, type ClusterPlan, type ClusterPlanOptions } from "./cluster-plan.ts";
import { judgeClusters } from "./clusters-judge.ts";
import { ClustersRun } from "./clusters-run.ts";

/** How a run of two clusters went. */
export interface ClustersResult extends Played {
  readonly plan: ClusterPlan;
  /** Writes that the storage took. */
  readonly globalWrites: number;
}

/** Two clusters over one storage, from a seed, played and judged. The same seed and options give the same events. */
export async function simulateClusters(seed: number, options: ClusterPlanOptions = {}): Promise<ClustersResult> {
  const chance = new Chance(seed);
  const plan = drawClusterPlan(seed, chance, options);
  const run = await played(() => new ClustersRun(plan, chance).play());
  const verdict = judgeClusters(run);
  const { events, candidates, endMs: simulatedMs, book } = run;
  return { plan, globalWrites: book.writes.length, ...playedOf({ events, candidates, simulatedMs }), ...verdict };
}
