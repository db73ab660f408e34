// Goal: what follows each end of a list and of a watch. Method: the table of the rows, as pure decisions; reasons,
// pauses and what is remembered are compared as a whole.
import { describe, expect, it } from "vitest";
import {
  afterFailedList,
  afterList,
  afterWatch,
  firstState,
  firstStep,
  type FollowState,
  type FollowStep,
  type ListEnd,
  type WatchEnd,
} from "../../src/kubernetes/follow-step.ts";

/** `list consistent after ahead, told 1000, later`. */
function textOf({ next, reason, pause }: FollowStep): string {
  const what = next.do === "list" ? `list ${next.start}` : "watch";
  const parts = [...(pause.toldMs > 0 ? [`told ${pause.toldMs}`] : []), ...(pause.backOff ? ["later"] : [])];
  return [`${what} after ${reason}`, ...parts].join(", ");
}

const trouble = <K extends string>(kind: K, toldMs = 0): { kind: K; toldMs: number } => ({ kind, toldMs });
const remembered = (state: Partial<FollowState>): FollowState => ({ ...firstState, ...state });

describe("after a watch", () => {
  const quiet = { lastedMs: 60_000, wasHeard: true, hasMoved: true };
  const dead = { lastedMs: 120_000, wasHeard: false, hasMoved: false };

  it.each<[string, WatchEnd, Partial<FollowState>, string]>([
    ["W-26 its end in order", { ...quiet, end: trouble("closed") }, {}, "watch after closed"],
    ["W-26 its end without any event", { ...dead, lastedMs: 1_000, end: trouble("closed") }, {}, "watch after closed"],
    [
      "W-31 its end within a second",
      { ...dead, lastedMs: 999, end: trouble("closed") },
      {},
      "watch after short, later",
    ],
    [
      "W-31 its end within a second, with nothing new",
      { lastedMs: 999, wasHeard: true, hasMoved: false, end: trouble("closed") },
      {},
      "watch after short, later",
    ],
    ["W-31 a change, and its end", { ...quiet, lastedMs: 1, end: trouble("closed") }, {}, "watch after closed"],
    ["W-32 silence", { ...quiet, end: trouble("silent") }, { silent: 1 }, "watch after silent"],
    ["W-32 silence from its beginning", { ...dead, end: trouble("silent") }, {}, "watch after silent"],
    ["W-32 silence again", { ...dead, end: trouble("silent") }, { silent: 1 }, "list consistent after silent"],
    [
      "W-32 silence again after a bookmark",
      { ...dead, wasHeard: true, end: trouble("silent") },
      { silent: 1 },
      "watch after silent",
    ],
    ["W-27 410", { ...dead, end: trouble("expired") }, {}, "list notOlder after expired"],
    ["W-27 410 again", { ...dead, end: trouble("expired") }, { expired: 1 }, "list consistent after expired, later"],
    [
      "W-27 410 after something new",
      { ...quiet, end: trouble("expired") },
      { expired: 1 },
      "list notOlder after expired",
    ],
    [
      "W-28 a version ahead, with a pause",
      { ...dead, end: trouble("ahead", 1_000) },
      {},
      "list consistent after ahead, told 1000",
    ],
    ["W-28 a version ahead, without", { ...dead, end: trouble("ahead") }, {}, "list consistent after ahead, later"],
    ["W-29 429", { ...dead, end: trouble("throttled", 1_000) }, {}, "watch after throttled, told 1000"],
    ["W-29 429 without a pause", { ...dead, end: trouble("throttled") }, {}, "watch after throttled, later"],
    ["W-29 a broken connection", { ...quiet, end: trouble("failed") }, {}, "watch after failed, later"],
    ["W-29 503 with a pause", { ...dead, end: trouble("failed", 5_000) }, {}, "watch after failed, told 5000, later"],
    ["W-33 403", { ...dead, end: trouble("forbidden") }, {}, "watch after forbidden, later"],
    ["W-33 400", { ...dead, end: trouble("refused") }, {}, "list notOlder after refused, later"],
    ["W-33 a sink that throws", { ...quiet, end: trouble("sink") }, {}, "list notOlder after sink, later"],
    [
      "W-36 a malformed line",
      { ...quiet, end: trouble("malformed") },
      { malformed: 1 },
      "watch after malformed, later",
    ],
    [
      "W-36 the same line again",
      { ...dead, end: trouble("malformed") },
      { malformed: 1 },
      "list notOlder after malformed, later",
    ],
  ])("%s", (_what, end, state, expected) => expect(textOf(afterWatch(end, remembered(state)))).toBe(expected));

  it("what went wrong is counted, and forgotten with the next news", () => {
    const troubled = { expired: 1, silent: 1, malformed: 1, unfinished: 1 };
    expect(afterWatch({ ...quiet, end: trouble("closed") }, remembered(troubled)).state).toEqual(firstState);
    for (const kind of ["expired", "silent", "malformed"] as const) {
      expect(afterWatch({ ...dead, end: trouble(kind) }, firstState).state[kind]).toBe(1);
    }
    expect(afterWatch({ ...dead, end: trouble("failed") }, remembered(troubled)).state).toEqual(remembered(troubled));
  });
});

