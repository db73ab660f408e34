// Goal: K-110, K-32: many candidates on one Lease of a real API server lead one at a time, and a fleet moves from one
// Lease to another with no instant of two leaders. Method: electors of this process, each with connections of its own.
import { CustomObjectsApi, Watch } from "@kubernetes/client-node";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import { fromCustomObjectsApi } from "../../src/kubernetes/index.ts";
import { MultiLock } from "../../src/lock/multi-lock.ts";
import type { ResourceLock } from "../../src/lock/resource-lock.ts";
import { describeOn } from "./support/found-server.ts";
import { foundKube, type KubeServer } from "./support/kube-server.ts";
import { LeasePlace } from "./support/lease-place.ts";
import { SeenElector, seenPace, seenProblems } from "./support/seen-elector.ts";

let kube: KubeServer;

describeOn(foundKube, (start) => {
  beforeAll(async () => {
    kube = await start();
  });
  afterAll(() => kube?.[Symbol.asyncDispose]());

  test("K-110: 50 candidates lead 20 terms: one at a time, and each term is larger", async () => {
    const place = await LeasePlace.make(kube);
    const terms: number[] = [];
    const over = new AbortController();
    const working = new Set<number>();
    const errors: unknown[] = [];
    const runs = Array.from({ length: 50 }, async () => {
      const lock = await place.lock({ client: await kube.client() });
      const elector = new LeaderElector({
        ...{ lock, ...seenPace, whenWorkReturns: "resign" },
        callbacks: {
          async onStartedLeading(leadership) {
            await leadership.guard(async (term) => {
              working.add(term);
              if (working.size > 1) errors.push(`${[...working].join(" and ")} at once`);
              terms.push(term);
              await pause(20);
              working.delete(term);
            });
            if (terms.length >= 20) over.abort();
          },
        },
      });
      await elector.run({ signal: over.signal });
    });
    await Promise.all(runs);
    expect(errors).toEqual([]);
    expect(terms.length).toBeGreaterThanOrEqual(20);
    expect(terms).toEqual([...new Set(terms)].toSorted((one, other) => one - other));
    expect((await place.stored())["spec"]).toMatchObject({ holderIdentity: "" });
  });

  test("K-7: electors over client-node's API classes hand over by its watch", async () => {
    const place = await LeasePlace.make(kube);
    const injected = async (): Promise<SeenElector> => {
      const kubeConfig = await place.candidate();
      const client = fromCustomObjectsApi(kubeConfig.makeApiClient(CustomObjectsApi), new Watch(kubeConfig));
      const elector = new SeenElector(await place.lock({ client, events: "events.k8s.io" }));
      await elector.until(() => elector.leaders.length > 0);
      return elector;
    };
    const [leader, standby] = [await injected(), await injected()];
    await pause(4_000); // renewals, which the standby hears of
    expect([leader.held, leader.term, standby.held]).toEqual([true, 1, false]);
    await leader[Symbol.asyncDispose]();
    const releasedMs = performance.now();
    await standby.leads();
    expect(performance.now() - releasedMs).toBeLessThan(1_000);
    await standby[Symbol.asyncDispose]();
    expect(seenProblems([leader, standby])).toEqual([]);
  });

  test("K-32: a fleet moves from one Lease to another in three roll-outs, with no instant of two leaders", async () => {
    const place = await LeasePlace.make(kube);
    const on = async (name: string): Promise<ResourceLock> => place.lock({ name });
    const rollOuts = [
      () => on("old"),
      async () => new MultiLock(await on("old"), await on("new")),
      () => on("new"),
    ] as const;
    const all: SeenElector[] = [];
    let fleet: SeenElector[] = [];
    for (const lockOf of rollOuts) {
      const next: SeenElector[] = [];
      for (let replica = 0; replica < 3; replica += 1) {
        const elector = new SeenElector(await lockOf());
        all.push(elector);
        next.push(elector);
        await elector.until(() => elector.leaders.length > 0);
        await pause(300);
        await fleet.shift()?.[Symbol.asyncDispose]();
        const running = [...fleet, ...next];
        await Promise.race(running.map((each) => each.leads()));
        await pause(300);
        expect(running.filter(({ held }) => held)).toHaveLength(1);
      }
      fleet = next;
    }
    expect(seenProblems(all)).toEqual([]);
    const specOf = async (name: string): Promise<unknown> =>
      (await kube.ask("GET", `${place.paths}/${name}`)).body["spec"];
    expect(await specOf("old")).toMatchObject({ holderIdentity: "" });
    expect(await specOf("new")).toMatchObject({ leaseTransitions: Math.max(...all.map(({ term }) => term)) });
    for (const elector of fleet) await elector[Symbol.asyncDispose]();
  });
});
