// Goal: each command that looks at leases does so on multiclusterlease://, and the doctor tells what keeps candidates
// from leading. Method: calls in this process on the fake API server over HTTP, with a scripted controller beside it.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LeaseRights, multiClusterLeaseRights } from "../../src/cli/lease-rights.ts";
import type { GrantedRule } from "../../src/kubernetes/cluster-questions.ts";
import { defaultGroup } from "../../src/kubernetes/multi-cluster-lease.ts";
import { systemClock } from "../../src/system/clock.ts";
import { GlobalLease, leaseRef, ScriptedController } from "../kubernetes/scripted-controller.ts";
import { failures, FakeCluster, secret } from "./fake-cluster.ts";

const url = "multiclusterlease://default";
const ref = leaseRef("job");
const of = { apiGroups: [defaultGroup], resources: ["multiclusterleases"] };
const candidate = [
  { ...of, verbs: ["get", "patch", "watch"], resourceNames: ["job"] },
  { verbs: ["create", "patch"], apiGroups: ["events.k8s.io"], resources: ["events"] },
];

let fake: FakeCluster;
let global: GlobalLease;
let over: AbortController;

beforeEach(async () => {
  fake = await FakeCluster.open();
  global = new GlobalLease(systemClock);
  over = new AbortController();
});
afterEach(async () => {
  over.abort();
  await fake[Symbol.asyncDispose]();
});

/** A lease that its controller has answered; without a controller `silent`. */
async function put(spec: object, silent = false): Promise<void> {
  const metadata = { name: "job", namespace: "default" };
  fake.api.put(ref, { apiVersion: `${defaultGroup}/v1alpha1`, kind: "MultiClusterLease", metadata, spec });
  if (silent) return;
  const client = fake.api.connect();
  new ScriptedController({ client, ref, clock: systemClock, global, signal: over.signal });
  await expect.poll(() => Object(fake.api.stored(ref)?.["status"]).observedGeneration).toBeDefined();
}

const renewTime = "2026-11-21T09:28:33.142778Z";
const held = { holder: "ada_1", renewTime, acquireTime: renewTime, seconds: 60, term: 7 };

describe("the URL", () => {
  it.each([
    ["multiclusterlease:", "which namespace? Write multiclusterlease://NAMESPACE."],
    ["multiclusterlease://Big", 'namespace ("Big") must be 1 to 63 characters'],
    ["multiclusterlease://a?labels=a=b", '"labels" is no parameter of multiclusterlease:'],
    ["multiclusterlease://a?pollMs=5", "allowed are: events, group"],
    ["multiclusterlease://a?group=nodot", 'group ("nodot") must be a DNS name'],
    [`multiclusterlease://me:${secret}@a`, 'reads "multiclusterlease://NAMESPACE"'],
    ["lease://a?group=a.example", '"group" is no parameter of lease:'],
  ])("refuses %j with 2 and what is wrong, and asks no server", async (storage, message) => {
    const { code, stderr } = await fake.tenure("status", "job", "--storage", storage);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
    expect(fake.server.log).toEqual([]);
  });

  it("takes another API group", async () => {
    await fake.tenure("status", "job", "--now", "--storage", `${url}?group=leases.example.com`);
    expect(fake.server.log).toContainEqual(
      expect.stringMatching(
        /^GET \/apis\/leases\.example\.com\/v1alpha1\/namespaces\/default\/multiclusterleases\/job/,
      ),
    );
  });
});

describe("status and release", () => {
  it("tells who holds it, in whatever cluster, and lists all", async () => {
    global.write(held);
    await put({});
    const one = await fake.tenure("status", "job", "--now", "--storage", url);
    expect([one.code, one.stdout]).toEqual([0, expect.stringMatching(/^job +○ held +ada_1 +7/m)]);
    const all = await fake.tenure("status", "--all", "--now", "--storage", url);
    expect(all.stdout).toMatch(/^job +○ held +ada_1 +7/m);
  });

  it("frees nothing by force: the signal in a spec is that of a live candidate", async () => {
    global.write(held);
    await put({});
    const before = fake.api.resourceVersion;
    const { code, stderr } = await fake.tenure("release", "job", "--force", "--term", "7", "--yes", "--storage", url);
    expect([code, stderr]).toEqual([2, expect.stringContaining("is freed by its holder alone")]);
    expect(fake.api.resourceVersion).toBe(before);
  });
});

