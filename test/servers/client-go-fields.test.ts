// Goal: what client-go writes into a Lease we read, what we write it reads, and ours gives back what is not ours.
// Method: its elector and its lock, unmodified, beside ours on one Lease of a real API server. The server's own
// election of leaders is switched on, so that it keeps the two fields of that.
import { CustomObjectsApi } from "@kubernetes/client-node";
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import type { Leadership } from "../../src/election/leadership.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import { fromCustomObjectsApi } from "../../src/kubernetes/custom-objects-api.ts";
import { LeaseLock } from "../../src/kubernetes/lease-lock.ts";
import type { Candidate } from "../process/support/candidate-process.ts";
import { timing } from "../process/support/candidates.ts";
import { firstStart } from "../process/support/scenario.ts";
import { describeOn } from "./support/found-server.ts";
import { findMixedPlace, MixedFleet, type MixedPlace } from "./support/mixed-fleet.ts";

const coordinated = {
  flags: ["--feature-gates=CoordinatedLeaderElection=true", "--runtime-config=coordination.k8s.io/v1beta1=true"],
};

async function seenBy(lock: LeaseLock): Promise<LeaderElectionRecord | undefined> {
  return (await lock.get())?.record;
}

async function works(candidate: Candidate): Promise<void> {
  await candidate.until("step", { after: candidate.count("step"), where: ({ outcome }) => outcome === "accepted" });
}

