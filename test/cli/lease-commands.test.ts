// Goal: each command that looks at leases does so on lease://, tells what is missing and how to get it, and shows no
// secret. Method: calls in this process on the fake API server over HTTP, by a kubeconfig in a fresh folder.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LeaseRights, leaseRights } from "../../src/cli/lease-rights.ts";
import type { GrantedRule } from "../../src/kubernetes/cluster-questions.ts";
import type { KubernetesResource } from "../../src/kubernetes/kubernetes-resources.ts";
import type { Finding } from "../../src/cli/findings.ts";
import type { FakeKubernetes, FakeKubernetesServer } from "../../src/testing/index.ts";
import type { Called } from "./call.ts";
import { failures, FakeCluster, onRules, secret } from "./fake-cluster.ts";

const leases = { group: "coordination.k8s.io", version: "v1", plural: "leases", namespace: "default" } as const;
const job = { ...leases, name: "job" } as const;

let fake: FakeCluster;
let cluster: FakeKubernetes;
let server: FakeKubernetesServer;

beforeEach(async () => {
  fake = await FakeCluster.open();
  ({ api: cluster, server } = fake);
});
afterEach(() => fake[Symbol.asyncDispose]());

const writeKubeConfig = (user: object, current?: string): void => fake.writeKubeConfig(user, current);

/** `tenure` on `lease://default`. */
function tenure(...args: readonly string[]): Promise<Called> {
  const url = args[0] === "doctor" || args.includes("--storage") ? [] : ["--storage", "lease://default"];
  return fake.tenure(...args, ...url);
}

function put(name: string, spec: object): KubernetesResource {
  const lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { labels: { of: "others" } }, spec };
  return cluster.put({ ...leases, name }, lease);
}

const held = (renewTime = "2026-01-01T00:00:00.000001Z"): object => ({
  ...{ holderIdentity: "ada_1", renewTime, acquireTime: renewTime, leaseTransitions: 7 },
});

describe("the URL and its flags", () => {
  it.each([
    [["status", "job", "--storage", "lease:"], "which namespace? Write lease://NAMESPACE."],
    [["status", "job", "--storage", "lease://a", "-n", "b"], "--namespace b and lease://a differ: name it once."],
    [["status", "job", "--storage", "lease://Big"], 'namespace ("Big") must be 1 to 63 characters'],
    [["status", "job", "--storage", "lease://a?evnets=off"], '"evnets" is no parameter of lease:'],
    [["status", "job", "--storage", "lease://a?pollMs=5"], "allowed are: events, labels"],
    [["status", "job", "--storage", "lease://a?events=on"], "must be one of events.k8s.io, core, off"],
    [["status", "job", "--storage", "lease://a?events=off&events=off"], "events is given twice"],
    [["status", "job", "--storage", "lease://a?labels=team"], 'labels ("team") must be like team=billing'],
    [["status", "job", "--storage", "lease://a?labels=team=%26"], 'labels["team"] ("&") must be'],
    [["status", "job", "--storage", `lease://me:${secret}@a`], 'reads "lease://NAMESPACE"'],
    [["status", "job", "--storage", "lease://a/b"], 'reads "lease://NAMESPACE"'],
    [["status", "Job"], 'name ("Job") must be 1 to 253 characters'],
    [["status", "job", "--storage", "file:x"], "--kubeconfig goes with --storage lease://NAMESPACE, or"],
    [["status", "job", "--context", "elsewhere"], 'has no context "elsewhere"; it has "here", "nowhere"'],
    [["status", "job", "--kubeconfig", "/nowhere/config"], 'the kubeconfig "/nowhere/config" cannot be read (ENOENT)'],
  ])("refuses %j with 2 and what is wrong, and asks no server", async (args, message) => {
    const { code, stdout, stderr } = await tenure(...args);
    expect(stderr).toContain(message);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(server.log).toEqual([]);
  });

  it("takes the namespace from --namespace where the URL has none, and agrees to hear it twice", async () => {
    put("job", held());
    for (const url of ["lease:", "lease://default"]) {
      const { code, stdout } = await tenure("status", "job", "--now", "--storage", url, "-n", "default");
      expect([code, stdout]).toEqual([0, expect.stringMatching(/^job +○ held +ada_1 +7/m)]);
    }
  });

  it("takes the context that is named", async () => {
    put("job", held());
    writeKubeConfig({ token: secret }, "nowhere");
    expect((await tenure("status", "job", "--now", "--context", "here")).code).toBe(0);
    expect(await tenure("status", "job", "--now", "--timeout", "1s")).toMatchObject({ code: 2 });
  });

  it("K-9 runs no program for credentials unless that is allowed", async () => {
    const credential = {
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      status: { token: secret },
    };
    const args = ["-e", `console.log(${JSON.stringify(JSON.stringify(credential))})`];
    writeKubeConfig({ exec: { apiVersion: credential.apiVersion, command: process.execPath, args } });
    put("job", held());
    const refused = await tenure("status", "job", "--now");
    expect([refused.code, refused.stderr]).toEqual([
      2,
      expect.stringContaining("allow it with --allow-exec-credentials"),
    ]);
    expect(server.log).toEqual([]);
    expect((await tenure("status", "job", "--now", "--allow-exec-credentials")).code).toBe(0);
  });
});

