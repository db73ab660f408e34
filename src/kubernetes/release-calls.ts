import type { CallOptions, Version } from "../storage/versioned-storage.ts";
import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import { releaseConfirmationOf, type SentSignal } from "./confirmation.ts";
import { versionOf } from "./latest-look.ts";
import type { LeaseCall, LeaseWrites, LeaseWritesParts } from "./lease-writes.ts";
import { globalSecondsOf, releasePatch, retryPeriodOf } from "./multi-cluster-lease-spec.ts";
import { ownName } from "./own-names.ts";
import type { ShownLease } from "./shown-lease.ts";
import type { SignalOutcome } from "./signal-calls.ts";
import { awaitVerdict } from "./verdict-wait.ts";

/** The releases of one lock: a signal is taken back, and its sender stays named. */
export class ReleaseCalls {
  readonly #parts: LeaseWritesParts;
  readonly #writes: LeaseWrites;
  #silentUntilMs = -Infinity;

  constructor(parts: LeaseWritesParts, writes: LeaseWrites) {
    this.#parts = parts;
    this.#writes = writes;
  }

  /**
   * Whether nothing may be asked for yet. A Go controller goes on with a holder that asks again, so that whoever waits
   * for a lease that it let go of would wait for two.
   */
  get isQuiet(): boolean {
    return this.#parts.clock.monotonicMs() < this.#silentUntilMs;
  }

  /** Releases over the spec that `expected` names, and waits until the controller has freed the lease. */
  async update(
    record: LeaderElectionRecord,
    expected: Version,
    options: CallOptions | undefined,
  ): Promise<SignalOutcome> {
    const { view, trouble } = this.#parts;
    const call = this.#writes.call("release", record, options);
    const condition = await this.#writes.condition(expected, call);
    const latest = view.latest.shown;
    if (condition === undefined || latest === undefined) return { written: false };
    const number = view.names.held(latest, view.own.holding?.signal);
    const leave = view.join();
    try {
      const shown = await this.takeBack(call, latest, { number, term: record.leaderTransitions });
      if (shown === undefined) return { written: false };
      const sent = this.#sent(shown, number);
      const verdict = await awaitVerdict({
        ...this.#writes.waiting(call, shown),
        judge: (look) => releaseConfirmationOf(sent, look),
      });
      if (verdict.is === "released") return { written: true, version: versionOf(view.latest.shown ?? shown) };
      if (verdict.is === "gone") return { written: false };
      if (verdict.is === "wait") throw trouble.silent("release", verdict, call.trouble);
      throw trouble.unknown("release", "the controller has let go of the signal, and lets the lease run out");
    } finally {
      leave();
    }
  }

  /**
   * Sends it over this state, and waits for nothing more; `undefined` if it lost the race. Which term ends: default the
   * one that the status names.
   */
  async takeBack(
    call: LeaseCall,
    before: ShownLease,
    { number, term = before.status?.globalLeaseTransitions }: { readonly number: number; readonly term?: number },
  ): Promise<ShownLease | undefined> {
    const { client, ref, sender, view, trouble, clock, pace } = this.#parts;
    const { uid, resourceVersion } = before;
    const { preferredHolder } = call.record;
    const body = { holder: ownName(sender.identity, number), term, preferredHolder };
    if (view.names.isGo) {
      const { record = call.record } = view.own.holding?.signal ?? {};
      const leaseMs = globalSecondsOf(record, pace) * 1_000;
      this.#silentUntilMs = clock.monotonicMs() + leaseMs + retryPeriodOf(record, pace);
    }
    const sentAfter = view.latest.shown;
    const answer = await this.#writes.send(call, (next: CallOptions) =>
      client.patch(ref, releasePatch({ uid, resourceVersion }, body, before), next),
    );
    if (!answer.written) return undefined;
    const shown = view.answered(answer.resource, { sentAfter });
    if (shown === undefined) throw trouble.unknown(call.operation, "the answer names no generation");
    return shown;
  }

  #sent({ uid, generation }: ShownLease, number: number): SentSignal {
    const { identity } = this.#parts.sender;
    const none = { renewTime: "", term: 0, stampBefore: undefined, isLater: () => false };
    return { identity, number, uid, generation, ...none };
  }
}
