// Goal: every wrong setting is told at once, before anything is asked, and a flag wins over its variable. Method: the
// command's own table of flags, read from texts.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { controllerCommand } from "../../src/cli/commands/controller.ts";
import { controllerSettings } from "../../src/cli/controller-settings.ts";
import { Flags, type Environment } from "../../src/cli/flags.ts";
import type { ProgramSettings } from "../../src/controller/settings.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tenure-settings-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function read(args: readonly string[], environment: Environment = {}, file = "/nowhere"): Promise<ProgramSettings> {
  return controllerSettings({ flags: new Flags(args, controllerCommand.flags, environment), environment }, file);
}

async function problemsOf(args: readonly string[], environment: Environment = {}): Promise<readonly string[]> {
  try {
    await read(args, environment);
  } catch (error) {
    return Reflect.get(Object(error), "problems") as readonly string[];
  }
  return [];
}

describe("settings of the controller", () => {
  test("K-88: the defaults", async () => {
    expect(await read(["--storage", "gs://leases"])).toEqual({
      ...{ storageUrl: "gs://leases", controller: { leaseNamespace: "default" }, http: { port: 8080 } },
      ...{ kubeconfig: undefined, context: undefined, allowExecCredentials: false, shutdownTimeoutMs: 10_000 },
    });
  });

  test("K-88: flag over variable over default, each by its name", async () => {
    const environment = {
      TENURE_STORAGE_URL: "gs://of-environment",
      TENURE_CONTROLLER_POLL_INTERVAL: "5s",
      TENURE_CONTROLLER_HOLDER_GRACE: "1s",
      TENURE_CONTROLLER_ALLOW_EXEC_CREDENTIALS: "true",
      TENURE_CONTROLLER_NAMESPACES: "one, two",
    };
    const settings = await read(
      ["--storage=file:///srv/leases", "--poll-interval", "3s", "--http-addr", "[::1]:9"],
      environment,
    );
    expect(settings).toMatchObject({
      ...{ storageUrl: "file:///srv/leases", allowExecCredentials: true, http: { host: "::1", port: 9 } },
      controller: { pollIntervalMs: 3_000, holderGraceMs: 1_000, namespaces: ["one", "two"] },
    });
  });

  test("K-88: all problems come in one message", async () => {
    const args = [
      "--poll-interval",
      "5",
      "--holder-grace",
      "2h",
      "--http-addr",
      "here",
      "--gcs-bucket",
      "No!",
      "lease",
    ];
    const problems = await problemsOf(args, {
      TENURE_CONTROLLER_POL_INTERVAL: "3s",
      TENURE_CONTROLLER_GO_LEASE_DURATION: "0s",
    });
    expect(problems).toEqual([
      'unknown variable TENURE_CONTROLLER_POL_INTERVAL. Did you mean "TENURE_CONTROLLER_POLL_INTERVAL"?',
      '"lease" is one too many: a controller takes flags only',
      expect.stringContaining('--poll-interval: "5" is no duration'),
      "--holder-grace: 2h must be 0 to 3600000 ms",
      "TENURE_CONTROLLER_GO_LEASE_DURATION: 0s must be 1000 to 3600000 ms",
      '--gcs-bucket: "No!" is no name of a bucket',
      expect.stringContaining('--http-addr: "here" is no address'),
    ]);
  });

  test("a storage is named once, and is one that clusters can share", async () => {
    expect((await read(["--gcs-bucket", "leases"])).storageUrl).toBe("gs://leases");
    expect(await problemsOf([])).toEqual([expect.stringContaining("no storage")]);
    expect(await problemsOf(["--gcs-bucket", "leases", "--storage", "gs://leases"])).toEqual([
      expect.stringContaining("one of both"),
    ]);
    expect(await problemsOf(["--storage", "memory:"])).toEqual([expect.stringContaining("no two clusters meet")]);
    expect(await problemsOf(["--storage", "lease://default"])).toEqual([
      expect.stringContaining("no two clusters meet"),
    ]);
  });

  test("--metrics-addr is kept as a name of --http-addr; off starts no server", async () => {
    expect((await read(["--storage", "gs://x1", "--metrics-addr", "127.0.0.1:9090"])).http).toEqual({
      host: "127.0.0.1",
      port: 9090,
    });
    expect((await read(["--storage", "gs://x1", "--http-addr", "off"])).http).toBeUndefined();
    expect(await problemsOf(["--storage", "gs://x1", "--metrics-addr", ":1", "--http-addr", ":2"])).toEqual([
      expect.stringContaining("differ"),
    ]);
    expect(await problemsOf(["--storage", "gs://x1", "--http-addr", ":65536"])).toHaveLength(1);
  });

  test("the own Lease is in the namespace of the pod", async () => {
    const file = join(folder, "namespace");
    await writeFile(file, "tenure-system\n");
    expect((await read(["--storage", "gs://x1"], {}, file)).controller.leaseNamespace).toBe("tenure-system");
    expect(
      (await read(["--storage", "gs://x1", "--lease-namespace", "mine"], {}, file)).controller.leaseNamespace,
    ).toBe("mine");
  });

  test("each flag says its default, and is a variable", () => {
    for (const [name, flag] of Object.entries(controllerCommand.flags)) {
      if (name === "verbosity") continue;
      expect(flag.env, name).toMatch(/^TENURE_(STORAGE_URL|CONTROLLER_[A-Z_]+)$/);
    }
  });
});
