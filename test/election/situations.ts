import { initialState, beginTerm, type ElectionState, type SeenRecord } from "../../src/election/election-state.ts";
import { heldPair, type SentWrite } from "../../src/election/sent-table.ts";
import { resolveSettings, type ResolvedSettings } from "../../src/election/settings.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import type { Version } from "../../src/storage/versioned-storage.ts";
import { FakeLock } from "../../src/testing/fake-lock.ts";

/** The defaults: 15, 10 and 2 s, renewal each 5 s, as `me`. */
export const settings: ResolvedSettings = settingsWith({});

export function settingsWith(options: Partial<Parameters<typeof resolveSettings>[0]>): ResolvedSettings {
  return resolveSettings({ lock: new FakeLock({ identity: "me" }), ...options }).settings;
}

/** All situations are judged at this time, by both clocks, unless they say otherwise. */
export const nowMs = 1_000_000;
export const now = { observerMs: nowMs, leaderMs: nowMs };

export function version(text: string): Version {
  return text as Version; // cast: tests name versions freely
}

export function record(holderIdentity: string, more: Partial<LeaderElectionRecord> = {}): LeaderElectionRecord {
  return {
    holderIdentity,
    leaseDurationSeconds: 15,
    acquireTime: "2026-01-01T00:00:00.000000Z",
    renewTime: "2026-01-01T00:00:00.000000Z",
    leaderTransitions: 7,
    ...more,
  };
}

/** A record in hand whose pair was first received `ageMs` ago, and last just now. */
export function seen(found: LeaderElectionRecord, ageMs: number, more: Partial<SeenRecord> = {}): SeenRecord {
  const seconds = found.leaseDurationSeconds;
  return {
    kind: "record",
    record: found,
    version: version("v1"),
    pair: heldPair(found),
    firstReceiptMs: nowMs - ageMs,
    lastReceiptMs: nowMs,
    share: 0,
    storedMs: seconds === undefined ? undefined : seconds * 1000,
    ...more,
  };
}

/** A candidate that follows, has read a moment ago, and polls. */
export function following(change: (state: ElectionState) => void): ElectionState {
  const state = initialState("me", nowMs - 100_000);
  state.lastReadSentMs = nowMs - 1;
  state.nextPollMs = nowMs + 3_000;
  change(state);
  return state;
}

/** A write of mine that was sent `agoMs` ago. */
export function sentWrite(agoMs: number, more: Partial<SentWrite> = {}): SentWrite {
  const mine = record("me", { renewTime: `sent ${agoMs} ms ago` });
  return {
    kind: "renew",
    pair: heldPair(mine),
    record: mine,
    sentAtMs: nowMs - agoMs,
    sentSeq: 1_000_000 - agoMs,
    expected: version("v1"),
    status: "underWay",
    endedSeq: 0,
    ...more,
  };
}

/** A write of mine that was sent `agoMs` ago and confirmed under `v1`, and the record in hand. */
export function confirm(state: ElectionState, write: SentWrite): void {
  state.sent.add(write);
  const confirmed = { write, version: version("v1"), record: write.record, term: write.record.leaderTransitions };
  state.sent.confirm({ ...confirmed, seq: write.sentSeq });
  state.seen = seen(write.record, nowMs - write.sentAtMs);
  state.everSaw = true;
}

/** A leader of term 7 whose last confirmed write was sent `agoMs` ago. */
export function leading(agoMs: number, change: (state: ElectionState) => void = () => {}): ElectionState {
  const state = initialState("me", nowMs - 100_000);
  const write = sentWrite(agoMs, { expected: version("v0") });
  confirm(state, write);
  state.phase = "leading";
  state.begunTerm = 7;
  state.highestTerm = 7;
  state.term = beginTerm(7, nowMs - 50_000, write.sentAtMs + settings.renewDeadlineMs);
  state.watchLive = true;
  state.seq = write.sentSeq + 1;
  change(state);
  return state;
}

/** Changes the term of a leader. */
export function term(state: ElectionState): NonNullable<ElectionState["term"]> {
  if (state.term === undefined) throw new Error("the situation has no term");
  return state.term;
}
