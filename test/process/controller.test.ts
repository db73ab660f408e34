// Goal: `tenure controller` starts, serves, carries signals, and ends as a cluster expects of it (K-84, K-87, K-127).
// Method: the real program on file storage, beside a Kubernetes API in this process that it reaches over HTTP.
import { createServer } from "node:net";
import { join } from "node:path";
import { writeFile } from "node:fs/promises";
import { describe, it } from "vitest";
import { multiClusterLeaseKind } from "../../src/kubernetes/multi-cluster-lease.ts";
import { systemClock } from "../../src/system/clock.ts";
import { microTime } from "../../src/system/micro-time.ts";
import { FakeKubernetes } from "../../src/testing/fake-kubernetes.ts";
import { until, World, type Tenure } from "./cli-world.ts";

const ref = { ...multiClusterLeaseKind({ namespace: "default" }), name: "billing" };
const lease = { ...ref, group: "coordination.k8s.io", version: "v1", plural: "leases", name: "tenure-controller" };

/** A cluster over HTTP, and a kubeconfig that leads there. */
class Place implements AsyncDisposable {
  readonly world: World = new World();
  readonly cluster: FakeKubernetes = new FakeKubernetes();
  #server: Awaited<ReturnType<FakeKubernetes["listen"]>> | undefined;
  #signals = 0;

  async controller(...flags: readonly string[]): Promise<Tenure> {
    this.#server ??= await this.cluster.listen();
    const kubeconfig = join(this.world.folder, "kubeconfig");
    const named = (what: object): object => ({ name: "here", ...what });
    const config = {
      ...{ apiVersion: "v1", kind: "Config", "current-context": "here" },
      clusters: [named({ cluster: { server: this.#server.url, "insecure-skip-tls-verify": true } })],
      users: [named({ user: { token: "secret-token" } })],
      contexts: [named({ context: { cluster: "here", user: "here" } })],
    };
    await writeFile(kubeconfig, JSON.stringify(config));
    return this.world.tenure(["controller", "--kubeconfig", kubeconfig, "--http-addr", "127.0.0.1:0", ...flags]);
  }

  signal(holderIdentity: string): string {
    this.#signals += 1;
    const renewTime = microTime(systemClock.wallMs() * 1000 + this.#signals);
    const metadata = { ...this.cluster.stored(ref)?.metadata };
    const spec = { holderIdentity, renewTime, leaseDurationSeconds: 15, renewDeadlineSeconds: 10, leaseTransitions: 1 };
    this.cluster.put(ref, {
      ...this.cluster.stored(ref),
      kind: "MultiClusterLease",
      apiVersion: "x/v1",
      metadata,
      spec,
    });
    return renewTime;
  }

  shown(field: string): unknown {
    return Reflect.get(Object(this.cluster.stored(ref)?.["status"]), field);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
    await this.#server?.close();
  }
}

async function writes(controller: Tenure): Promise<void> {
  await until(
    () => controller.stderr.includes("writes now"),
    () => `it does not lead: ${controller.stderr}`,
    20_000,
  );
}

describe.concurrent("tenure controller", () => {
  it("K-127: carries a signal to the storage of its URL, shows it, serves probes, and ends with 0", async ({
    expect,
  }) => {
    await using place = new Place();
    const controller = await place.controller();
    await writes(controller);
    const sent = place.signal("ada");
    await until(
      () => place.shown("globalRenewTime") === sent,
      () => `nothing is shown: ${controller.stderr}`,
    );
    const { record } = (await place.world.lock("billing").get()) ?? expect.unreachable("there is no record");
    expect(record).toMatchObject({ holderIdentity: "ada", renewTime: sent, leaderTransitions: 1 });
    const port = /listening on port (\d+)/.exec(controller.stderr)?.[1];
    const ask = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`);
    expect([(await ask("/healthz")).status, (await ask("/readyz")).status, (await ask("/")).status]).toEqual([
      200, 200, 404,
    ]);
    expect(await (await ask("/metrics")).text()).toMatch(
      /tenure_controller_global_writes_total\{outcome="written"\} 1\n/,
    );
    controller.kill("SIGTERM");
    expect(await controller.code(), controller.stderr).toBe(0);
    expect(Reflect.get(Object(place.cluster.stored(lease)?.["spec"]), "holderIdentity")).toBe("");
    expect((await place.world.lock("billing").get())?.record.holderIdentity).toBe("ada");
    expect(controller.stderr + controller.stdout).not.toContain("secret-token");
  });

  it("K-87: a second signal ends it at once", async ({ expect }) => {
    await using place = new Place();
    const controller = await place.controller("--shutdown-timeout", "60s");
    await writes(controller);
    place.cluster.remove(lease);
    controller.kill("SIGSTOP"); // so that it finds both at once
    controller.kill("SIGTERM");
    controller.kill("SIGINT");
    controller.kill("SIGCONT");
    expect([130, 143]).toContain(await controller.code());
  });

  it("K-88: says all that is wrong at once, with 2, before it asks for anything", async ({ expect }) => {
    await using world = new World();
    const env = { TENURE_CONTROLLER_POLL_INTERVALL: "2s", TENURE_STORAGE_URL: "memory:" };
    const controller = world.tenure(["controller", "--holder-grace", "5"], { env });
    expect(await controller.code()).toBe(2);
    expect(controller.stderr.split("\n").filter((line) => line !== "")).toEqual([
      expect.stringContaining('Did you mean "TENURE_CONTROLLER_POLL_INTERVAL"?'),
      expect.stringContaining('--holder-grace: "5" is no duration'),
      expect.stringContaining("no two clusters meet"),
    ]);
  });

  it("K-89: a definition that is not served ends it, with the command that applies it", async ({ expect }) => {
    await using world = new World();
    const cluster = new FakeKubernetes({ unserved: ["multiclusterleases"] });
    const server = await cluster.listen();
    const kubeconfig = join(world.folder, "kubeconfig");
    const config = {
      ...{ apiVersion: "v1", kind: "Config", "current-context": "here" },
      clusters: [{ name: "here", cluster: { server: server.url, "insecure-skip-tls-verify": true } }],
      users: [{ name: "here", user: {} }],
      contexts: [{ name: "here", context: { cluster: "here", user: "here" } }],
    };
    await writeFile(kubeconfig, JSON.stringify(config));
    const controller = world.tenure(["controller", "--kubeconfig", kubeconfig, "--http-addr", "off"]);
    expect(await controller.code()).toBe(1);
    expect(controller.stderr).toContain("tenure crd | kubectl apply -f -");
    await server.close();
  });

  it("a port that is in use ends it, and is named", async ({ expect }) => {
    await using place = new Place();
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = Object(taken.address()) as { port: number };
    const controller = await place.controller("--metrics-addr", `127.0.0.1:${port}`);
    expect(await controller.code()).toBe(2); // two addresses that differ
    const again = place.world.tenure([
      ...["controller", "--kubeconfig", join(place.world.folder, "kubeconfig"), "--http-addr", `127.0.0.1:${port}`],
    ]);
    expect(await again.code()).toBe(1);
    expect(again.stderr).toContain("the port of --http-addr is in use");
    taken.close();
  });
});
