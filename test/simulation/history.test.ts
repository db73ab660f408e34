// Goal: the judge of histories sees each broken promise, so that its silence means something. Method: one good history
// written by hand; for each promise, the same with one event changed, which must be rejected for that promise.
import { describe, expect, test } from "vitest";
import { check, type HistoryEvent, type HistorySettings } from "./history.ts";

const settings: HistorySettings = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 };

type Untimed = HistoryEvent extends infer E ? (E extends HistoryEvent ? Omit<E, "atMs"> : never) : never;

/** One event; its local clocks show the true time. */
function at(atMs: number, event: Untimed): HistoryEvent {
  const clocked = ["send", "receive", "act"].includes(event.what) ? { localMs: atMs, fastMs: atMs } : {};
  return { ...clocked, ...event, atMs };
}

const ofA = { holder: "a", renewTime: "t1", term: 1 };
const ofB = { holder: "b", renewTime: "t2", term: 3 };
const free = { holder: "", renewTime: "t0", term: 2 };
const place = "first";

/** A creates, works, releases; B sees it free, takes over, works; then its process dies, and C waits and takes over. */
const good: readonly HistoryEvent[] = [
  at(0, { who: "a", what: "receive", from: "read", absent: true }),
  at(10, { who: "a", what: "send", send: 1, ...ofA }),
  at(20, { who: "a", what: "apply", place, kind: "create", send: 1, version: "v1", ...ofA }),
  at(30, { who: "a", what: "newLeader", leader: "a", term: 1 }),
  at(30, { who: "a", what: "start", term: 1 }),
  at(30, { who: "a", what: "workBegins", term: 1 }),
  at(40, { who: "a", what: "act", term: 1 }),
  at(40, { who: "a", what: "fence", term: 1, accepted: true }),
  at(45, { who: "b", what: "receive", from: "read", absent: false, ...ofA }),
  at(45, { who: "b", what: "newLeader", leader: "a", term: 1 }),
  at(48, { who: "a", what: "stopCalled", localMs: 48 }),
  at(50, { who: "a", what: "workEnds", term: 1 }),
  at(50, { who: "a", what: "stop", term: 1, reason: "stopped" }),
  at(60, { who: "a", what: "send", send: 2, named: "v1", ...free }),
  at(70, {
    who: "a",
    what: "apply",
    place,
    kind: "replace",
    send: 2,
    version: "v2",
    named: "v1",
    replaced: "v1",
    ...free,
  }),
  at(75, { who: "a", what: "settled", localMs: 75 }),
  at(80, { who: "b", what: "receive", from: "hint", absent: false, ...free }),
  at(90, { who: "b", what: "send", send: 3, named: "v2", ...ofB }),
  at(100, {
    who: "b",
    what: "apply",
    place,
    kind: "replace",
    send: 3,
    version: "v3",
    named: "v2",
    replaced: "v2",
    ...ofB,
  }),
  at(110, { who: "b", what: "newLeader", leader: "b", term: 3 }),
  at(110, { who: "b", what: "start", term: 3 }),
  at(110, { who: "b", what: "workBegins", term: 3 }),
  at(120, { who: "b", what: "act", term: 3 }),
  at(120, { who: "b", what: "fence", term: 3, accepted: true }),
  at(130, { who: "c", what: "receive", from: "read", absent: false, ...ofB }),
  at(200, { who: "b", what: "act", term: 3 }),
  at(15_131, { who: "c", what: "send", send: 4, named: "v3", holder: "c", renewTime: "t3", term: 4 }),
  at(15_140, {
    ...{ who: "c", what: "apply", place, kind: "replace", send: 4, version: "v4", named: "v3", replaced: "v3" },
    ...{ holder: "c", renewTime: "t3", term: 4 },
  }),
  at(15_150, { who: "c", what: "start", term: 4 }),
  at(15_160, { who: "c", what: "act", term: 4 }),
  at(15_160, { who: "c", what: "fence", term: 4, accepted: true }),
];

/** The good history with more events. */
function plus(...more: readonly HistoryEvent[]): HistoryEvent[] {
  return [...good, ...more];
}

