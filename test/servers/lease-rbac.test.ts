// Goal: the manifests of deploy/ give candidates exactly the rights that elections need (K-20, K-92 to K-94), and
// without one of them people learn which. Method: the file itself, applied to a real API server by client-node;
// electors with its rights, and with each verb taken away in turn.
import { KubeConfig, KubernetesObjectApi, loadAllYaml, type KubernetesObject } from "@kubernetes/client-node";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LeaseRights, leaseRights } from "../../src/cli/lease-rights.ts";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import { ClusterQuestions } from "../../src/kubernetes/cluster-questions.ts";
import { LeaseLock } from "../../src/kubernetes/lease-lock.ts";
import { systemClock } from "../../src/system/clock.ts";
import { silentLogger } from "../../src/system/logger.ts";
import { systemRandom } from "../../src/system/random.ts";
import { rulesOf, without } from "./support/deploy-rules.ts";
import { describeOn } from "./support/found-server.ts";
import { foundKube, type KubeServer } from "./support/kube-server.ts";
import { deploy } from "./support/kustomize.ts";

const file = "lease-rbac.yaml";
const manifests = readFileSync(join(deploy, file), "utf8");
const name = "invoices";
const timing = { leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 500 };

/** What both roles of a candidate grant. */
const candidateRules = rulesOf(file, "invoices-candidate", "invoices-candidate-events");

/** What a refusal asks for. */
function ruleFor(verb: string): string {
  const what = 'apiGroups: ["coordination.k8s.io"], resources: ["leases"]';
  return `{ ${what}, verbs: ["${verb}"], resourceNames: ["${name}"] }`;
}

