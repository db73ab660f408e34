import { setTimeout as pause } from "node:timers/promises";
import { expect } from "vitest";
import { timing } from "./support/candidates.ts";
import { expectWaited, firstStart, scenario } from "./support/scenario.ts";

// Who contends: twins, and many at once.

for (const identity of [undefined, "fixed"]) {
  const what = identity === undefined ? "the same label waits" : "the same fixed identity warns, and waits";
  scenario(`#33: a second process with ${what} for the lease`, async (candidates) => {
    const settings = { ...(identity !== undefined && { identity }) };
    const first = await candidates.startLeader("same", settings);
    const second = candidates.start("same", settings);
    if (identity === undefined) await second.until("newLeader");
    else await second.until("alarm", { where: ({ kind }) => kind === "duplicateIdentity" });
    await pause(timing.leaseDurationMs + 200); // the first one renews meanwhile
    expect([second.count("started"), first.count("stopped")]).toEqual([0, 0]);
    first.signal("SIGKILL");
    const { term } = await firstStart([second]);
    expect(term).toBeGreaterThan(1);
    await expectWaited(candidates, second, first);
    await second.until("step", { where: ({ outcome }) => outcome === "accepted" });
  });
}

scenario(
  "16 processes race for one file lease, some are killed: one at a time, in growing terms",
  async (candidates) => {
    const settings = { workMs: 150, stepEveryMs: 20 };
    const racing = Array.from({ length: 16 }, (_, number) => candidates.start(`racer-${number}`, settings));
    await Promise.any(racing.map((racer) => racer.until("started")));
    const terms = (): number => new Set(racing.flatMap((racer) => racer.all("started").map(({ term }) => term))).size;
    for (let killed = 0; killed < 2; killed += 1) {
      await pause(1_500);
      const { winner } = await firstStart(racing.filter(({ running }) => running));
      winner.signal("SIGKILL");
    }
    const before = terms();
    await firstStart(racing.filter(({ running }) => running)); // after the lease of the killed one
    await pause(1_500);
    for (const racer of racing) racer.signal("SIGTERM");
    await Promise.all(racing.map((racer) => racer.exited));
    expect(terms()).toBeGreaterThan(before + 3);
    expect(new Set(candidates.journal.accepted.map(({ actor }) => actor)).size).toBeGreaterThan(3);
  },
);
