// Goal: the checker of histories finds what must never happen. Method: one history by hand for each invariant that it
// checks, as small as it can be, and one in which all is well; none of them comes from src/election or dist/.
import { describe, expect, test } from "vitest";
import { callbackProblems, chainProblems, overlaps, releaseProblems, termProblems } from "./support/history.ts";
import type { LeaseVersion, Step } from "./support/history.ts";

function step(actor: string, term: number, [beginNs, endNs]: readonly [bigint, bigint]): Step {
  return { actor, term, beginNs, endNs };
}

function version(number: number, holderIdentity: string, term: number): LeaseVersion {
  const previous = number === 1 ? null : `write-${number - 1}`;
  return { number, writeId: `write-${number}`, previous, holderIdentity, renewTime: `time-${number}`, term };
}

const handover = [
  step("a", 1, [0n, 10n]),
  step("a", 1, [20n, 30n]),
  step("b", 2, [30n, 40n]),
  step("a", 3, [41n, 42n]),
];
const chain = [version(1, "a", 1), version(2, "a", 1), version(3, "", 2), version(4, "b", 3), version(5, "c", 4)];

test("a history in which all is well has no problems", () => {
  expect([...overlaps(handover), ...termProblems(handover), ...chainProblems(chain)]).toEqual([]);
});

describe("S1: overlaps", () => {
  test("of two candidates are found, wherever they are in the list", () => {
    expect(overlaps([step("b", 2, [29n, 40n]), step("a", 1, [20n, 30n])])).toHaveLength(1);
    expect(overlaps([step("a", 1, [0n, 30n]), step("b", 2, [10n, 20n])])).toHaveLength(1);
  });

  test("are found behind a longer step of an earlier one", () => {
    const steps = [step("a", 1, [0n, 100n]), step("a", 1, [10n, 20n]), step("b", 2, [50n, 60n])];
    expect(overlaps(steps)).toHaveLength(1);
  });

  test("of one candidate with itself are none", () => {
    expect(overlaps([step("a", 1, [0n, 30n]), step("a", 1, [10n, 20n])])).toEqual([]);
  });
});

describe("S5, S12: terms", () => {
  test("that shrink are found", () => {
    expect(termProblems([step("b", 2, [0n, 1n]), step("a", 1, [2n, 3n])])).toHaveLength(1);
  });

  test("that two candidates share are found", () => {
    expect(termProblems([step("a", 1, [0n, 1n]), step("b", 1, [2n, 3n])])).toHaveLength(1);
  });
});

describe("S7: releases", () => {
  const release = { actor: "a", term: 1, atNs: 20n };

  test("during a step of the term, and before one, are found", () => {
    expect(releaseProblems([step("a", 1, [10n, 21n])], [release])).toHaveLength(1);
    expect(releaseProblems([step("a", 1, [30n, 40n])], [release])).toHaveLength(1);
  });

  test("after the last step, and before the steps of others and of a later term, are fine", () => {
    const steps = [step("a", 1, [10n, 20n]), step("b", 2, [30n, 40n]), step("a", 3, [50n, 60n])];
    expect(releaseProblems(steps, [release])).toEqual([]);
  });
});

describe("S4, S5: the chain of versions", () => {
  test("must name what each one replaced", () => {
    expect(chainProblems([version(1, "a", 1), { ...version(2, "a", 1), previous: "write-0" }])).toHaveLength(1);
  });

  test("has no holes", () => {
    expect(chainProblems([version(1, "a", 1), { ...version(3, "a", 1), previous: "write-1" }])).toHaveLength(1);
  });

  test("has no pair of a holder twice", () => {
    expect(chainProblems([version(1, "a", 1), { ...version(2, "a", 1), renewTime: "time-1" }])).toHaveLength(1);
  });

  test("gives a new holder, and one that comes back, a larger term", () => {
    expect(chainProblems([version(1, "a", 1), version(2, "b", 1)])).toHaveLength(1);
    expect(chainProblems([version(1, "a", 1), version(2, "", 2), version(3, "a", 1)])).toHaveLength(1);
  });
});

describe("S10: callbacks", () => {
  const told = (...pairs: readonly (readonly [string, number])[]): string[] =>
    callbackProblems(pairs.map(([did, term]) => ({ did, term })));

  test("that come in order have no problems", () => {
    expect(told(["started", 1], ["onStoppedLeading", 1], ["started", 2])).toEqual([]);
  });

  test.each([
    ["a stop without a start", [["onStoppedLeading", 1]]],
    [
      "a second stop",
      [
        ["started", 1],
        ["onStoppedLeading", 1],
        ["onStoppedLeading", 1],
      ],
    ],
    [
      "a start within a term",
      [
        ["started", 1],
        ["started", 2],
      ],
    ],
    [
      "a term that starts again",
      [
        ["started", 1],
        ["onStoppedLeading", 1],
        ["started", 1],
      ],
    ],
    [
      "a term that was never stopped",
      [
        ["started", 1],
        ["settled", 0],
      ],
    ],
  ] as const)("%s is found", (_name, pairs) => {
    expect(told(...pairs)).toHaveLength(1);
  });
});