describe("after a list", () => {
  it("W-20 the first one comes from the cache, a later run's is not older than what was seen", () => {
    expect(textOf(firstStep(false, firstState))).toBe("list cache after first");
    expect(textOf(firstStep(true, firstState))).toBe("list notOlder after first");
  });

  it("that is complete, its watch follows; pages are asked for again", () => {
    const step = afterList(remembered({ paging: false, unfinished: 1, streaming: false, expired: 1 }));
    expect(textOf(step)).toBe("watch after listed");
    expect(step.state).toEqual(remembered({ streaming: false, expired: 1 }));
  });

  const paged = { wasStreaming: false, isPaging: false, start: "notOlder" } as const;
  const streaming = { ...paged, wasStreaming: true };

  it.each<[string, ListEnd, Partial<FollowState>, string, Partial<FollowState>]>([
    [
      "W-21 422 to a stream",
      { ...streaming, end: trouble("refused") },
      {},
      "list notOlder after refused",
      { streaming: false },
    ],
    [
      "W-21 403 to a stream",
      { ...streaming, end: trouble("forbidden") },
      {},
      "list notOlder after forbidden",
      { streaming: false },
    ],
    [
      "W-21 429 to a stream",
      { ...streaming, end: trouble("throttled", 1_000) },
      {},
      "list notOlder after throttled, told 1000",
      {},
    ],
    [
      "W-21 a stream that stops",
      { ...streaming, end: { kind: "unfinished" } },
      {},
      "list notOlder after unfinished, later",
      { unfinished: 1 },
    ],
    [
      "W-21 a stream that stops again",
      { ...streaming, end: { kind: "unfinished" } },
      { unfinished: 1 },
      "list notOlder after unfinished, later",
      { unfinished: 2, streaming: false },
    ],
    [
      "W-36 a malformed line in a stream, again",
      { ...streaming, end: trouble("malformed") },
      { unfinished: 1 },
      "list notOlder after malformed, later",
      { unfinished: 2, streaming: false },
    ],
    [
      "W-22 410 while paging",
      { ...paged, isPaging: true, end: trouble("expired") },
      {},
      "list notOlder after expired",
      { paging: false },
    ],
    ["W-27 410 to the first page", { ...paged, end: trouble("expired") }, {}, "list consistent after expired", {}],
    [
      "W-27 410 to a consistent list",
      { ...paged, start: "consistent", end: trouble("expired") },
      {},
      "list consistent after expired, later",
      {},
    ],
    [
      "W-28 a version ahead",
      { ...streaming, end: trouble("ahead", 1_000) },
      {},
      "list consistent after ahead, told 1000",
      {},
    ],
    [
      "W-28 a version ahead, to a consistent list",
      { ...paged, start: "consistent", end: trouble("ahead", 1_000) },
      {},
      "list consistent after ahead, told 1000, later",
      {},
    ],
    [
      "W-22 everything in one page is too much",
      { ...paged, start: "cache", end: trouble("tooLarge") },
      {},
      "list consistent after tooLarge",
      {},
    ],
    [
      "W-22 the same without pages",
      { ...paged, end: trouble("tooLarge") },
      { paging: false },
      "list consistent after tooLarge, later",
      { paging: true },
    ],
    ["W-33 403 to pages", { ...paged, end: trouble("forbidden") }, {}, "list notOlder after forbidden, later", {}],
    ["W-29 500", { ...paged, end: trouble("failed") }, {}, "list notOlder after failed, later", {}],
    ["W-33 a sink that throws", { ...paged, end: trouble("sink") }, {}, "list notOlder after sink, later", {}],
  ])("%s", (_what, end, state, expected, after) => {
    const step = afterFailedList(end, remembered(state));
    expect(textOf(step)).toBe(expected);
    expect(step.state).toEqual(remembered({ ...state, ...after }));
  });
});
