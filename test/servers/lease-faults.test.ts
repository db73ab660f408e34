// Goal: elections on a Lease lose no term to a server that restarts, no time to edits, and no safety to an etcd that
// stands or is restored. Method: servers of one's own, with electors of this process, whose terms are noted.
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { FaultProxy } from "../process/fault-proxy.ts";
import { describeOn } from "./support/found-server.ts";
import { foundOwnKube, type KubeServer } from "./support/kube-server.ts";
import { heldBy, LeasePlace } from "./support/lease-place.ts";
import { SeenElector, seenPace, seenProblems, type SeenOptions } from "./support/seen-elector.ts";

let kube: KubeServer;
const seen: SeenElector[] = [];

/** Joins the election on this Lease; the first one leads when this resolves, the others follow it. */
async function join(place: LeasePlace, { port, settings }: { port?: number } & SeenOptions = {}): Promise<SeenElector> {
  const kubeConfig = port === undefined ? kube.kubeConfig() : kube.through(port);
  const elector = new SeenElector(await place.lock({ kubeConfig }), { ...(settings && { settings }) });
  seen.push(elector);
  await elector.until(() => elector.leaders.length > 0);
  return elector;
}

async function leaderOf(electors: readonly SeenElector[]): Promise<SeenElector> {
  await Promise.race(electors.map((elector) => elector.leads()));
  return electors.find(({ held }) => held) ?? expect.fail("nobody leads");
}

const patient = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 500 };

describeOn(foundOwnKube, (start) => {
  beforeAll(async () => {
    kube = await start();
  });
  afterEach(async () => {
    for (const elector of seen.splice(0)) await elector[Symbol.asyncDispose]();
  });
  afterAll(() => kube?.[Symbol.asyncDispose]());

  test("K-13: a write that is given up while etcd stands is unknown: it may be applied when etcd goes on", async () => {
    const places = await Promise.all(Array.from({ length: 8 }, () => LeasePlace.make(kube)));
    const writes = await Promise.all(
      places.map(async (place) => {
        const lock = await place.lock();
        const created = await lock.create(heldBy(lock));
        if (!created.written) throw new Error("the Lease was there");
        return { lock, record: heldBy(lock), version: created.version };
      }),
    );
    const { etcd } = kube.own();
    etcd.stop();
    const outcomes = await Promise.allSettled(
      writes.map(({ lock, record, version }) => lock.update(record, version, { timeoutMs: 500 })),
    );
    await pause(500);
    etcd.cont();
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "OUTCOME_UNKNOWN", applied: "unknown" } });
    }
    await pause(1_000);
    const found = await Promise.all(writes.map(({ lock }) => lock.get()));
    const applied = found.filter((each, index) => each?.record.renewTime === writes[index]?.record.renewTime);
    console.warn(`of ${writes.length} writes that were given up, ${applied.length} were applied after the thaw`);
    for (const [index, { lock, record, version }] of writes.entries()) {
      const again = await lock.update(record, version);
      expect(again.written, `write ${index}`).toBe(found[index]?.version === version);
    }
  });

  test("#21: the API server is killed and restarted: no term is lost, though every connection is a new one", async () => {
    const place = await LeasePlace.make(kube);
    const [leader, standby] = [await join(place, { settings: patient }), await join(place, { settings: patient })];
    for (let kills = 0; kills < 2; kills += 1) {
      await kube.restartApiServer();
      await pause(1_000);
    }
    expect([leader.held, leader.term, standby.held]).toEqual([true, 1, false]);
    await leader[Symbol.asyncDispose]();
    const releasedMs = performance.now();
    await standby.leads(); // by its watch, which was opened again: a lease lasts much longer than this may
    expect(performance.now() - releasedMs).toBeLessThan(2_000);
    expect(seenProblems(seen)).toEqual([]);
  });

  test("K-25: edits of an annotation 100 times a second postpone no takeover (#59)", async () => {
    const place = await LeasePlace.make(kube);
    await using proxy = await new FaultProxy({ host: kube.host, port: kube.port }).inject({});
    await join(place, { port: proxy.port });
    const standby = await join(place);
    const editor = await kube.client();
    let editing = true;
    const edits = (async () => {
      for (let edit = 0; editing; edit += 1) {
        await editor.patch(place.ref, { metadata: { annotations: { edit: String(edit) } } });
        await pause(8);
      }
      return performance.now();
    })();
    await proxy.inject({ up: { swallow: true }, down: { swallow: true } });
    const cutMs = performance.now();
    await standby.leads();
    expect(performance.now() - cutMs).toBeLessThan(seenPace.leaseDurationMs + 1_000);
    await pause(seenPace.leaseDurationMs); // renewals among edits, which have to be read first
    editing = false;
    expect(await edits).toBeGreaterThan(cutMs);
    expect([standby.held, standby.term]).toEqual([true, 2]);
    expect(seenProblems(seen)).toEqual([]);
  });

  test("#70: etcd is restored: the smaller term raises the alarm, and the next one is above all that were seen", async () => {
    const place = await LeasePlace.make(kube);
    const first = await join(place);
    const snapshot = kube.snapshot();
    const saved = JSON.stringify(await place.stored());
    // The others never see what is restored: to who has seen it, it would be a read of a replica that lags.
    await expect.poll(async () => JSON.stringify(await place.stored()), { timeout: 5_000 }).not.toBe(saved);
    const [second, third] = [await join(place), await join(place)];
    await first[Symbol.asyncDispose]();
    const { term: lostTerm } = await leaderOf([second, third]);
    expect(lostTerm).toBeGreaterThan(1);
    await pause(700);
    await kube.restore(snapshot);
    await Promise.any([second, third].map((each) => each.until(() => each.alarms.includes("termRegression"))));
    const leaderTerm = (): number => [second, third].find(({ held }) => held)?.term ?? 0;
    await expect.poll(leaderTerm, { timeout: 15_000 }).toBeGreaterThan(lostTerm);
    await pause(1_500);
    expect([second, third].filter(({ held }) => held)).toHaveLength(1);
    expect((await place.stored())["spec"]).toMatchObject({ leaseTransitions: leaderTerm() });
    expect(seenProblems(seen)).toEqual([]);
  });
});
