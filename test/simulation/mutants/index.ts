import { bySeeds } from "./by-seeds.ts";
import { controllerFlaws } from "./controller-flaws.ts";
import { flawsOfClusterScope } from "./flaws-of-cluster-scope.ts";
import { flawsOfClusters } from "./flaws-of-clusters.ts";
import { flawsOfDecisions } from "./flaws-of-decisions.ts";
import { flawsOfFolding } from "./flaws-of-folding.ts";
import { knownFlaws } from "./known-flaws.ts";
import type { Mutant } from "./mutant.ts";
import { ownDefects } from "./own-defects.ts";

/** Every flaw that `npm run mutants` puts back. */
export const mutants: readonly Mutant[] = [
  ...knownFlaws,
  ...flawsOfDecisions,
  ...flawsOfFolding,
  ...ownDefects,
  ...controllerFlaws,
  ...flawsOfClusters,
  ...flawsOfClusterScope,
].map((mutant) => {
  const seeds = bySeeds.get(mutant.id);
  return seeds === undefined ? mutant : { ...mutant, scenario: { ...mutant.scenario, seeds } };
});
