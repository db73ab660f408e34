// Goal: what anybody wrote into a MultiClusterLease is read with its types, sizes and ranges, or not at all. Method:
// recorded objects of the Go controllers, then hostile specs and statuses, each with the problem that names it.
import { describe, expect, it } from "vitest";
import {
  conditionOf,
  defaultGroup,
  finalizerOf,
  multiClusterLeaseKind,
  readSpec,
  readStatus,
} from "../../src/kubernetes/multi-cluster-lease.ts";
import { recordedLeases } from "./recorded-leases.ts";

const recorded = recordedLeases().flatMap(({ object }) => (object === undefined ? [] : [object]));
const condition = {
  type: "BackendHealthy",
  status: "True",
  reason: "BackendHealthy",
  message: "",
  lastTransitionTime: "2026-11-21T09:28:33Z",
};

const problemsOfSpec = (spec: unknown): readonly string[] => {
  const read = readSpec({ spec });
  return "problems" in read ? read.problems : [];
};
const problemsOfStatus = (status: unknown): readonly string[] => {
  const read = readStatus({ status });
  return "problems" in read ? read.problems : [];
};

describe("names", () => {
  it("K-39: one constant is the default of the group, and another group has a finalizer of its own", () => {
    expect(multiClusterLeaseKind({ namespace: "default" })).toEqual({
      ...{ group: defaultGroup, version: "v1alpha1", plural: "multiclusterleases", namespace: "default" },
    });
    expect(multiClusterLeaseKind({ namespace: "a", group: "leases.example.com" }).group).toBe("leases.example.com");
    expect(finalizerOf("leases.example.com")).toBe("leases.example.com/finalizer");
  });

  it("K-38: the finalizer is the one that Go controllers set", () => {
    const finalizers = new Set(recorded.flatMap(({ metadata }) => Object(metadata?.["finalizers"] ?? [])));
    expect([...finalizers]).toEqual([finalizerOf(defaultGroup)]);
  });
});

describe("what others wrote", () => {
  it("K-41: every recorded object of the Go controllers and the Go lock is read, field by field", () => {
    expect(recorded.length).toBeGreaterThan(150);
    for (const object of recorded) {
      expect(readSpec(object)).toEqual({ spec: object["spec"] });
      const status = object["status"] ?? { conditions: [] };
      expect(readStatus(object)).toEqual({ status: { globalHolderIdentity: "", ...Object(status) } });
    }
  });

  it("K-41: upstream's sample without a holder, an old status, and a retry period of 0 are read", () => {
    const sample = { leaseDurationSeconds: 60, renewDeadlineSeconds: 30, retryPeriodSeconds: 10 };
    expect(readSpec({ spec: sample })).toEqual({ spec: { holderIdentity: "", ...sample } });
    expect(problemsOfSpec({ ...sample, retryPeriodSeconds: 0, leaseDurationSeconds: 1, holderIdentity: "" })).toEqual(
      [],
    );
    expect(readStatus({ status: { globalHolderIdentity: "a", globalRenewTime: "2025-01-01T00:00:00+09:00" } })).toEqual(
      { status: { globalHolderIdentity: "a", globalRenewTime: "2025-01-01T00:00:00+09:00", conditions: [] } },
    );
  });

  it.each([undefined, null, {}])("a spec and a status that are %j ask for nothing and say nothing", (absent) => {
    expect(readSpec({ spec: absent })).toEqual({ spec: { holderIdentity: "" } });
    expect(readStatus({ status: absent })).toEqual({ status: { globalHolderIdentity: "", conditions: [] } });
  });

  it("finds a condition by its type", () => {
    const read = readStatus({ status: { conditions: [condition] } });
    if ("problems" in read) throw new Error(read.problems.join());
    expect(conditionOf(read.status, "BackendHealthy")).toEqual(condition);
    expect(conditionOf(read.status, "LockAcquiredInBackend")).toBeUndefined();
  });
});

