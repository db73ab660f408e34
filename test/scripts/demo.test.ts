// Goal: the demo does not pass by looking away: what it counts as an overlap, as slow and as failed. Method: journals
// and results written by hand, good ones and bad ones.
import { describe, expect, it } from "vitest";
import type { Entry } from "../../examples/guarded-state.ts";
import { overlaps } from "../../scripts/demo/acts.ts";
import { parseOptions } from "../../scripts/demo/options.ts";
import type { ActResult } from "../../scripts/demo/play.ts";
import { linesOf, summaryOf } from "../../scripts/demo/summary.ts";

const entry = (term: number, atMs: number, by = `holder-${term}`): Entry => ({ term, by, atMs });
const act: ActResult = {
  ...{ act: 1, name: "contend", what: "until the first term", measuredMs: 10, barMs: 250 },
  facts: [{ text: "one leads", holds: true }],
};
const five = [act, act, act, act, act];

describe("overlaps", () => {
  it("are none where each term ends before the next begins", () => {
    expect(overlaps([])).toBe(0);
    expect(overlaps([entry(1, 10), entry(1, 20), entry(3, 20), entry(3, 30)])).toBe(0);
  });

  it("are entries that stand after one of a later term", () => {
    expect(overlaps([entry(1, 10), entry(2, 20), entry(1, 30), entry(2, 40)])).toBe(1);
  });

  it("are entries that were written while a later term wrote", () => {
    expect(overlaps([entry(1, 10), entry(1, 30), entry(2, 20), entry(2, 40)])).toBe(1);
  });
});

describe("the summary", () => {
  it("is fine if every fact holds and every time is within its bar", () => {
    const summary = summaryOf("file:///a", five, [entry(1, 10), entry(1, 20), entry(2, 30)]);
    expect(summary).toMatchObject({ schema: 1, ok: true, overlaps: 0 });
    expect(summary.terms).toEqual([
      { term: 1, by: "holder-1", appends: 2 },
      { term: 2, by: "holder-2", appends: 1 },
    ]);
    expect(JSON.parse(JSON.stringify(summary))).toEqual(summary);
  });

  it("warns of a missed bar, and fails a second above it", () => {
    const slow = summaryOf("a", [...five.slice(1), { ...act, measuredMs: 1_250 }], []);
    expect(slow).toMatchObject({ ok: true, acts: [{}, {}, {}, {}, { verdict: "slow" }] });
    expect(linesOf(slow).join("\n")).toContain("slow: above the bar");
    expect(summaryOf("a", [...five.slice(1), { ...act, measuredMs: 1_251 }], []).ok).toBe(false);
  });

  it("fails if a fact does not hold, if terms overlap, or if an act is missing", () => {
    const broken = summaryOf("a", [...five.slice(1), { ...act, facts: [{ text: "one leads", holds: false }] }], []);
    expect(broken.ok).toBe(false);
    expect(linesOf(broken)).toContain("  NOT TRUE in act 1: one leads");
    expect(summaryOf("a", five, [entry(2, 10), entry(1, 20)]).ok).toBe(false);
    expect(summaryOf("a", five.slice(1), []).ok).toBe(false);
  });
});

describe("the flags", () => {
  it("are those of the usage", () => {
    const options = parseOptions(["--plain", "--json", "--keep", "--storage", "file:///a", "--seed", "7"]);
    expect(options).toEqual({ plain: true, json: true, keep: true, help: false, storage: "file:///a", seed: 7 });
  });

  it.each([["--seed", "x"], ["--storage", "memory:"], ["--bogus"], ["act"]])("refuse %s %s", (...args) => {
    expect(() => parseOptions(args)).toThrow();
  });
});
