// Goal: W-30, the pauses of many that start together spread, and none asks a server that is away more than twice a
// minute. Method: drawn pauses on a manual clock, and 100 reflectors that lose their server at once.
import { describe, expect, it } from "vitest";
import { StorageUnavailableError } from "../../src/errors.ts";
import { listWatch } from "../../src/kubernetes/list-watch.ts";
import { Reflector } from "../../src/kubernetes/reflector.ts";
import { ResourceTable } from "../../src/kubernetes/resource-table.ts";
import { RestartPause } from "../../src/kubernetes/restart-pause.ts";
import { FakeKubernetes, ManualClock, SeededRandom } from "../../src/testing/index.ts";
import { pods } from "./reflected-cluster.ts";

describe("the pauses between attempts", () => {
  it("W-30 are 0.8 s, doubled to 30 s, each with as much again drawn on top", () => {
    const clock = new ManualClock();
    const drawn = (draw: number): number[] => {
      const pause = new RestartPause({ clock, random: { next: () => draw, uuid: () => "" } });
      return Array.from({ length: 8 }, () => pause.next());
    };
    expect(drawn(0)).toEqual([800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
    expect(drawn(0.5)).toEqual([1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 45_000, 45_000]);
  });

  it("W-30 begin anew after two minutes of quiet, which begin when the last one is over", async () => {
    const clock = new ManualClock();
    const pause = new RestartPause({ clock, random: { next: () => 0, uuid: () => "" } });
    for (let step = 0; step < 8; step += 1) pause.next();
    await clock.advance(30_000 + 120_000);
    expect(pause.next()).toBe(30_000);
    await clock.advance(30_000 + 120_001);
    expect(pause.next()).toBe(800);
  });

  it("W-30 spread 100 reflectors that lose their server at once over the whole window", async () => {
    const clock = new ManualClock();
    const cluster = new FakeKubernetes({ clock });
    const over = new AbortController();
    const clients = Array.from({ length: 100 }, () => cluster.connect());
    const runs = clients.map((client, seed) => {
      const sink = new ResourceTable(() => {});
      const reflector = new Reflector({ source: listWatch(client, pods), sink, clock, random: new SeededRandom(seed) });
      return reflector.run({ signal: over.signal });
    });
    await clock.advance(10_000);
    const startMs = clock.monotonicMs();
    cluster.endWatches(new StorageUnavailableError("restarted"));
    await clock.advance(1_600);
    const tenths = Array.from({ length: 16 }, () => 0);
    for (const { log } of clients) {
      const again = log.filter(({ atMs }) => atMs > startMs);
      expect(again).toHaveLength(1);
      const tenth = Math.floor(((again[0]?.atMs ?? 0) - startMs) / 100);
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    expect(tenths.slice(0, 8)).toEqual(Array.from({ length: 8 }, () => 0));
    expect(Math.min(...tenths.slice(8))).toBeGreaterThan(3);
    expect(Math.max(...tenths)).toBeLessThan(25);
    over.abort();
    await Promise.all(runs);
  });
});
