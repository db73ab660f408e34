// Goal: K-3, K-9: what a kubeconfig says of credentials and certificates is what a real API server is met with, and a
// token that was replaced counts at once after a refusal. Method: token files, certificates and names, right and wrong.
import { KubeConfig, type Cluster, type User } from "@kubernetes/client-node";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeCertificates } from "../kubernetes/certificates.ts";
import { describeOn } from "./support/found-server.ts";
import { foundOwnKube, startKube, type KubeServer } from "./support/kube-server.ts";
import { heldBy, LeasePlace } from "./support/lease-place.ts";

let kube: KubeServer;
let folder: string;
const certificates = makeCertificates();

function configOf(user: User, cluster: Partial<Cluster> = {}): KubeConfig {
  const now = kube.kubeConfig().getCurrentCluster() ?? expect.fail("there is no cluster");
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser({ ...now, ...cluster }, user);
  return kubeConfig;
}

function administrator(): User {
  return kube.kubeConfig().getCurrentUser() ?? expect.fail("there is no user");
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

describeOn(foundOwnKube, () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tenure-credentials-"));
    await writeFile(join(folder, "ca.pem"), certificates.ca);
    kube = await startKube({ flags: [`--client-ca-file=${join(folder, "ca.pem")}`] });
  });
  afterAll(async () => {
    await kube?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  describe("K-3: a token in a file", () => {
    const tokenFile = (): string => join(folder, "token");
    const byFile = (): KubeConfig =>
      configOf({ name: "by-file", authProvider: { name: "tokenFile", config: { tokenFile: tokenFile() } } });

    test("is read anew after a refusal, though client-node keeps it for a minute: a write is sent once (#25)", async () => {
      const place = await LeasePlace.make(kube);
      const good = (await place.candidate()).getCurrentUser()?.token;
      await writeFile(tokenFile(), "a-token-that-nobody-gave");
      const lock = await place.lock({ kubeConfig: byFile() });
      await expect(lock.create(heldBy(lock))).rejects.toMatchObject({ code: "ACCESS_DENIED", applied: "no" });
      await writeFile(tokenFile(), `${good}\n`);
      expect(await lock.create(heldBy(lock))).toMatchObject({ written: true });
    });

    test("is read anew within a read that was refused, which is sent again, once", async () => {
      const place = await LeasePlace.make(kube);
      const good = (await place.candidate()).getCurrentUser()?.token ?? "";
      const kubeConfig = byFile();
      await writeFile(tokenFile(), "a-token-that-nobody-gave");
      await kubeConfig.applyToHTTPSOptions({}); // which keeps it
      await writeFile(tokenFile(), good);
      expect(await (await place.lock({ kubeConfig })).get()).toBeUndefined();
    });
  });

  describe("K-9: certificates", () => {
    test("of a server that nobody trusts: nothing is sent, by read or write", async () => {
      const place = await LeasePlace.make(kube);
      const lock = await place.lock({ kubeConfig: configOf(administrator(), { caData: base64(certificates.ca) }) });
      await expect(lock.get({ timeoutMs: 500 })).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
      await expect(lock.create(heldBy(lock))).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
      expect(await (await place.lock()).get()).toBeUndefined();
    });

    test("are judged by tls-server-name where that is said", async () => {
      const place = await LeasePlace.make(kube);
      const named = (tlsServerName: string) => place.lock({ kubeConfig: configOf(administrator(), { tlsServerName }) });
      const wrong = await named("elsewhere.example.com");
      await expect(wrong.create(heldBy(wrong))).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
      const right = await named("kubernetes.default");
      expect(await right.create(heldBy(right))).toMatchObject({ written: true });
    });

    test("of a client say who it is: without rights it is told which, with them it elects and watches", async () => {
      const place = await LeasePlace.make(kube);
      const { cert, key } = certificates.client;
      const user = { name: "by-certificate", certData: base64(cert), keyData: base64(key) };
      const lock = await place.lock({ kubeConfig: configOf(user) });
      const denied = { code: "ACCESS_DENIED", status: 403, message: expect.stringContaining('verbs: ["get"]') };
      await expect(lock.get()).rejects.toMatchObject(denied);
      const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${place.namespace}/rolebindings`;
      const apiGroup = "rbac.authorization.k8s.io";
      await kube.make(rbac, {
        ...{ apiVersion: `${apiGroup}/v1`, kind: "RoleBinding", metadata: { name: "by-certificate" } },
        roleRef: { apiGroup, kind: "ClusterRole", name: "cluster-admin" },
        subjects: [{ apiGroup, kind: "User", name: "client" }],
      });
      await expect.poll(() => lock.get().catch(() => "denied"), { timeout: 10_000 }).toBeUndefined();
      expect(await lock.create(heldBy(lock))).toMatchObject({ written: true });
      const hints = lock.watch({ signal: AbortSignal.timeout(5_000) })[Symbol.asyncIterator]();
      expect((await hints.next()).value).toMatchObject({ observed: { record: { holderIdentity: lock.identity } } });
      await hints.return?.();
    });
  });
});
