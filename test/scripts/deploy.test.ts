// Goal: what deploy/ holds beside manifests does what it says, without a container engine: the script for kind leaves
// nothing behind, the image holds tested versions, the Deployment speaks the language of the controller. Method: the
// script runs with doubles of docker, kind and kubectl that write down how they were called.
import { loadAllYaml } from "@kubernetes/client-node";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { controllerCommand } from "../../src/cli/commands/controller.ts";
import { controllerSettings } from "../../src/cli/controller-settings.ts";
import { Flags } from "../../src/cli/flags.ts";
import { InvalidSettingsError } from "../../src/errors.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const deploy = join(root, "deploy");
const e2e = join(deploy, "kind/e2e.sh");

/** The programs that it calls; `FAIL` names a call that fails, `HANG` one that stays, `SLOW` one that lasts. */
const double = `#!/bin/sh
call="\${0##*/} $*"
echo "$call" >> "$CALLS"
case "$call" in
  *"\${FAIL:-no such call}"*) exit 7 ;;
  *"\${HANG:-no such call}"*) exec sleep 30 ;;
  *"\${SLOW:-no such call}"*) sleep 0.3 ;;
  *"--entrypoint sh"*) exit 127 ;; # as without a shell
  "docker image inspect"*) for last; do :; done; echo "\${last%:*}@sha256:0" ;;
  "docker inspect"*) echo 172.18.0.4 ;;
  "docker port"*) echo 127.0.0.1:40000 ;;
  node*) echo "tests $TENURE_TEST_KIND $TENURE_TEST_KIND_STORAGE" >> "$CALLS" ;;
  "kubectl"*"create secret"*) echo "secret $(cat)" >> "$CALLS" ;;
  "kind create"*) echo config > "$6" ;;
esac
exit 0
`;

