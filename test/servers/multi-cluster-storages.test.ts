// Goal: two clusters elect one leader over every storage of the release, follow one who is elsewhere, and go on after a
// release and a crash (K-112). Method: two API servers, controllers and candidates as processes, a journal as judge.
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect } from "vitest";
import { openStorage } from "../../src/storage/registry.ts";
import { leaseKey } from "../../src/storage/keys.ts";
import type { LeaseStorage } from "../../src/storage/lease-storage.ts";
import { microTime } from "../../src/system/micro-time.ts";
import { foundClusters } from "./support/cluster-pair.ts";
import { onTwoClusters } from "./support/clusters-scenario.ts";
import { describeOn, type FoundServer } from "./support/found-server.ts";
import { gcsServerIn } from "./support/gcs-server.ts";
import { postgresServer } from "./support/postgres-server.ts";
import { foundRedis } from "./support/redis-server.ts";
import { patienceMs, quick, until, works, type TwoClusters, type TwoClustersOptions } from "./support/two-clusters.ts";

/** Where a storage of its own for each election can be had. */
interface StoragePlace extends AsyncDisposable {
  /** `undefined`: what elections have by default, files. */
  readonly url: () => Promise<string | undefined>;
}

let places = 0;

const files: FoundServer<StoragePlace> = {
  name: "files",
  start: async () => ({ url: async () => undefined, [Symbol.asyncDispose]: async () => undefined }),
};

function placesOf<T>(found: FoundServer<T>, place: (server: T) => StoragePlace): FoundServer<StoragePlace> {
  return "missing" in found ? found : { name: found.name, start: async () => place(await found.start()) };
}

const storages = [
  files,
  // Never probed: the stand-in ignores conditions on a removal, which elections do not use.
  placesOf(gcsServerIn("memory"), (server) => ({
    url: async () => server.url(server.fresh(), { pollMs: 500, probe: "never" }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  })),
  placesOf(postgresServer, (server) => ({
    url: async () => server.url({ parameters: { schema: await server.schema() } }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  })),
  placesOf(foundRedis, ({ url, stop }) => ({
    url: async () => `${url}?prefix=clusters-${process.pid}-${(places += 1)}`,
    [Symbol.asyncDispose]: stop,
  })),
];

onTwoClusters(foundClusters, (scenario) => {
  for (const storage of storages) {
    describeOn(storage, (startStorage) => {
      let place: StoragePlace;
      beforeAll(async () => {
        place = await startStorage();
      });
      afterAll(() => place?.[Symbol.asyncDispose]());
      const over = async (): Promise<TwoClustersOptions> => {
        const storageUrl = await place.url();
        return storageUrl === undefined ? {} : { storageUrl };
      };

      scenario(
        "K-100, K-102: one leads in 20 s, no second does; it stops, and the other cluster leads",
        handsOver,
        over,
      );
      scenario("K-103: SIGKILL of the leader: the other cluster leads, and one who comes back does not", crashes, over);
      scenario("K-101: one who leads elsewhere is followed, and succeeded with the next term", follows, over);
    });
  }
});

async function handsOver(clusters: TwoClusters): Promise<void> {
  await clusters.startControllers();
  const leader = await clusters.start("a", "ada");
  const { term } = await leader.until("started", { withinMs: 20_000 });
  const before = (await clusters.status("a"))?.globalRenewTime;
  const standby = await clusters.startStandby("b", "bob");
  await clusters.bothShow(leader);
  await pause(5_000);
  expect([leader.count("stopped"), standby.count("started")]).toEqual([0, 0]);
  expect((await clusters.status("b"))?.globalRenewTime).not.toBe(before);
  leader.signal("SIGTERM");
  const next = await standby.until("started", { withinMs: patienceMs });
  expect(next.term).toBeGreaterThan(term);
  expect(await leader.exited).toEqual({ code: 0, signal: null });
  await works(standby);
  await clusters.bothShow(standby);
}

async function crashes(clusters: TwoClusters): Promise<void> {
  await clusters.startControllers();
  const leader = await clusters.startLeader("a", "ada");
  const standby = await clusters.startStandby("b", "bob");
  leader.signal("SIGKILL");
  const { term } = await standby.until("started", { withinMs: patienceMs });
  expect(term).toBeGreaterThan(leader.all("started")[0]?.term ?? Infinity);
  const again = await clusters.startStandby("a", "ada");
  await works(standby);
  expect([again.count("started"), standby.count("stopped")]).toEqual([0, 0]);
}

async function follows(clusters: TwoClusters): Promise<void> {
  await using incumbent = await Incumbent.start(clusters);
  await clusters.startControllers();
  const candidate = await clusters.startStandby("a", "ada");
  await pause(1.5 * quick.leaseDurationMs);
  const shown = await clusters.status("a");
  expect([candidate.count("started"), shown?.globalHolderIdentity]).toEqual([0, incumbent.identity]);
  await incumbent.stop();
  const { term } = await candidate.until("started", { withinMs: patienceMs });
  expect(term).toBe(2);
  const transitions = async (): Promise<boolean> => (await clusters.status("a"))?.globalLeaseTransitions === 2;
  await until(transitions, () => "the status shows the second term");
  await works(candidate);
}

/** Somebody of a third cluster, who renews in the storage, term 1. */
class Incumbent implements AsyncDisposable {
  readonly identity = "carol_in-another-cluster";
  readonly #storage: LeaseStorage & { close(): Promise<void> };
  readonly #key: string;
  readonly #over = new AbortController();
  #renewing: Promise<void> | undefined;

  private constructor(storage: LeaseStorage & { close(): Promise<void> }, key: string) {
    this.#storage = storage;
    this.#key = key;
  }

  static async start({ storageUrl, namespace }: TwoClusters): Promise<Incumbent> {
    const incumbent = new Incumbent(await openStorage(storageUrl), leaseKey(namespace, "invoices"));
    const { generation } = await incumbent.#storage.createLease(incumbent.#key, incumbent.#data());
    incumbent.#renewing = incumbent.#renew(generation);
    return incumbent;
  }

  async stop(): Promise<void> {
    this.#over.abort();
    await this.#renewing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#storage.close();
  }

  async #renew(first: string): Promise<void> {
    const { signal } = this.#over;
    for (let generation = first; !signal.aborted;) {
      await pause(1_000, undefined, { signal }).catch(() => {}); // the loop sees it
      if (signal.aborted) return;
      ({ generation } = await this.#storage.writeLease(this.#key, this.#data(), generation));
    }
  }

  #data() {
    const now = microTime(Date.now() * 1_000);
    const leaseDurationSeconds = quick.leaseDurationMs / 1_000;
    return {
      holderIdentity: this.identity,
      renewTime: now,
      acquireTime: now,
      leaseTransitions: 1,
      leaseDurationSeconds,
    };
  }
}
