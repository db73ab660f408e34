import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import type { LockOutcome } from "../lock/resource-lock.ts";
import type { CallOptions, Version } from "../storage/versioned-storage.ts";
import { sleep } from "../system/clock.ts";
import { confirmationOf, type Verdict } from "./confirmation.ts";
import type { WriteAnswer } from "./kubernetes-resources.ts";
import { versionOf } from "./latest-look.ts";
import type { LeaseCall, LeaseWrites, LeaseWritesParts } from "./lease-writes.ts";
import { emptyLease, newLease, signalPatch, type SignalBody } from "./multi-cluster-lease-spec.ts";
import { ownName } from "./own-names.ts";
import type { OwnSignal } from "./own-signals.ts";
import type { ReleaseCalls } from "./release-calls.ts";
import type { ShownLease } from "./shown-lease.ts";
import { awaitVerdict } from "./verdict-wait.ts";

/** A lock's outcome; of a lost race it says who holds the lease, where a status told that. */
export type SignalOutcome =
  Extract<LockOutcome, { readonly written: true }> | { readonly written: false; readonly heldBy?: string };

type SendSignal = (body: SignalBody, options: CallOptions) => Promise<WriteAnswer>;

/** The least time between two signals, after one that was lost. */
export const signalIntervalMs = 1_000;

/** The signals of one lock: each is one write, answered by the status that the controller writes. */
export class SignalCalls {
  readonly #parts: LeaseWritesParts;
  readonly #writes: LeaseWrites;
  readonly #releases: ReleaseCalls;
  #lastSentMs = -Infinity;
  #wasLost = false;

  constructor(parts: LeaseWritesParts, writes: LeaseWrites, releases: ReleaseCalls) {
    this.#parts = parts;
    this.#writes = writes;
    this.#releases = releases;
  }

  /** A signal that makes the resource. */
  async create(record: LeaderElectionRecord, options: CallOptions | undefined): Promise<SignalOutcome> {
    const { client, ref, view } = this.#parts;
    const call = this.#writes.call("create", record, options);
    if (record.holderIdentity === "") return await this.#createFree(call);
    this.#checkQuiet(call);
    const before = view.latest.shown;
    if (before?.deleting && view.own.isOwn(before)) {
      await this.#releases.takeBack(call, before, { number: view.names.held(before, view.own.holding?.signal) });
      throw this.#dying(call);
    }
    const number = await this.#numberOf(call, before);
    await this.#paced(call);
    const send: SendSignal = (body, next) => client.create(ref, newLease(ref, body), next);
    const outcome = await this.#signal(call, { number, renews: false }, send);
    // A lost race would be repeated at once, again and again, until it is gone.
    if (!outcome.written && view.latest.shown?.deleting) throw this.#dying(call);
    return outcome;
  }