/** The good history, where the events that match are changed. */
function changed(match: Partial<Record<string, unknown>>, change: Partial<Record<string, unknown>>): HistoryEvent[] {
  let found = false;
  const events = good.map((event) => {
    const fits = Object.entries(match).every(([name, value]) => Reflect.get(event, name) === value);
    found ||= fits;
    return fits ? { ...event, ...change } : event;
  });
  expect(found, "nothing was changed").toBe(true);
  return events;
}

/** A record of c that is created anew after its deletion. */
function recreated(sentMs: number): HistoryEvent[] {
  const record = { holder: "d", renewTime: "t5", term: 1_005 };
  const absences = Array.from({ length: 9 }, (_, index) => 16_000 + 2_000 * index).filter((ms) => ms < sentMs);
  return plus(
    at(15_500, { who: "d", what: "receive", from: "read", absent: false, holder: "c", renewTime: "t3", term: 4 }),
    at(15_900, { who: "outside", what: "apply", place, kind: "outside", replaced: "v4" }),
    ...absences.map((ms) => at(ms, { who: "d", what: "receive", from: "read", absent: true })),
    at(sentMs, { who: "d", what: "send", send: 9, ...record }),
    at(sentMs + 5, { who: "d", what: "apply", place, kind: "create", send: 9, version: "v9", ...record }),
  );
}

const bad: readonly (readonly [invariant: string, what: string, history: () => HistoryEvent[]])[] = [
  [
    "S1",
    "a leader acts within the term of another one",
    () => plus(at(115, { who: "a", what: "act", term: 1 }), at(125, { who: "a", what: "act", term: 1 })),
  ],
  [
    "S1",
    "a step takes effect after the next leader has begun",
    () => changed({ what: "act", who: "a" }, { endMs: 121 }),
  ],
  [
    "S2",
    "a leader acts later than its deadline after the send of its last applied write",
    () => plus(at(10_200, { who: "b", what: "act", term: 3 })),
  ],
  ["S2", "a leader acts without an applied write of its term", () => changed({ what: "send", send: 3 }, { term: 2 })],
  [
    "S3",
    "a candidate replaces a record before it has waited",
    () => changed({ what: "send", send: 4 }, { localMs: 15_120 }),
  ],
  [
    "S3",
    "a candidate replaces a record that it never received",
    () => changed({ what: "receive", who: "c" }, { renewTime: "t0" }),
  ],
  ["S3", "a candidate that saw a record creates one after a short absence", () => recreated(20_000)],
  ["S4", "a write replaces a version that it did not name", () => changed({ what: "apply", send: 4 }, { named: "v2" })],
  [
    "S4",
    "a version is replaced that was replaced before",
    () => changed({ what: "apply", send: 4 }, { named: "v2", replaced: "v2" }),
  ],
  ["S4", "a pair occurs twice", () => changed({ what: "apply", send: 4 }, { holder: "b", renewTime: "t2" })],
  ["S5", "a successor starts with an equal term", () => changed({ what: "start", who: "c" }, { term: 3 })],
  [
    "S6",
    "a former leader releases the record of its successor",
    () =>
      plus(
        at(300, {
          who: "a",
          what: "apply",
          place,
          kind: "replace",
          version: "v8",
          named: "v3",
          replaced: "v3",
          ...free,
        }),
      ),
  ],
  ["S7", "a release is sent while the work runs", () => changed({ what: "workEnds", who: "a" }, { atMs: 65 })],
  ["S8", "a step begins after its term was stopped", () => plus(at(55, { who: "a", what: "act", term: 1 }))],
  [
    "S9",
    "a leader acts after it has received the record of another one",
    () =>
      plus(at(150, { who: "b", what: "receive", from: "hint", absent: false, holder: "z", renewTime: "t7", term: 3 })),
  ],
  [
    "S10",
    "a stop comes without a start",
    () => plus(at(15_200, { who: "d", what: "stop", term: 5, reason: "expired" })),
  ],
  ["S10", "a term starts within another one", () => plus(at(150, { who: "b", what: "start", term: 9 }))],
  ["S10", "a callback comes after the run has settled", () => plus(at(90, { who: "a", what: "start", term: 9 }))],
  [
    "S11",
    "a write that is not known to be applied extends the validity",
    () =>
      plus(
        at(9_000, { who: "b", what: "send", send: 8, named: "v3", holder: "b", renewTime: "t8", term: 3 }),
        at(12_000, { who: "b", what: "act", term: 3 }),
      ),
  ],
  [
    "S12",
    "the fence accepts a smaller term",
    () => plus(at(130, { who: "a", what: "fence", term: 1, accepted: true })),
  ],
  [
    "S12",
    "the fence accepts one term of two candidates",
    () => plus(at(130, { who: "a", what: "fence", term: 3, accepted: true })),
  ],
  [
    "S13",
    "a smaller term is reported without an alarm",
    () => plus(at(130, { who: "b", what: "newLeader", leader: "z", term: 2 })),
  ],
  [
    "S13",
    "a leader is reported twice in a row",
    () => plus(at(47, { who: "b", what: "newLeader", leader: "a", term: 1 })),
  ],
];

