// Goal: `npm run mutants` may be believed: it never counts a mutant as caught that it has not really tried. Method: its
// parts are asked about mutants that cannot be judged, on a real copy of the code, which they must leave as it was.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Baseline } from "../../scripts/mutants/baseline.ts";
import { Copy } from "../../scripts/mutants/copy.ts";
import { parseOptions } from "../../scripts/mutants/options.ts";
import { tryMutant } from "../../scripts/mutants/verdict.ts";
import type { Edit, Mutant, Scenario } from "../simulation/mutants/mutant.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const file = "src/election/pauses.ts";
const edit: Edit = { file, find: "60_000", replace: "6_000" };
let copy: Copy;

function mutant(edits: readonly Edit[], scenario: Scenario): Mutant {
  return { id: "X", flaw: "A flaw of this test.", edits, scenario };
}

function textOf(folder: string): string {
  return readFileSync(join(folder, file), "utf8");
}

beforeAll(() => {
  copy = new Copy(root);
});

afterAll(() => {
  copy.remove();
  expect(existsSync(copy.folder)).toBe(false);
});

describe("a copy", () => {
  it("is changed, and changed back, and the code itself never is", () => {
    const restore = copy.mutate([edit]);
    expect(textOf(copy.folder)).toContain("retryAfterMs, 6_000)");
    expect(textOf(root)).toContain("retryAfterMs, 60_000)");
    restore();
    expect(textOf(copy.folder)).toBe(textOf(root));
  });

  it("stays as it was if one of the edits does not apply", () => {
    expect(() => copy.mutate([edit, { file, find: "not there", replace: "" }])).toThrow("not there");
    expect(textOf(copy.folder)).toBe(textOf(root));
  });
});

describe("a mutant", () => {
  const nothing: Scenario = { tests: [] };

  it("counts as one that survived if nothing is asked", async () => {
    const asked = mutant([edit], nothing);
    expect(await tryMutant(copy, asked, await Baseline.measure(copy, [asked]))).toEqual({ caught: false, how: "" });
    expect(textOf(copy.folder)).toBe(textOf(root));
  });

  it("counts as one that survived if it no longer applies", async () => {
    const gone = mutant([{ ...edit, find: "60_000_000" }], nothing);
    const verdict = await tryMutant(copy, gone, await Baseline.measure(copy, [gone]));
    expect(verdict).toMatchObject({ caught: false, how: expect.stringContaining("no longer applies") });
  });

  it(
    "counts as one that survived if its tests pass with it, do not exist, or cannot be loaded",
    { timeout: 60_000 },
    async () => {
      const at = (named: string): Scenario => ({ tests: [{ file: "test/election/pauses.test.ts", named }] });
      const unseen = mutant([edit], at("is nothing if it is nothing"));
      const missing = mutant([edit], at("a test that nobody wrote"));
      const broken = mutant([{ ...edit, replace: "60_000 (((" }], at("is honoured, a minute at most"));
      const baseline = await Baseline.measure(copy, [broken, unseen, missing]);
      expect((await tryMutant(copy, unseen, baseline)).how).toContain("does not see it");
      expect((await tryMutant(copy, missing, baseline)).how).toContain(
        "no test of test/election/pauses.test.ts is named",
      );
      expect((await tryMutant(copy, broken, baseline)).how).toContain("cannot be loaded");
    },
  );
});

describe("the options", () => {
  it("have defaults, lists and bounds", () => {
    expect(parseOptions([])).toEqual({ only: [], jobs: 2, seeds: 0, help: false });
    expect(parseOptions(["--only", "K1,N3", "--jobs", "1"])).toMatchObject({ only: ["K1", "N3"], jobs: 1 });
    for (const wrong of [["--jobs", "9"], ["--jobs"], ["--seeds", "0"], ["--seeds", "many"], ["K1"]]) {
      expect(() => parseOptions(wrong), wrong.join(" ")).toThrow(wrong[0]);
    }
  });
});
