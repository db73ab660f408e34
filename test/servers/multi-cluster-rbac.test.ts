// Goal: whoever lacks one right to MultiClusterLeases learns which, and elections go on where they can (K-94). Method:
// accounts on a real API server with the rules of deploy/, and with each verb taken away in turn: electors as
// candidates, and the checks at the start of a controller.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MultiClusterLeaseController } from "../../src/controller/controller.ts";
import { startupChecks } from "../../src/controller/startup-checks.ts";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import { errorCode } from "../../src/errors.ts";
import { ClusterQuestions } from "../../src/kubernetes/cluster-questions.ts";
import { defaultGroup } from "../../src/kubernetes/multi-cluster-lease.ts";
import { MultiClusterLeaseLock } from "../../src/kubernetes/multi-cluster-lease-lock.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { systemClock } from "../../src/system/clock.ts";
import { silentLogger } from "../../src/system/logger.ts";
import { systemRandom } from "../../src/system/random.ts";
import { candidateRights, controllerRights, foundOwnClusters, type ClusterPair } from "./support/cluster-pair.ts";
import { without } from "./support/deploy-rules.ts";
import { describeOn } from "./support/found-server.ts";
import type { KubeServer, PolicyRule } from "./support/kube-server.ts";

const resource = "multiclusterleases";
const timing = { leaseDurationMs: 6_000, renewDeadlineMs: 4_000, retryPeriodMs: 1_000 };