/** S11 has no events of its own: validity that was extended wrongly is validity that is not there (S2). */
const shownAs: Readonly<Record<string, string>> = { S11: "S2" };

describe("the judge of histories", () => {
  test("has nothing to say against a good history", () => {
    expect(check(good, settings)).toEqual([]);
    expect(check(recreated(31_500), settings)).toEqual([]);
  });

  test.each(bad)("sees %s: %s", (invariant, _what, history) => {
    const seen = check(history(), settings).map((violation) => violation.invariant);
    expect(seen).toContain(shownAs[invariant] ?? invariant);
  });

  test("has one bad history for each of S1 to S13", () => {
    const judged = new Set(bad.map(([invariant]) => invariant));
    expect([...judged]).toEqual(Array.from({ length: 13 }, (_, index) => `S${index + 1}`));
  });

  test("lets a smaller term pass that an alarm came before", () => {
    const told = plus(
      at(130, { who: "b", what: "alarm", kind: "termRegression" }),
      at(130, { who: "b", what: "newLeader", leader: "z", term: 2 }),
    );
    expect(check(told, settings)).toEqual([]);
  });

  test("takes a record of the very term that a leader has by when the read of it was sent", () => {
    const shown = (askedMs: number): string[] => {
      const record = { holder: "z", renewTime: "t7", term: 3 };
      const read = at(150, { who: "b", what: "receive", from: "read", askedMs, absent: false, ...record });
      return check(plus(read), settings).map(({ invariant }) => invariant);
    };
    expect([...new Set(shown(149))]).toEqual(["S9"]);
    expect(shown(90)).toEqual([]);
  });

  test("lets a leader whose record was deleted create it at once, while its own validity runs", () => {
    const again = (sentMs: number): string[] => {
      const record = { holder: "b", renewTime: "t9", term: 1_004 };
      const events = [
        ...good.filter(({ atMs }) => atMs <= 200),
        at(210, { who: "b", what: "receive", from: "read", absent: false, ...ofB }),
        at(300, { who: "outside", what: "apply", place, kind: "outside", replaced: "v3" }),
        at(sentMs - 10, { who: "b", what: "receive", from: "read", absent: true }),
        at(sentMs, { who: "b", what: "send", send: 9, ...record }),
        at(sentMs + 5, { who: "b", what: "apply", place, kind: "create", send: 9, version: "v9", ...record }),
      ];
      return check(events, settings).map(({ invariant }) => invariant);
    };
    expect(again(5_000)).toEqual([]);
    expect(again(10_200)).toEqual(["S3"]);
  });

  test("judges a log without clocks, such as that of processes, by what it has", () => {
    const withoutClocks = good.map(({ ...event }) => {
      for (const name of ["localMs", "fastMs"]) Reflect.deleteProperty(event, name);
      return event;
    });
    expect(check(withoutClocks)).toEqual([]);
    const overlapping = changed({ what: "act", who: "a" }, { endMs: 121 });
    expect(check(overlapping).map(({ invariant }) => invariant)).toContain("S1");
  });
});
