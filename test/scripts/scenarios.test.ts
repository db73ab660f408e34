// Goal: every fault scenario of the elector has a test that carries its number, or says why not, and the document tells
// where. Method: the table is made again from the titles in the tree; what finds numbers is tried on small trees.
import { describe, expect, it } from "vitest";
import { scenarioRows, type ScenarioRow } from "../../scripts/scenario-rows.ts";
import { document, numberedTests, problemsOf, regenerated, tableOf, withTable } from "../../scripts/scenarios.ts";
import { readTree } from "../tidy/tree.ts";

const tree = readTree();
const rows: readonly ScenarioRow[] = [
  { number: 1, fault: "late", expected: "lost" },
  { number: 2, fault: "later", expected: "found", notHere: "no wire" },
];

function found(path: string, text: string): readonly string[] {
  return numberedTests(new Map([[path, text]])).map(({ number, title }) => `${number} ${title}`);
}

describe("the scenarios", () => {
  it("have a test or a reason each, and no test carries a number that is none of theirs", () => {
    expect(regenerated(tree).problems.join("\n")).toBe("");
  });

  it("are told in the document as the tests have them: otherwise npm run scenarios", () => {
    expect(tree.get(document)).toBe(regenerated(tree).text);
  });

  it("are those of the first elector, of fleets shared with client-go, of drivers with a network, of controllers and of watches, once each", () => {
    const span = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
    const numbers = [...span(1, 35), ...span(37, 61), 63, 69, 70];
    const ofDrivers = [62, 64, 65, 66, 67, 68];
    const ofControllers = span(71, 78);
    const ofWatches = [81, 82];
    const all = scenarioRows.map(({ number }) => number);
    expect(all.filter((number) => ![...ofDrivers, ...ofControllers, ...ofWatches].includes(number))).toEqual(numbers);
    expect(all).toEqual([...new Set(all)].sort((a, b) => a - b));
  });
});

describe("a number is found", () => {
  it("in the title of a test, a scenario, a group, each of a list, and a case of a published suite", () => {
    expect(found("test/a.test.ts", 'it("#1: late", () => {}); scenario("#2: lost", async () => {});')).toEqual([
      "1 late",
      "2 lost",
    ]);
    expect(found("test/a.test.ts", 'test.each([1])("%d is late (#3)", () => {});')).toEqual(["3 … is late"]);
    expect(found("test/a.test.ts", 'describe("#4: one", () => { it("of many", () => {}); });')).toEqual(["4 one"]);
    expect(found("test/a.test.ts", 'describe("a read", () => { it("is late (#4)", () => {}); });')).toEqual([
      "4 a read is late",
    ]);
    expect(found("src/testing/a-suite.ts", 'const cases = [{ id: "R1", name: "late (#5)" }];')).toEqual(["5 late"]);
  });

  it("in what a title is made of", () => {
    expect(found("test/a.test.ts", "it(`#6: ${how} late`, () => {});")).toEqual(["6 … late"]);
    expect(found("test/a.test.ts", 'const [a, b] = x ? ["#7", "late"] : ["#8", "lost"];')).toEqual([
      "7 late",
      "8 lost",
    ]);
    expect(found("test/a.test.ts", 'const title = x ? "#9: late" : "#9: lost";')).toEqual(["9 late", "9 lost"]);
  });

  it("neither in comments, nor in other texts, nor in a test that is not run", () => {
    expect(found("test/a.test.ts", '// #1\nexpect(1, "#2 fails").toBe(1);')).toEqual([]);
    expect(found("test/a.test.ts", 'test.skip("not run: #1", () => {});')).toEqual([]);
    expect(found("test/tidy/a.ts", 'it("#1: late", () => {});')).toEqual([]);
    expect(found("src/election/a.ts", 'it("#1: late", () => {});')).toEqual([]);
  });
});

describe("the table", () => {
  const tests = [
    { number: 1, path: "test/b.test.ts", title: "a | b" },
    { number: 1, path: "test/b.test.ts", title: "a | b" },
    { number: 1, path: "src/testing/a-suite.ts", title: "__proto__" },
  ];

  it("has a row for each number, with its files and titles once, or the reason", () => {
    const places = [
      "[testing/a-suite](../src/testing/a-suite.ts): \\_\\_proto\\_\\_",
      "[b](../test/b.test.ts): a \\| b",
    ];
    expect(tableOf(rows, tests).split("\n").slice(2)).toEqual([
      `| 1 | late | lost | ${places.join("<br>")} |`,
      "| 2 | later | found | not here: no wire |",
    ]);
  });

  it("is not made from numbers without test and reason, unknown ones, or reasons that are over", () => {
    expect(problemsOf(rows, tests)).toEqual([]);
    expect(problemsOf(rows, [])).toEqual(["#1 (late) has no test, and no reason why not"]);
    const extra = [2, 99].map((number) => ({ number, path: "test/b.test.ts", title: "odd" }));
    expect(problemsOf(rows, [...tests, ...extra])).toEqual([
      "#2 has a test: remove its reason in scripts/scenario-rows.ts",
      'test/b.test.ts: "odd" carries #99, which is no scenario here',
    ]);
  });

  it("goes between two marks, and nowhere else", () => {
    const text = regenerated(tree).text;
    expect(withTable(withTable(text, "old"), "new")).toContain("\n\nnew\n\n");
    expect(withTable(withTable(text, "old"), "new")).not.toContain("old\n\n<!--");
    expect(() => withTable("# A document", "new")).toThrow("docs/guarantees.md needs two lines");
  });
});
