// Goal: a MultiClusterLeaseLock keeps the promises of every lock. Method: the published lock suite over a fake cluster
// with a scripted controller; what no field of the resource has room for is carried beside it by the harness.
import { describe, test } from "vitest";
import { MultiClusterLeaseLock } from "../../src/kubernetes/multi-cluster-lease-lock.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import type { ObservedRecord } from "../../src/lock/resource-lock.ts";
import { FakeKubernetes, ManualClock, runLockSuite, type LockSuiteContext } from "../../src/testing/index.ts";
import { GlobalLease, leaseRef, ScriptedController } from "./scripted-controller.ts";
import { SuiteLocks, type WatchingLock } from "./suite-locks.ts";

const place = { namespace: "default", name: "billing" };

type Beside = Map<string, Pick<LeaderElectionRecord, "acquireTime" | "strategy">>;

const pairOf = (record: LeaderElectionRecord): string => `${record.holderIdentity} ${record.renewTime}`;

/** A lock whose records keep their strategy and a time of acquisition of their own: neither is in the resource. */
function carrying(lock: MultiClusterLeaseLock, beside: Beside): WatchingLock {
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
  const locks = new SuiteLocks(cluster, pass);
  const beside: Beside = new Map();
  return {
    description: "multiclusterlease/default/billing",
    connect() {
      const lock = locks.connect((client) =>
        carrying(new MultiClusterLeaseLock({ ...place, client, clock, label: "candidate" }), beside),
      );
      const update = lock.update.bind(lock);
      // After a lost race the next signal waits for a second.
      lock.update = (...call) => {
        locks.passSoon();
        return update(...call);
      };
      return lock;
    },
    faults: locks.faults,
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