describe("K-90: what is hostile is not read", () => {
  it.each([
    ["spec", [], "spec is a list of 0, not an object"],
    ["a holder that is a number", { holderIdentity: 7 }, "spec.holderIdentity is 7, not text"],
    ["a holder of 10 kB", { holderIdentity: "x".repeat(10_000) }, "text of at most 2048 characters"],
    ["a holder of 1 025 characters", { holderIdentity: "x".repeat(1_025) }, "text of at most 1024 characters"],
    ["a renew time that is none", { renewTime: "soon" }, 'spec.renewTime is "soon", not a time of RFC 3339'],
    ["an empty renew time, which is no release", { renewTime: "" }, "not a time of RFC 3339"],
    ["a lease of 0 s", { leaseDurationSeconds: 0 }, "not an integer from 1 to 86400"],
    ["a lease of 68 years", { leaseDurationSeconds: 2 ** 31 - 1 }, "not an integer from 1 to 86400"],
    ["a lease that is text", { leaseDurationSeconds: "15" }, 'is "15", not an integer'],
    ["a deadline of 1.5 s", { renewDeadlineSeconds: 1.5 }, "is 1.5, not an integer"],
    ["a period below 0", { retryPeriodSeconds: -1 }, "not an integer from 0 to 86400"],
    ["a term below 0", { leaseTransitions: -1 }, "not an integer from 0 to 2147483647"],
    ["a term beyond int32", { leaseTransitions: 2 ** 31 }, "not an integer from 0 to 2147483647"],
  ])("%s", (_what, spec, problem) => {
    expect(problemsOfSpec(spec)).toEqual([expect.stringContaining(problem)]);
  });

  it("1 024 characters may be of two halves each, as the server counts them", () => {
    expect(problemsOfSpec({ holderIdentity: "😀".repeat(1_024) })).toEqual([]);
    expect(problemsOfSpec({ holderIdentity: "😀".repeat(1_025) })).toHaveLength(1);
  });

  it("all problems are told at once, with control characters escaped and long text cut", () => {
    const problems = problemsOfSpec({
      holderIdentity: 1,
      renewTime: `\u001b[31m${"x".repeat(99)}`,
      leaseTransitions: {},
    });
    expect(problems).toHaveLength(3);
    expect(problems.join()).not.toMatch(/\p{Cc}|x{60}/u);
  });

  it("only own fields are looked at, whatever a prototype has", () => {
    const spec: unknown = JSON.parse('{"__proto__":{"holderIdentity":"intruder","renewTime":"x"},"constructor":1}');
    expect(readSpec({ spec })).toEqual({ spec: { holderIdentity: "" } });
    const inherited: object = Object.create({ holderIdentity: "intruder" });
    expect(readSpec({ spec: inherited })).toEqual({ spec: { holderIdentity: "" } });
  });

  it.each([
    ["status", "text", 'status is "text", not an object'],
    ["a generation that is text", { observedGeneration: "1" }, "status.observedGeneration"],
    ["a stamp that is none", { globalRenewTime: "yesterday" }, "status.globalRenewTime"],
    ["a stamp that is a number", { globalRenewTime: 1 }, "status.globalRenewTime"],
    ["a term below 0", { globalLeaseTransitions: -1 }, "status.globalLeaseTransitions"],
    ["a duration of half a second", { globalLeaseDurationSeconds: 0.5 }, "status.globalLeaseDurationSeconds"],
    ["conditions that are an object", { conditions: {} }, "status.conditions"],
    ["33 conditions", { conditions: Array(33).fill(condition) }, "is a list of 33, not a list of at most 32"],
    ["a condition that is text", { conditions: ["True"] }, "conditions[0]"],
    ["a condition of another state", { conditions: [{ ...condition, status: "Maybe" }] }, "conditions[0].status"],
    ["a condition whose message is a list", { conditions: [{ ...condition, message: [] }] }, "conditions[0].message"],
  ])("%s", (_what, status, problem) => {
    expect(problemsOfStatus(status).join()).toContain(problem);
  });

  it("a strange duration of a status is passed on: what it means is judged with that of every other record", () => {
    const read = readStatus({ status: { globalLeaseDurationSeconds: -1 } });
    expect(read).toMatchObject({ status: { globalLeaseDurationSeconds: -1 } });
  });
});