describeOn(foundOwnClusters, (start) => {
  let pair: ClusterPair;
  let kube: KubeServer;
  let namespace: string;
  let stopping: AbortController;
  let running: Promise<void>;

  beforeAll(async () => {
    pair = await start();
    kube = pair.a;
    namespace = await kube.namespace();
    const lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name: "tenure-controller" } };
    await kube.make(`/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`, lease);
    const client = await kube.client(await kube.candidate(namespace, controllerRights()));
    const settings = { namespaces: [namespace], leaseNamespace: namespace };
    stopping = new AbortController();
    const controller = new MultiClusterLeaseController({ client, storage: new MemoryStorage(), settings });
    running = controller.run({ signal: stopping.signal });
  });
  afterAll(async () => {
    stopping?.abort(new Error("over"));
    await running;
    await pair?.[Symbol.asyncDispose]();
  });

  interface Candidate {
    readonly lock: MultiClusterLeaseLock;
    readonly elector: LeaderElector;
    readonly troubles: unknown[];
    readonly warnings: string[];
  }

  async function candidate(rules: readonly PolicyRule[], name = "invoices"): Promise<Candidate> {
    const [troubles, warnings]: [unknown[], string[]] = [[], []];
    const warn = (message: string, fields?: object): void => void warnings.push(`${message} ${JSON.stringify(fields)}`);
    const client = await kube.client(await kube.candidate(namespace, rules));
    const logger = { ...silentLogger, warn };
    const lock = new MultiClusterLeaseLock({ client, namespace, name, label: "ada", ...timing, logger });
    const onError = (error: unknown): void => void troubles.push(error);
    return { lock, elector: new LeaderElector({ ...timing, lock, onError }), troubles, warnings };
  }

  const ruleFor = (verb: string, name = "invoices"): string =>
    `add the rule { apiGroups: ["${defaultGroup}"], resources: ["${resource}"], verbs: ["${verb}"]` +
    (name === "" ? " }" : `, resourceNames: ["${name}"] }`);

  describe("K-94 a candidate", () => {
    test("with the rights of deploy/ leads, hands over, and is refused nothing", async () => {
      const [ada, bob] = [await candidate(candidateRights()), await candidate(candidateRights())];
      const first = await ada.elector.acquire();
      const waiting = bob.elector.acquire();
      await expect.poll(() => bob.elector.leader, { timeout: 10_000 }).toBe(ada.elector.identity);
      await first[Symbol.asyncDispose]();
      await using second = await waiting;
      expect(second.term).toBeGreaterThan(first.term);
      const denied = [...ada.troubles, ...bob.troubles].filter((error) => errorCode(error) === "ACCESS_DENIED");
      expect([...denied, ...ada.warnings, ...bob.warnings]).toEqual([]);
      const refused = kube.requests(`${namespace}:candidate-`).filter(({ code }) => code === 403);
      expect(refused).toEqual([]);
    });

    test.each([
      ["get", "read"],
      ["patch", "patch"],
    ])("K-13 without %s nobody leads, and the refusal names verb, resource, name, and the rule", async (verb, did) => {
      const { elector } = await candidate(without(verb, resource, candidateRights()));
      const refused: unknown = await elector.acquire().catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "ACCESS_DENIED" });
      const message = refused instanceof Error ? refused.message : "";
      expect(message).toContain(`cannot ${did} ${resource} "${namespace}/invoices"`);
      expect(message).toContain(ruleFor(verb));
    });

    test("K-13 without create the lease has to be there, and the refusal names the rule", async () => {
      const rules = candidateRights().map((rule) => ({
        ...rule,
        ...(rule.resourceNames !== undefined && { resourceNames: ["another"] }),
      }));
      const { elector } = await candidate(without("create", resource, rules), "another");
      const refused: unknown = await elector.acquire().catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "ACCESS_DENIED", message: expect.stringContaining(ruleFor("create", "")) });
      await using leadership = await (await candidate(rules, "another")).elector.acquire();
      expect(leadership.isHeld()).toBe(true);
    });

    test("K-26 without watch elections go on by polling, and the alarm names the rule, once", async () => {
      const rules = without("watch", resource, candidateRights());
      const [ada, bob] = [await candidate(rules), await candidate(rules)];
      const first = await ada.elector.acquire();
      const waiting = bob.elector.acquire();
      await expect.poll(() => bob.elector.leader, { timeout: 10_000 }).toBe(ada.elector.identity);
      await first[Symbol.asyncDispose]();
      await using second = await waiting;
      expect(second.isHeld()).toBe(true);
      const [trouble, ...more] = bob.troubles;
      expect(String(trouble)).toContain(`cannot watch ${resource} "${namespace}/invoices"`);
      expect(String(trouble)).toContain(ruleFor("watch"));
      expect(more).toEqual([]);
    });

    test("K-27 without the right to create events elections go on, and one warning names the rule", async () => {
      const { elector, troubles, warnings } = await candidate(without("create", "events", candidateRights()));
      await using leadership = await elector.acquire();
      expect(leadership.isHeld()).toBe(true);
      await expect.poll(() => warnings).toEqual([expect.stringContaining('verbs: [\\"create\\"]')]);
      expect(troubles).toEqual([]);
    });

    test("K-27 without the right to patch events their repetition is not told, and a warning names the rule", async () => {
      const { lock, warnings } = await candidate(without("patch", "events", candidateRights()));
      for (const message of ["became leader", "became leader"]) lock.recordEvent(message);
      await expect.poll(() => warnings).toEqual([expect.stringContaining('verbs: [\\"patch\\"]')]);
    });
  });

  describe("K-94 a controller", () => {
    const rights = controllerRights().flatMap(({ verbs, resources }) =>
      resources.flatMap((each) => verbs.map((verb) => [verb, each] as const)),
    );

    async function findings(rules: readonly PolicyRule[]): Promise<readonly { found: string; level: string }[]> {
      const kubeConfig = await kube.candidate(namespace, rules);
      const parts = { kubeConfig, allowExecCredentials: false, clock: systemClock, random: systemRandom };
      await using questions = new ClusterQuestions(parts);
      const found = await startupChecks({
        ...{ group: defaultGroup, namespaces: [namespace], leaseNamespace: namespace, pollIntervalMs: 2_000 },
        ...{ leaseName: "tenure-controller", client: await kube.client(kubeConfig), storage: new MemoryStorage() },
        allows: (right) => questions.allows(right),
      });
      return found
        .filter(({ level }) => level !== "ok")
        .map(({ found: text, level, repair }) => ({
          level,
          found: `${text}; ${repair ?? ""}`,
        }));
    }

    test("with the rights of deploy/ finds nothing amiss", async () => {
      expect(rights).toHaveLength(10);
      expect(await findings(controllerRights())).toEqual([]);
    });

    test.each(rights)("without %s of %s is told so at its start, with the rule to add", async (verb, of) => {
      const found = await findings(without(verb, of, controllerRights()));
      const mayDoWithout = of === "events" || (of === "leases" && verb === "watch");
      const told = found.find((one) => one.found.startsWith(`may not ${verb} ${of} `));
      expect(told, JSON.stringify(found)).toBeDefined();
      expect(told?.level).toBe(mayDoWithout ? "warning" : "failure");
      expect(told?.found).toMatch(/; add the rule \{ apiGroups: \[".+"\], resources: \[".+"\], verbs: \["\w+"\]/);
      expect(told?.found).toContain(`verbs: ["${verb}"]`);
    });
  });
});