describeOn(findMixedPlace(coordinated), (start) => {
  let place: MixedPlace | undefined;
  beforeAll(async () => void (place = await start()));
  afterAll(async () => place?.[Symbol.asyncDispose]());

  async function open(): Promise<MixedFleet> {
    if (place === undefined) throw new Error("there is no server");
    return MixedFleet.open(place);
  }

  test("K-30: what client-go writes, creating, renewing and releasing, is read to the microsecond", async () => {
    await using fleet = await open();
    const lock = await fleet.lock();
    const theirs = await fleet.theirs("theirs");
    await theirs.until("applied", { after: 3 });
    const held = await seenBy(lock);
    const written = theirs.all("applied").map(({ record }) => record);
    expect(held?.holderIdentity).toMatch(/^theirs_/);
    expect(written).toContainEqual(held);
    expect(held?.renewTime).toMatch(/\.\d{6}Z$/);
    theirs.signal("SIGTERM");
    await theirs.exited;
    const released = theirs.all("applied").at(-1)?.record;
    expect(released).toMatchObject({ holderIdentity: "", leaseDurationSeconds: 1, leaderTransitions: 0 });
    expect(await seenBy(lock)).toEqual(released);
    const kinds = theirs.all("applied").map(({ op }) => op);
    expect([kinds[0], kinds[1], kinds.at(-1)]).toEqual(["acquire", "renew", "release"]);
    // And each state that a watch saw was one that it wrote, unaltered.
    expect(fleet.history.length).toBe(kinds.length);
    for (const record of fleet.history) expect(theirs.all("applied").map((told) => told.record)).toContainEqual(record);
  });

  test("K-30: what ours writes, creating, renewing and releasing, client-go reads to the microsecond", async () => {
    await using fleet = await open();
    const ours = await fleet.ours("ours");
    await ours.until("renewed");
    const held = await fleet.seenByTheirs();
    expect(held.record.holderIdentity).toMatch(/^ours_/);
    expect(ours.all("sending").map(({ record }) => record)).toContainEqual(held.record);
    ours.signal("SIGTERM");
    await ours.exited;
    const released = await fleet.seenByTheirs();
    expect(released.record).toMatchObject({ holderIdentity: "", leaseDurationSeconds: 1, leaderTransitions: 1 });
    expect(released.record.renewTime).toBe(ours.all("applied").at(-1)?.record.renewTime);
    expect(released.record.acquireTime).toBe(released.record.renewTime);
  });

  test("K-21: ours keeps labels, annotations, owners and the strategy of others, over takeover and release", async () => {
    await using fleet = await open();
    const theirs = await fleet.theirs("theirs");
    await works(theirs);
    const owner = { apiVersion: "v1", kind: "ConfigMap", name: "owner", uid: "8d1bbf2e-4f7a-4bb5-9c51-7f9b0d3c2a10" };
    const metadata = {
      labels: { team: "billing" },
      annotations: { "example.com/note": "kept" },
      ownerReferences: [owner],
    };
    await fleet.edit({ metadata });
    const ours = await fleet.ours("ours");
    await ours.until("watchLive");
    theirs.signal("SIGTERM");
    await firstStart([ours]);
    await fleet.edit({ spec: { strategy: "OldestEmulationVersion", preferredHolder: "somebody" } });
    await ours.until("renewed", { after: ours.count("renewed") + 1 });
    expect(await fleet.stored()).toMatchObject({
      metadata,
      spec: { strategy: "OldestEmulationVersion", preferredHolder: "somebody", leaseTransitions: 1 },
    });
    expect((await fleet.seenByTheirs()).record).toMatchObject({
      strategy: "OldestEmulationVersion",
      preferredHolder: "somebody",
    });
    ours.signal("SIGTERM");
    await ours.exited;
    expect(await fleet.stored()).toMatchObject({
      metadata,
      spec: { holderIdentity: "", strategy: "OldestEmulationVersion", preferredHolder: "somebody" },
    });
    expect(await fleet.problems()).toEqual([]);
  });

  test("client-go erases strategy and preferredHolder with its next renewal, and keeps the metadata", async () => {
    await using fleet = await open();
    const theirs = await fleet.theirs("theirs");
    await works(theirs);
    const metadata = { labels: { team: "billing" }, annotations: { "example.com/note": "kept" } };
    await fleet.edit({ metadata, spec: { strategy: "OldestEmulationVersion", preferredHolder: "somebody" } });
    expect((await fleet.stored())["spec"]).toMatchObject({ preferredHolder: "somebody" });
    await theirs.until("applied", { after: theirs.count("applied") });
    const { metadata: after, spec } = await fleet.stored();
    expect(after).toMatchObject(metadata);
    expect(spec).not.toHaveProperty("strategy");
    expect(spec).not.toHaveProperty("preferredHolder");
    expect(theirs.count("onStoppedLeading")).toBe(0);
  });

  test("K-29: ours without holderGraceMs warns once of a holder that runs client-go, and never of one of ours", async () => {
    await using fleet = await open();
    const warned: string[] = [];
    const run = new AbortController();
    const campaign = async (): Promise<{ readonly elector: LeaderElector; readonly ended: Promise<void> }> => {
      const warn = (message: string, fields: object = {}): void => void warned.push(JSON.stringify([message, fields]));
      const logger = { debug() {}, info() {}, warn, error() {} };
      const work = ({ signal }: Leadership): Promise<unknown> => once(signal, "abort");
      const elector = new LeaderElector({
        ...{ ...timing, lock: await fleet.lock(), logger },
        callbacks: { onStartedLeading: async (leadership) => void (await work(leadership)) },
      });
      return { elector, ended: elector.run({ signal: run.signal }) };
    };
    const theirs = await fleet.theirs("theirs");
    await works(theirs);
    const first = await campaign();
    await theirs.until("applied", { after: theirs.count("applied") + 3 });
    expect(warned).toEqual([expect.stringMatching(/theirs_.*holderGraceMs/)]);
    theirs.signal("SIGTERM");
    await expect.poll(() => first.elector.isLeader(), { timeout: 5_000 }).toBe(true);
    const second = await campaign();
    await expect.poll(() => second.elector.leader, { timeout: 5_000 }).toBe(first.elector.leader);
    expect(warned).toHaveLength(1);
    run.abort();
    await Promise.all([first.ended, second.ended]);
  });

  test("K-29: the server's notes tell client-go's renewals from ours, also from those over client-node's own classes", async () => {
    await using fleet = await open();
    const lock = await fleet.lock();
    const theirs = await fleet.theirs("theirs");
    await works(theirs);
    expect(await lock.get()).toMatchObject({ foreign: true });
    theirs.signal("SIGTERM");
    await theirs.exited;
    const api = place?.kube.kubeConfig().makeApiClient(CustomObjectsApi);
    if (api === undefined) throw new Error("there is no server");
    const { namespace } = fleet;
    const injected = new LeaseLock({ client: fromCustomObjectsApi(api), namespace, name: "lease", events: "off" });
    for (const writer of [injected, lock]) {
      const before = await writer.get();
      if (before === undefined) throw new Error("the Lease is gone");
      const renewTime = `${new Date().toISOString().slice(0, -1)}000Z`;
      const record = { ...before.record, holderIdentity: writer.identity, renewTime };
      expect(await writer.update(record, before.version)).toMatchObject({ written: true });
      expect((await lock.get())?.record.holderIdentity).toBe(writer.identity);
      expect((await lock.get())?.foreign ?? false).toBe(false);
    }
  });

  test("client-go K12: two writes within one second are one to it; to ours they are two", async () => {
    await using fleet = await open();
    const lock = await fleet.lock();
    const second = "2026-11-21T09:32:44";
    const record = {
      ...{ holderIdentity: "holder", leaseDurationSeconds: 15, leaderTransitions: 1 },
      ...{ acquireTime: `${second}.100000Z`, renewTime: `${second}.100000Z` },
    };
    expect(await lock.create(record)).toMatchObject({ written: true });
    const [before, version] = [await fleet.seenByTheirs(), (await lock.get())?.version];
    if (version === undefined) throw new Error("the Lease is gone");
    const later = { ...record, renewTime: `${second}.900000Z` };
    expect(await lock.update(later, version)).toMatchObject({ written: true });
    const after = await fleet.seenByTheirs();
    expect(after.record.renewTime).toBe(later.renewTime);
    expect(after.record.renewTime).not.toBe(before.record.renewTime);
    expect(after.compared).toBe(before.compared);
    expect(fleet.history.map(({ renewTime }) => renewTime)).toEqual([record.renewTime, later.renewTime]);
  });
});
