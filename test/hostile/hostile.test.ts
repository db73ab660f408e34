// Goal: no stored byte, key, URL or flag crashes us, changes what all objects inherit, takes a lease, or costs memory
// or time without bounds. Method: generated input from a printed seed, each piece fed to its subject; `npm run hostile`
// feeds a million.
import { expect, test } from "vitest";
import { meet, type Meeting } from "./electors.ts";
import { runHostile } from "./hostile.ts";
import { Corpus } from "./corpus.ts";

/** Always the same here; `npm run hostile` draws one and prints it. */
const seed = 4711;

test(`hostile input is refused with typed errors, or read as what it is (seed ${seed})`, async () => {
  const { failures, kinds, grownBytes } = await runHostile(seed, 15_000);
  expect(failures.join("\n")).toBe("");
  for (const [kind, { inputs, accepted }] of Object.entries(kinds)) {
    // Otherwise nothing but the first check of each kind was tried.
    expect(accepted, `accepted of ${kind}`).toBeGreaterThan(inputs / 50);
    expect(accepted, `accepted of ${kind}`).toBeLessThan(inputs);
  }
  expect(grownBytes).toBeLessThan(16 * 2 ** 20);
}, 60_000);

test(`electors leave hostile leases alone, and take the free ones (seed ${seed})`, async () => {
  const met: Record<Meeting["was"], number> = { unreadable: 0, held: 0, free: 0 };
  for (let count = 0; count < 150; count += 1) {
    const { was, replaced, led } = await meet(seed * 1_000 + count);
    met[was] += 1;
    const mayLead = was === "free";
    expect({ was, replaced: replaced && !mayLead, led: led && !mayLead }, `body ${seed * 1_000 + count}`).toEqual({
      ...{ was, replaced: false, led: false },
    });
  }
  expect(Math.min(...Object.values(met))).toBeGreaterThan(0);
}, 60_000);

test("a failure is found and told with its number", async () => {
  const url = Corpus.prototype.url;
  Corpus.prototype.url = () => {
    throw new TypeError("not one of ours");
  };
  try {
    const { failures } = await runHostile(seed, 10);
    expect(failures.map((failure) => failure.split("\n")[0])).toEqual([
      "url 3: TypeError: not one of ours",
      "url 8: TypeError: not one of ours",
    ]);
  } finally {
    Corpus.prototype.url = url;
  }
});
