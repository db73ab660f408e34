// Goal: every row of the decision tables does what it says, and the first that matches wins. Method: situations in
// words, each a state with one peculiarity, judged at one instant without clock, storage or chance.
import { describe, expect, test } from "vitest";
import { decide } from "../../src/election/decide.ts";
import type { Action } from "../../src/election/action.ts";
import type { ElectionState, Readings } from "../../src/election/election-state.ts";
import type { ResolvedSettings } from "../../src/election/settings.ts";
import {
  confirm,
  following,
  leading,
  now,
  nowMs,
  record,
  seen,
  sentWrite,
  settings,
  settingsWith,
  term,
  version,
} from "./situations.ts";

type Row = readonly [situation: string, state: ElectionState, action: Action, at?: Partial<Judged>];
interface Judged {
  readonly now: Readings;
  readonly settings: ResolvedSettings;
}

function judge(rows: readonly Row[]): void {
  for (const [situation, state, action, at = {}] of rows) {
    test(situation, () => {
      expect(decide(state, at.now ?? now, at.settings ?? settings)).toEqual(action);
    });
  }
}

const read: Action = { do: "read" };
const waitUntil = (untilMs: number): Action => ({ do: "wait", untilMs });
const answer = waitUntil(Infinity); // nothing but an event brings it on
const others = record("other");
const free = record("", { leaderTransitions: 8 });

