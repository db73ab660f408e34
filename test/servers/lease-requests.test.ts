// Goal: elections on a real API server send as much as promised and no more, over connections that are kept and, when
// they go bad, given up. Method: the server's audit log counts requests, a proxy on the wire counts and spoils
// connections.
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KubernetesClient, LeaseLock } from "../../src/kubernetes/index.ts";
import type { Version } from "../../src/storage/versioned-storage.ts";
import { FaultProxy } from "../process/fault-proxy.ts";
import { describeOn } from "./support/found-server.ts";
import { foundOwnKube, type KubeServer } from "./support/kube-server.ts";
import { heldBy, LeasePlace, leaseRights } from "./support/lease-place.ts";
import { SeenElector, seenProblems } from "./support/seen-elector.ts";

let kube: KubeServer;

/** A lock of the administrator on a fresh Lease, behind a proxy, with a connection that was used. */
interface Proxied extends AsyncDisposable {
  readonly proxy: FaultProxy;
  readonly client: KubernetesClient;
  readonly lock: LeaseLock;
}

async function proxied(): Promise<Proxied> {
  const place = await LeasePlace.make(kube);
  const proxy = await new FaultProxy({ host: kube.host, port: kube.port }).inject({});
  const client = await kube.client(kube.through(proxy.port));
  await client.read(place.ref);
  const lock = await place.lock({ client });
  return { proxy, client, lock, [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose]() };
}

/** Makes the Lease, and resolves with its version. */
async function created(lock: LeaseLock): Promise<Version> {
  const outcome = await lock.create(heldBy(lock));
  return outcome.written ? outcome.version : expect.fail("the Lease was there");
}

function code(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => "none",
    (error: unknown) => Reflect.get(Object(error), "code"),
  );
}

/** What an account has sent, by verb; events are not about the election. */
function sentBy(account: string, since: Readonly<Record<string, number>> = {}): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { verb, uri } of kube.requests(account)) {
    if (uri.includes("/leases")) counts[verb] = (counts[verb] ?? 0) + 1;
  }
  for (const [verb, count] of Object.entries(since)) counts[verb] = (counts[verb] ?? 0) - count;
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}

const blind = [
  { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["get", "create", "update"] },
  ...leaseRights.slice(1),
];

describeOn(foundOwnKube, (start) => {
  beforeAll(async () => {
    kube = await start();
  });
  afterAll(() => kube?.[Symbol.asyncDispose]());

  test("K-2: 200 requests make one connection, and so one handshake; a watch has another", async () => {
    await using wire = await proxied();
    const { proxy, client, lock } = wire;
    let outcome = await lock.create(heldBy(lock));
    for (let renewals = 0; renewals < 200 && outcome.written; renewals += 1) {
      outcome = await lock.update(heldBy(lock), outcome.version);
    }
    expect(outcome.written).toBe(true);
    expect(proxy.connections.accepted).toBe(1);
    const over = new AbortController();
    await lock.watch({ signal: over.signal })[Symbol.asyncIterator]().next();
    expect(proxy.connections.accepted).toBe(2);
    over.abort();
    await client.close();
  });

  describe("K-4: trouble on the wire", () => {
    test("#16 a black hole: each call ends at its deadline, its socket is destroyed, the next one gets a new one", async () => {
      await using wire = await proxied();
      const { proxy, lock } = wire;
      const version = await created(lock);
      await proxy.inject({ up: { swallow: true }, down: { swallow: true } });
      const sinceMs = performance.now();
      expect(await code(lock.update(heldBy(lock), version, { timeoutMs: 400 }))).toBe("OUTCOME_UNKNOWN");
      expect(performance.now() - sinceMs).toBeLessThan(900);
      await expect.poll(() => proxy.connections.open).toBe(0);
      // Nobody shakes hands in a black hole, so what follows is not sent.
      expect(await code(lock.update(heldBy(lock), version, { timeoutMs: 400 }))).toBe("STORAGE_UNAVAILABLE");
      await proxy.inject({});
      expect(await lock.update(heldBy(lock), version)).toMatchObject({ written: true });
    });

    test("#20 an answer that comes byte by byte is cut at the deadline", async () => {
      await using wire = await proxied();
      const { proxy, lock } = wire;
      await created(lock);
      await proxy.inject({ down: { sliceBytes: 1, bytesPerSecond: 50 } });
      const sinceMs = performance.now();
      expect(await code(lock.get({ timeoutMs: 600 }))).toBe("STORAGE_UNAVAILABLE");
      expect(performance.now() - sinceMs).toBeLessThan(1_200);
      await proxy.inject({});
      expect((await lock.get())?.record.holderIdentity).toBe(lock.identity);
    });

    test("#18 a write whose answer is lost was applied, is unknown, and is found by reading", async () => {
      await using wire = await proxied();
      const { proxy, lock } = wire;
      const version = await created(lock);
      await proxy.inject({ down: { swallow: true } });
      const record = heldBy(lock);
      expect(await code(lock.update(record, version, { timeoutMs: 400 }))).toBe("OUTCOME_UNKNOWN");
      await proxy.inject({});
      expect((await lock.get())?.record.renewTime).toBe(record.renewTime);
      expect(await lock.update(record, version)).toEqual({ written: false });
    });

    test("#21 a server restarted behind kept sockets gets the next request on a new one", async () => {
      await using wire = await proxied();
      const { lock } = wire;
      const version = await created(lock);
      await kube.restartApiServer();
      expect(await lock.update(heldBy(lock), version)).toMatchObject({ written: true });
    });
  });

  test(
    "K-31: a minute at 15/10/2 s: 12 PUT of the leader, nothing of a standby that watches, few reads of a blind one",
    { timeout: 120_000 },
    async () => {
      const place = await LeasePlace.make(kube);
      const accounts = [await place.candidate(), await place.candidate(), await place.candidate(blind)];
      const settings = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 };
      const electors: SeenElector[] = [];
      for (const kubeConfig of accounts) {
        const elector = new SeenElector(await place.lock({ kubeConfig, events: "events.k8s.io" }), { settings });
        electors.push(elector);
        await elector.until(() => elector.leaders.length > 0);
      }
      const [leader, standby, poller] = accounts.map((account) => account.getCurrentUser()?.name ?? "");
      await pause(3_000);
      const names = [leader ?? "", standby ?? "", poller ?? ""];
      const before = names.map((name) => sentBy(name));
      await pause(60_000);
      const [ofLeader, ofStandby, ofPoller] = names.map((name, index) => sentBy(name, before[index]));
      const { update = 0, ...others } = ofLeader ?? {};
      expect([12, 13]).toContain(update); // a minute has twelve, and the ends of one may have another
      expect(others).toEqual({});
      expect(ofStandby).toEqual({});
      const { get = 0, ...more } = ofPoller ?? {};
      expect(more).toEqual({});
      expect(get).toBeGreaterThan(5);
      expect(get).toBeLessThanOrEqual(60 / (1.6 * 2) + 4); // a mean of pauses from P to 2.2 P, and four deviations
      for (const elector of electors.toReversed()) await elector[Symbol.asyncDispose]();
      expect(seenProblems(electors)).toEqual([]);
    },
  );
});
