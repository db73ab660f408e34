import { CallBudget } from "../lock/call-budget.ts";
import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import type { CallOptions, Version } from "../storage/versioned-storage.ts";
import type { Clock } from "../system/clock.ts";
import { TimeoutError, withDeadline } from "../system/signals.ts";
import type { KubernetesClient, ResourceRef, WriteAnswer } from "./kubernetes-resources.ts";
import { renewDeadlineOf, type PatchCondition, type SignalPace } from "./multi-cluster-lease-spec.ts";
import type { MultiClusterLeaseView } from "./multi-cluster-lease-view.ts";
import type { Sender } from "./own-names.ts";
import type { ShownLease } from "./shown-lease.ts";
import type { SignalTrouble } from "./signal-trouble.ts";
import type { VerdictWaitParts } from "./verdict-wait.ts";

/** What the calls of one lock share. */
export interface LeaseWritesParts {
  readonly client: KubernetesClient;
  readonly ref: ResourceRef;
  readonly sender: Sender;
  readonly clock: Clock;
  readonly pace: SignalPace;
  readonly view: MultiClusterLeaseView;
  readonly trouble: SignalTrouble;
}

/** One call of a lock. */
export interface LeaseCall {
  readonly operation: "create" | "update" | "release";
  readonly record: LeaderElectionRecord;
  /** When it has to end, by the monotonic clock. */
  readonly untilMs: number;
  readonly signal: AbortSignal | undefined;
  /** The last read that failed during it. */
  trouble: unknown;
}

/** So much earlier than its caller gives it up a call ends, so that its own error is heard. */
const mostMarginMs = 250;

/** Sends the writes of one lock, each once, with the condition that they need. */
export class LeaseWrites {
  readonly #parts: LeaseWritesParts;

  constructor(parts: LeaseWritesParts) {
    this.#parts = parts;
  }

  /** Begins a call. Its signal has not fallen yet. */
  call(operation: LeaseCall["operation"], record: LeaderElectionRecord, options: CallOptions | undefined): LeaseCall {
    const { clock, pace } = this.#parts;
    const { signal, timeoutMs } = new CallBudget(clock, options);
    signal?.throwIfAborted();
    // Beyond its validity no answer helps, whatever the caller allows.
    const mostMs = operation === "release" ? timeoutMs : Math.min(timeoutMs, renewDeadlineOf(record, pace));
    if (record.holderIdentity !== "") this.#parts.sender.identity = record.holderIdentity;
    const untilMs = clock.monotonicMs() + mostMs - Math.min(mostMarginMs, mostMs / 10);
    return { operation, record, untilMs, signal, trouble: undefined };
  }

  /** What a patch of the spec names; `undefined` if somebody else has written since. Reads only if it must. */
  async condition(expected: Version, call: LeaseCall): Promise<PatchCondition | undefined> {
    const { view } = this.#parts;
    let found = view.latest.versionFor(expected);
    if (found === "unknown") {
      try {
        await view.read(this.#options(call));
      } catch (error) {
        call.signal?.throwIfAborted();
        throw this.#parts.trouble.beforeWriting(error);
      }
      found = view.latest.versionFor(expected);
    }
    return typeof found === "string" ? undefined : found;
  }

  /** Sends once, whatever becomes of it. */
  async send(call: LeaseCall, send: (options: CallOptions) => Promise<WriteAnswer>): Promise<WriteAnswer> {
    const { clock, trouble } = this.#parts;
    const { timeoutMs, signal } = this.#options(call);
    if (timeoutMs <= 0) throw trouble.refused(call.operation, "no time is left for the write");
    try {
      // The client keeps the deadline itself, and knows more when it passes; the later one is for those that do not.
      return await withDeadline({ clock, timeoutMs: 1.5 * timeoutMs, signal }, (ended) =>
        send({ timeoutMs, signal: ended }),
      );
    } catch (error) {
      throw error instanceof TimeoutError ? trouble.unknown(call.operation, error.message) : error;
    }
  }

  /** How the verdict on a write is awaited that made this state. */
  waiting(call: LeaseCall, shown: ShownLease): Omit<VerdictWaitParts<unknown>, "judge"> {
    const { clock, view } = this.#parts;
    const latest = view.latest.shown;
    const overtook = latest !== undefined && latest.resourceVersion !== shown.resourceVersion;
    return {
      ...{ clock, untilMs: call.untilMs, signal: call.signal },
      known: overtook ? [shown, latest] : [shown],
      listen: (hear) => view.listen(hear),
      isWatched: () => view.isWatched(shown),
      poll: async () => {
        await view.read(this.#options(call)).catch((error: unknown) => {
          call.trouble = error; // the next one, or the watch, may tell; else the call's own error carries this one
        });
      },
    };
  }

  #options({ untilMs, signal }: LeaseCall): { readonly timeoutMs: number; readonly signal?: AbortSignal } {
    const timeoutMs = untilMs - this.#parts.clock.monotonicMs();
    return { timeoutMs, ...(signal !== undefined && { signal }) };
  }
}