describe("a candidate that follows", () => {
  judge([
    [
      "decide F1: work of an earlier term still runs, so even a free lease is only looked at",
      following((state) => {
        state.workRunning = true;
        state.seen = seen(free, 60_000);
      }),
      waitUntil(nowMs + 3_000),
    ],
    [
      "decide F1: while it holds back after a resignation it looks at the polling pace",
      following((state) => {
        state.holdUntilMs = nowMs + 1_000;
        state.nextPollMs = nowMs;
        state.seen = seen(free, 60_000);
      }),
      read,
    ],
    ["decide F2: nothing received yet: it reads at once", following(() => {}), read],
    [
      "decide F2: after a failed read it waits for the drawn pause",
      following((state) => {
        state.seen = seen(others, 60_000);
        state.readFailed = true;
        state.readPauseUntilMs = nowMs + 2_500;
      }),
      waitUntil(nowMs + 2_500),
    ],
    [
      "decide F2: a Retry-After counts beyond the drawn pause",
      following((state) => {
        state.readFailed = true;
        state.readPauseUntilMs = nowMs + 2_500;
        state.quietUntilMs = nowMs + 9_000;
      }),
      waitUntil(nowMs + 9_000),
    ],
    [
      "decide F2: after a lost race it reads, although the record in hand is free",
      following((state) => {
        state.seen = seen(free, 60_000);
        state.mustReadSinceSeq = 5;
      }),
      read,
    ],
    [
      "decide F2: a read that was sent before the lost race does not count, a newer one replaces it",
      following((state) => {
        state.mustReadSinceSeq = 5;
        state.reading = { seq: 4, sentMs: nowMs - 10 };
      }),
      read,
    ],
    [
      "decide F3: an unreadable record is held by nobody known: look again, never take over",
      following((state) => {
        state.seen = { kind: "unreadable" };
        state.watchLive = true;
      }),
      waitUntil(nowMs + 3_000),
    ],
    [
      "decide F3b: a refused acquisition is not sent again before its pause",
      following((state) => {
        state.seen = seen(others, 60_000);
        state.acquirePauseUntilMs = nowMs + 2_100;
      }),
      waitUntil(nowMs + 2_100),
    ],
    [
      "decide F4: an absence lasts the wait of the last record, with a look each retry period",
      following((state) => {
        state.everSaw = true;
        state.lastWaitMs = 15_000;
        state.watchLive = true;
        state.seen = { kind: "absent", sinceMs: nowMs - 9_000, lastReceiptMs: nowMs - 500 };
        state.lastReadSentMs = nowMs - 500;
      }),
      waitUntil(nowMs + 1_500),
    ],
    [
      "decide F4: the look is due, watch or not",
      following((state) => {
        state.everSaw = true;
        state.lastWaitMs = 15_000;
        state.watchLive = true;
        state.seen = { kind: "absent", sinceMs: nowMs - 9_000, lastReceiptMs: nowMs - 2_000 };
        state.lastReadSentMs = nowMs - 2_000;
      }),
      read,
    ],
    [
      "decide F4: the erased leader itself need not wait while its validity would still run",
      following((state) => {
        state.everSaw = true;
        state.lastWaitMs = 15_000;
        state.highestTerm = 7;
        state.erasedValidUntilMs = nowMs + 1;
        state.seen = { kind: "absent", sinceMs: nowMs, lastReceiptMs: nowMs };
      }),
      { do: "create", term: 1_008 },
    ],
    [
      "decide F4: the exemption ends with the validity",
      following((state) => {
        state.everSaw = true;
        state.lastWaitMs = 15_000;
        state.erasedValidUntilMs = nowMs;
        state.lastReadSentMs = nowMs;
        state.seen = { kind: "absent", sinceMs: nowMs, lastReceiptMs: nowMs };
      }),
      waitUntil(nowMs + 2_000),
    ],
    [
      "decide F5: with onMissing wait, a candidate that never saw a record waits a lease duration",
      following((state) => {
        state.seen = { kind: "absent", sinceMs: nowMs - 14_000, lastReceiptMs: nowMs };
        state.lastReadSentMs = nowMs;
      }),
      waitUntil(nowMs + 1_000),
      { settings: settingsWith({ onMissing: "wait" }) },
    ],
    [
      "decide F6: no record, none ever seen: create term 1",
      following((state) => {
        state.seen = { kind: "absent", sinceMs: nowMs, lastReceiptMs: nowMs };
      }),
      { do: "create", term: 1 },
    ],
    [
      "decide F6: a re-creation counts 1 000 terms more, for those that were missed",
      following((state) => {
        state.everSaw = true;
        state.lastWaitMs = 15_000;
        state.highestTerm = 7;
        state.seen = { kind: "absent", sinceMs: nowMs - 15_000, lastReceiptMs: nowMs - 100 };
      }),
      { do: "create", term: 1_008 },
    ],
    [
      "decide F6: the floor of a fenced resource counts as well",
      following((state) => {
        state.floorTerm = 41;
        state.seen = { kind: "absent", sinceMs: nowMs, lastReceiptMs: nowMs };
      }),
      { do: "create", term: 42 },
    ],
    [
      "decide F6: an old look at the absence is repeated first",
      following((state) => {
        state.everSaw = true;
        state.lastWaitMs = 15_000;
        state.seen = { kind: "absent", sinceMs: nowMs - 60_000, lastReceiptMs: nowMs - 2_001 };
        state.lastReadSentMs = nowMs - 2_001;
      }),
      read,
    ],
    [
      "decide F7: an unknown acquisition that was applied begins, valid from its send",
      following((state) => confirm(state, sentWrite(9_999, { kind: "acquire" }))),
      { do: "begin", term: 7 },
    ],
    [
      "decide F8: the same, too late: a stillborn term is released",
      following((state) => confirm(state, sentWrite(10_000, { kind: "acquire" }))),
      { do: "release" },
    ],
    [
      "decide F8b: the leftover of an ended term is taken over at once, with a new term",
      following((state) => {
        confirm(state, sentWrite(3_000));
        state.begunTerm = 7;
        state.highestTerm = 7;
        state.lastReason = "expired";
      }),
      { do: "takeOver", term: 8 },
    ],
    [
      "decide F8b: after a resignation the leftover is released",
      following((state) => {
        confirm(state, sentWrite(3_000));
        state.lastReason = "resigned";
      }),
      { do: "release" },
    ],
    [
      "decide F8b: a failed attempt to take the leftover over names its pause as well",
      following((state) => {
        confirm(state, sentWrite(3_000));
        state.lastReason = "expired";
        state.acquirePauseUntilMs = nowMs + 2_000;
      }),
      waitUntil(nowMs + 2_000),
    ],
    [
      "decide F9: free, but another is preferred: hold back for a retry period",
      following((state) => {
        state.seen = seen({ ...free, preferredHolder: "other" }, 500);
      }),
      waitUntil(nowMs + 1_500),
    ],
    [
      "decide F9: a preferred candidate that vanished costs a retry period, never a stall",
      following((state) => {
        state.highestTerm = 8;
        state.seen = seen({ ...free, preferredHolder: "other" }, 2_000);
      }),
      { do: "takeOver", term: 9 },
    ],
    [
      "decide F10: free: take over at the drawn moment of a round trip",
      following((state) => {
        state.warmRttMs = 100;
        state.seen = seen(free, 0, { share: 0.4 });
      }),
      waitUntil(nowMs + 40),
    ],
    [
      "decide F10: free, and the round trip is shorter than a timer: at once",
      following((state) => {
        state.rttMs = 17;
        state.warmRttMs = 1.2;
        state.highestTerm = 8;
        state.seen = seen(free, 0, { share: 0.8 });
      }),
      { do: "takeOver", term: 9 },
    ],
    [
      "decide F10: free, and the preferred one is me: at once",
      following((state) => {
        state.highestTerm = 8;
        state.seen = seen({ ...free, preferredHolder: "me" }, 0);
      }),
      { do: "takeOver", term: 9 },
    ],
    [
      "decide F10: without a watch, an old sighting is read again first",
      following((state) => {
        state.seen = seen(free, 60_000, { lastReceiptMs: nowMs - 2_001 });
      }),
      read,
    ],
    [
      "decide F11: a stored duration above what is honoured: never taken over",
      following((state) => {
        state.watchLive = true;
        state.seen = seen(record("other", { leaseDurationSeconds: 3_601 }), 1e9);
      }),
      waitUntil(nowMs + 3_000), // a repair may be told by nobody
    ],
    [
      "decide F12: without a usable duration my own lease duration is the wait",
      following((state) => {
        const { leaseDurationSeconds: _none, ...bare } = others;
        state.seen = seen(bare, 14_000);
      }),
      waitUntil(nowMs + 1_000),
    ],
    [
      "decide F13: the lease has run out under the watch: the version in hand is taken over",
      following((state) => {
        state.watchLive = true;
        state.highestTerm = 7;
        state.seen = seen(others, 15_000, { lastReceiptMs: nowMs - 15_000 });
      }),
      { do: "takeOver", term: 8 },
    ],
    [
      "decide F13: without a watch a read comes first",
      following((state) => {
        state.seen = seen(others, 15_000);
        state.lastReadSentMs = nowMs - 1;
      }),
      read,
    ],
    [
      "decide F13: the holder's duration counts, not the challenger's",
      following((state) => {
        state.watchLive = true;
        state.seen = seen(record("other", { leaseDurationSeconds: 30 }), 15_000);
      }),
      waitUntil(nowMs + 15_000),
    ],
    [
      "decide F13: the draw of the herd window is waited for",
      following((state) => {
        state.watchLive = true;
        state.seen = seen(others, 15_000, { share: 0.5 });
      }),
      waitUntil(nowMs + 25),
    ],
    [
      "a term that nobody could read is never written: the last readable one is not taken over",
      following((state) => {
        state.watchLive = true;
        state.highestTerm = 2 ** 31 - 10 ** 6;
        state.seen = seen(free, 60_000);
      }),
      waitUntil(nowMs + 3_000),
    ],
    [
      "decide F14: otherwise wait until then, and poll without a watch",
      following((state) => {
        state.seen = seen(others, 1_000);
      }),
      waitUntil(nowMs + 3_000),
    ],
    [
      "decide F14: with a watch there is nothing to ask",
      following((state) => {
        state.watchLive = true;
        state.seen = seen(others, 1_000);
      }),
      waitUntil(nowMs + 14_000),
    ],
    [
      "decide F14: a bare hint asks for one read",
      following((state) => {
        state.watchLive = true;
        state.hintPending = true;
        state.seen = seen(others, 1_000);
      }),
      read,
    ],
    [
      "decide F14: a flood of hints is read twice a second once the burst is spent",
      following((state) => {
        state.watchLive = true;
        state.hintPending = true;
        state.hintTokens = 0;
        state.hintTokensAtMs = nowMs;
        state.seen = seen(others, 1_000);
      }),
      waitUntil(nowMs + 500),
    ],
    [
      "while an acquisition is under way nothing else is done",
      following((state) => {
        state.seen = seen(free, 60_000);
        state.acquiring = sentWrite(10);
      }),
      answer,
    ],
    [
      "stopping, with nothing of mine left: everything has ended",
      following((state) => {
        state.finishing = { untilMs: nowMs + 1_000 };
        state.seen = seen(others, 0);
      }),
      { do: "finish" },
    ],
    [
      "stopping with an acquisition under way: its answer is awaited",
      following((state) => {
        state.finishing = { untilMs: nowMs + 1_000 };
        state.acquiring = sentWrite(10);
      }),
      waitUntil(nowMs + 1_000),
    ],
    [
      "stopping with a late win in hand: it is released, never begun",
      following((state) => {
        confirm(state, sentWrite(10, { kind: "acquire" }));
        state.finishing = { untilMs: nowMs + 1_000 };
      }),
      { do: "release" },
    ],
  ]);
});

