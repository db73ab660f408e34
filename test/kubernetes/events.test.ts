// Goal: people see changes of leadership as events of Kubernetes, few of them, and no election ever waits for one.
// Method: a lock tells its events to a fake cluster; their requests and bodies are compared.
import { beforeEach, describe, expect, it } from "vitest";
import type { KubernetesResource } from "../../src/kubernetes/kubernetes-resources.ts";
import { LeaseLock, type LeaseLockOptions } from "../../src/kubernetes/lease-lock.ts";
import { silentLogger } from "../../src/system/logger.ts";
import { FakeKubernetes, ManualClock, type FakeKubernetesClient } from "../../src/testing/index.ts";

const place = { namespace: "default", name: "billing" };
const ref = { group: "coordination.k8s.io", version: "v1", plural: "leases", ...place };
const newApi = { group: "events.k8s.io", version: "v1", plural: "events", namespace: "default" };
const oldApi = { ...newApi, group: "" };

let clock: ManualClock;
let cluster: FakeKubernetes;
let client: FakeKubernetesClient;
let warnings: string[];

beforeEach(() => {
  clock = new ManualClock();
  cluster = new FakeKubernetes({ clock });
  client = cluster.connect();
  warnings = [];
});

function lockOf(options: Partial<LeaseLockOptions> = {}): LeaseLock {
  const say = (): void => {};
  const logger = { debug: say, info: say, warn: (message: string): void => void warnings.push(message), error: say };
  return new LeaseLock({ ...place, client, clock, logger, label: "a", ...options });
}

async function stored(kind: typeof newApi): Promise<readonly KubernetesResource[]> {
  return (await cluster.connect().list(kind, {})).items;
}

describe("K-27: an event", () => {
  it("is about the Lease and its uid, and holds what events.k8s.io requires", async () => {
    const { metadata } = cluster.put(ref, { kind: "Lease", spec: {} });
    const lock = lockOf();
    await lock.get();
    lock.recordEvent("became leader");
    await clock.advance();
    const [event] = await stored(newApi);
    const subject = { kind: "Lease", apiVersion: "coordination.k8s.io/v1", ...place, uid: metadata?.uid };
    expect(event).toMatchObject({
      ...{ apiVersion: "events.k8s.io/v1", kind: "Event", type: "Normal", reason: "LeaderElection" },
      ...{ note: `${lock.identity} became leader`, action: "LeaderElection", regarding: subject },
      ...{ reportingController: "tenure", reportingInstance: lock.identity, eventTime: "2026-01-01T00:00:00.000000Z" },
    });
    expect(event?.metadata?.name).toMatch(/^billing\.[0-9a-f]{32}$/);
  });

  it("goes to the core group after a 403, and after a second one nowhere, with one warning", async () => {
    const lock = lockOf();
    client.refuse(403, { plural: "events", times: 1 });
    lock.recordEvent("became leader");
    await clock.advance();
    expect(await stored(newApi)).toEqual([]);
    const told = { message: `${lock.identity} became leader`, count: 1, lastTimestamp: "2026-01-01T00:00:00Z" };
    expect(await stored(oldApi)).toMatchObject([{ ...told, involvedObject: place, reason: "LeaderElection" }]);
    client.refuse(403, { plural: "events" });
    for (const message of ["stopped leading", "became leader"]) {
      lock.recordEvent(message);
      await clock.advance();
    }
    expect(client.calls).toEqual(["create events", "create events", "create events"]);
    expect(warnings).toHaveLength(1);
  });

  it("K-27 names the rule of the API that was asked for first, when neither is allowed", async () => {
    const told: object[] = [];
    const warn = (_message: string, fields?: object): void => void told.push(fields ?? {});
    const lock = lockOf({ logger: { ...silentLogger, warn } });
    client.refuse(403, { plural: "events" });
    lock.recordEvent("became leader");
    await clock.advance();
    const rule = 'add the rule { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create"] }';
    expect(told).toEqual([expect.objectContaining({ why: expect.stringContaining(rule) })]);
  });

  it("goes where the option says", async () => {
    const core = lockOf({ events: "core" });
    core.recordEvent("became leader");
    lockOf({ events: "off" }).recordEvent("became leader");
    await clock.advance();
    expect(await stored(oldApi)).toHaveLength(1);
    expect(await stored(newApi)).toHaveLength(0);
  });

  it("client-go LL3: is told once, as identity, blank and text", async () => {
    const lock = lockOf();
    lock.recordEvent("became leader");
    await clock.advance();
    expect((await stored(newApi)).map((event) => event["note"])).toEqual([`${lock.identity} became leader`]);
  });
});

