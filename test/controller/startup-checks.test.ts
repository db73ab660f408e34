// Goal: what a controller lacks, and what it has too much of, is told at its start with the repair. Method: a cluster
// in memory, and rights by hand.
import { describe, expect, test } from "vitest";
import type { ApiRight } from "../../src/controller/api-rights.ts";
import { startupChecks, type StartupFinding } from "../../src/controller/startup-checks.ts";
import { defaultGroup, multiClusterLeaseKind } from "../../src/kubernetes/multi-cluster-lease.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { FakeKubernetes } from "../../src/testing/fake-kubernetes.ts";

interface World {
  readonly cluster?: FakeKubernetes;
  readonly allows?: (right: ApiRight) => boolean | undefined;
  readonly minWriteIntervalMs?: number;
}

function check({ cluster = new FakeKubernetes(), allows = fits, minWriteIntervalMs = 0 }: World = {}): Promise<
  readonly StartupFinding[]
> {
  const storage = new MemoryStorage();
  const capabilities = { ...storage.capabilities, minWriteIntervalMs };
  return startupChecks({
    client: cluster.connect(),
    storage: Object.assign(Object.create(storage) as MemoryStorage, { capabilities }),
    allows: (right) => Promise.resolve(allows(right)),
    ...{
      group: defaultGroup,
      namespaces: [""],
      leaseName: "tenure-controller",
      leaseNamespace: "system",
      pollIntervalMs: 2_000,
    },
  });
}

const fits = ({ need }: ApiRight): boolean => need !== "never";

describe("the start of a controller", () => {
  test("K-89: all is there", async () => {
    expect((await check()).map(({ level }) => level)).toEqual(["ok", "ok"]);
  });

  test("K-89: a definition that is missing is a failure, with the command that applies it", async () => {
    const cluster = new FakeKubernetes({ unserved: ["multiclusterleases"] });
    const [finding] = await check({ cluster });
    expect(finding).toMatchObject({ check: "definition", level: "failure", repair: "tenure crd | kubectl apply -f -" });
  });

  test("K-89: each right that is missing is named, with the rule to add", async () => {
    const without = (verb: string, subresource?: string) => (right: ApiRight) =>
      fits(right) &&
      !(right.verb === verb && right.subresource === subresource && right.resource === "multiclusterleases");
    const findings = await check({ allows: without("patch", "status") });
    const status = 'resources: ["multiclusterleases/status"], verbs: ["patch"]';
    expect(findings).toContainEqual({
      ...{ check: "rights", level: "failure", code: "ACCESS_DENIED" },
      found: "may not patch multiclusterleases/status in any namespace",
      repair: `add the rule { apiGroups: ["${defaultGroup}"], ${status} }`,
    });
    for (const verb of ["get", "list", "watch", "patch"]) {
      const levels = (await check({ allows: without(verb) })).map(({ level }) => level);
      expect(levels, verb).toContain("failure");
    }
  });

  test("K-89: the own Lease is asked for by its name", async () => {
    const asked: ApiRight[] = [];
    await check({ allows: (right) => (asked.push(right), fits(right)) });
    const own = asked.filter(({ resource, need }) => resource === "leases" && need !== "never");
    expect(own.map(({ verb, name, namespace }) => [verb, name, namespace])).toEqual(
      ["get", "update", "watch"].map((verb) => [verb, "tenure-controller", "system"]),
    );
  });

  test("K-89: rights that no controller needs are warnings, and so are events that cannot be told", async () => {
    const findings = await check({ allows: () => true });
    expect(findings.filter(({ level }) => level === "failure")).toEqual([]);
    expect(findings.filter(({ level }) => level === "warning").map(({ found }) => found)).toContain(
      "may get secrets in any namespace, which no controller needs",
    );
    const mute = await check({ allows: (right) => fits(right) && right.resource !== "events" });
    expect(mute.map(({ level }) => level)).toEqual(["ok", "warning", "warning"]);
  });

  test("K-89: leases that are too short for the storage's pace are named", async () => {
    const cluster = new FakeKubernetes();
    const ref = { ...multiClusterLeaseKind({ namespace: "default" }), name: "hasty" };
    cluster.put(ref, { spec: { holderIdentity: "ada", leaseDurationSeconds: 4, renewDeadlineSeconds: 3 } });
    const findings = await check({ cluster, minWriteIntervalMs: 1_000 });
    expect(findings).toContainEqual(
      expect.objectContaining({
        check: "intervals",
        level: "warning",
        found: expect.stringContaining("default/hasty"),
      }),
    );
  });

  test("a cluster that does not answer now is no failure", async () => {
    const cluster = new FakeKubernetes();
    const client = cluster.connect();
    client.refuse(503);
    const findings = await check({ cluster: { connect: () => client } as unknown as FakeKubernetes });
    expect(findings.filter(({ level }) => level === "failure")).toEqual([]);
    expect(findings[0]).toMatchObject({ check: "definition", level: "warning" });
  });
});
