// Goal: the example for many clusters does what it says for somebody who has installed the package: one pod of all
// clusters works, and its end hands over to the other cluster. Method: it runs as processes on the built package, with
// the rights of deploy/ on two API servers, beside our controllers over one storage.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Tenure } from "../process/cli-world.ts";
import { applied, at } from "./support/applied.ts";
import { foundClusters, type ClusterPair } from "./support/cluster-pair.ts";
import { describeOn } from "./support/found-server.ts";
import { deploy, manifestsOf } from "./support/kustomize.ts";
import { TwoClusters, until, type ClusterName } from "./support/two-clusters.ts";

const example = fileURLToPath(new URL("../../examples/servers/multi-cluster.ts", import.meta.url));

describeOn(foundClusters, (start) => {
  let pair: ClusterPair;
  beforeAll(async () => {
    pair = await start();
  });
  afterAll(() => pair?.[Symbol.asyncDispose]());

  /** A pod of a cluster, but for the container around it. */
  async function pod(clusters: TwoClusters, of: ClusterName, name: string): Promise<Tenure> {
    const { FORCE_COLOR: _colour, ...inherited } = clusters.world.environment();
    const env = { ...inherited, KUBECONFIG: await clusters.fileOf(of, "candidate"), POD_NAME: name };
    return clusters.world.start(process.execPath, [example, clusters.namespace], { env });
  }

  function says(one: Tenure, text: RegExp): Promise<number> {
    return until(
      () => text.test(one.stdout),
      () => `it says ${text}: ${one.stdout}${one.stderr}`,
    );
  }

  test("examples/servers/multi-cluster.ts leads in one cluster, and after SIGTERM in the other", async () => {
    await using clusters = await TwoClusters.open(pair);
    await clusters.startControllers();
    const ada = await pod(clusters, "a", "ada");
    await says(ada, /^one invoice, in term 1$/m);
    const bob = await pod(clusters, "b", "bob");
    await says(bob, /^the leader is ada_/m);
    expect((await clusters.status("b"))?.globalHolderIdentity).toMatch(/^ada_/);
    expect(bob.stdout).not.toContain("invoice");

    ada.kill("SIGTERM");
    expect(await ada.code()).toBe(0);
    expect(ada.stdout).toMatch(/not leading any more\n(the leader is .*\n)*released\n$/);
    await says(bob, /^one invoice, in term 3$/m); // the release took a number, too
    expect((await clusters.status("a"))?.globalHolderIdentity).toMatch(/^bob_/);
    bob.kill("SIGTERM");
    expect(await bob.code()).toBe(0);
    expect([ada.stderr, bob.stderr]).toEqual(["", ""]);
  });

  test("the Deployment of docs/multi-cluster.md, with the file of rights, passes the server's dry run", async () => {
    const text = readFileSync(new URL("../../docs/multi-cluster.md", import.meta.url), "utf8");
    const [, yaml = ""] = /^```yaml\n([^]*?)^```$/m.exec(text) ?? [];
    const rights = readFileSync(join(deploy, "multi-cluster-lease-rbac.yaml"), "utf8");
    const namespace = await pair.a.namespace();
    const [deployment = expect.unreachable("no manifest"), ...others] = manifestsOf(
      yaml.replace("namespace: billing", `namespace: ${namespace}`),
    );
    expect(others).toEqual([]);
    const { status, text: answer } = await applied(pair.a, deployment, { dryRun: true });
    expect(status, answer).toBe(201);
    const pod = at(deployment.resource, "spec", "template", "spec");
    expect(rights).toContain(`kind: ServiceAccount\nmetadata:\n  name: ${String(at(pod, "serviceAccountName"))}\n`);
    expect(at(pod, "containers", 0, "args", 0)).toBe("examples/servers/multi-cluster.ts");
  });

  test("without a namespace it says what it needs, and fails", async () => {
    await using clusters = await TwoClusters.open(pair);
    const nowhere = clusters.world.start(process.execPath, [example]);
    expect(await nowhere.code()).toBe(1);
    expect(nowhere.stderr).toContain("name a namespace");
  });
});