describe("K-28: few events", () => {
  it("an equal one within ten minutes raises the count of the first, from 2 on, and never its note", async () => {
    const lock = lockOf();
    for (let times = 0; times < 3; times += 1) lock.recordEvent("became leader");
    await clock.advance(30_000);
    const [event, ...others] = await stored(newApi);
    expect(others).toEqual([]);
    expect(event?.["series"]).toEqual({ count: 3, lastObservedTime: "2026-01-01T00:00:00.000000Z" });
    const patches = client.log.flatMap(({ verb, body }) => (verb === "patch" ? [body] : []));
    expect(patches).toHaveLength(2);
    for (const patch of patches) expect(Object.keys(patch ?? {})).toEqual(["series"]);
    await clock.advance(600_001);
    lock.recordEvent("became leader");
    await clock.advance();
    expect(await stored(newApi)).toHaveLength(2);
  });

  it("in the core group the count is raised, too", async () => {
    const lock = lockOf({ events: "core" });
    lock.recordEvent("became leader");
    await clock.advance(60_000);
    lock.recordEvent("became leader");
    await clock.advance();
    expect(await stored(oldApi)).toMatchObject([{ count: 2, lastTimestamp: "2026-01-01T00:01:00Z" }]);
  });

  it("one that somebody deleted is created anew", async () => {
    const lock = lockOf();
    lock.recordEvent("became leader");
    await clock.advance();
    const [event] = await stored(newApi);
    cluster.remove({ ...newApi, name: event?.metadata?.name ?? "" });
    lock.recordEvent("became leader");
    await clock.advance();
    expect(await stored(newApi)).toHaveLength(1);
  });

  it("ten at once, then one a minute; the others are dropped", async () => {
    const lock = lockOf();
    for (let times = 0; times < 25; times += 1) lock.recordEvent(`message ${times}`);
    await clock.advance();
    expect(client.log).toHaveLength(10);
    for (let minutes = 0; minutes < 3; minutes += 1) {
      await clock.advance(60_000);
      for (let times = 0; times < 5; times += 1) lock.recordEvent(`minute ${minutes}, message ${times}`);
      await clock.advance();
    }
    expect(client.log).toHaveLength(13);
  });

  it("one that hangs ends after 5 s, and the lock's calls go on meanwhile", async () => {
    client.hang({ plural: "events", times: 1 });
    const lock = lockOf();
    lock.recordEvent("became leader");
    expect(await lock.get()).toBeUndefined();
    lock.recordEvent("stopped leading");
    await clock.advance(4_999);
    expect(await stored(newApi)).toEqual([]);
    await clock.advance(1);
    expect((await stored(newApi)).map((event) => event["note"])).toEqual([`${lock.identity} stopped leading`]);
    expect(clock.timerCount).toBe(0);
  });

  it("an outage drops events and throws nothing", async () => {
    client.refuse(500, { plural: "events" });
    const lock = lockOf();
    expect(lock.recordEvent("became leader")).toBeUndefined();
    await clock.advance();
    client.heal();
    lock.recordEvent("stopped leading");
    await clock.advance();
    expect(await stored(newApi)).toHaveLength(1);
    expect(warnings).toEqual([]);
  });

  it("a note has at most 1 000 bytes and no control characters, an instance at most 128 bytes", async () => {
    lockOf({ label: "é".repeat(150) }).recordEvent(`\u001b[31m${"ü€".repeat(600)}`);
    await clock.advance();
    const [event] = await stored(newApi);
    const note = String(event?.["note"]);
    expect(new TextEncoder().encode(note).length).toBeLessThanOrEqual(1_000);
    expect(new TextEncoder().encode(note).length).toBeGreaterThan(990);
    expect(note).toContain("\\u001b[31mü€");
    expect(note).not.toMatch(/[\p{Cc}\uFFFD]/u);
    expect(event?.["reportingInstance"]).toBe("é".repeat(64));
  });
});