describe("a candidate that leads", () => {
  judge([
    ["decide G1: its validity has run out", leading(10_000), { do: "demote", reason: "expired" }],
    [
      "decide G1: the leader's clock decides, which counts suspended time",
      leading(1_000),
      { do: "demote", reason: "expired" },
      { now: { observerMs: nowMs, leaderMs: nowMs + 9_000 } },
    ],
    [
      "decide G9: a stop begins to drain, before anything that needs the storage",
      leading(6_000, (state) => {
        term(state).ending = { reason: "stopped" };
      }),
      { do: "drain", reason: "stopped" },
    ],
    [
      "decide G9: drained work: no step may start any more",
      leading(1_000, (state) => {
        state.phase = "draining";
        Object.assign(term(state), { ending: { reason: "stopped" }, workEnded: true });
      }),
      { do: "close" },
    ],
    [
      "decide G9: a running step delays the end, and renewal goes on",
      leading(5_000, (state) => {
        state.phase = "draining";
        Object.assign(term(state), { ending: { reason: "stopped" }, workEnded: true, runningSteps: 1 });
      }),
      { do: "renew", term: 7 },
    ],
    [
      "decide G9: all has ended: release",
      leading(1_000, (state) => {
        state.phase = "draining";
        const ended = { workEnded: true, closed: true, stopCallbackEnded: true };
        Object.assign(term(state), { ending: { reason: "stopped" }, ...ended });
      }),
      { do: "release" },
    ],
    [
      "decide G9: the drain time is over: the lease is left to run out",
      leading(1_000, (state) => {
        state.phase = "draining";
        Object.assign(term(state), { ending: { reason: "resigned" }, drainUntilMs: nowMs });
      }),
      { do: "demote", reason: "resigned" },
    ],
    [
      "decide G4: what was received proves the loss",
      leading(1_000, (state) => {
        term(state).loss = "taken";
      }),
      { do: "demote", reason: "taken" },
    ],
    [
      "decide G5: something not mine was seen: the conditional write is the judge",
      leading(1_000, (state) => {
        term(state).challenged = true;
      }),
      { do: "renew", term: 7 },
    ],
    [
      "decide G5: once per retry period",
      leading(1_000, (state) => {
        Object.assign(term(state), { challenged: true, lastEarlyRenewMs: nowMs - 500 });
      }),
      waitUntil(nowMs + 1_500),
    ],
    [
      "decide G6: a lost race: read before anything else",
      leading(6_000, (state) => {
        term(state).lostRace = { seq: state.seq };
      }),
      read,
    ],
    [
      "decide G6: the read failed: again after the pause",
      leading(6_000, (state) => {
        term(state).lostRace = { seq: state.seq };
        state.readPauseUntilMs = nowMs + 1_300;
      }),
      waitUntil(nowMs + 1_300),
    ],
    [
      "decide G7: a write that is silent for a retry period is doubted: read",
      leading(7_000, (state) => state.sent.add(sentWrite(2_000))),
      read,
    ],
    [
      "decide G7: a read that was sent before the write proves nothing",
      leading(7_000, (state) => {
        state.sent.add(sentWrite(2_000));
        term(state).answeredReadSeq = sentWrite(2_001).sentSeq;
      }),
      read,
    ],
    [
      "decide G7: judged by a read, and unchanged: a second write on the same version",
      leading(7_000, (state) => {
        state.sent.add(sentWrite(2_000));
        term(state).answeredReadSeq = sentWrite(2_000).sentSeq + 1;
      }),
      { do: "renew", term: 7 },
    ],
    [
      "decide G7: never more than two under way",
      leading(7_000, (state) => {
        state.sent.add(sentWrite(4_000));
        state.sent.add(sentWrite(2_000));
        term(state).answeredReadSeq = sentWrite(2_000).sentSeq + 1;
      }),
      waitUntil(nowMs + 3_000),
    ],
    [
      "decide G7: the silence of a dropped write is no doubt",
      leading(7_000, (state) => {
        const second = sentWrite(2_500);
        state.sent.add(sentWrite(4_500));
        state.sent.add(second);
        const confirmed = { write: second, version: version("v2"), record: second.record, term: 7 };
        state.sent.confirm({ ...confirmed, seq: second.sentSeq + 1 });
      }),
      waitUntil(nowMs + 2_500),
    ],
    [
      "decide G8: suspect clocks: renew now",
      leading(1_000, (state) => {
        term(state).suspectSeq = state.seq;
      }),
      { do: "renew", term: 7 },
    ],
    [
      "decide G8: a renewal sent since is awaited",
      leading(1_000, (state) => {
        const write = sentWrite(10);
        term(state).suspectSeq = write.sentSeq - 1;
        state.sent.add(write);
      }),
      waitUntil(nowMs + 1_990),
    ],
    ["decide G10: the renew interval is over", leading(5_000), { do: "renew", term: 7 }],
    [
      "decide G10: not while another renewal is under way",
      leading(5_000, (state) => state.sent.add(sentWrite(500))),
      waitUntil(nowMs + 1_500),
    ],
    [
      "decide G10: after a failure the pause counts",
      leading(6_000, (state) => {
        term(state).retryAtMs = nowMs + 700;
      }),
      waitUntil(nowMs + 700),
    ],
    [
      "decide G10: never faster than the storage takes writes",
      leading(5_000, (state) => {
        state.lastWriteMs = nowMs - 400;
      }),
      waitUntil(nowMs + 600),
      {
        settings: settingsWith({
          lock: new (class Slow {
            identity = "me";
            description = "slow";
            minWriteIntervalMs = 1_000;
            get = async (): Promise<undefined> => undefined;
            create = async () => ({ written: false }) as const;
            update = async () => ({ written: false }) as const;
          })(),
        }),
      },
    ],
    ["decide G11: otherwise wait until the renewal is due", leading(1_000), waitUntil(nowMs + 4_000)],
    [
      "decide G11: timers run on the slow clock, validity on the fast one",
      leading(1_000),
      waitUntil(nowMs + 3_000),
      { now: { observerMs: nowMs, leaderMs: nowMs + 1_000 } },
    ],
    [
      "a bare hint makes a leader read, when nothing else is due",
      leading(1_000, (state) => {
        state.hintPending = true;
      }),
      read,
    ],
  ]);
});

describe("a release", () => {
  const releasing = (change: (state: ElectionState) => void): ElectionState =>
    following((state) => {
      state.phase = "releasing";
      state.release = {
        ...{ untilMs: nowMs + 5_000, target: { record: record("me"), version: version("v1") }, to: undefined },
        ...{ step: "write", applied: false, notBeforeMs: nowMs, sinceSeq: 10, tries: 0, lost: false },
      };
      change(state);
    });
  judge([
    ["is written first, without a read", releasing(() => {}), { do: "release" }],
    [
      "waits for its answer within its own deadline",
      releasing((state) => Object.assign(state.release ?? {}, { step: "sent" })),
      waitUntil(nowMs + 5_000),
    ],
    [
      "reads after a lost race or an unknown outcome",
      releasing((state) => Object.assign(state.release ?? {}, { step: "read" })),
      read,
    ],
    [
      "is settled when nothing of mine is left",
      releasing((state) => Object.assign(state.release ?? {}, { step: "done" })),
      { do: "endRelease" },
    ],
    [
      "is given up when its time is over",
      releasing((state) => Object.assign(state.release ?? {}, { step: "sent", untilMs: nowMs })),
      { do: "endRelease" },
    ],
  ]);
});
