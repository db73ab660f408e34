import { inKubernetes, type Mutant, type Seeds } from "./mutant.ts";

function scope(from: number, to: number, invariant: string): { readonly seeds: Seeds } {
  return { seeds: { stage: "clusterScope", from, to, invariant } };
}

/** Ways to make one lock of two that neighbours of a cluster, or two clusters, must not survive together. */
export const flawsOfClusterScope: readonly Mutant[] = [
  {
    id: "M9",
    flaw: "A neighbour's lock is not waited for once the global record is free: two leaders must be seen.",
    edits: [
      inKubernetes(
        "cluster-record",
        'if (here.holderIdentity !== "" && here.holderIdentity !== reader.self) {',
        'if (isAway && here.holderIdentity !== "" && here.holderIdentity !== reader.self) {',
      ),
    ],
    scenario: scope(1, 3, "S1"),
  },
  {
    id: "M10",
    flaw: "A holding is as young as the younger of its two records: somebody must be seen to act for too long.",
    edits: [
      inKubernetes(
        "cluster-record",
        "return here.renewTime < there.renewTime ?",
        "return here.renewTime > there.renewTime ?",
      ),
    ],
    scenario: scope(1, 3, "S2"),
  },
  {
    id: "M11",
    flaw: "Other clusters wait no longer than the neighbours of whoever died: one of them must be seen to come first.",
    edits: [inKubernetes("multi-cluster-lease-spec", "const headStartPeriods = 3;", "const headStartPeriods = 0;")],
    scenario: scope(24, 24, "K-107"),
  },
  {
    id: "M12",
    flaw: "A signal is as old as its sender's clock says: a controller must be seen to leave a neighbour's unwritten.",
    edits: [inKubernetes("own-signals", "if (this.#sender.isShared === true) this.#pass(shown);", "")],
    scenario: scope(1, 3, "L1"),
  },
  {
    id: "M13",
    flaw: "A signal that is lost in the middle of a term gives the lock of the cluster away: a test must see it free.",
    edits: [
      inKubernetes(
        "cluster-scope",
        "const begins = isNew && this.#shownMine === shownBefore;",
        "const begins = this.#shownMine >= 0 * shownBefore;",
      ),
    ],
    scenario: {
      tests: [
        { file: "test/kubernetes/cluster-scope.test.ts", named: "K-56: a renewal that is refused is lost at once" },
      ],
    },
  },
  {
    id: "M14",
    flaw: "The lock of the cluster remembers no name: a test must see a term twice after a deletion.",
    edits: [inKubernetes("cluster-scope", "if (!global.isAnswered) global.names.noteUsed(this.#highest);", "")],
    scenario: {
      tests: [{ file: "test/kubernetes/cluster-scope.test.ts", named: "K-56: nor after somebody has deleted" }],
    },
  },
];
