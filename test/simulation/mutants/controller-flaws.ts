import { controllerTests, inController, type Mutant } from "./mutant.ts";

/** Flaws of the controller of gke-labs/multicluster-leader-election, and of models of ours. */
export const controllerFlaws: readonly Mutant[] = [
  {
    id: "M1",
    flaw: "The controller compares wall clocks: #71 must see a lease taken over early.",
    edits: [
      inController(
        "reconcile-lease",
        "const dueMs = record.receivedMs + waitMs + record.share * herdMs;",
        "const dueMs = view.nowMs + Date.parse(record.data.renewTime) + waitMs - view.wallMs;",
      ),
    ],
    scenario: { tests: controllerTests("replicas", "#71: controllers whose") },
  },
  {
    id: "M2",
    flaw: "The challenger's own duration alone is waited for: #72 must see it take over early.",
    edits: [
      inController(
        "situation",
        "return Math.max(lastWaitMs, leaseMsOf(candidate, settings.goLeaseDurationMs) + settings.holderGraceMs);",
        "return leaseMsOf(candidate, settings.goLeaseDurationMs);",
      ),
    ],
    scenario: { tests: controllerTests("replicas", "#72: a challenger that declares one second") },
  },
  {
    id: "M4",
    flaw: "The release of an earlier term frees today's: row 6 must see it.",
    edits: [
      inController(
        "situation",
        "return newest.term === undefined || newest.term === held.data.leaseTransitions;",
        "return true;",
      ),
    ],
    scenario: { tests: controllerTests("reconcile", "reconcile 6, M4, #74") },
  },
  {
    id: "M4b",
    flaw: "A release is not obeyed: #76 must miss the next leader.",
    edits: [
      inController(
        "situation",
        "if (held === undefined || newest === undefined || newest.renewTime !== undefined) return false;",
        "if (held === undefined || newest === undefined || newest.renewTime !== null) return false;",
      ),
    ],
    scenario: { tests: controllerTests("replicas", "#76: on memory") },
  },
  {
    id: "M6",
    flaw: "A signal that was written is written again: K-61 must see a pair twice.",
    edits: [inController("candidates", "!isSpent(question.spent, candidate) && ", "")],
    scenario: { tests: controllerTests("reconcile.properties", "K-61: no plan writes") },
  },
  {
    id: "M6c",
    flaw: "An event that comes late counts as a new signal: K-65 must see it wake its candidate.",
    edits: [inController("generations", "find((later) => later.generation >= generation)", "find(() => false)")],
    scenario: { tests: controllerTests("candidates", "K-65: an event that comes late") },
  },
  {
    id: "M6d",
    flaw: "A term begins by an event that no look has confirmed: K-64 must see it.",
    edits: [inController("generations", "looked !== undefined && looked.sentMs >= changedMs", "nowMs >= changedMs")],
    scenario: { tests: controllerTests("reconcile", "K-64: whoever asks for no term") },
  },
  {
    id: "M6e",
    flaw: "A candidate is acted for although its release may be missing: K-64 must see it.",
    edits: [inController("generations", "newest - generation === later.length", "newest >= generation")],
    scenario: { tests: controllerTests("reconcile", "K-64: while an event is missing") },
  },
  {
    id: "M8b",
    flaw: "The status forgets whom to wait for once the record is gone: a replica that begins later must be seen to.",
    edits: [inController("status", 'if (record.kind === "absent" && lastWaitMs > 0)', "if (lastWaitMs < 0)")],
    scenario: { tests: controllerTests("reconcile", "reconcile 11, K-76: nor does a restart forget") },
  },
  {
    id: "M7",
    flaw: "What a look brings that was sent before a write's answer is shown: K-67 must see it.",
    edits: [inController("storage-lane", "const isLate = call <= this.#floor;", "const isLate = call < 0;")],
    scenario: { tests: controllerTests("storage-lane", "K-67: what a look brings") },
  },
];