describe("status and watch", () => {
  it("say absent, free and held, with the Lease's own version, and write nothing", async () => {
    put("free", { holderIdentity: "" });
    const { metadata } = put("job", held());
    const { code, stdout } = await tenure("status", "free", "nothing", "job", "--now", "--json");
    expect(code).toBe(3);
    expect(JSON.parse(stdout).leases).toEqual([
      expect.objectContaining({ name: "free", state: "free", term: 0 }),
      expect.objectContaining({ name: "nothing", state: "absent", version: null }),
      expect.objectContaining({ state: "held", term: 7, version: `${metadata?.uid}/${metadata?.resourceVersion}` }),
    ]);
    expect(server.log.filter((line) => !line.startsWith("GET "))).toEqual([]);
  });

  it("see a holder live by its next write, which a watch tells", async () => {
    put("job", held());
    const looking = tenure("status", "job", "--json");
    await expect.poll(() => cluster.watchCount).toBe(1);
    put("job", held("2026-01-01T00:00:05.000001Z"));
    const { code, stdout } = await looking;
    expect([code, JSON.parse(stdout).leases[0]]).toEqual([
      0,
      expect.objectContaining({ state: "live", holder: "ada_1" }),
    ]);
  });

  it("--all lists the namespace, page by page, and nothing of another one", async () => {
    const names = Array.from({ length: 501 }, (_, index) => `l${1000 + index}`);
    for (const name of names) put(name, { holderIdentity: "" });
    cluster.put({ ...leases, namespace: "other", name: "elsewhere" }, {});
    const { code, stdout } = await tenure("status", "--all", "--now", "--json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout).leases.map(({ name }: { name: string }) => name)).toEqual(names);
    expect(server.log.filter((line) => /leases\?limit=500/.test(line))).toHaveLength(2);
  });

  it("--all begins anew when history went away between two pages, and gives up in the end", async () => {
    for (let index = 0; index < 501; index += 1) put(`l${index}`, { holderIdentity: "" });
    const body = { kind: "Status", reason: "Expired", code: 410, message: "in words" };
    server.refuse({ status: 410, body }, { on: "list", times: 1, skip: 1 });
    expect((await tenure("status", "--all", "--now")).code).toBe(0);
    server.refuse({ status: 410, body }, { on: "list" });
    expect((await tenure("status", "--all", "--now")).code).toBe(1);
  });

  it("K-13 without a right name verb, resource, name and rule with 5, and tell the way without --all", async () => {
    server.refuse(forbidden, { on: "list" });
    const all = await tenure("status", "--all");
    expect(all.code).toBe(5);
    expect(all.stderr).toContain('cannot list leases "default" in ');
    expect(all.stderr).toContain('{ apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["list"] }');
    expect(all.stderr).toContain("or name the leases instead of --all: that needs no right to list");
    server.refuse(forbidden, { on: "read" });
    for (const command of ["status", "watch"]) {
      const one = await tenure(command, "job");
      expect(one.code).toBe(5);
      expect(one.stderr).toContain('cannot read leases "default/job" in ');
      expect(one.stderr).toContain('verbs: ["get"], resourceNames: ["job"] }');
    }
  });

  it("go on by polling where only the watch is refused", async () => {
    put("job", held());
    server.refuse(forbidden, { on: "watch" });
    const looking = tenure("status", "job", "--poll", "10ms");
    await expect.poll(() => server.log.length).toBeGreaterThan(1);
    put("job", held("2026-01-01T00:00:05.000001Z"));
    expect((await looking).stdout).toContain("● live");
  });
});

describe("release --force", () => {
  const force = (...args: readonly string[]): Promise<Called> =>
    tenure("release", "job", "--force", ...args, "--yes", "--lease-duration", "20ms", "--poll", "10ms");

  it("frees the Lease of a dead holder, keeps its term and what others wrote, and refuses another term", async () => {
    put("job", { ...held(), strategy: "OldestEmulationVersion" });
    expect((await force("--term", "6")).code).toBe(4);
    const { code, stderr } = await force("--term", "7");
    expect([code, stderr]).toEqual([0, expect.stringContaining(`"job" in lease://default at ${server.url}`)]);
    const { spec, metadata } = cluster.stored(job) ?? {};
    expect(spec).toMatchObject({ holderIdentity: "", leaseDurationSeconds: 1, leaseTransitions: 7 });
    expect(spec).toMatchObject({ strategy: "OldestEmulationVersion" });
    expect(metadata?.labels).toEqual({ of: "others" });
  });

  it("frees an unreadable Lease by its version, with the highest term that is known", async () => {
    const { metadata } = put("job", { holderIdentity: 5, leaseTransitions: 3 });
    const version = `${metadata?.uid}/${metadata?.resourceVersion}`;
    const bare = await force("--term", "7");
    expect([bare.code, bare.stderr]).toEqual([4, expect.stringContaining(`--version ${version}`)]);
    expect((await force("--version", version, "--term", "7")).code).toBe(0);
    expect(cluster.stored(job)?.["spec"]).toEqual({ holderIdentity: "", leaseDurationSeconds: 1, leaseTransitions: 7 });
    expect((await force("--version", version, "--term", "7")).code).toBe(3);
  });

  it("K-13 without the right to update says so with 5, and frees nothing", async () => {
    put("job", held());
    server.refuse(forbidden, { on: "replace" });
    const { code, stderr } = await force("--term", "7");
    expect([code, stderr]).toEqual([5, expect.stringContaining('verbs: ["update"], resourceNames: ["job"] }')]);
    expect(cluster.stored(job)?.["spec"]).toMatchObject({ holderIdentity: "ada_1" });
  });
});

describe("doctor", () => {
  const candidate = [
    {
      verbs: ["get", "update", "watch"],
      apiGroups: ["coordination.k8s.io"],
      resources: ["leases"],
      resourceNames: ["job"],
    },
    { verbs: ["create", "patch"], apiGroups: ["events.k8s.io"], resources: ["events"] },
  ];

  const grant = (rules: Parameters<FakeCluster["grant"]>[0]): void => fake.grant(rules);
  const doctor = (probe = true, url = "lease://default"): Promise<Record<string, Finding>> => fake.doctor(url, probe);

  it("finds a pre-created Lease with the least rights fit, and stores nothing", async () => {
    put("job", held());
    grant(candidate);
    const before = cluster.resourceVersion;
    const findings = await doctor();
    expect(findings).toMatchObject({
      storage: { level: "ok", found: expect.stringContaining(`lease://default at ${server.url}: a server`) },
      "server clock": { level: "info", found: "within a second of this one; no election depends on it" },
      rights: { level: "ok", found: 'get and update "job", not to create them: each has to exist' },
      times: { level: "ok" },
      "round trips": { level: "ok" },
      watch: { level: "ok", found: expect.stringMatching(/^tells after \d/) },
    });
    expect(server.log.filter((line) => line.startsWith("PUT "))).toEqual([
      expect.stringMatching(/\/leases\/job\?dryRun=All$/),
    ]);
    expect(cluster.resourceVersion).toBe(before);
  });

  it("with --no-probe sends no write, not even one that would not be stored", async () => {
    put("job", held());
    grant(candidate);
    expect(failures(await doctor(false))).toEqual([]);
    expect(server.log.filter((line) => /^(PUT|PATCH) |^POST .*leases/.test(line))).toEqual([]);
  });

  it("tries a creation where that is allowed, and leaves no Lease behind", async () => {
    grant([{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }]);
    const findings = await doctor();
    expect(failures(findings)).toEqual([]);
    expect(findings).toMatchObject({
      times: { level: "ok" },
      watch: { level: "ok", found: expect.stringContaining("ends in order") },
    });
    expect(cluster.stored({ ...leases, name: "tenure-doctor" })).toBeUndefined();
  });

  it("fails where nobody could lead: no rights, no Lease, no namespace, no server, no program", async () => {
    grant([]);
    const { rights } = await doctor();
    expect(rights).toMatchObject({ level: "failure", repair: expect.stringContaining('["get", "update"]') });
    grant(candidate);
    expect(await doctor()).toMatchObject({
      lease: { level: "failure", found: expect.stringContaining('no Lease "job"') },
    });
    const { namespace } = await doctor(true, "lease://elsewhere");
    expect(namespace).toMatchObject({ level: "failure", found: '"elsewhere" does not exist' });
    writeKubeConfig({}, "nowhere");
    expect((await doctor())["storage"]).toMatchObject({ level: "failure", code: "STORAGE_UNAVAILABLE" });
    writeKubeConfig({ exec: { apiVersion: "client.authentication.k8s.io/v1", command: "rm" } });
    const { storage } = await doctor();
    expect(storage).toMatchObject({ level: "failure", repair: "correct the URL, or the kubeconfig" });
    expect(storage?.found).toContain("--allow-exec-credentials");
  }, 30_000);

  it("as a command says so with 0, 1 and 5", async () => {
    put("job", held());
    grant(candidate);
    const well = await tenure("doctor", "lease://default");
    expect([well.code, well.stdout]).toEqual([0, expect.stringMatching(/^ok +rights +get and update "job"/m)]);
    grant([]);
    const denied = await tenure("doctor", "lease://default", "--json");
    expect([denied.code, JSON.parse(denied.stdout).healthy]).toEqual([5, false]);
    grant(candidate);
    expect((await tenure("doctor", "lease://elsewhere")).code).toBe(1);
  });

  it("finds out by trying where the server does not tell rights", async () => {
    server.refuse({ status: 404, body: "404 page not found\n" }, onRules);
    const findings = await doctor();
    expect(failures(findings)).toEqual([]);
    expect(findings).toMatchObject({
      rights: { level: "warning", repair: expect.stringContaining("kubectl auth can-i") },
    });
    expect(findings["times"]).toMatchObject({ level: "ok" });
  });

  it("fails on a server that cuts the times of a Lease", async () => {
    grant([...candidate, { verbs: ["create"], apiGroups: ["coordination.k8s.io"], resources: ["leases"] }]);
    const spec = { renewTime: "2026-01-01T00:00:00Z" };
    server.refuse({ status: 201, body: { kind: "Lease", spec } }, { on: "create", plural: "leases" });
    const findings = await doctor();
    expect(findings["times"]).toMatchObject({
      level: "failure",
      found: expect.stringContaining("2026-01-01T00:00:00Z"),
    });
  });
});

describe("LeaseRights", () => {
  const rule = (verbs: readonly string[], more: Partial<GrantedRule> = {}): GrantedRule => ({
    ...{ verbs, apiGroups: ["coordination.k8s.io"], resources: ["leases"], resourceNames: ["job"] },
    ...more,
  });
  const events = rule(["create"], { apiGroups: [""], resources: ["events"], resourceNames: [] });
  const levels = (rules: readonly GrantedRule[], incomplete = false): string[] =>
    new LeaseRights({ rules, incomplete }, leaseRights)
      .judge("default")
      .map(({ level, found }) => `${level}: ${found}`);

  it.each([
    ["the least", [rule(["get", "update", "watch"]), events], [/^ok: get and update "job", not to create them/]],
    ["two rules of one name", [rule(["get", "watch"]), rule(["update"]), events], [/^ok: get and update "job"/]],
    ["no watch", [rule(["get", "update"]), events], [/^ok/, /^warning: no right to watch/]],
    ["no events", [rule(["get", "update", "watch"])], [/^ok/, /^info: no right to create events/]],
    ["no update", [rule(["get", "watch"]), events], [/^failure: no right to update Leases in "default"$/]],
    [
      "rights of two names",
      [rule(["get", "watch"]), rule(["update"], { resourceNames: ["other"] }), events],
      [/^failure: no right to get and update Leases in "default" of one name$/],
    ],
    [
      "everything",
      [rule(["*"], { apiGroups: ["*"], resources: ["*"], resourceNames: [] })],
      [
        /^ok: .* any Lease, and to create them/,
        /^warning: may delete, deletecollection, patch/,
        /^info: may update every/,
      ],
    ],
  ] as const)("of %s", (_name, rules, wanted) => {
    const found = levels(rules);
    expect(found).toHaveLength(wanted.length);
    for (const [index, pattern] of wanted.entries()) expect(found[index]).toMatch(pattern);
  });

  it("fails nobody for what a server does not tell", () => {
    expect(levels([], true)[0]).toMatch(/^warning: no right to get and update/);
    expect(levels([], true).at(-1)).toMatch(/^info: the server does not tell all rights/);
  });
});

const forbidden = {
  status: 403,
  body: { kind: "Status", apiVersion: "v1", status: "Failure", reason: "Forbidden", message: "in words", code: 403 },
} as const;
