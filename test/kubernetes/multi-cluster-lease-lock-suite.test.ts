// Goal: a MultiClusterLeaseLock keeps the promises of every lock. Method: the published lock suite over a fake cluster
// with a scripted controller; what no field of the resource has room for is carried beside it by the harness.
import { describe, test } from "vitest";
import { MultiClusterLeaseLock } from "../../src/kubernetes/multi-cluster-lease-lock.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import type { ObservedRecord, ResourceLock } from "../../src/lock/resource-lock.ts";
import {
  FakeKubernetes,
  ManualClock,
  runLockSuite,
  type FakeKubernetesClient,
  type LockSuiteContext,
} from "../../src/testing/index.ts";
import { GlobalLease, leaseRef, ScriptedController } from "./scripted-controller.ts";

const place = { namespace: "default", name: "billing" };

type Beside = Map<string, Pick<LeaderElectionRecord, "acquireTime" | "strategy">>;

const pairOf = (record: LeaderElectionRecord): string => `${record.holderIdentity} ${record.renewTime}`;

/** A lock whose records keep their strategy and a time of acquisition of their own: neither is in the resource. */
function carrying(lock: MultiClusterLeaseLock, beside: Beside): ResourceLock {
  const keep = (record: LeaderElectionRecord): LeaderElectionRecord => {
    const { acquireTime, strategy } = record;
    beside.set(pairOf(record), { acquireTime, ...(strategy !== undefined && { strategy }) });
    return record;
  };
  const complete = (observed: ObservedRecord | undefined): ObservedRecord | undefined =>
    observed && { ...observed, record: { ...observed.record, ...beside.get(pairOf(observed.record)) } };
  return {
    identity: lock.identity,
    description: lock.description,
    get: async (options) => complete(await lock.get(options)),
    create: (record, options) => lock.create(keep(record), options),
    update: (record, expected, options) => lock.update(keep(record), expected, options),
    watch: (options) => lock.watch(options),
    recordEvent: (message) => lock.recordEvent(message),
  };
}

function clusterOfSuite(clock: ManualClock, over: AbortController, prunedFields: readonly string[]): LockSuiteContext {
  const cluster = new FakeKubernetes({ clock, prunedFields: { multiclusterleases: prunedFields } });
  const global = new GlobalLease(clock);
  const parts = { client: cluster.connect(), ref: leaseRef(), clock, global, signal: over.signal };
  new ScriptedController(parts).yields = true; // a lock does not judge whether a lease has expired
  let passing = Promise.resolve();
  const pass = (ms: number): Promise<void> => (passing = passing.then(() => clock.advance(ms)));
  const clients = new Map<ResourceLock, FakeKubernetesClient>();
  const beside: Beside = new Map();
  const clientOf = (lock: ResourceLock): FakeKubernetesClient => {
    const client = clients.get(lock);
    if (client === undefined) throw new Error("no lock of this harness");
    return client;
  };
  return {
    description: "multiclusterlease/default/billing",
    connect() {
      const client = cluster.connect();
      const inner = new MultiClusterLeaseLock({ ...place, client, clock, label: "candidate" });
      const lock = carrying(inner, beside);
      clients.set(lock, client);
      const update = lock.update.bind(lock);
      // After a lost race the next signal waits for a second.
      lock.update = (...call) => {
        setTimeout(() => void pass(1_000), 5);
        return update(...call);
      };
      const watch = inner.watch.bind(inner);
      // What is absent is told as soon as the watch must be open: some time has to pass.
      lock.watch = (options) => {
        setTimeout(() => void pass(1_000), 5);
        return watch(options);
      };
      return lock;
    },
    faults: {
      loseAnswer: (lock) => clientOf(lock).hang({ on: "write", times: 1, applied: true }),
      refuse: (lock) => clientOf(lock).refuse(429, { on: "write", times: 1 }),
      hang: (lock) => clientOf(lock).hang({ times: 1 }),
      elapse: pass,
    },
  };
}

function suiteOver(prunedFields: readonly string[]): void {
  const over = new Map<LockSuiteContext, AbortController>();
  runLockSuite(test, {
    open() {
      const controller = new AbortController();
      const context = clusterOfSuite(new ManualClock(), controller, prunedFields);
      over.set(context, controller);
      return context;
    },
    close: (context) => over.get(context)?.abort(),
    timeoutMs: 5_000,
  });
}

describe("the lock suite over a MultiClusterLease", () => suiteOver([]));
