// Goal: what deploy/ puts into two clusters elects across them, and goes on after each accident of K-103. Method: real
// candidates with its rights, on two API servers that have its manifests, or on the two clusters of deploy/kind/e2e.sh;
// what they did under guard is checked by one clock, after each case.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import {
  multiClusterLeaseKind,
  readStatus,
  type MultiClusterLeaseStatus,
} from "../../src/kubernetes/multi-cluster-lease.ts";
import { leaseKey } from "../../src/storage/keys.ts";
import { openStorage } from "../../src/storage/registry.ts";
import { microTime } from "../../src/system/micro-time.ts";
import type { Candidate } from "../process/support/candidate-process.ts";
import { Candidates } from "../process/support/candidates.ts";
import { applied } from "./support/applied.ts";
import { foundDeployedClusters, type DeployedCluster, type DeployedClusters } from "./support/deployed-clusters.ts";
import { describeOn } from "./support/found-server.ts";
import { accountOf } from "./support/kube-account.ts";
import { deploy, manifestsOf } from "./support/kustomize.ts";

const name = "invoices"; // the lease of deploy/multi-cluster-lease-rbac.yaml
const timing = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 };
/** L + P + 2 s. */
const crashMs = timing.leaseDurationMs + timing.retryPeriodMs + 2_000;

