// Goal: K-8: the package of Kubernetes is asked for in one place, is told of when it is missing or too new, and no
// declaration names it. Method: a loader that fails as Node does, and the compiler's own declarations of our files.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { openKubernetesClient } from "../../src/kubernetes/kubernetes-client.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

describe("K-8 the package @kubernetes/client-node", () => {
  it("K-8 absent: PACKAGE_MISSING with the command that installs it", async () => {
    const load = (): Promise<never> =>
      Promise.reject(Object.assign(new Error("Cannot find package"), { code: "ERR_MODULE_NOT_FOUND" }));
    await expect(openKubernetesClient({}, load)).rejects.toMatchObject({
      code: "PACKAGE_MISSING",
      message: expect.stringContaining("npm install @kubernetes/client-node") as string,
    });
  });

  it("K-8 too new for this Node: PACKAGE_MISSING with both versions", async () => {
    const load = (): Promise<never> => Promise.reject(new SyntaxError("Unexpected token 'with'"));
    await expect(openKubernetesClient({}, load)).rejects.toMatchObject({
      code: "PACKAGE_MISSING",
      message: expect.stringMatching(`on Node ${process.versions.node}: version 2 needs 22.19`) as string,
    });
  });

  it("K-8 is not loaded where a KubeConfig is given, and gives its default otherwise", async () => {
    const load = (): Promise<never> => Promise.reject(new Error("loaded"));
    const kubeConfig = {
      getCurrentCluster: () => ({ server: "https://here.test" }),
      applyToHTTPSOptions: () => Promise.resolve(),
    };
    await using client = await openKubernetesClient({ kubeConfig }, load);
    expect(client.description).toBe("https://here.test");
    const folder = mkdtempSync(join(tmpdir(), "tenure-kubeconfig-"));
    const file = join(folder, "config");
    writeFileSync(
      file,
      JSON.stringify({
        "current-context": "c",
        clusters: [{ name: "k", cluster: { server: "https://default.test:6443" } }],
        contexts: [{ name: "c", context: { cluster: "k", user: "u" } }],
        users: [{ name: "u", user: {} }],
      }),
    );
    const source = new URL("../../src/kubernetes/kubernetes-client.ts", import.meta.url).href;
    const script = `import { openKubernetesClient } from ${JSON.stringify(source)};
      console.log((await openKubernetesClient()).description);`;
    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      cwd: root,
      encoding: "utf8",
      env: { ...process.env, KUBECONFIG: file },
    });
    rmSync(folder, { recursive: true });
    expect(stdout).toBe("https://default.test:6443\n");
  });

  it("K-10 a kubeconfig that cannot be read is told without a line of it, and a missing one as missing", async () => {
    const packageOf = (loadFromDefault: () => void) => {
      const server = "http://localhost:8080";
      const KubeConfig = class {
        getCurrentCluster = (): { server: string } => ({ server });
        applyToHTTPSOptions = (): Promise<void> => Promise.resolve();
        loadFromDefault = loadFromDefault;
      };
      return () => Promise.resolve({ KubeConfig });
    };
    const quoting = packageOf(() => {
      throw Object.assign(new Error("bad indentation: token: s3cret"), { name: "YAMLException" });
    });
    const error: unknown = await openKubernetesClient({}, quoting).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "INVALID_SETTINGS", message: "the kubeconfig cannot be read (YAMLException)" });
    expect(inspect(error)).not.toContain("s3cret");
    const missing = openKubernetesClient(
      {},
      packageOf(() => {}),
    );
    await expect(missing).rejects.toThrow("no kubeconfig was found: set KUBECONFIG, or run in a cluster");
  });

  it("K-8 no declaration of ours names it", () => {
    const out = mkdtempSync(join(tmpdir(), "tenure-declarations-"));
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    spawnSync(process.execPath, [
      tsc,
      "-p",
      root,
      "--outDir",
      out,
      "--noCheck",
      "--emitDeclarationOnly",
      "--declarationMap",
      "false",
    ]);
    const files = readdirSync(join(out, "kubernetes")).filter((name) => name.endsWith(".d.ts"));
    expect(files).toContain("kubernetes-client.d.ts");
    for (const name of files) {
      const code = readFileSync(join(out, "kubernetes", name), "utf8").replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, "");
      expect(code, name).not.toContain("@kubernetes/client-node");
    }
    rmSync(out, { recursive: true });
  });
});
