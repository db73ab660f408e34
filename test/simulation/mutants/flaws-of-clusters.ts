import { inController, inKubernetes, kubernetesTests, type Mutant, type Seeds } from "./mutant.ts";

function clusters(from: number, to: number, more: Pick<Seeds, "invariant" | "faults">): { readonly seeds: Seeds } {
  return { seeds: { stage: "clusters", from, to, ...more } };
}

/** Writes to the storage that may have been applied, while leaders change. */
const ofLostAnswers: readonly string[] = ["storage.requestLost", "storage.answerLost", "crash", "aimed", "resign"];

/** Flaws of gke-labs' lock and controller, and those that broke a model of ours, which two clusters must show. */
export const flawsOfClusters: readonly Mutant[] = [
  {
    id: "M3",
    flaw: "The status shows a signal before it is written: a term must be seen that outlasts what the storage has.",
    edits: [
      inController(
        "status",
        'if (record.kind === "record") status.globalRenewTime =',
        `const isOurs = held !== undefined && situation.candidate?.identity === held.data.holderIdentity;
  const early = isOurs ? situation.candidate?.renewTime : undefined;
  if (early !== undefined) status.globalRenewTime = early;
  else if (record.kind === "record") status.globalRenewTime =`,
      ),
    ],
    scenario: clusters(1, 2, { invariant: "S2", faults: ["storage.requestLost", "storage.answerLost"] }),
  },
  {
    id: "M3b",
    flaw: "Any status that names me confirms my signal: a term must be seen that outlasts what the storage has.",
    edits: [
      inKubernetes(
        "confirmation",
        "if (mine && stamp === signal.renewTime && term !== undefined) return",
        "if (mine && term !== undefined) return",
      ),
    ],
    scenario: clusters(1, 2, { invariant: "S2", faults: ["storage.requestLost", "storagePartition"] }),
  },
  {
    id: "M3c",
    // Each alone is made good by the other: no row confirms before the generation is answered (K-52, K-73).
    flaw: "Ours is taken for a Go controller, and answers too early: K-52 must see it, and a term that outlasts.",
    edits: [
      inKubernetes(
        "shown-lease",
        `{ globalRenewTime }: MultiClusterLeaseStatus): boolean {
  return globalRenewTime !== undefined && !globalRenewTime.includes(".");`,
        `{ globalRenewTime, globalAcquireTime }: MultiClusterLeaseStatus): boolean {
  return globalRenewTime !== undefined && globalAcquireTime === undefined;`,
      ),
      inController(
        "status",
        "const answered = step.answered ? situation.cluster.generation : answeredBefore(situation);",
        "const answered = situation.cluster.generation;",
      ),
    ],
    scenario: {
      tests: kubernetesTests("confirmation", "any fraction shows that it is none"),
      ...clusters(44, 50, {
        invariant: "S2",
        faults: ["storage.late", "storage.requestLost", "mixedSpecs", "answerLost", "late"],
      }),
    },
  },
  {
    id: "M5",
    flaw: "A write whose outcome is unknown counts as applied: a term must be seen twice.",
    edits: [
      inController(
        "storage-lane",
        'return failureNews(error, appliedOf(error) === "unknown");',
        'if (appliedOf(error) === "no") return failureNews(error, false);\n' +
          '      return { kind: "written", write, lease: { data, generation: expected ?? "none" } };',
      ),
    ],
    scenario: clusters(1, 3, { invariant: "S5", faults: ofLostAnswers }),
  },
  {
    id: "M6b",
    flaw: "The controller renews by itself, with or without a new signal: #75 must see a pair stored twice.",
    edits: [
      inController(
        "reconcile-lease",
        "if (data.leaseDurationSeconds !== undefined) return isLater(renewTime, data.renewTime);",
        "if (data.leaseDurationSeconds !== undefined) return true;",
      ),
    ],
    scenario: clusters(3, 3, { invariant: "S4", faults: ["controllerRestart"] }), // a long one would not end
  },
  {
    id: "M8",
    flaw: "A status write that fails is left to a requeue: #74 must see that one of them deposes a leader.",
    edits: [
      inController(
        "cluster-lane",
        "if (this.#failures > 0) await sleep(clock, longestMs * (0.5 + random.next() / 2), signal);",
        "await sleep(clock, 9_000 + 0 * longestMs * random.next(), signal);",
      ),
    ],
    scenario: clusters(10, 10, { invariant: "L3", faults: ["statusLost"] }),
  },
];
