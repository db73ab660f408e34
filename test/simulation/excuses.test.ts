// Goal: an assumption that was broken waives a promise around that moment only, for those whom it concerns; and what a
// history alone tells of needless losses and of terms is seen. Method: short histories written by hand, good and bad.
import { describe, expect, test } from "vitest";
import { Excuses } from "./excuses.ts";
import { check, type HistoryEvent, type Leader } from "./history.ts";
import type { Plan } from "./plan.ts";
import type { PlayedRun } from "./sim-run.ts";

const preset = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 };
const plan = { preset, drift: 0, multiLock: false, versions: "counter", faults: new Set(["hostile"]) };
const place = "first";

type Untimed = HistoryEvent extends infer E ? (E extends HistoryEvent ? Omit<E, "atMs"> : never) : never;

function at(atMs: number, event: Untimed): HistoryEvent {
  return { ...event, atMs };
}

/** The excuses of a run with these events; nothing else of it counts. */
function excuses(events: readonly HistoryEvent[], changes: Partial<Plan> = {}): Excuses {
  const run = { plan: { ...plan, ...changes }, events } as unknown; // cast: a run is more than what is judged here
  return new Excuses(run as PlayedRun); // cast: as above
}

const leaders: readonly Leader[] = [
  { who: "a", term: 1, sinceMs: 100_000 },
  { who: "b", term: 2, sinceMs: 200_000 },
];
const overlap = { invariant: "S1", atMs: 200_000, text: "", leaders };
const deletion = (atMs: number): HistoryEvent[] => [
  at(atMs, { who: "outside", what: "apply", place, kind: "outside", replaced: "v1" }),
];
const creation = (atMs: number): HistoryEvent[] => [
  at(atMs, { who: "b", what: "send", send: 7, holder: "b", renewTime: "t7", term: 1 }),
  at(atMs, { who: "b", what: "apply", place, kind: "create", send: 7, holder: "b", renewTime: "t7", term: 1 }),
];
const sighting = at(1_000, {
  who: "b",
  what: "receive",
  from: "read",
  absent: false,
  holder: "a",
  renewTime: "t",
  term: 1,
});
const restored = (atMs: number): HistoryEvent[] => [
  at(atMs, { who: "faults", what: "note", text: "restored" }),
  at(atMs, {
    who: "outside",
    what: "apply",
    place,
    kind: "outside",
    version: "v0",
    holder: "z",
    renewTime: "t",
    term: 1,
  }),
];

describe("an overlap", () => {
  test("is a broken promise where nothing happened, or nothing that concerns it", () => {
    const stranger = at(199_000, { who: "c", what: "note", text: "allClocksStand 30000 ms" });
    for (const events of [[], [stranger], restored(100_000), deletion(199_000), creation(199_000)]) {
      expect(excuses(events).demands(overlap)).toBe(true);
    }
    const known = [sighting, ...deletion(198_000), ...creation(199_000)];
    expect(excuses(known).demands(overlap), "who has seen a record waits").toBe(true);
    expect(excuses([...deletion(100_000), ...deletion(199_000)]).demands(overlap), "far apart").toBe(true);
  });

  test("is none where the clocks of a leader stood", () => {
    const stood = at(150_000, { who: "a", what: "note", text: "allClocksStand 30000 ms" });
    expect(excuses([stood]).demands(overlap)).toBe(false);
  });

  test("is none where the record went back, was forgotten by its creator, or deleted twice", () => {
    for (const events of [
      restored(195_000),
      [...deletion(198_000), ...creation(199_000)],
      [...deletion(185_000), ...deletion(199_000)],
      [sighting, ...creation(197_000), ...deletion(199_000)], // all waited; a life between two looks
    ]) {
      expect(excuses(events).demands(overlap)).toBe(false);
    }
    expect(excuses([sighting, ...creation(190_000), ...deletion(199_000)]).demands(overlap)).toBe(true);
  });
});