describe("doctor", () => {
  it("finds a lease with the least rights fit, and writes nothing", async () => {
    global.write(held);
    await put({});
    fake.grant(candidate);
    const before = fake.api.resourceVersion;
    expect(await fake.doctor(url)).toMatchObject({
      storage: { level: "ok", found: expect.stringContaining(`${url} at ${fake.server.url}: a server`) },
      rights: { level: "ok", found: 'get and patch "job", not to create them: each has to exist' },
      definition: { level: "ok", found: `MultiClusterLeases of ${defaultGroup} are served` },
      "round trips": { level: "ok" },
      watch: { level: "ok", found: expect.stringMatching(/^tells after \d/) },
      lease: {
        level: "ok",
        found: expect.stringMatching(/^"job" is held by ada_1 in term 7, not by a signal of this/),
      },
    });
    expect(fake.server.log.filter((line) => !/^GET |selfsubjectrulesreviews/.test(line))).toEqual([]);
    expect(fake.api.resourceVersion).toBe(before);
  });

  it("K-51 names the code of what keeps the lease from being held, with its repair, and exits with 1", async () => {
    await put({ holderIdentity: "ada_1", renewTime }, true);
    fake.grant(candidate);
    const short = ["--lease-duration", "6s", "--renew-deadline", "4s", "--retry-period", "1s"];
    const { code, stdout } = await fake.tenure("doctor", url, "--json", ...short);
    const findings: readonly object[] = JSON.parse(stdout).findings;
    expect(code).toBe(1);
    expect(findings).toContainEqual({
      ...{ check: "lease", level: "failure", code: "CONTROLLER_SILENT" },
      found: '"job": no controller answers the signal of ada_1',
      repair: expect.stringContaining("kubectl logs"),
    });
  });

  it("fails where nobody could lead: no rights, no lease, no namespace, no definition", async () => {
    fake.grant([]);
    const { rights } = await fake.doctor(url);
    expect(rights).toMatchObject({ level: "failure", repair: expect.stringContaining('["get", "patch"]') });
    fake.grant(candidate);
    expect((await fake.doctor(url))["lease"]).toMatchObject({
      level: "failure",
      found: expect.stringContaining('no MultiClusterLease "job", and no right to create it'),
    });
    const { namespace } = await fake.doctor("multiclusterlease://elsewhere");
    expect(namespace).toMatchObject({ level: "failure", found: '"elsewhere" does not exist' });
    fake.server.refuse({ status: 404, body: "404 page not found\n" }, { on: "read", plural: "multiclusterleases" });
    const findings = await fake.doctor(url);
    expect(failures(findings)).toEqual(["definition"]);
    expect(findings["definition"]?.repair).toBe("tenure crd | kubectl apply -f -");
  });

  it("looks at all leases that it may list, and says so where it may not", async () => {
    fake.grant([{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }]);
    expect((await fake.doctor(url))["lease"]).toMatchObject({
      level: "info",
      found: "there is none in this namespace",
    });
    await put({});
    expect((await fake.doctor(url))["lease"]?.found).toMatch(/^"job" is free /);
    fake.grant([{ ...of, verbs: ["get", "patch", "watch"] }]);
    const forbidden = { kind: "Status", apiVersion: "v1", status: "Failure", reason: "Forbidden", code: 403 };
    fake.server.refuse({ status: 403, body: forbidden }, { on: "list", plural: "multiclusterleases" });
    expect((await fake.doctor(url))["lease"]).toMatchObject({
      level: "info",
      found: expect.stringContaining("may not list"),
    });
  });

  it("warns where the settings are faster than a lease may be signalled", async () => {
    await put({});
    fake.grant(candidate);
    const short = ["--lease-duration", "1500ms", "--renew-deadline", "1s", "--retry-period", "200ms"];
    const { code, stdout } = await fake.tenure("doctor", url, ...short);
    expect([code, stdout]).toEqual([1, expect.stringMatching(/^failure +settings /m)]);
  });
});

describe("the rights of a candidate across clusters", () => {
  const levels = (rules: readonly Partial<GrantedRule>[]): string[] => {
    const whole = { verbs: [], ...of, resourceNames: [] };
    const rights = { rules: rules.map((rule) => ({ ...whole, ...rule })), incomplete: false };
    const judged = new LeaseRights(rights, multiClusterLeaseRights(defaultGroup)).judge("default");
    return judged.map(({ level, found }) => `${level}: ${found}`);
  };
  const events = { verbs: ["create"], apiGroups: [""], resources: ["events"] };
  const least = { verbs: ["get", "patch", "watch"], resourceNames: ["job"] };

  it.each([
    ["the least", [least, events], [/^ok: get and patch "job", not to create/]],
    ["no watch", [{ ...least, verbs: ["get", "patch"] }, events], [/^ok/, /^warning: no right to watch MultiCl/]],
    ["no patch", [{ ...least, verbs: ["get", "watch"] }, events], [/^failure: no right to patch MultiClusterLeases/]],
    [
      "the status",
      [least, events, { verbs: ["patch"], resources: ["multiclusterleases/status"] }],
      [/^ok/, /^warning: may write the status, which is the word of the controller/],
    ],
    [
      "the status of any kind",
      [least, events, { verbs: ["update"], resources: ["*/status"] }],
      [/^ok/, /^warning: may write the status/],
    ],
    [
      "everything",
      [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }],
      [
        /^ok: get and patch any MultiClusterLease, and to create them/,
        /^warning: may delete, deletecollection, update MultiClusterLeases/,
        /^warning: may write the status/,
        /^info: may patch every MultiClusterLease of the namespace/,
      ],
    ],
  ] as const)("K-93 of %s", (_name, rules, wanted) => {
    const found = levels(rules);
    expect(found).toHaveLength(wanted.length);
    for (const [index, pattern] of wanted.entries()) expect(found[index]).toMatch(pattern);
  });
});