  /** A resource in which nobody asks: the half of a release that a `MultiLock` has for a lock without a record. */
  async #createFree(call: LeaseCall): Promise<SignalOutcome> {
    const { client, ref, view } = this.#parts;
    const sentAfter = view.latest.shown;
    const answer = await this.#writes.send(call, (next) => client.create(ref, emptyLease(ref), next));
    const shown = answer.written ? view.answered(answer.resource, { sentAfter }) : undefined;
    return shown === undefined ? { written: false } : { written: true, version: versionOf(shown) };
  }

  /** A signal over the spec that `expected` names. */
  async update(
    record: LeaderElectionRecord,
    expected: Version,
    options: CallOptions | undefined,
  ): Promise<SignalOutcome> {
    const { client, ref, view } = this.#parts;
    const call = this.#writes.call("update", record, options);
    const { holding } = view.own;
    const renews = holding !== undefined && record.leaderTransitions === holding.term;
    if (!renews) this.#checkQuiet(call);
    await this.#paced(call);
    const condition = await this.#writes.condition(expected, call);
    const before = view.latest.shown;
    if (condition === undefined || before === undefined || before.deleting) return { written: false };
    if (!renews && view.isTaken(before, record.leaderTransitions)) return { written: false };
    const number = renews ? view.names.held(before, holding.signal) : await this.#numberOf(call, before);
    const send: SendSignal = (body, next) => client.patch(ref, signalPatch(condition, body, before), next);
    return await this.#signal(call, { number, renews }, send);
  }

  async #signal(
    call: LeaseCall,
    { number, renews }: { readonly number: number; readonly renews: boolean },
    send: SendSignal,
  ): Promise<SignalOutcome> {
    const { view, trouble } = this.#parts;
    const signal = this.#newSignal(call, number);
    const leave = view.join();
    try {
      const shown = await this.#send(signal, call, send);
      const sent = view.own.sent(signal);
      this.#wasLost = shown === undefined;
      if (shown === undefined || sent === undefined) return { written: false };
      if (!renews && view.names.isUncounted(shown, number)) {
        view.own.drop(signal);
        throw trouble.unknown(call.operation, "the cluster drops the term that is asked for");
      }
      let { generation } = shown;
      const verdict = await awaitVerdict<Verdict>({
        ...this.#writes.waiting(call, shown),
        judge: (look) => confirmationOf(sent, look),
        again: async () => void (generation = (await this.#again(signal, call)) ?? generation),
      });
      return this.#outcome(verdict, call, { uid: shown.uid, generation });
    } finally {
      leave();
    }
  }

  #outcome(verdict: Verdict, call: LeaseCall, written: Pick<ShownLease, "uid" | "generation">): SignalOutcome {
    const { trouble } = this.#parts;
    this.#wasLost = verdict.is === "lost" || verdict.is === "refused";
    switch (verdict.is) {
      case "confirmed": {
        const isAsked = verdict.term === call.record.leaderTransitions;
        return { written: true, version: versionOf(written), ...(!isAsked && { term: verdict.term }) };
      }
      case "lost":
        return { written: false, ...(verdict.holder && { heldBy: verdict.holder }) };
      case "refused":
        throw trouble.refused(call.operation, "an earlier term of this candidate is still held");
      case "superseded":
        throw trouble.unknown(call.operation, "a later signal of this candidate was confirmed");
      case "wait":
        throw trouble.silent(call.operation, verdict, call.trouble);
    }
  }

  /** The name for a new term. An older one that holds the lease is released first, where the controller heeds that. */
  async #numberOf(call: LeaseCall, before: ShownLease | undefined): Promise<number> {
    const { view, trouble } = this.#parts;
    const { number, releaseFirst } = view.names.asked(before);
    if (releaseFirst === undefined || before === undefined) return number;
    await this.#releases.takeBack(call, before, { number: releaseFirst });
    throw trouble.refused(call.operation, "an earlier term of this candidate has to be released first");
  }

  #checkQuiet(call: LeaseCall): void {
    if (!this.#releases.isQuiet) return;
    throw this.#parts.trouble.refused(call.operation, "the lease that was released has to run out first");
  }

  /** After a signal that was lost, the next one waits: nothing may come of a faster one but writes. */
  async #paced(call: LeaseCall): Promise<void> {
    const { clock, trouble } = this.#parts;
    const nowMs = clock.monotonicMs();
    const waitMs = this.#wasLost ? this.#lastSentMs + signalIntervalMs - nowMs : 0;
    if (waitMs <= 0) return;
    if (nowMs + waitMs >= call.untilMs) throw trouble.refused(call.operation, "the last signal was sent just before");
    await sleep(clock, waitMs, call.signal);
  }

  #newSignal({ record }: LeaseCall, number: number): OwnSignal {
    const { clock, view } = this.#parts;
    const renewTime = view.own.freshText(record.renewTime, clock.wallMs());
    return view.own.add({ renewTime, knownAs: record.renewTime, number, record });
  }

  /** The state that the write of this signal made; `undefined` if it lost the race. */
  async #send(signal: OwnSignal, call: LeaseCall, send: SendSignal): Promise<ShownLease | undefined> {
    const { sender, clock, pace, view, trouble } = this.#parts;
    const { renewTime, number, record } = signal;
    const body = { holder: ownName(sender.identity, number), renewTime, record, pace };
    this.#lastSentMs = clock.monotonicMs();
    const sentAfter = view.latest.shown;
    const answer = await this.#writes.send(call, (next) => send(body, next));
    if (!answer.written) return undefined;
    const shown = view.answered(answer.resource, { sentAfter, signal });
    // A success that names no generation is unknown: no status could be told to answer it.
    if (shown === undefined) throw trouble.unknown(call.operation, "the answer names no generation");
    return shown;
  }

  /** Signals once more, under the name that the first text has; the verdict is on the first one. */
  async #again({ knownAs, number, record }: OwnSignal, call: LeaseCall): Promise<number | undefined> {
    const { client, ref, clock, view } = this.#parts;
    const before = view.latest.shown;
    if (before === undefined || before.deleting || !view.own.isOwn(before)) return undefined;
    const { uid, resourceVersion } = before;
    const signal = view.own.add({ renewTime: view.own.freshText("", clock.wallMs()), knownAs, number, record });
    try {
      const shown = await this.#send(signal, call, (body, next) =>
        client.patch(ref, signalPatch({ uid, resourceVersion }, body, before), next),
      );
      return shown?.generation;
    } catch (error) {
      call.trouble = error; // the first signal still stands, or a look shows the second one
      return undefined;
    }
  }

  #dying(call: LeaseCall): Error {
    return this.#parts.trouble.refused(call.operation, "the object is being deleted");
  }
}
