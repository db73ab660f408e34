// Goal: the command line on Leases of a real API server: it needs no more rights than elections do, tells which one is
// missing, runs no program for credentials unasked, and shows no token. Method: the built program, by kubeconfigs of
// accounts with the rules of deploy/lease-rbac.yaml, or with fewer.
import { KubeConfig } from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { World, type Tenure } from "../process/cli-world.ts";
import { rulesOf } from "./support/deploy-rules.ts";
import { describeOn } from "./support/found-server.ts";
import { foundKube, type KubeServer, type PolicyRule } from "./support/kube-server.ts";

const file = "lease-rbac.yaml";
const candidateRules = rulesOf(file, "invoices-candidate", "invoices-candidate-events");

describeOn(foundKube, (start) => {
  let kube: KubeServer;
  beforeAll(async () => {
    kube = await start();
  });
  afterAll(() => kube?.[Symbol.asyncDispose]());

  interface Account {
    readonly namespace: string;
    readonly env: Readonly<Record<string, string>>;
    readonly token: string;
  }

  async function envOf(kubeConfig: KubeConfig, namespace: string): Promise<Record<string, string>> {
    return { KUBECONFIG: await kube.fileOf(kubeConfig), TENURE_STORAGE_URL: `lease://${namespace}` };
  }

  /** A fresh namespace with the Lease "invoices", and an account there that may do exactly this. */
  async function account(rules: readonly PolicyRule[]): Promise<Account> {
    const namespace = await kube.namespace();
    // As `kubectl apply` makes it: of an object without any field a server never notes who writes what.
    const metadata = { name: "invoices", annotations: { "kubectl.kubernetes.io/last-applied-configuration": "{}" } };
    const lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata };
    await kube.make(`/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`, lease);
    const kubeConfig = await kube.candidate(namespace, rules);
    return { namespace, env: await envOf(kubeConfig, namespace), token: kubeConfig.getCurrentUser()?.token ?? "" };
  }

  /** What it said, once it has ended; no token is in there. */
  async function said(
    tenure: Tenure,
    { token }: Pick<Account, "token">,
  ): Promise<{ code: number | null; text: string }> {
    const code = await tenure.code();
    const text = tenure.stdout + tenure.stderr;
    expect(token).not.toBe("");
    expect(text).not.toContain(token);
    return { code, text };
  }

  test("doctor finds the rights of deploy/ fit: nothing is missing, nothing is too much, nothing is stored", async () => {
    await using world = new World();
    const worker = await account(candidateRules);
    const doctor = world.tenure(["doctor"], { env: worker.env });
    const { code, text } = await said(doctor, worker);
    expect(code, text).toBe(0);
    expect(text).toMatch(/^ok +storage +lease:\/\/.* at https:.*: Kubernetes v1\.\d+\.\d+.*, answers in /m);
    expect(text).toMatch(/^info +server clock +within a second of this one; no election depends on it$/m);
    expect(text).toMatch(/^ok +rights +get and update "invoices", not to create them: each has to exist$/m);
    expect(text).toMatch(/^ok +times +the server keeps six digits/m);
    expect(text).toMatch(/^ok +round trips +reads take /m);
    expect(text).toMatch(/^ok +watch +tells after /m);
    expect(text.match(/^\w+ +rights /gm)).toHaveLength(1);
    const { body } = await kube.ask("GET", `/apis/coordination.k8s.io/v1/namespaces/${worker.namespace}/leases`);
    expect(body["items"]).toEqual([expect.objectContaining({ spec: {} })]);
  });

  test("doctor of an administrator warns of what no candidate needs, and of a token that is refused says so", async () => {
    await using world = new World();
    const namespace = await kube.namespace();
    const token = kube.kubeConfig().getCurrentUser()?.token ?? "";
    const admin = await said(world.tenure(["doctor"], { env: await envOf(kube.kubeConfig(), namespace) }), { token });
    expect(admin.code, admin.text).toBe(0);
    expect(admin.text).toMatch(/^warning +rights +may delete, deletecollection, patch Leases/m);
    expect(admin.text).toMatch(/^ok +watch +tells after /m); // of no Lease: a bookmark
    const wrong = new KubeConfig();
    const cluster = kube.kubeConfig().getCurrentCluster() ?? expect.unreachable("there is no cluster");
    wrong.loadFromClusterAndUser(cluster, { name: "nobody", token: "wr0ng-t0ken" });
    const env = await envOf(wrong, namespace);
    const refused = await said(world.tenure(["doctor"], { env }), { token: "wr0ng-t0ken" });
    expect(refused.code, refused.text).toBe(5);
    expect(refused.text).toMatch(/^failure +storage .*401 Unauthorized: the credentials are refused\n +repair: renew/m);
    const gone = world.tenure(["doctor", "lease://tenure-none"], { env: await envOf(kube.kubeConfig(), namespace) });
    const { code, text } = await said(gone, { token });
    expect([code, text]).toEqual([1, expect.stringMatching(/failure +namespace +"tenure-none" does not exist/)]);
  });

  test("doctor names the rule of each right that is missing, and the Lease that nobody may create", async () => {
    await using world = new World();
    const [rule = expect.unreachable("no rule")] = rulesOf(file, "invoices-candidate");
    const reader = await account([{ ...rule, verbs: ["get"] }]);
    const denied = await said(world.tenure(["doctor"], { env: reader.env }), reader);
    expect(denied.code).toBe(5);
    expect(denied.text).toMatch(
      /failure +rights +no right to update Leases .*\n +repair: add the rule .*verbs: \["update"\]/,
    );
    expect(denied.text).toMatch(
      /warning +rights +no right to watch Leases.*\n +repair: add the rule .*verbs: \["watch"\]/,
    );
    expect(denied.text).toMatch(
      /info +rights +no right to create events.*\n +repair: add the rule .*"events\.k8s\.io"/,
    );
    const another = await account([{ ...rule, resourceNames: ["another"] }]);
    const absent = await said(world.tenure(["doctor"], { env: another.env }), another);
    expect(absent.code).toBe(1);
    expect(absent.text).toMatch(/failure +lease +there is no Lease "another", and no right to create it/);
  });

  test("run leads with the rights of deploy/ alone, sets labels, tells events, and status and watch follow it", async () => {
    await using world = new World();
    const worker = await account(candidateRules);
    const env = { ...worker.env, TENURE_STORAGE_URL: `lease://${worker.namespace}?labels=team=billing` };
    const run = world.run("work", { name: "invoices", env });
    await world.line(/^1 works/, 60_000);
    const status = world.tenure(["status", "invoices", "--json"], { env });
    expect((await said(status, worker)).code).toBe(0);
    expect(JSON.parse(status.stdout).leases[0]).toMatchObject({ state: "live", term: 1, leaseDurationMs: 3_000 });
    const path = `/apis/coordination.k8s.io/v1/namespaces/${worker.namespace}/leases/invoices`;
    expect((await kube.ask("GET", path)).body.metadata?.labels).toEqual({ team: "billing" });
    run.kill("SIGTERM");
    const { code, text } = await said(run, worker);
    expect(code, text).toBe(143);
    expect(text).not.toMatch(/warn|error/);
    const events = await kube.ask("GET", `/apis/events.k8s.io/v1/namespaces/${worker.namespace}/events`);
    expect(JSON.stringify(events.body["items"])).toContain(" became leader"); // nobody waits for the one of its end
  });

  test("run without a right says which, and with --no-wait ends with 75; with events=off it tells none", async () => {
    await using world = new World();
    const [rule = expect.unreachable("no rule")] = rulesOf(file, "invoices-candidate");
    const reader = await account([{ ...rule, verbs: ["get", "watch"] }]);
    const refused = await said(world.run("work", { name: "invoices", flags: ["--no-wait"], env: reader.env }), reader);
    expect(refused.code).toBe(75);
    expect(refused.text).toContain('verbs: ["update"], resourceNames: ["invoices"] }');
    const silent = await account(rulesOf(file, "invoices-candidate"));
    const env = { ...silent.env, TENURE_STORAGE_URL: `lease://${silent.namespace}?events=off` };
    const { code, text } = await said(world.run("note once", { name: "invoices", env }), silent);
    expect([code, text]).toEqual([0, expect.not.stringContaining("events are not allowed")]);
  });

  test("run --holder-grace waits so much longer for the Lease of another, as one that client-go shares needs", async () => {
    await using world = new World();
    const worker = await account(candidateRules);
    const renewTime = "2026-01-01T00:00:00.000000Z";
    const spec = { holderIdentity: "from-go", leaseDurationSeconds: 1, leaseTransitions: 7, renewTime };
    const leases = `/apis/coordination.k8s.io/v1/namespaces/${worker.namespace}/leases`;
    const path = `${leases}/invoices?fieldManager=a-go-program`;
    const lead = async (...flags: readonly string[]): Promise<{ text: string; tookMs: number }> => {
      expect((await kube.ask("PATCH", path, { body: { spec } })).status).toBe(200);
      const startedMs = performance.now();
      const run = world.run("note works", { name: "invoices", flags, env: worker.env });
      const { code, text } = await said(run, worker);
      expect(code, text).toBe(0);
      return { text, tookMs: performance.now() - startedMs };
    };
    const patient = await lead("--holder-grace", "3s");
    expect(patient.tookMs).toBeGreaterThan(6_000); // the own three seconds, and three more
    expect(patient.text).not.toContain("holderGraceMs");
    expect((await lead()).text).toMatch(/warn: .*from-go .*holderGraceMs/);
    expect(world.lines()).toEqual(["8 works", "8 works"]);
  });

  test("status --all needs the right to list, and says so; the viewer of deploy/ has it, and releases nothing", async () => {
    await using world = new World();
    const worker = await account(candidateRules);
    const denied = await said(world.tenure(["status", "--all"], { env: worker.env }), worker);
    expect(denied.code).toBe(5);
    expect(denied.text).toContain('resources: ["leases"], verbs: ["list"] }; or name the leases instead of --all');
    const viewer = await account(rulesOf(file, "lease-viewer"));
    const all = await said(world.tenure(["status", "--all"], { env: viewer.env }), viewer);
    expect([all.code, all.text]).toEqual([0, expect.stringMatching(/^invoices +✗ free/m)]);
    const holder = { spec: { holderIdentity: "ada_1", leaseDurationSeconds: 1, leaseTransitions: 7 } };
    const path = `/apis/coordination.k8s.io/v1/namespaces/${viewer.namespace}/leases/invoices`;
    expect((await kube.ask("PATCH", path, { body: holder })).status).toBe(200);
    const force = ["release", "invoices", "--force", "--term", "7", "--yes"];
    const kept = await said(world.tenure(force, { env: viewer.env }), viewer);
    expect([kept.code, kept.text]).toEqual([
      5,
      expect.stringContaining('verbs: ["update"], resourceNames: ["invoices"] }'),
    ]);
    const token = kube.kubeConfig().getCurrentUser()?.token ?? "";
    const admin = await envOf(kube.kubeConfig(), viewer.namespace);
    expect((await said(world.tenure(force, { env: admin }), { token })).code).toBe(0);
    const free = (await kube.ask("GET", path)).body["spec"];
    expect(free).toMatchObject({ leaseTransitions: 7 });
    expect(free).not.toMatchObject({ holderIdentity: "ada_1" });
  });

  test("K-9 a program for credentials is run only where --allow-exec-credentials says so", async () => {
    await using world = new World();
    const namespace = await kube.namespace();
    const token = kube.kubeConfig().getCurrentUser()?.token ?? "";
    const apiVersion = "client.authentication.k8s.io/v1";
    const credential = JSON.stringify({ apiVersion, kind: "ExecCredential", status: { token } });
    const exec = { apiVersion, command: process.execPath, args: ["-e", `console.log(${JSON.stringify(credential)})`] };
    const kubeConfig = new KubeConfig();
    const cluster = kube.kubeConfig().getCurrentCluster() ?? expect.unreachable("there is no cluster");
    kubeConfig.loadFromClusterAndUser(cluster, { name: "by-program", exec });
    const env = await envOf(kubeConfig, namespace);
    const refused = await said(world.tenure(["status", "job"], { env }), { token });
    expect([refused.code, refused.text]).toEqual([2, expect.stringContaining("--allow-exec-credentials")]);
    const allowed = await said(world.tenure(["status", "job", "--allow-exec-credentials"], { env }), { token });
    expect([allowed.code, allowed.text]).toEqual([3, expect.stringMatching(/^job +✗ absent/m)]);
  });
});