describe("a smaller term", () => {
  const smaller = { invariant: "S5", atMs: 200_000, text: "", leaders };

  test("is a broken promise over a deletion, if the creator had seen the record", () => {
    expect(excuses([sighting, ...deletion(198_000), ...creation(199_000)]).demands(smaller)).toBe(true);
    expect(excuses([...deletion(198_000), ...creation(199_000)]).demands(smaller)).toBe(false);
  });

  test("is always one if the candidate itself had read a larger one", () => {
    const wants = (term: number): HistoryEvent[] => [
      at(10, { who: "b", what: "receive", from: "read", absent: false, holder: "a", renewTime: "t", term: 7 }),
      at(20, { who: "b", what: "send", send: 1, holder: "b", renewTime: "t1", term }),
    ];
    expect(check(wants(8))).toEqual([]);
    const broken = check(wants(7));
    expect(broken.map(({ invariant }) => invariant)).toEqual(["S5"]);
    expect(excuses([...restored(15), ...deletion(16)]).demands({ ...smaller, ...broken[0], leaders: [] })).toBe(true);
    expect(excuses([], { multiLock: true }).demands({ ...smaller, leaders: [] }), "half of a look").toBe(false);
  });
});

describe("other promises", () => {
  const twice = (kind: "create" | "replace"): HistoryEvent =>
    at(200_000, { who: "b", what: "apply", place, kind, send: 7, holder: "b", renewTime: "t7", term: 1 });

  test("let a write repeat only where a deletion or a restored content lets the store take it again", () => {
    const demands = (kind: "create" | "replace", events: HistoryEvent[], versions: Plan["versions"]): boolean =>
      excuses(events, { versions }).demands({ invariant: "S4", atMs: 200_000, text: "", about: twice(kind) });
    expect(demands("create", deletion(199_000), "counter")).toBe(false);
    expect(demands("create", [], "counter")).toBe(true);
    expect(demands("replace", restored(199_000), "content")).toBe(false);
    expect(demands("replace", restored(199_000), "counter")).toBe(true);
  });

  test("of two locks the wait is demanded of the secondary, unless the primary went back", () => {
    const replaces = (where: string): HistoryEvent =>
      at(200_000, { who: "b", what: "apply", place: where, kind: "replace", holder: "b", renewTime: "t7", term: 1 });
    const demands = (where: string, events: HistoryEvent[]): boolean =>
      excuses(events, { multiLock: true }).demands({
        invariant: "S3",
        atMs: 200_000,
        text: "",
        about: replaces(where),
      });
    expect([demands("second", []), demands("first", []), demands("second", restored(199_000))]).toEqual([
      ...[true, false, false],
    ]);
  });

  test("let a leader act on after the record of a stranger that was repaired, and of nobody else", () => {
    const after = (holder: string): boolean => {
      const about = at(10, { who: "a", what: "receive", from: "read", absent: false, holder, renewTime: "t", term: 1 });
      return excuses([]).demands({ invariant: "S9", atMs: 20, text: "", about });
    };
    expect([after("stranger"), after("b")]).toEqual([false, true]);
  });
});

describe("a term that is given up", () => {
  const own = { holder: "a", renewTime: "t1", term: 1 };
  const lost = (...heard: HistoryEvent[]): string[] =>
    check([
      at(10, { who: "a", what: "send", send: 1, ...own }),
      at(20, { who: "a", what: "apply", place, kind: "create", send: 1, version: "v1", ...own }),
      at(30, { who: "a", what: "start", term: 1 }),
      ...heard,
      at(50, { who: "a", what: "stop", term: 1, reason: "taken" }),
    ]).map(({ invariant }) => invariant);

  test("has received something that is not its own", () => {
    const read = (record: object): HistoryEvent =>
      at(40, { who: "a", what: "receive", from: "read", absent: false, ...record });
    expect(lost(read({ holder: "b", renewTime: "t2", term: 2 }))).toEqual([]);
    expect(lost(read({ ...own, renewTime: "t0" })), "its own from before: it went back").toEqual([]);
    expect(lost(read(own))).toEqual(["L3"]);
    expect(lost()).toEqual(["L3"]);
  });
});
