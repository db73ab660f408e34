// Goal: a million events are judged within 5 seconds, so that long logs of processes can be judged too.
// Method: a good history of whole terms, one after the other, made here; the processor's time is measured.
import { describe, expect, test } from "vitest";
import { resolveDurations } from "../../src/election/durations.ts";
import { check, type HistoryEvent } from "./history.ts";

const settings = resolveDurations({});
const place = "first";

type Untimed = HistoryEvent extends infer E ? (E extends HistoryEvent ? Omit<E, "atMs"> : never) : never;

function at(atMs: number, event: Untimed): HistoryEvent {
  const clocked = ["send", "act"].includes(event.what) ? { localMs: atMs, fastMs: atMs } : {};
  return { ...clocked, ...event, atMs };
}

describe("the judge of histories", () => {
  test("judges a million events within 5 seconds", { timeout: 30_000 }, () => {
    const events: HistoryEvent[] = [];
    for (let term = 1; events.length < 1_000_000; term += 1) events.push(...termOf(term));
    const beforeMs = process.cpuUsage().user / 1_000;
    expect(check(events, settings)).toEqual([]);
    expect(process.cpuUsage().user / 1_000 - beforeMs).toBeLessThan(5_000);
  });
});

/** A whole term, from its acquisition of a free record to its release, with 40 steps. */
function termOf(term: number): HistoryEvent[] {
  const who = `c${term % 7}_${Math.floor(term / 700)}`;
  const fromMs = 10_000 * term;
  const held = { holder: who, renewTime: `t${term}`, term: 2 * term };
  const released = { holder: "", renewTime: "t0", term: 2 * term + 1 };
  const [taken, left] = [
    { version: `v${term}`, named: before(term) },
    { version: `f${term}`, named: `v${term}` },
  ];
  const steps = Array.from({ length: 20 }, (_, index) => fromMs + 100 * index + 100);
  return [
    at(fromMs, { who, what: "send", send: 2 * term, named: taken.named, ...held }),
    at(fromMs + 1, {
      who,
      what: "apply",
      place,
      kind: "replace",
      send: 2 * term,
      ...taken,
      replaced: taken.named,
      ...held,
    }),
    at(fromMs + 2, { who, what: "start", term: held.term }),
    at(fromMs + 2, { who, what: "workBegins", term: held.term }),
    ...steps.flatMap((ms) => [
      at(ms, { who, what: "act", term: held.term }),
      at(ms, { who, what: "fence", term: held.term, accepted: true }),
    ]),
    at(fromMs + 3_000, { who, what: "workEnds", term: held.term }),
    at(fromMs + 3_000, { who, what: "stop", term: held.term, reason: "resigned" }),
    at(fromMs + 3_001, { who, what: "apply", place, kind: "replace", ...left, replaced: left.named, ...released }),
  ];
}

function before(term: number): string | undefined {
  return term === 1 ? undefined : `f${term - 1}`;
}