describe("deploy/kind/e2e.sh", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "tenure-e2e-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function install(...names: readonly string[]): void {
    for (const name of names) {
      writeFileSync(join(folder, name), double);
      chmodSync(join(folder, name), 0o755);
    }
  }

  function environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    const path = `${folder}:/usr/bin:/bin`;
    return { PATH: path, CALLS: join(folder, "calls"), TMPDIR: folder, ...more };
  }

  function run(more?: Readonly<Record<string, string>>): { status: number | null; stderr: string; calls: string[] } {
    const { status, stderr } = spawnSync(e2e, { env: environment(more), encoding: "utf8", timeout: 20_000 });
    return { status, stderr, calls: calls() };
  }

  function calls(): string[] {
    const file = join(folder, "calls");
    return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
  }

  const created = (all: readonly string[]): string[] =>
    all.flatMap((call) => /^kind create cluster --name (\S+)/.exec(call)?.[1] ?? []);
  const deleted = (all: readonly string[]): string[] =>
    all.flatMap((call) => /^kind delete cluster --name (\S+)/.exec(call)?.[1] ?? []);

  it.each(["bash", "sh"])("K-113 is a script for %s", (shell) => {
    expect(spawnSync(shell, ["-n", e2e], { encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
  });

  it("K-113 without docker and kind ends with 1, and says so", () => {
    // whatever this machine has: only the one program that is needed to get so far
    symlinkSync("/usr/bin/dirname", join(folder, "dirname"));
    install("kubectl");
    const { status, stderr, calls } = run({ PATH: folder });
    expect(stderr).toBe("e2e: needs docker, kind and kubectl; not found: docker kind\n");
    expect([status, calls]).toEqual([1, []]);
  });

  it("K-113 where no container engine answers ends with 1, and says so", () => {
    install("docker", "kind", "kubectl");
    const { status, stderr, calls } = run({ FAIL: "docker info" });
    expect(stderr).toBe("e2e: no container engine answers: see docker info\n");
    expect([status, calls]).toEqual([1, ["docker info"]]);
  });

  it("K-113 builds, creates two clusters, deploys to both, tests, and removes what it made", () => {
    install("docker", "kind", "kubectl", "node");
    const { status, stderr, calls } = run();
    expect([status, stderr]).toEqual([0, ""]);
    const steps = calls.map((call) => call.replaceAll(/tenure-e2e-\d+-\d+/g, "RUN").replaceAll(folder, ""));
    const order = [
      "docker build --file deploy/Containerfile --tag tenure:e2e --build-arg BUILD_IMAGE=node@sha256:0",
      "docker run --rm --read-only --network none tenure:e2e controller --help",
      "kind create cluster --name RUN-a",
      "kind load docker-image tenure:e2e --name RUN-a",
      "kind create cluster --name RUN-b",
      "docker run --detach --name RUN-storage --network kind",
      "apply -f deploy/crd.yaml",
      "create secret generic tenure-storage -n tenure-system",
      "apply -k deploy/overlays/kind",
      "rollout status -n tenure-system deployment/tenure-controller",
      "node node_modules/vitest/vitest.mjs run --project servers test/servers/deployed-clusters.test.ts",
      "kind delete cluster --name RUN-a",
      "kind delete cluster --name RUN-b",
      "docker rm --force --volumes RUN-storage",
    ];
    const places = order.map((step) => steps.findIndex((call) => call.includes(step)));
    expect(places).not.toContain(-1);
    expect(places.toSorted((one, other) => one - other)).toEqual(places);
    for (const step of order.slice(6, 10)) expect(steps.filter((call) => call.includes(step))).toHaveLength(2);
    const secrets = steps.filter((call) => call.startsWith("secret "));
    expect(new Set(secrets).size, "both clusters have one storage").toBe(1);
    const told = /^tests RUN-a=\S+\/a.yaml,RUN-b=\S+\/b.yaml postgres:\/\/postgres:\w{32}@127.0.0.1:40000\/tenure/;
    expect(steps).toContainEqual(expect.stringMatching(told));
    expect(secrets[0]).toMatch(/^secret postgres:\/\/postgres:[0-9a-f]{32}@172\.18\.0\.4:5432\/tenure\?ssl=disable$/);
  });

  it.each(["docker build", "create cluster --name", "apply -k", "rollout status", "vitest"])(
    "K-113 after a failure of `%s` fails, and removes what it made",
    (FAIL) => {
      install("docker", "kind", "kubectl", "node");
      const { status, calls } = run({ FAIL });
      expect(status).toBe(7);
      expect(deleted(calls)).toEqual(expect.arrayContaining(created(calls)));
      expect(calls.at(-1)).toMatch(/^docker rm --force --volumes tenure-e2e-/);
      expect(calls.some((call) => call.includes("vitest"))).toBe(FAIL === "vitest");
    },
  );

  it("K-113 does not pass with an image that has a shell", () => {
    install("docker", "kind", "kubectl", "node");
    writeFileSync(join(folder, "docker"), double.replace("exit 127", "exit 0"));
    const { status, stderr, calls } = run();
    expect([status, stderr]).toEqual([1, "e2e: the image has a shell: it is not for production\n"]);
    expect(created(calls)).toEqual([]);
  });

  it("K-113 KEEP=1 keeps both clusters and the storage, and says what they are called", () => {
    install("docker", "kind", "kubectl", "node");
    const { status, stderr, calls } = run({ KEEP: "1" });
    expect(status).toBe(0);
    expect(deleted(calls)).toEqual([]);
    for (const name of created(calls)) expect(stderr).toContain(name);
  });

  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("K-113 %s in the middle removes what it made", async (signal) => {
    install("docker", "kind", "kubectl", "node");
    const env = environment({ HANG: "apply -k" });
    const script = spawn(e2e, { env, detached: true, stdio: "ignore" });
    const ended = once(script, "exit");
    await expect.poll(calls, { timeout: 10_000 }).toContainEqual(expect.stringContaining("apply -k"));
    process.kill(-(script.pid ?? expect.unreachable("it did not start")), signal); // to all, as a terminal does
    const [code] = await ended;
    expect(code).toBe({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal]);
    expect(created(calls())).toHaveLength(2);
    expect(deleted(calls())).toEqual(created(calls()));
    expect(calls().at(-1)).toMatch(/^docker rm --force --volumes tenure-e2e-/);
  });

  it("K-113 a second Ctrl-C does not stop the removal", async () => {
    install("docker", "kind", "kubectl", "node");
    const env = environment({ HANG: "apply -k", SLOW: "kind delete" });
    const script = spawn(e2e, { env, detached: true, stdio: "ignore" });
    const ended = once(script, "exit");
    const interruptAt = async (call: string): Promise<void> => {
      await expect.poll(calls, { timeout: 10_000 }).toContainEqual(expect.stringContaining(call));
      process.kill(-(script.pid ?? expect.unreachable("it did not start")), "SIGINT");
    };
    await interruptAt("apply -k");
    await interruptAt("kind delete");
    expect(await ended).toEqual([130, null]);
    expect(deleted(calls())).toEqual(created(calls()));
    expect(calls().at(-1)).toMatch(/^docker rm --force --volumes tenure-e2e-/);
  });
});

describe("the image", () => {
  interface Lock {
    readonly packages: Readonly<Record<string, { version: string; resolved?: string; hasInstallScript?: boolean }>>;
  }
  const read = <T>(path: string): T => JSON.parse(readFileSync(join(root, path), "utf8"));
  const image = read<{ dependencies: Record<string, string> }>("deploy/image/package.json").dependencies;
  const { packages } = read<Lock>("deploy/image/package-lock.json");

  it("K-96 holds the packages that tenure needs, and those of all that it can reach, as they are tested", () => {
    const tenure = read<{ dependencies: object; peerDependencies: object }>("package.json");
    const needed = [...Object.keys(tenure.dependencies), ...Object.keys(tenure.peerDependencies)];
    // one client of Redis is enough
    expect(Object.keys(image).toSorted()).toEqual(needed.filter((name) => name !== "ioredis").toSorted());
    const tested = read<Lock>("package-lock.json").packages;
    for (const [name, version] of Object.entries(image)) {
      expect(version, name).toBe(tested[`node_modules/${name}`]?.version);
      expect(packages[`node_modules/${name}`]?.version, name).toBe(version);
    }
  });

  it("K-96 is installed without scripts, from whatever registry a machine has", () => {
    const odd = Object.entries(packages).filter(([, { resolved, hasInstallScript }]) => resolved || hasInstallScript);
    expect(odd.map(([path]) => path)).toEqual([]);
    expect(Object.keys(packages).length).toBeGreaterThan(Object.keys(image).length);
    const installs = readFileSync(join(deploy, "Containerfile"), "utf8").match(/npm (ci|install).*/g);
    expect(installs).toEqual(["npm ci --ignore-scripts", "npm ci --ignore-scripts --omit=dev \\"]);
  });

  it("K-96 takes its two bases by digest only", () => {
    const check = (...images: readonly string[]): object =>
      spawnSync("sh", [join(deploy, "image/pinned.sh"), ...images], { encoding: "utf8" });
    const digest = `sha256:${"0123456789abcdef".repeat(4)}`;
    expect(check(`node:24@${digest}`, `registry.example:5000/node@${digest}`)).toMatchObject({ status: 0 });
    for (const wrong of ["node:24", "", digest, `node:24@${digest.slice(0, -1)}`, `node@${digest}0`, "node@sha256:"]) {
      const refused = { status: 1, stderr: expect.stringContaining(`"${wrong}" is no image by digest`) };
      expect(check(`node:24@${digest}`, wrong)).toMatchObject(refused);
    }
    const bases = readFileSync(join(deploy, "Containerfile"), "utf8").match(/^FROM .*/gm);
    expect(bases).toEqual(["FROM ${BUILD_IMAGE} AS build", "FROM ${RUN_IMAGE}"]);
  });
});

describe("the Deployment", () => {
  interface Container {
    readonly args: readonly string[];
    readonly env: readonly { readonly name: string }[];
    readonly ports: readonly { readonly containerPort: number }[];
  }
  const [deployment] = loadAllYaml(readFileSync(join(deploy, "base/deployment.yaml"), "utf8"));
  const pod = deployment.spec.template.spec;
  const container: Container = pod.containers[0];
  const [command, ...flags] = container.args;
  const values: Readonly<Record<string, string>> = {
    TENURE_STORAGE_URL: "postgres://tenure:secret@db.example/tenure",
    TENURE_CONTROLLER_LEASE_NAMESPACE: "tenure-system",
  };
  const given = Object.fromEntries(container.env.map(({ name }) => [name, values[name] ?? `no value for ${name}`]));

  it("K-88 says nothing that the controller does not understand", async () => {
    expect(command).toBe("controller");
    expect(Object.keys(given).toSorted()).toEqual(Object.keys(values).toSorted());
    const settings = await controllerSettings({
      flags: new Flags([...flags, "--namespaces=billing"], controllerCommand.flags, given),
      environment: { ...given, KUBERNETES_SERVICE_HOST: "10.0.0.1" },
    });
    expect(settings.http).toEqual({ port: container.ports[0]?.containerPort });
    expect(settings.controller).toMatchObject({ leaseNamespace: "tenure-system", namespaces: ["billing"] });
    expect(settings.shutdownTimeoutMs).toBeLessThan(pod.terminationGracePeriodSeconds * 1_000);
  });

  it("K-88 turns off the variables of Services: those of one called tenure-controller are refused", async () => {
    expect(pod.enableServiceLinks).toBe(false);
    const environment = {
      ...given,
      TENURE_CONTROLLER_SERVICE_HOST: "10.0.0.2",
      TENURE_CONTROLLER_PORT: "tcp://10.0.0.2",
    };
    const read = controllerSettings({ flags: new Flags(flags, controllerCommand.flags, environment), environment });
    await expect(read).rejects.toBeInstanceOf(InvalidSettingsError);
  });
});

describe("deploy/README.md", () => {
  const text = readFileSync(join(deploy, "README.md"), "utf8");

  it("names files that are there", () => {
    const cells = [...text.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = ""]) => [...cell.matchAll(/`([^`]+)`/g)]);
    const told = cells.map(([, path = ""]) =>
      join(deploy, /^(postgres|redis)$/.test(path) ? `overlays/${path}` : path),
    );
    const applied = [...text.matchAll(/deploy\/[\w./-]+\w/g)].map(([path]) => join(root, path));
    expect([told.length > 8, applied.length > 4]).toEqual([true, true]);
    expect([...told, ...applied].filter((path) => !existsSync(path))).toEqual([]);
  });
});
