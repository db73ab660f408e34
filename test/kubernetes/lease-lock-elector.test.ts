// Goal: an elector keeps all its promises over a Lease, as over any other lock. Method: the published elector suite,
// each case on a fake cluster of its own.
import { describe, it } from "vitest";
import { LeaseLock } from "../../src/kubernetes/lease-lock.ts";
import { electorSuite, FakeKubernetes, ManualClock, type ElectorSuiteContext } from "../../src/testing/index.ts";

const place = { namespace: "default", name: "billing" };
const ref = { group: "coordination.k8s.io", version: "v1", plural: "leases", ...place };

function overLeaseLock(): ElectorSuiteContext {
  const clock = new ManualClock();
  const cluster = new FakeKubernetes({ clock });
  return {
    clock,
    connect: () => new LeaseLock({ ...place, client: cluster.connect(), clock, label: "baz" }),
    put(record) {
      if (record === undefined) return cluster.remove(ref);
      const { leaderTransitions, acquireTime, renewTime, ...rest } = record;
      const times = { acquireTime: acquireTime || null, renewTime: renewTime || null };
      cluster.put(ref, { kind: "Lease", spec: { ...rest, ...times, leaseTransitions: leaderTransitions } });
    },
  };
}

describe("an elector over LeaseLock", () => {
  for (const { id, name, run } of electorSuite) {
    it(`${/^[KE]/.test(id) ? "trace" : "client-go"} ${id}: ${name}`, () => run(overLeaseLock()));
  }
});
