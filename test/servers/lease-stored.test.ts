// Goal: K-110: what a LeaseLock writes is kept by a real API server as it was meant, and what others have written
// stays. Method: locks of ours beside bare requests that no client of ours would send.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KubernetesResource, LeaseLock } from "../../src/kubernetes/index.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import { describeOn } from "./support/found-server.ts";
import { foundKube, type KubeServer } from "./support/kube-server.ts";
import { heldBy, LeasePlace } from "./support/lease-place.ts";

let kube: KubeServer;
let place: LeasePlace;

/** Writes over what is there, whatever it is. */
async function overwrite(lock: LeaseLock, record: LeaderElectionRecord = heldBy(lock, 2)): Promise<KubernetesResource> {
  const seen = (await lock.get()) ?? expect.fail("the Lease is absent");
  expect((await lock.update(record, seen.version)).written).toBe(true);
  return place.stored();
}

function metadataOf(lease: KubernetesResource): object {
  const { managedFields: _who, resourceVersion: _moves, ...rest } = { ...lease.metadata };
  return rest;
}

describeOn(foundKube, (start) => {
  beforeAll(async () => {
    kube = await start();
  });
  afterAll(() => kube?.[Symbol.asyncDispose]());

  describe("times", () => {
    test("K-14, K-110: six digits are kept to the last; three are refused, whoever sends them", async () => {
      place = await LeasePlace.make(kube);
      const lock = await place.lock();
      const record = {
        ...heldBy(lock),
        renewTime: "2026-11-21T09:33:00.000001Z",
        acquireTime: "2026-11-21T09:33:00.100000Z",
      };
      await lock.create(record);
      expect((await lock.get())?.record).toMatchObject({
        renewTime: record.renewTime,
        acquireTime: record.acquireTime,
      });
      expect(await place.stored()).toMatchObject({
        spec: { renewTime: record.renewTime, acquireTime: record.acquireTime },
      });
      const now = await place.stored();
      for (const digits of ["", ".001", ".000000001"]) {
        const body = { ...now, spec: { ...record, renewTime: `2026-11-21T09:33:01${digits}Z` } };
        expect([digits, (await kube.ask("PUT", place.path, { body })).status]).toEqual([digits, 400]);
        const patch = { spec: { renewTime: body.spec.renewTime } };
        expect([digits, (await kube.ask("PATCH", place.path, { body: patch })).status]).toEqual([digits, 422]);
      }
      expect(await place.stored()).toEqual(now);
    });

    test("K-15: an offset that another has written is read, and compared as text", async () => {
      place = await LeasePlace.make(kube);
      await place.put({ spec: { holderIdentity: "tokyo", renewTime: "2026-11-21T18:33:00.000001+09:00" } });
      const seen = await (await place.lock()).get();
      expect(seen?.record.renewTime).toBe("2026-11-21T09:33:00.000001Z"); // the server writes it anew
    });
  });

  describe("conditions", () => {
    test("K-18, K-110: a bare PUT without uid creates an absent Lease; ours never does", async () => {
      place = await LeasePlace.make(kube);
      const lock = await place.lock();
      const created = await lock.create(heldBy(lock));
      if (!created.written) return expect.fail("the Lease was there");
      await kube.ask("DELETE", place.path);
      expect(await lock.update(heldBy(lock), created.version)).toEqual({ written: false });
      expect(await lock.get()).toBeUndefined();
      const [, resourceVersion] = created.version.split("/");
      const body = {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: { name: place.name, resourceVersion },
      };
      expect((await kube.ask("PUT", place.path, { body })).status).toBe(201); // the danger that the uid averts
    });

    test("K-18: nothing is written to a Lease that was deleted and created again", async () => {
      place = await LeasePlace.make(kube);
      const [old, next] = [await place.lock(), await place.lock()];
      const created = await old.create(heldBy(old));
      if (!created.written) return expect.fail("the Lease was there");
      await kube.ask("DELETE", place.path);
      await next.create(heldBy(next, 2));
      expect(await old.update(heldBy(old), created.version)).toEqual({ written: false });
      expect((await old.get())?.record.holderIdentity).toBe(next.identity);
    });

    test("K-19: a label edit between is a lost race, and the next write keeps the label", async () => {
      place = await LeasePlace.make(kube);
      const lock = await place.lock();
      const created = await lock.create(heldBy(lock));
      if (!created.written) return expect.fail("the Lease was there");
      await kube.ask("PATCH", place.path, { body: { metadata: { labels: { team: "billing" } } } });
      expect(await lock.update(heldBy(lock), created.version)).toEqual({ written: false });
      expect((await overwrite(lock)).metadata?.labels).toEqual({ team: "billing" });
    });
  });

  describe("the fields of others", () => {
    test("K-17: a Lease without a spec, and one without a holder, are free in term 0, and can be acquired", async () => {
      for (const spec of [undefined, {}, { holderIdentity: "" }, { leaseTransitions: null, renewTime: null }]) {
        place = await LeasePlace.make(kube);
        await place.put(spec === undefined ? {} : { spec });
        const lock = await place.lock();
        expect((await lock.get())?.record).toMatchObject({ holderIdentity: "", leaderTransitions: 0 });
        expect(await overwrite(lock)).toMatchObject({ spec: { holderIdentity: lock.identity, leaseTransitions: 2 } });
      }
    });

    test("K-21, K-23: labels, annotations and owners of others survive three writes; own labels come back", async () => {
      place = await LeasePlace.make(kube);
      const owner = { apiVersion: "v1", kind: "ConfigMap", name: "owner", uid: "11111111-2222-4333-8444-555555555555" };
      const metadata = {
        ...{ name: place.name, namespace: place.namespace, ownerReferences: [owner], finalizers: ["tenure.test/hold"] },
        ...{ labels: { team: "billing", app: "theirs" }, annotations: { "example.com/note": "ü" } },
      };
      const made = await place.put({ metadata });
      const lock = await place.lock({ labels: { app: "ours" } });
      const first = metadataOf(await overwrite(lock));
      expect(first).toEqual({ ...metadataOf(made), labels: { team: "billing", app: "ours" } });
      await kube.ask("PATCH", place.path, { body: { metadata: { labels: { app: "theirs" } } } });
      expect(metadataOf(await overwrite(lock))).toEqual(first);
      const released = { ...heldBy(lock, 2), holderIdentity: "" };
      expect(metadataOf(await overwrite(lock, released))).toEqual(first);
      await kube.ask("PATCH", place.path, { body: { metadata: { finalizers: null } } });
    });

    test("K-1, K-110: a field that the server does not know is dropped by the server, and troubles nobody", async () => {
      place = await LeasePlace.make(kube);
      await place.put({ spec: { holderIdentity: "b", invented: { deep: 1 } }, other: true });
      const lock = await place.lock();
      const stored = await overwrite(lock);
      expect(stored).toMatchObject({ spec: { holderIdentity: lock.identity } });
      expect(JSON.stringify(stored)).not.toContain("deep");
    });

    test("K-21: a preferred holder is kept, with a strategy and without, whatever the server does to the field", async () => {
      for (const strategy of [undefined, "OldestEmulationVersion"]) {
        place = await LeasePlace.make(kube);
        const [lock, other] = [await place.lock(), await place.lock()];
        const preferring = {
          ...heldBy(lock),
          preferredHolder: other.identity,
          ...(strategy !== undefined && { strategy }),
        };
        expect((await lock.create(preferring)).written).toBe(true);
        expect((await other.get())?.record.preferredHolder).toBe(other.identity);
        await overwrite(other, { ...heldBy(other, 2), ...(strategy !== undefined && { strategy }) });
        expect((await lock.get())?.record.preferredHolder).toBeUndefined();
      }
    });

    test("K-22: a release leaves an empty holder, one second, its own times and the term", async () => {
      place = await LeasePlace.make(kube);
      const lock = await place.lock();
      await lock.create(heldBy(lock, 7));
      const release = { ...heldBy(lock, 7), holderIdentity: "" };
      const { spec } = await overwrite(lock, release);
      const at = release.renewTime;
      expect(spec).toEqual({
        ...{ holderIdentity: "", leaseDurationSeconds: 1, acquireTime: at, renewTime: at, leaseTransitions: 7 },
      });
    });
  });
});
