// Goal: K-24, K-25, K-26: the watch of a Lease tells every change of the record and nothing else, also when a real API
// server restarts, falls silent, or comes back with less than it had. Method: a lock's hints on servers of one's own.
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { LeaseLock, WatchEvent } from "../../src/kubernetes/index.ts";
import type { LockHint } from "../../src/lock/resource-lock.ts";
import { systemClock, type Clock } from "../../src/system/clock.ts";
import { systemRandom, type Random } from "../../src/system/random.ts";
import { describeOn } from "./support/found-server.ts";
import { foundOwnKube, type KubeServer } from "./support/kube-server.ts";
import { heldBy, LeasePlace, leaseRights } from "./support/lease-place.ts";

let kube: KubeServer;
let place: LeasePlace;

/** What a lock's watch has told, while it is open; it is not opened again by itself. */
class Hints implements AsyncDisposable {
  readonly all: LockHint[] = [];
  readonly #over = new AbortController();
  readonly ended: Promise<unknown>;

  constructor(lock: LeaseLock, told: (hint: LockHint) => void = () => {}) {
    this.ended = (async () => {
      for await (const hint of lock.watch({ signal: this.#over.signal })) {
        this.all.push(hint);
        told(hint);
      }
    })().catch((error: unknown) => error);
  }

  /** Whom the last hint that had a record named. */
  get holder(): string | undefined {
    return this.all.findLast(({ observed }) => observed !== undefined)?.observed?.record.holderIdentity;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.ended;
  }
}

/** A clock that can be put ahead: whoever waits for a time that is then past has waited. */
class LeapingClock implements Clock {
  aheadMs = 0;
  readonly bootMs = systemClock.bootMs;
  readonly wallMs = systemClock.wallMs;

  monotonicMs(): number {
    return systemClock.monotonicMs() + this.aheadMs;
  }

  setTimer(untilMs: number, run: () => void, options?: Parameters<Clock["setTimer"]>[2]): () => void {
    const look = (): void => {
      if (this.monotonicMs() >= untilMs) return run();
      cancel = systemClock.setTimer(systemClock.monotonicMs() + 20, look, options);
    };
    let cancel = systemClock.setTimer(systemClock.monotonicMs(), look, options);
    return () => cancel();
  }
}

/** A watch asks for an end after 300 to 600 s; after 2 s with this. */
const hasty: Random = { ...systemRandom, next: () => -298 / 301 };

async function renewed(lock: LeaseLock): Promise<void> {
  const seen = (await lock.get()) ?? expect.fail("the Lease is absent");
  expect((await lock.update(heldBy(lock), seen.version)).written).toBe(true);
}

/** The first events of a bare watch from there on. */
async function eventsFrom(resourceVersion: string, forMs: number): Promise<WatchEvent[]> {
  const events: WatchEvent[] = [];
  const client = await kube.client();
  const signal = AbortSignal.timeout(forMs);
  const query = { fieldSelector: `metadata.name=${place.name}`, resourceVersion };
  for await (const event of client.watch(place.ref, query, { signal })) events.push(event);
  return events;
}

const patience = { timeout: 10_000 };

describeOn(foundOwnKube, (start) => {
  beforeAll(async () => {
    kube = await start();
  });
  afterAll(() => kube?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    place = await LeasePlace.make(kube);
  });

  describe("K-24", () => {
    test("a watch is opened without a version, for this name, with bookmarks and an end", async () => {
      const kubeConfig = await place.candidate();
      const lock = await place.lock({ kubeConfig });
      await lock.create(heldBy(lock));
      await using hints = new Hints(lock);
      await expect.poll(() => hints.holder, patience).toBe(lock.identity);
      const watches = kube.requests(kubeConfig.getCurrentUser()?.name).filter(({ verb }) => verb === "watch");
      expect(watches).toHaveLength(1);
      const asked = new URL(watches[0]?.uri ?? "", "https://none").searchParams;
      expect(Object.fromEntries(asked)).toEqual({
        ...{ watch: "true", fieldSelector: "metadata.name=billing", allowWatchBookmarks: "true" },
        timeoutSeconds: expect.stringMatching(/^[3-6]\d\d$/),
      });
    });

    test("an absent Lease gives a bare hint within two seconds, and its creation the record", async () => {
      const [lock, other] = [await place.lock(), await place.lock()];
      await using hints = new Hints(lock);
      await expect.poll(() => hints.all, { timeout: 2_000 }).toEqual([{}]);
      await other.create(heldBy(other));
      await expect.poll(() => hints.holder, patience).toBe(other.identity);
    });

    test("each hint has the record and the version of its write, also when it overtakes the answer", async () => {
      const lock = await place.lock();
      let outcome = await lock.create(heldBy(lock));
      const seenMs = new Map<string, number>();
      await using hints = new Hints(lock, ({ observed }) => {
        if (observed !== undefined) seenMs.set(observed.version, performance.now());
      });
      await expect.poll(() => hints.all.length, patience).toBe(1);
      const answered: { readonly version: string; readonly atMs: number }[] = [];
      for (let writes = 0; writes < 100 && outcome.written; writes += 1) {
        outcome = await lock.update(heldBy(lock), outcome.version);
        if (outcome.written) answered.push({ version: outcome.version, atMs: performance.now() });
      }
      expect(answered).toHaveLength(100);
      await expect.poll(() => hints.all.length, patience).toBe(101);
      const versions = hints.all.slice(1).map(({ observed }) => observed?.version);
      expect(versions).toEqual(answered.map(({ version }) => version));
      const overtook = answered.filter(({ version, atMs }) => (seenMs.get(version) ?? Infinity) < atMs);
      expect(overtook.length).toBeGreaterThan(0);
    });

    test("after a restart of the server a watch at the Lease's own version is refused with 410; ours goes on", async () => {
      const lock = await place.lock();
      await lock.create(heldBy(lock));
      const { resourceVersion = "" } = (await place.stored()).metadata ?? {};
      await using before = new Hints(lock);
      await expect.poll(() => before.holder, patience).toBe(lock.identity);
      await LeasePlace.make(kube); // so that the Lease is not the last thing that was written
      await kube.restartApiServer();
      await before.ended;
      for (let opens = 0; opens < 2; opens += 1) {
        const [event] = await eventsFrom(resourceVersion, 2_000);
        expect(event).toMatchObject({ type: "ERROR", object: { code: 410 } });
      }
      await using after = new Hints(lock);
      await expect.poll(() => after.holder, patience).toBe(lock.identity);
      const next = await place.lock();
      await renewed(next);
      await expect.poll(() => after.holder, patience).toBe(next.identity);
    });

    test("an orderly end is gone on from: at the last change, whose version the next watch names", async () => {
      const kubeConfig = await place.candidate();
      const lock = await place.lock({ kubeConfig, random: hasty });
      await lock.create(heldBy(lock));
      await using first = new Hints(lock);
      await expect.poll(() => first.all.length, patience).toBe(1);
      await renewed(lock);
      expect(await first.ended).toBeUndefined();
      const { resourceVersion } = (await place.stored()).metadata ?? {};
      await using second = new Hints(lock);
      await renewed(lock);
      await expect.poll(() => second.holder, patience).toBe(lock.identity);
      const watches = kube.requests(kubeConfig.getCurrentUser()?.name).filter(({ verb }) => verb === "watch");
      const from = watches.map(({ uri }) => new URL(uri, "https://none").searchParams.get("resourceVersion"));
      expect(from).toEqual([null, resourceVersion]);
    });

    test("a watch ahead of a restored etcd is silent: the elector is asked to look, and sees the past", async () => {
      const [lock, other] = [await place.lock({ random: hasty }), await place.lock()];
      await lock.create(heldBy(lock));
      const snapshot = kube.snapshot();
      await using before = new Hints(lock);
      await expect.poll(() => before.all.length, patience).toBe(1);
      await renewed(other);
      expect(await before.ended).toBeUndefined();
      const { resourceVersion = "" } = (await place.stored()).metadata ?? {};
      await kube.restore(snapshot);
      expect(await eventsFrom(resourceVersion, 1_500)).toEqual([]); // 200, and then nothing
      await using after = new Hints(lock);
      await expect.poll(() => after.all, patience).toEqual([{}]);
      expect((await lock.get())?.record.holderIdentity).toBe(lock.identity);
    });
  });

  describe("K-25", () => {
    test("100 edits of an annotation give no hint; a renewal among them gives one (#59)", async () => {
      const lock = await place.lock();
      await lock.create(heldBy(lock));
      await using hints = new Hints(lock);
      await expect.poll(() => hints.all.length, patience).toBe(1);
      const editor = await kube.client();
      const edit = (value: number): Promise<unknown> =>
        editor.patch(place.ref, { metadata: { annotations: { edit: String(value) } } });
      for (let edits = 0; edits < 100; edits += 1) await edit(edits);
      await renewed(lock);
      await expect.poll(() => hints.all.length, patience).toBe(2);
      await edit(-1);
      await pause(200);
      expect(hints.all).toHaveLength(2);
    });
  });

  describe("K-26", () => {
    test("a watch over which nothing comes ends as unavailable, and the next one tells the state", async () => {
      const clock = new LeapingClock();
      const lock = await place.lock({ clock });
      await lock.create(heldBy(lock));
      await using hints = new Hints(lock);
      await expect.poll(() => hints.all.length, patience).toBe(1);
      const { apiServer } = kube.own();
      apiServer.stop();
      clock.aheadMs = 119_000;
      await pause(200);
      const early = await Promise.race([hints.ended, "open"]);
      clock.aheadMs = 121_000;
      expect([early, await hints.ended]).toMatchObject(["open", { code: "STORAGE_UNAVAILABLE" }]);
      apiServer.cont();
      await using next = new Hints(lock);
      await expect.poll(() => next.holder, patience).toBe(lock.identity);
    });

    test("a watch without the right for it says so once, and asks no more", async () => {
      const [rule, ...others] = leaseRights;
      const blind = {
        ...rule,
        apiGroups: rule?.apiGroups ?? [],
        resources: rule?.resources ?? [],
        verbs: ["get", "create"],
      };
      const kubeConfig = await place.candidate([blind, ...others]);
      const lock = await place.lock({ kubeConfig });
      await lock.create(heldBy(lock));
      await using first = new Hints(lock);
      expect(await first.ended).toMatchObject({ code: "ACCESS_DENIED" });
      await using second = new Hints(lock);
      await pause(500);
      expect(second.all).toEqual([]);
      const watches = kube.requests(kubeConfig.getCurrentUser()?.name).filter(({ verb }) => verb === "watch");
      expect(watches.map(({ code }) => code)).toEqual([403]);
    });

    test("a Lease that is deleted and created again gives a hint each time", async () => {
      const lock = await place.lock();
      await lock.create(heldBy(lock));
      await using hints = new Hints(lock);
      await expect.poll(() => hints.all.length, patience).toBe(1);
      await kube.ask("DELETE", place.path);
      await expect.poll(() => hints.all.at(-1), patience).toEqual({});
      await place.put({ spec: { holderIdentity: "again" } });
      await expect.poll(() => hints.holder, patience).toBe("again");
      expect(hints.all).toHaveLength(3);
    });
  });
});
