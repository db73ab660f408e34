// Goal: K-27, K-28: changes of leadership are told as events that a real API server stores, an equal one raises a
// count, and no election waits for them. Method: electors and locks with accounts of different rights; what was stored
// is read back.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { KubernetesResource } from "../../src/kubernetes/index.ts";
import { describeOn } from "./support/found-server.ts";
import { foundKube, type KubeServer, type PolicyRule } from "./support/kube-server.ts";
import { heldBy, leaseRights, LeasePlace } from "./support/lease-place.ts";
import { SeenElector } from "./support/seen-elector.ts";

let kube: KubeServer;

async function eventsOf(place: LeasePlace, api = "/apis/events.k8s.io/v1"): Promise<readonly KubernetesResource[]> {
  const { body } = await kube.ask("GET", `${api}/namespaces/${place.namespace}/events`);
  const items: unknown = body["items"];
  return Array.isArray(items) ? items : [];
}

function notes(events: readonly KubernetesResource[]): unknown[] {
  return events.map((event) => event["note"] ?? event["message"]);
}

const patience = { timeout: 10_000 };
const [leases = { apiGroups: [], resources: [], verbs: [] }] = leaseRights;
const coreEvents: PolicyRule = { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] };

describeOn(foundKube, (start) => {
  beforeAll(async () => {
    kube = await start();
  });
  afterAll(() => kube?.[Symbol.asyncDispose]());

  test("K-27: an elector tells when it became leader and when it stopped, about the Lease and its uid", async () => {
    const place = await LeasePlace.make(kube);
    const lock = await place.lock({ kubeConfig: await place.candidate(), events: "events.k8s.io" });
    await using elector = new SeenElector(lock);
    await elector.leads();
    await expect.poll(async () => notes(await eventsOf(place)), patience).toEqual([`${lock.identity} became leader`]);
    await elector[Symbol.asyncDispose]();
    await expect
      .poll(async () => notes(await eventsOf(place)), patience)
      .toEqual(expect.arrayContaining([`${lock.identity} stopped leading`]));
    const { metadata } = await place.stored();
    const regarding = { kind: "Lease", name: place.name, namespace: place.namespace, uid: metadata?.uid };
    const [event] = await eventsOf(place);
    expect(event).toMatchObject({ type: "Normal", reason: "LeaderElection", regarding });
    expect(event?.["action"]).toEqual(expect.stringMatching(/./));
    expect(event?.["reportingInstance"]).toEqual(expect.stringMatching(/./));
  });

  test("K-28: an equal event raises the count of the first; another note is another event", async () => {
    const place = await LeasePlace.make(kube);
    const lock = await place.lock({ kubeConfig: await place.candidate(), events: "events.k8s.io" });
    await lock.create(heldBy(lock));
    for (let times = 1; times <= 3; times += 1) lock.recordEvent("became leader");
    lock.recordEvent("stopped leading");
    await expect.poll(async () => (await eventsOf(place)).length, patience).toBe(2);
    const counted = (await eventsOf(place)).find((event) => String(event["note"]).endsWith("became leader"));
    expect(counted?.["series"]).toMatchObject({ count: 3, lastObservedTime: expect.stringMatching(/\.\d{6}Z$/) });
  });

  test("K-27: an account that may use the core API only tells there, and counts there", async () => {
    const place = await LeasePlace.make(kube);
    const kubeConfig = await place.candidate([leases, coreEvents]);
    const lock = await place.lock({ kubeConfig, events: "events.k8s.io" });
    await lock.create(heldBy(lock));
    for (let times = 1; times <= 2; times += 1) lock.recordEvent("became leader");
    await expect
      .poll(async () => (await eventsOf(place, "/api/v1")).map((event) => event["count"]), patience)
      .toEqual([2]);
    expect(notes(await eventsOf(place, "/api/v1"))).toEqual([`${lock.identity} became leader`]);
  });

  test("K-27: an account that may tell no events falls silent with one warning, and leads all the same", async () => {
    const place = await LeasePlace.make(kube);
    const warnings: string[] = [];
    const silent = { debug() {}, info() {}, error() {} };
    const logger = { ...silent, warn: (message: string) => void warnings.push(message) };
    const lock = await place.lock({ kubeConfig: await place.candidate([leases]), events: "events.k8s.io", logger });
    await using elector = new SeenElector(lock);
    await elector.leads();
    await expect.poll(() => warnings, patience).toEqual(["events are not allowed, so none is told from now on"]);
    for (let times = 1; times <= 3; times += 1) lock.recordEvent("is still here");
    await elector[Symbol.asyncDispose]();
    expect(await eventsOf(place)).toEqual([]);
    expect(warnings).toHaveLength(1);
  });

  test("K-28: a note of any length and letters is stored, in at most 1,000 bytes and on one line", async () => {
    const place = await LeasePlace.make(kube);
    const kubeConfig = await place.candidate();
    const lock = await place.lock({ kubeConfig, events: "events.k8s.io", label: "ü".repeat(200) });
    await lock.create(heldBy(lock));
    lock.recordEvent(`became\nleader \u001b[31m${"ß".repeat(600)}`);
    await expect.poll(async () => (await eventsOf(place)).length, patience).toBe(1);
    const [note] = notes(await eventsOf(place)).map(String);
    expect(Buffer.byteLength(note ?? "")).toBeLessThanOrEqual(1_000);
    expect(Buffer.byteLength(note ?? "")).toBeGreaterThan(990);
    expect(note).not.toMatch(/\p{Cc}/u);
  });
});
