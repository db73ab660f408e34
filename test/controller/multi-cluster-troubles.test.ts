// Goal: whoever runs a candidate across clusters hears by a code where to look, and nothing where all is well (K-51).
// Method: real electors and locks on a fake cluster with a real controller, or what a test writes in its place; what
// `onError` hears and the counter counts is read.
import { once } from "node:events";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import type { Leadership } from "../../src/election/leadership.ts";
import {
  ControllerSilentError,
  errorCode,
  GlobalStorageUnhealthyError,
  LocalContentionError,
} from "../../src/errors.ts";
import { MultiClusterLeaseLock } from "../../src/kubernetes/multi-cluster-lease-lock.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { prometheusMetrics } from "../../src/telemetry/prometheus.ts";
import { FaultyStorage } from "../../src/testing/faulty-storage.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { Cluster, ref } from "./cluster.ts";

let clock: ManualClock;
let cluster: Cluster;
let over: AbortController;

beforeEach(() => {
  clock = new ManualClock();
  cluster = new Cluster(clock);
  over = new AbortController();
});
afterEach(() => over.abort());

interface Candidate {
  readonly elector: LeaderElector;
  /** What `onError` heard. */
  readonly errors: unknown[];
  /** The codes of the counter, with how often. */
  readonly counted: () => ReadonlyMap<string, number>;
}

function candidate(label: string): Candidate {
  const place = { namespace: "default", name: "billing", events: "off" } as const;
  const lock = new MultiClusterLeaseLock({ ...place, client: cluster.api.connect(), clock, label });
  const errors: unknown[] = [];
  const onStartedLeading = ({ signal }: Leadership): Promise<unknown> => once(signal, "abort");
  const onError = (error: unknown): void => void errors.push(error);
  const elector = new LeaderElector({ lock, clock, callbacks: { onStartedLeading }, onError });
  const metrics = prometheusMetrics(elector);
  void elector.run({ signal: over.signal });
  const counted = (): ReadonlyMap<string, number> => {
    const found = metrics.text().matchAll(/^tenure_failures_total\{.*code="(\w+)"\} (\d+)$/gm);
    return new Map([...found].map(([, code = "", count]) => [code, Number(count)]));
  };
  return { elector, errors, counted };
}

/** Each error that was heard is one of the counter, and each of these codes was heard. */
function expectHeard({ errors, counted }: Candidate, ...codes: readonly string[]): void {
  expect(new Set(errors.map(errorCode))).toEqual(new Set(codes));
  for (const code of codes) {
    expect(counted().get(code), code).toBe(errors.filter((error) => errorCode(error) === code).length);
  }
  expect(
    [...counted()]
      .filter(([, count]) => count > 0)
      .map(([code]) => code)
      .sort(),
  ).toEqual([...codes].sort());
}

test("K-51: no controller: each signal in vain is a ControllerSilentError, in onError and in the counter", async () => {
  const ada = candidate("ada");
  await clock.advance(60_000);
  expect(ada.errors.length).toBeGreaterThanOrEqual(3);
  for (const error of ada.errors) expect(error).toBeInstanceOf(ControllerSilentError);
  expectHeard(ada, "CONTROLLER_SILENT");
});

test("K-51: the controller cannot ask its storage: GlobalStorageUnhealthyError, in its words", async () => {
  const script = () => ({ kind: "busy" }) as const;
  cluster.start(new FaultyStorage(new MemoryStorage({ clock }), { clock, script }));
  await clock.advance(4_000);
  const ada = candidate("ada");
  await clock.advance(60_000);
  expect(ada.errors.at(-1)).toBeInstanceOf(GlobalStorageUnhealthyError);
  expect(String(ada.errors.at(-1))).toContain("the controller says: ");
  expectHeard(ada, "GLOBAL_STORAGE_UNHEALTHY");
});

test("K-51: another candidate of the cluster writes over the signal: LocalContentionError names it", async () => {
  const ada = candidate("ada");
  await clock.advanceUntil(() => cluster.stored !== undefined, 10_000);
  cluster.signal("bob_2");
  const observedGeneration = cluster.stored?.metadata?.["generation"];
  cluster.api.put(ref, { ...cluster.stored, status: { observedGeneration, globalHolderIdentity: "" } });
  await clock.advanceUntil(() => ada.errors.length > 0, 20_000);
  expect(ada.errors[0]).toBeInstanceOf(LocalContentionError);
  expect(String(ada.errors[0])).toContain("bob_2");
  expectHeard(ada, "LOCAL_CONTENTION");
});

test("K-51: that another holds it is a value: no error, nothing counted; and neither is leading", async () => {
  cluster.start(new MemoryStorage({ clock }));
  await clock.advance(4_000);
  const ada = candidate("ada");
  await clock.advanceUntil(() => ada.elector.isLeader(), 20_000);
  const bob = candidate("bob");
  await clock.advance(120_000);
  expect(ada.elector.isLeader()).toBe(true);
  expect(bob.elector.leader).toBe(ada.elector.identity);
  expect([...ada.errors, ...bob.errors]).toEqual([]);
  for (const { counted } of [ada, bob]) expect([...counted().values()].filter((count) => count > 0)).toEqual([]);
});