describeOn(foundDeployedClusters, (start) => {
  let clusters: DeployedClusters;
  let candidates: Candidates;
  let namespace: string;
  beforeAll(async () => {
    clusters = await start();
  });
  afterAll(() => clusters?.[Symbol.asyncDispose]());

  beforeEach(async () => {
    namespace = `billing-${randomUUID()}`;
    candidates = await Candidates.open({ multiClusterLease: { namespace, name } });
    const file = readFileSync(join(deploy, "multi-cluster-lease-rbac.yaml"), "utf8");
    for (const { kube } of [clusters.a, clusters.b]) {
      await kube.make("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
      for (const manifest of manifestsOf(file.replaceAll(/: billing$/gm, `: ${namespace}`))) {
        const { status, text } = await applied(kube, manifest);
        expect(status, text).toBe(201);
      }
    }
  });

  /** What holds whatever happened: no overlap, no smaller term, nothing after a release. */
  afterEach(async () => {
    await using ending = candidates;
    expect(await ending.problems()).toEqual([]);
  });

  async function candidate({ kube }: DeployedCluster, label: string): Promise<Candidate> {
    const file = await kube.fileOf(await accountOf(kube, namespace, "invoices-worker"));
    return candidates.start(label, { timing, env: { KUBECONFIG: file } });
  }

  async function statusIn({ kube }: DeployedCluster): Promise<MultiClusterLeaseStatus> {
    const { group, version, plural } = multiClusterLeaseKind({ namespace });
    const path = `/apis/${group}/${version}/namespaces/${namespace}/${plural}/${name}`;
    const read = readStatus((await kube.ask("GET", path)).body);
    return "status" in read ? read.status : expect.unreachable("the status is unreadable");
  }

  /** Waits until a cluster shows that this candidate holds the lease. */
  async function shown(cluster: DeployedCluster, { label }: Candidate, timeout = 5_000): Promise<void> {
    const holder = async (): Promise<unknown> => (await statusIn(cluster)).globalHolderIdentity;
    await expect.poll(holder, { timeout }).toMatch(new RegExp(`^${label}_`));
  }

  const counts = (...all: readonly Candidate[]): readonly (readonly [number, number])[] =>
    all.map((one) => [one.count("started"), one.count("stopped")]);

  /** One leads in a, and one stands by in b. */
  async function leaderAndStandby(): Promise<[Candidate, Candidate]> {
    const ada = await candidate(clusters.a, "ada");
    await ada.until("started");
    const bob = await candidate(clusters.b, "bob");
    await bob.until("newLeader");
    return [ada, bob];
  }

  test("K-100 in a fresh namespace a candidate leads within 20 s, and the status follows its renewals", async () => {
    const ada = await candidate(clusters.a, "ada");
    await ada.until("started", { withinMs: 20_000 });
    await shown(clusters.a, ada);
    const { globalRenewTime } = await statusIn(clusters.a);
    const renewed = async (): Promise<unknown> => (await statusIn(clusters.a)).globalRenewTime;
    await expect.poll(renewed, { timeout: 7_000 }).not.toBe(globalRenewTime);
    expect(counts(ada)).toEqual([[1, 0]]);
  });

  test("K-101 an incumbent that renews in the storage is followed, and succeeded once it stops", async () => {
    await using storage = await openStorage(clusters.storageUrl);
    const key = leaseKey(namespace, name);
    const data = { holderIdentity: "incumbent", leaseTransitions: 1, leaseDurationSeconds: 15 };
    const renewal = (): typeof data & { renewTime: string } => ({ ...data, renewTime: microTime(Date.now() * 1_000) });
    let { generation } = await storage.createLease(key, renewal());
    const ada = await candidate(clusters.a, "ada");
    for (const fromMs = performance.now(); performance.now() - fromMs < 20_000; await pause(2_000)) {
      ({ generation } = await storage.writeLease(key, renewal(), generation));
    }
    expect(counts(ada)).toEqual([[0, 0]]);
    expect(await statusIn(clusters.a)).toMatchObject({ globalHolderIdentity: "incumbent" });
    const { term } = await ada.until("started", { withinMs: crashMs });
    expect(term).toBe(2);
    await expect.poll(async () => (await statusIn(clusters.a)).globalLeaseTransitions, { timeout: 5_000 }).toBe(2);
    await ada.until("renewed", { withinMs: 10_000 });
  });

  test("K-102 one of two leads, and both clusters show it; it stops, and the other leads within P + 2 s", async () => {
    const [ada, bob] = await leaderAndStandby();
    await pause(5_000);
    expect(counts(ada, bob)).toEqual([
      [1, 0],
      [0, 0],
    ]);
    for (const cluster of [clusters.a, clusters.b]) await shown(cluster, ada);
    ada.signal("SIGTERM");
    await bob.until("started", { withinMs: timing.retryPeriodMs + 2_000 });
    for (const cluster of [clusters.a, clusters.b]) await shown(cluster, bob);
    expect(await ada.exited).toMatchObject({ code: 0 });
  });

  test("K-103 SIGKILL of the leader: the other cluster leads within L + P + 2 s", async () => {
    const [ada, bob] = await leaderAndStandby();
    await ada.until("renewed");
    ada.signal("SIGKILL");
    await bob.until("started", { withinMs: crashMs });
    await shown(clusters.a, bob);
  });

  test("K-103 SIGKILL of the controller's replica that writes: no leader is deposed (K-85)", async () => {
    const [ada, bob] = await leaderAndStandby();
    await ada.until("renewed");
    const { globalRenewTime } = await statusIn(clusters.a);
    await clusters.a.killController();
    await pause(timing.leaseDurationMs);
    expect(counts(ada, bob)).toEqual([
      [1, 0],
      [0, 0],
    ]);
    expect((await statusIn(clusters.a)).globalRenewTime).not.toBe(globalRenewTime);
  });

  test("K-103 SIGKILL of both: the other cluster leads within L + P + 5 s", async () => {
    const [ada, bob] = await leaderAndStandby();
    await ada.until("renewed");
    ada.signal("SIGKILL");
    await clusters.a.killController();
    await bob.until("started", { withinMs: crashMs + 3_000 });
    await shown(clusters.a, bob, 20_000); // its controller has to be back for that
  });

  test("K-103 etcd away for 5 s, then 30 s: at most one leads, and the first cluster follows in the end", async () => {
    const [ada, bob] = await leaderAndStandby();
    await ada.until("renewed");
    await clusters.a.holdEtcd(5_000);
    await pause(timing.leaseDurationMs); // the leader may have lost its term: V - I - 1 s is 4 s
    const before = [ada.count("stopped"), bob.count("started")];
    const away = clusters.a.holdEtcd(30_000);
    if (before[1] === 0) await bob.until("started", { withinMs: crashMs });
    await away;
    await shown(clusters.a, bob, 30_000);
    expect(ada.count("stopped")).toBe(ada.count("started"));
    expect(bob.count("started") - bob.count("stopped")).toBe(1);
  });
});
