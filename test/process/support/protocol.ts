import type { LeaderElectionRecord, StopReason } from "../../../src/index.ts";

/** What a candidate's process is started with, as JSON. */
export interface CandidateSettings {
  readonly directory: string;
  /** The URL of the storage, if not files in the directory. */
  readonly storage?: string;
  /** A Lease of the cluster that KUBECONFIG names, instead of a document in a storage. */
  readonly lease?: { readonly namespace: string; readonly name: string };
  /** The same, a MultiClusterLease: candidates of other clusters contend for it as well. */
  readonly multiClusterLease?: { readonly namespace: string; readonly name: string };
  /** The cluster in whose name it contends, beside a Lease of the same name; default: in its own. */
  readonly cluster?: string;
  /** Where the built package is. */
  readonly dist: string;
  readonly label: string;
  /** Replaces the unique identity of the lock: what nobody should do. */
  readonly identity?: string;
  readonly timing: {
    readonly leaseDurationMs: number;
    readonly renewDeadlineMs: number;
    readonly retryPeriodMs: number;
    readonly holderGraceMs?: number;
  };
  /** How often the watch of the storage looks by itself. */
  readonly pollMs: number;
  /** From one guarded step of the work to the next. */
  readonly stepEveryMs: number;
  /** How long the work goes on after its signal. */
  readonly drainMs: number;
  /** The work resolves, and so resigns, after this long. */
  readonly workMs?: number;
  /** `acquire`: takes one term and then does nothing at all. */
  readonly face: "run" | "acquire";
}

/** What the parent tells a candidate to do: the fail points. */
export type Command =
  | { readonly do: "block"; readonly ms: number; readonly by: "loop" | "snapshots" }
  | { readonly do: "stopBetweenCheckAndWrite" }
  | { readonly do: "throwInWork"; readonly stepMs: number }
  | { readonly do: "throwUncaught" }
  | { readonly do: "exit" }
  | { readonly do: "stepWall"; readonly ms: number }
  /** SIGKILL before the release is sent, or after it was applied and before the elector hears of it. */
  | { readonly do: "dieInRelease"; readonly at: "before" | "after" }
  /** The request of the next write of this kind, or its answer, is under way for that long. */
  | { readonly do: "slowWrite"; readonly op: WriteKind; readonly way: "request" | "answer"; readonly ms: number };

export type WriteKind = "acquire" | "renew" | "release";

/** One request to the guarded journal. */
export interface AppendRequest {
  readonly append: number;
  readonly term: number;
  readonly identity: string;
  /** When the guarded step began, by the clock of the machine. */
  readonly beginNs: string;
}

/** The journal's answer. */
export interface AppendAnswer {
  readonly appended: number;
  readonly acceptedTerm: number;
  readonly accepted: boolean;
}

/** What a candidate tells, with the time of the machine's one monotonic clock in nanoseconds. */
export type Report = { readonly atNs: string } & ReportBody;

export type ReportBody =
  | { readonly did: "ready" | "stopping" | "settled"; readonly identity: string }
  | { readonly did: "elected"; readonly term: number; readonly takeoverMs: number }
  | { readonly did: "started" | "workEnded" | "signalled"; readonly term: number }
  | { readonly did: "stopped" | "draining" | "onStoppedLeading"; readonly term: number; readonly reason: StopReason }
  | { readonly did: "renewed"; readonly term: number; readonly ms: number; readonly remainingMs: number }
  | { readonly did: "suspect"; readonly term: number }
  | { readonly did: "newLeader"; readonly identity: string; readonly term: number }
  | { readonly did: "watchLive" }
  | { readonly did: "alarm"; readonly kind: string }
  | { readonly did: "trouble"; readonly where: string; readonly message: string }
  | { readonly did: "sending"; readonly op: WriteKind; readonly record: LeaderElectionRecord }
  | { readonly did: "applied" | "lostRace"; readonly op: WriteKind; readonly record: LeaderElectionRecord }
  | { readonly did: "step"; readonly term: number; readonly beginNs: string; readonly outcome: StepOutcome }
  | ({ readonly did: "gap" } & Gap)
  | ({ readonly did: "blocked" } & Blocked)
  | { readonly did: "suspected"; readonly heldAtOnce: boolean; readonly notHeldForMs: number };

export type StepOutcome = "accepted" | "rejected" | "refused" | "outlasted";

/** The first look at the term after the process stood still. */
export interface Gap {
  readonly term: number;
  readonly ms: number;
  readonly held: boolean;
  readonly aborted: boolean;
  /** The process stood during the look itself, so that its result says nothing. */
  readonly ambiguous: boolean;
}

/** What a guarded step met in the microtask after the event loop was blocked. */
export interface Blocked {
  readonly term: number;
  /** Whether the signal had fallen before the check: a timer that was overdue cannot have run yet. */
  readonly abortedBefore: boolean;
  /** Whether it had fallen when the check returned, before anything else ran. */
  readonly abortedInside: boolean;
  readonly stepRan: boolean;
  readonly refusal: string;
  /** The longest delay of the event loop that the telemetry saw, in seconds. */
  readonly loopDelaySeconds: number;
}

/** A message from the parent. */
export type ToCandidate = Command | AppendAnswer;

/** A message to the parent. */
export type FromCandidate = Report | AppendRequest;
