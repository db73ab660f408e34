// Goal: two and three clusters over one storage never have two leaders, and have one most of the time once all is well
// (K-114). Method: real locks, electors and controllers under troubles from a seed; TENURE_TEST_SEEDS asks for more.
import { expect, test } from "vitest";
import { TwoClusters } from "./two-clusters.ts";

const seeds = Number(process.env["TENURE_TEST_SEEDS"] ?? 10);
const from = Number(process.env["TENURE_TEST_SEED"] ?? 1);

test("K-114: no seed makes two leaders, repeats a pair, lets a term fall, or leaves the clusters without a leader", async () => {
  const faults = new Set<string>();
  let terms = 0;
  for (let seed = from; seed < from + seeds; seed += 1) {
    const report = await new TwoClusters(seed).run();
    const what = `seed ${seed}\n${report.trace.join("\n")}`;
    expect(report.broken, what).toEqual([]);
    expect(report.ledShare, what).toBeGreaterThan(0.9);
    for (const fault of report.faults) faults.add(fault);
    terms += report.terms;
  }
  expect(terms).toBeGreaterThan(2 * seeds);
  const all = ["controller", "crash", "edit", "outage", "requests", "resign", "watches"];
  if (seeds >= 10) expect([...faults]).toEqual(expect.arrayContaining(all));
}, 600_000);
