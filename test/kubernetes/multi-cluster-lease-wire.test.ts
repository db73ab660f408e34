// Goal: on the wire a Go controller sees of our lock what it sees of its own, and nothing is sent beside that. Method:
// nock answers nothing but the requests that are described, each with its path, headers and body, and fails on others.
import nock from "nock";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openKubernetesClient } from "../../src/kubernetes/kubernetes-client.ts";
import type { KubernetesClient, KubernetesResource } from "../../src/kubernetes/kubernetes-resources.ts";
import { MultiClusterLeaseLock } from "../../src/kubernetes/multi-cluster-lease-lock.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import { SeededRandom } from "../../src/testing/index.ts";

const root = "https://api.example.test:6443";
const group = "multicluster.core.cnrm.cloud.google.com";
const path = `/apis/${group}/v1alpha1/namespaces/default/multiclusterleases`;
const place = { namespace: "default", name: "billing" };
const [first, second] = ["2026-11-21T09:28:33.142778Z", "2026-11-21T09:28:34.166173Z"];
const kubeConfig = { getCurrentCluster: () => ({ server: root }), applyToHTTPSOptions: () => Promise.resolve() };

let client: KubernetesClient;
let lock: MultiClusterLeaseLock;

beforeEach(async () => {
  nock.disableNetConnect();
  client = await openKubernetesClient({ kubeConfig });
  const [random, label] = [new SeededRandom(1), "a"];
  lock = new MultiClusterLeaseLock({ ...place, client, random, label, events: "off", retryPeriodMs: 2_000 });
  nock(root).get(path).query(true).times(9).reply(403, { kind: "Status", code: 403 }); // no right to watch
});
afterEach(async () => {
  await client.close();
  const rest = nock.pendingMocks().filter((mock) => !mock.endsWith("multiclusterleases"));
  nock.cleanAll();
  nock.enableNetConnect();
  expect(rest).toEqual([]);
});

function record(renewTime: string, fields: Partial<LeaderElectionRecord> = {}): LeaderElectionRecord {
  const times = { acquireTime: first, renewTime };
  return { holderIdentity: lock.identity, leaseDurationSeconds: 15, ...times, leaderTransitions: 1, ...fields };
}

function spec(renewTime: string): object {
  const known = { holderIdentity: lock.identity, renewTime, leaseDurationSeconds: 15, retryPeriodSeconds: 2 };
  return { ...known, renewDeadlineSeconds: 10, leaseTransitions: 1 }; // the last two are ours, and may be ignored
}

/** As the server answers; the status is that of a Go controller, which has renewed at `stamp`. */
function stored(generation: number, body: object, stamp: string | undefined): KubernetesResource {
  const metadata = { ...place, uid: "0f6c", resourceVersion: String(224 + generation), generation };
  const conditions = [
    { type: "BackendHealthy", status: "True", reason: "BackendHealthy", message: "", lastTransitionTime: first },
  ];
  const told = { globalHolderIdentity: lock.identity, globalRenewTime: stamp, globalLeaseTransitions: 1, conditions };
  const status = { observedGeneration: generation, ...told };
  return { apiVersion: `${group}/v1alpha1`, kind: "MultiClusterLease", metadata, spec: body, ...(stamp && { status }) };
}

/** What the requests of `scope` carry, to be compared once they were made. */
function seenBy(scope: nock.Scope): { readonly contentType: string | undefined; readonly body: unknown }[] {
  const seen: { contentType: string | undefined; body: unknown }[] = [];
  scope.on("request", ({ headers }: { readonly headers: Headers }, _interceptor: unknown, body: string) => {
    seen.push({ contentType: headers.get("content-type") ?? undefined, body: JSON.parse(body) });
  });
  return seen;
}

describe("K-53 on the wire", () => {
  it("K-53: a first signal is one POST, read back until its status answers", async () => {
    const post = nock(root).post(path);
    const seen = seenBy(post.reply(201, () => stored(1, spec(first), undefined)));
    nock(root)
      .get(`${path}/billing`)
      .reply(200, () => stored(1, spec(first), "2026-11-21T09:28:33Z"));
    expect(await lock.create(record(first))).toEqual({ written: true, version: "0f6c/1" });
    const metadata = { name: "billing", namespace: "default" };
    expect(seen).toEqual([
      {
        contentType: "application/json",
        body: { apiVersion: `${group}/v1alpha1`, kind: "MultiClusterLease", metadata, spec: spec(first) },
      },
    ]);
  });

  it("K-53: a later one is one merge patch on the resource itself, and a release another", async () => {
    nock(root)
      .post(path)
      .reply(201, () => stored(1, spec(first), "2026-11-21T09:28:33Z"));
    nock(root)
      .get(`${path}/billing`)
      .reply(200, () => stored(1, spec(first), "2026-11-21T09:28:34Z"));
    const held = await lock.create(record(first));
    if (!held.written) throw new Error("the first signal was lost");
    const renewed = nock(root).patch(`${path}/billing`);
    const seen = seenBy(renewed.reply(200, () => stored(2, spec(second), "2026-11-21T09:28:34Z")));
    nock(root)
      .get(`${path}/billing`)
      .reply(200, () => stored(2, spec(second), "2026-11-21T09:28:35Z"));
    const outcome = await lock.update(record(second), held.version);
    expect(outcome).toEqual({ written: true, version: "0f6c/2" });
    const contentType = "application/merge-patch+json";
    const metadata = { uid: "0f6c", resourceVersion: "225" };
    expect(seen).toEqual([{ contentType, body: { metadata, spec: spec(second) } }]);

    const freed = nock(root).patch(`${path}/billing`);
    const { status: _status, ...released } = stored(3, { ...spec(second), renewTime: undefined }, undefined);
    const told = seenBy(freed.reply(200, () => released));
    const wiped = { observedGeneration: 3, globalLeaseTransitions: 1, conditions: [] };
    nock(root)
      .get(`${path}/billing`)
      .reply(200, () => ({ ...released, status: wiped }));
    const release = { ...record(second), holderIdentity: "", leaseDurationSeconds: 1 };
    expect(outcome.written && (await lock.update(release, outcome.version)).written).toBe(true);
    const body = { holderIdentity: lock.identity, renewTime: null, leaseTransitions: 1 };
    expect(told).toEqual([{ contentType, body: { metadata: { uid: "0f6c", resourceVersion: "226" }, spec: body } }]);
  });

  it("K-13: a definition that is missing is a setting that says what to apply", async () => {
    nock(root).post(path).reply(404, "404 page not found\n");
    await expect(lock.create(record(first))).rejects.toMatchObject({ code: "INVALID_SETTINGS", applied: "no" });
  });
});
