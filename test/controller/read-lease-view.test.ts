// Goal: whatever is in a MultiClusterLease, it is read without an error, and nothing is written for what cannot be
// acted on (K-90). Method: hostile specs and statuses by name, then random ones, planned for over a record of another.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { noteLease } from "../../src/controller/lease-memory.ts";
import { receiveLease, unknownLease } from "../../src/controller/global-view.ts";
import { readLeaseView } from "../../src/controller/read-lease-view.ts";
import { reconcile } from "../../src/controller/reconcile.ts";
import type { Plan } from "../../src/controller/plan.ts";
import { defaultGroup } from "../../src/kubernetes/multi-cluster-lease.ts";
import { at, record, settings } from "./scene.ts";

const metadata = { name: "billing", namespace: "default", uid: "u", resourceVersion: "1", generation: 1 };

/** What a controller plans that sees this beside the live lease of another. */
function planFor(spec: unknown, status?: unknown, more: object = {}): Plan | undefined {
  const finalizers = ["multiclusterlease.core.cnrm.cloud.google.com/finalizer"];
  const resource = { metadata: { ...metadata, finalizers, ...more }, spec, ...(status !== undefined && { status }) };
  const view = readLeaseView(resource, defaultGroup);
  if (view === undefined) return undefined;
  const receipt = { nowMs: 1_000, wallMs: 0, share: 0, found: false, settings };
  const seen = receiveLease(unknownLease(0), { data: record("other", at(0)), generation: "g1" }, receipt);
  return reconcile({ nowMs: 1_000, wallMs: 0, cluster: view, ...noteLease(seen, view, receipt) }, settings);
}

describe("a MultiClusterLease that anybody may have written", () => {
  const signal = { holderIdentity: "me", renewTime: at(0) };
  const hostile: Readonly<Record<string, unknown>> = {
    "no spec": undefined,
    "a spec that is null": null,
    "a list": [],
    "a text": "me",
    "an identity that is a number": { ...signal, holderIdentity: 7 },
    "an identity of 10 kB": { ...signal, holderIdentity: "x".repeat(10_000) },
    "a time that is none": { ...signal, renewTime: "2026-02-30T00:00:00.000000Z" },
    "a time outside of the years that can be written": { ...signal, renewTime: "0000-01-01T00:00:00.000000+10:00" },
    "a duration of 0": { ...signal, leaseDurationSeconds: 0 },
    "a duration that is a text": { ...signal, leaseDurationSeconds: "15" },
    "a duration of two days": { ...signal, leaseDurationSeconds: 172_800 },
    "a negative term": { ...signal, leaseTransitions: -1 },
    "a term beyond int32": { ...signal, leaseTransitions: 2 ** 31 },
    "a term far above": { ...signal, leaseTransitions: 2_000_000 },
    "keys of a prototype": JSON.parse('{"__proto__": {"holderIdentity": "me"}, "constructor": {}}') as unknown,
  };
  test.each(Object.entries(hostile))("K-90: %s takes nothing", (_what, spec) => {
    expect(planFor(spec)?.write).toBeUndefined();
  });

  test("K-90: a release outside of all years is no release", () => {
    const spec = { holderIdentity: "other", renewTime: "0000-01-01T00:00:00.000000+10:00" };
    expect(planFor(spec)).toMatchObject({ row: 4 });
  });

  test("K-90: a status that cannot be read is written anew", () => {
    const plan = planFor(signal, { globalHolderIdentity: 7, conditions: "all fine", globalLeaseTransitions: "many" });
    expect(plan?.status?.status).toMatchObject({ globalHolderIdentity: "other", globalLeaseTransitions: 3 });
  });

  test("K-90: a status with a term near the end of int32 pushes nobody there", () => {
    const plan = planFor(signal, { globalHolderIdentity: "x", globalLeaseTransitions: 2 ** 31 - 1, conditions: [] });
    expect(plan?.status?.status.globalLeaseTransitions).toBe(3);
  });

  test("without a uid or a version there is nothing to plan for", () => {
    expect(planFor(signal, undefined, { uid: undefined })).toBeUndefined();
    expect(planFor(signal, undefined, { resourceVersion: 7 })).toBeUndefined();
  });

  test("random ones are read without an error, and take nothing from a live holder", () => {
    const odd = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.record({ holderIdentity: fc.anything(), renewTime: fc.anything() }),
    );
    const judged = fc.property(odd, odd, (spec, status) => {
      expect(planFor(spec, status)?.write).toBeUndefined();
    });
    fc.assert(judged, { numRuns: 2_000 });
  });
});