describeOn(foundKube, (start) => {
  let kube: KubeServer;
  beforeAll(async () => {
    kube = await start();
  });
  afterAll(() => kube?.[Symbol.asyncDispose]());

  /** The file as it is, in a fresh namespace. */
  async function apply(): Promise<string> {
    const namespace = await kube.namespace();
    const api = KubernetesObjectApi.makeApiClient(kube.kubeConfig());
    const objects: KubernetesObject[] = loadAllYaml(
      manifests.replaceAll("namespace: billing", `namespace: ${namespace}`),
    );
    expect(objects).toHaveLength(8);
    for (const object of objects) await api.create(object);
    return namespace;
  }

  /** As a pod of the Deployment is. */
  async function worker(namespace: string): Promise<KubeConfig> {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/invoices-worker/token`;
    const { status } = await kube.make(path, {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: {},
    });
    const kubeConfig = new KubeConfig();
    const cluster = kube.kubeConfig().getCurrentCluster() ?? expect.unreachable("there is no cluster");
    kubeConfig.loadFromClusterAndUser(cluster, {
      name: "invoices-worker",
      token: String(Reflect.get(Object(status), "token")),
    });
    return kubeConfig;
  }

  async function rightsOf(kubeConfig: KubeConfig, namespace: string): Promise<LeaseRights> {
    const parts = { kubeConfig, allowExecCredentials: false, clock: systemClock, random: systemRandom };
    await using questions = new ClusterQuestions(parts);
    return new LeaseRights(await questions.rights(namespace), leaseRights);
  }

  interface Seen {
    readonly lock: LeaseLock;
    readonly elector: LeaderElector;
    readonly troubles: string[];
    readonly warnings: string[];
  }

  async function candidate(kubeConfig: KubeConfig, namespace: string, lease = name): Promise<Seen> {
    const [troubles, warnings]: [string[], string[]] = [[], []];
    const warn = (message: string, fields?: object): void => void warnings.push(`${message} ${JSON.stringify(fields)}`);
    const client = await kube.client(kubeConfig);
    const lock = new LeaseLock({ client, namespace, name: lease, logger: { ...silentLogger, warn } });
    const onError = (error: unknown): void =>
      void troubles.push(error instanceof Error ? error.message : String(error));
    return { lock, elector: new LeaderElector({ ...timing, lock, onError }), troubles, warnings };
  }

  const eventsOf = async (namespace: string): Promise<readonly string[]> => {
    const { body } = await kube.ask("GET", `/apis/events.k8s.io/v1/namespaces/${namespace}/events`);
    const items: unknown = body["items"];
    return Array.isArray(items) ? items.map((event) => String(Reflect.get(Object(event), "note"))) : [];
  };

  test("K-92 with deploy/lease-rbac.yaml alone two candidates take turns, tell events, and are refused nothing", async () => {
    const namespace = await apply();
    const kubeConfig = await worker(namespace);
    await expect
      .poll(async () => (await rightsOf(kubeConfig, namespace)).electable(), { timeout: 20_000 })
      .toEqual(new Set([name]));
    const rights = await rightsOf(kubeConfig, namespace);
    // nothing lacks, and nothing is too much
    expect(rights.judge(namespace)).toEqual([expect.objectContaining({ level: "ok" })]);
    const [ada, bob] = [await candidate(kubeConfig, namespace), await candidate(kubeConfig, namespace)];
    const first = await ada.elector.acquire();
    const waiting = bob.elector.acquire();
    await expect.poll(() => bob.elector.leader).toBe(ada.elector.identity);
    await first[Symbol.asyncDispose]();
    await using second = await waiting;
    expect(second.term).toBeGreaterThan(first.term);
    await expect.poll(() => eventsOf(namespace)).toContain(`${ada.elector.identity} became leader`);
    expect([...ada.troubles, ...ada.warnings, ...bob.troubles, ...bob.warnings]).toEqual([]);
    if (kube.apiServer === undefined) return; // only one of our own has a log
    const mine = kube.requests(`${namespace}:invoices-worker`);
    expect(mine.filter(({ code }) => code >= 400)).toEqual([]);
    expect(new Set(mine.map(({ verb }) => verb))).toEqual(new Set(["get", "update", "watch", "create"]));
  });

  test.each([
    ["get", "read"],
    ["update", "replace"],
  ])(
    "K-13, K-94 without %s nobody leads, and the refusal names verb, resource, name, and the rule to add",
    async (verb, did) => {
      const namespace = await apply();
      const kubeConfig = await kube.candidate(namespace, without(verb, "leases", candidateRules));
      const { elector } = await candidate(kubeConfig, namespace);
      const refused: unknown = await elector.acquire().catch((error: unknown) => error);
      expect(refused).toMatchObject({
        code: "ACCESS_DENIED",
        message: expect.stringContaining(`cannot ${did} leases "${namespace}/${name}"`),
      });
      expect(refused).toMatchObject({ message: expect.stringContaining(`add the rule ${ruleFor(verb)}`) });
    },
  );

  test("K-20, K-26, K-94 without watch elections go on by polling, and the alarm names the rule, once", async () => {
    const namespace = await apply();
    const kubeConfig = await kube.candidate(namespace, without("watch", "leases", candidateRules));
    const [ada, bob] = [await candidate(kubeConfig, namespace), await candidate(kubeConfig, namespace)];
    const first = await ada.elector.acquire();
    const waiting = bob.elector.acquire();
    await expect.poll(() => bob.elector.leader, { timeout: 5_000 }).toBe(ada.elector.identity);
    await first[Symbol.asyncDispose]();
    await using second = await waiting;
    expect(second.isHeld()).toBe(true);
    expect(bob.troubles).toEqual([expect.stringContaining(`cannot watch leases "${namespace}/${name}"`)]);
    expect(bob.troubles[0]).toContain(ruleFor("watch"));
  });

  test("K-27, K-94 without events elections go on, and one warning names the rule", async () => {
    const namespace = await apply();
    const kubeConfig = await kube.candidate(namespace, rulesOf(file, "invoices-candidate"));
    const { elector, troubles, warnings } = await candidate(kubeConfig, namespace);
    await using leadership = await elector.acquire();
    expect(leadership.isHeld()).toBe(true);
    await expect.poll(() => warnings).toHaveLength(1);
    expect(warnings[0]).toContain("events are not allowed");
    expect(warnings[0]).toContain(`cannot create events \\"${namespace}/${name}.`);
    const rule = `apiGroups: [\\"events.k8s.io\\"], resources: [\\"events\\"], verbs: [\\"create\\"]`;
    expect(warnings[0]).toContain(rule);
    expect(troubles).toEqual([]);
    expect(await eventsOf(namespace)).toEqual([]);
  });

  test("K-27, K-94 without the right to patch events the first is told, its repetition is not, and a warning names the rule", async () => {
    const namespace = await apply();
    const kubeConfig = await kube.candidate(namespace, without("patch", "events", candidateRules));
    const { lock, warnings } = await candidate(kubeConfig, namespace);
    for (const message of ["became leader", "became leader"]) lock.recordEvent(message);
    await expect.poll(() => warnings).toHaveLength(1);
    expect(warnings[0]).toContain(`cannot patch events \\"${namespace}/${name}.`);
    expect(warnings[0]).toMatch(/apiGroups: \[\\"events\.k8s\.io\\"\], resources: .*, verbs: \[\\"patch\\"\]/);
    expect(await eventsOf(namespace)).toEqual([`${lock.identity} became leader`]);
  });

  test("K-20, K-94 without create a Lease has to be there; with the Role lease-creator it is made", async () => {
    const namespace = await apply();
    const [rule = expect.unreachable("no rule")] = rulesOf(file, "invoices-candidate");
    const own = { ...rule, resourceNames: ["another"] };
    const without = await candidate(await kube.candidate(namespace, [own]), namespace, "another");
    const refused: unknown = await without.elector.acquire().catch((error: unknown) => error);
    const server = kube.kubeConfig().getCurrentCluster()?.server;
    const message = expect.stringContaining(
      `cannot create leases "${namespace}/another" in ${server}: 403 Forbidden: ` +
        'add the rule { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["create"] }',
    );
    expect(refused).toMatchObject({ code: "ACCESS_DENIED", message });
    const creator = await kube.candidate(namespace, [own, ...rulesOf(file, "lease-creator")]);
    await using leadership = await (await candidate(creator, namespace, "another")).elector.acquire();
    expect(leadership.term).toBe(1);
  });

  test("K-93 the viewer reads all Leases and events, and writes none", async () => {
    const namespace = await apply();
    const kubeConfig = await kube.candidate(namespace, rulesOf(file, "lease-viewer"));
    const rights = await rightsOf(kubeConfig, namespace);
    expect(["get", "list", "watch"].every((verb) => rights.may(verb))).toBe(true);
    const writes = ["create", "update", "patch", "delete", "deletecollection"];
    expect(writes.filter((verb) => rights.may(verb))).toEqual([]);
    const { elector } = await candidate(kubeConfig, namespace);
    await expect(elector.acquire()).rejects.toMatchObject({ code: "ACCESS_DENIED" });
  });
});
