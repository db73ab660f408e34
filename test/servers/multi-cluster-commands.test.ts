// Goal: the command line leads, looks and finds what is wrong across clusters, with the rights of a candidate and no
// more (K-51, K-93). Method: the built program on two API servers with our controllers, which are then taken away.
import { renameSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Tenure } from "../process/cli-world.ts";
import { foundOwnClusters, type ClusterPair } from "./support/cluster-pair.ts";
import { describeOn } from "./support/found-server.ts";
import { TwoClusters, until, type ClusterName } from "./support/two-clusters.ts";

const timing = ["--lease-duration", "6s", "--renew-deadline", "4s", "--retry-period", "1s"];

describeOn(foundOwnClusters, (start) => {
  let pair: ClusterPair;
  beforeAll(async () => {
    pair = await start();
  });
  afterAll(() => pair?.[Symbol.asyncDispose]());

  /** `tenure`, as a candidate of this cluster. */
  async function tenure(clusters: TwoClusters, of: ClusterName, ...args: readonly string[]): Promise<Tenure> {
    const KUBECONFIG = await clusters.fileOf(of, "candidate");
    const env = {
      KUBECONFIG,
      TENURE_STORAGE_URL: `multiclusterlease://${clusters.namespace}`,
      TENURE_LABEL: `of-${of}`,
    };
    return clusters.world.tenure(args, { env });
  }

  async function said(command: Tenure): Promise<{ readonly code: number | null; readonly text: string }> {
    const code = await command.code();
    return { code, text: command.stdout + command.stderr };
  }

  const doctor = async (clusters: TwoClusters, of: ClusterName): ReturnType<typeof said> =>
    said(await tenure(clusters, of, "doctor", ...timing));
  const run = (clusters: TwoClusters, of: ClusterName): Promise<Tenure> =>
    tenure(clusters, of, "run", "invoices", "--restart", ...timing, "--", "sleep", "600");

  test("run leads and hands over to the other cluster, and status and doctor tell it in both", async () => {
    await using clusters = await TwoClusters.open(pair);
    await clusters.startControllers();
    const ada = await run(clusters, "a");
    await ada.leads();
    const bob = await run(clusters, "b");
    const status = await said(
      // Until bob has asked.
      await tenure(clusters, "b", "status", "invoices", "--wait-for", "leader", "--timeout", "30s"),
    );
    expect([status.code, status.text]).toEqual([0, expect.stringMatching(/^invoices +● live +of-a_\S+ +1 /m)]);
    const [here, there] = await Promise.all([doctor(clusters, "a"), doctor(clusters, "b")]);
    expect([here.code, there.code], here.text + there.text).toEqual([0, 0]);
    expect(here.text).toMatch(/^ok +lease +"invoices" is held by of-a_\S+ in term 1, a candidate of this cluster$/m);
    expect(there.text).toMatch(
      /^ok +lease +"invoices" is held by of-a_\S+ in term 1, not by a signal of this cluster: /m,
    );
    expect(there.text).toMatch(/^ok +rights +get and patch "invoices", and to create them$/m);
    expect(there.text).toMatch(/^ok +definition +MultiClusterLeases of \S+ are served$/m);
    expect(there.text).not.toMatch(/^(warning|failure) +(rights|definition|round trips|watch|lease) /m);
    ada.kill("SIGTERM");
    expect(await ada.code()).toBe(143);
    await bob.leads();
    const shown = async (): Promise<boolean> =>
      (await clusters.status("a"))?.globalHolderIdentity.startsWith("of-b_") ?? false;
    await until(shown, () => "cluster a shows who leads in b");
    expect((await doctor(clusters, "a")).text).toMatch(/^ok +lease +"invoices" is held by of-b_/m);
    bob.kill("SIGTERM");
    await bob.ended;
    const free = await doctor(clusters, "b");
    expect([free.code, free.text]).toEqual([0, expect.stringMatching(/^info +lease +"invoices" is free /m)]);
  });

  test("K-51 doctor tells a storage out of reach from a silent controller, and ends with 1", async () => {
    await using clusters = await TwoClusters.open(pair);
    const controller = await clusters.startController("a");
    const ada = await run(clusters, "a");
    await ada.leads();
    renameSync(clusters.world.storage, `${clusters.world.storage}-away`);
    writeFileSync(clusters.world.storage, ""); // no folder any more
    const shown = async (): Promise<boolean> =>
      (await clusters.status("a"))?.conditions.some(({ reason }) => reason === "BackendError") ?? false;
    await until(shown, () => "the controller misses its storage");
    const sick = await doctor(clusters, "a");
    expect(sick.code).toBe(1);
    expect(sick.text).toMatch(/^failure +lease +"invoices": the controller says: .+\n +repair: mend the storage/m);

    controller.kill("SIGKILL");
    await controller.ended;
    const silent = await doctor(clusters, "a");
    expect(silent.code).toBe(1);
    expect(silent.text).toMatch(
      /^failure +lease +"invoices": no controller answers the signal of of-a_\S+\n +repair: look/m,
    );
  });

  test("K-51 doctor names what to apply where the definition is missing, and a candidate's missing right", async () => {
    await using clusters = await TwoClusters.open(pair);
    const env = { KUBECONFIG: await pair.a.fileOf(pair.a.kubeConfig()) };
    const url = `multiclusterlease://${clusters.namespace}?group=leases.example.com`;
    const missing = await said(clusters.world.tenure(["doctor", url], { env }));
    expect([missing.code, missing.text]).toEqual([
      1,
      expect.stringMatching(
        /failure +definition .*\n +repair: tenure crd --group leases\.example\.com \| kubectl apply/,
      ),
    ]);
    const reader = await pair.a.candidate(clusters.namespace, [
      { apiGroups: ["multicluster.core.cnrm.cloud.google.com"], resources: ["multiclusterleases"], verbs: ["get"] },
    ]);
    const plain = `multiclusterlease://${clusters.namespace}`;
    const denied = clusters.world.tenure(["doctor", plain], { env: { KUBECONFIG: await pair.a.fileOf(reader) } });
    const { code, text } = await said(denied);
    expect([code, text]).toEqual([5, expect.stringMatching(/failure +rights +no right to patch MultiClusterLeases /)]);
    expect(text).toContain('verbs: ["patch"], resourceNames: ["NAME"] }');
  });
});
