// Goal: every command of `tenure` works on every storage, by its URL alone, and shows no secret. Method: the built
// program on real servers: a run that is killed, looked at, released by hand, followed and ended.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { World, type Tenure } from "../process/cli-world.ts";
import { describeOn, type FoundServer } from "./support/found-server.ts";
import { gcsServerIn } from "./support/gcs-server.ts";
import { findGit } from "./support/git-server.ts";
import { foundKube } from "./support/kube-server.ts";
import { postgresServer } from "./support/postgres-server.ts";
import type { ElectionPlace } from "./support/process-election.ts";
import { foundRedis } from "./support/redis-server.ts";
import { s3Server } from "./support/s3-server.ts";

/** A first start may load a client and probe a place, on a machine with much to do. */
const patienceMs = 60_000;

interface Expected {
  /** What the doctor finds; default: the place is safe. */
  readonly found?: RegExp;
  /** Whether that means that nobody may lead there. */
  readonly unsafe?: boolean;
  /** Where writes are slow. */
  readonly timing?: Readonly<Record<string, string>>;
}

/** Where commands run: what a URL alone does not tell is in the environment. */
interface CommandPlace extends ElectionPlace {
  readonly env?: Readonly<Record<string, string>>;
  /** What must be shown nowhere. */
  readonly secret?: string;
}

function commandsOn(start: () => Promise<CommandPlace>, expected: Expected = {}): void {
  let place: CommandPlace | undefined;
  beforeAll(async () => {
    place = await start();
  });
  afterAll(async () => {
    await place?.[Symbol.asyncDispose]();
  });
  const { found = /ok +probe +enforces its conditions/, unsafe = false, timing = {} } = expected;
  const url = (): string => place?.url() ?? expect.unreachable("there is no server");

  test("doctor tells whether an election is safe there", async () => {
    await using world = new World();
    const doctor = world.tenure(["doctor", url()], { env: { ...place?.env } });
    const code = await doctor.code();
    expect(doctor.stdout, doctor.stderr).toMatch(found);
    expect(code).toBe(unsafe ? 1 : 0);
    expectNoSecret([doctor], place?.secret);
  });

  test("run, status, watch and release tell of one lease, from its first leader to its last", async () => {
    await using world = new World();
    const env = { ...timing, ...place?.env, TENURE_STORAGE_URL: unsafe ? `${url()}&probe=never` : url() };
    const watch = world.tenure(["watch", "job", "--json"], { env });
    await expect.poll(() => statesOf(watch), { timeout: patienceMs }).toEqual(["absent"]);
    const first = world.run("work", { env });
    await world.line(/^1 works/, patienceMs);
    const live = world.tenure(["status", "job", "--json"], { env });
    expect(await live.code(), live.stderr).toBe(0);
    expect(leaseOf(live)).toMatchObject({ state: "live", term: 1 });
    first.kill("SIGKILL");
    await first.ended;
    const expired = world.tenure(["status", "job", "--json"], { env });
    expect(await expired.code(), expired.stderr).toBe(3);
    expect(leaseOf(expired)).toMatchObject({ state: "expired", term: 1 });
    const released = world.tenure(["release", "job", "--force", "--term", "1", "--yes", "--json"], { env });
    expect(await released.code(), released.stderr).toBe(0);
    expect(JSON.parse(released.stdout)).toMatchObject({ released: true });
    const second = world.run("work", { env });
    await world.line(/^[2-9] works/, patienceMs);
    second.kill("SIGTERM");
    expect(await second.code(), second.stderr).toBe(143);
    const free = world.tenure(["status", "job", "--json"], { env });
    expect(await free.code(), free.stderr).toBe(3);
    expect(leaseOf(free)).toMatchObject({ state: "free" });
    await expect.poll(() => statesOf(watch).at(-1), { timeout: patienceMs }).toBe("free");
    expect(statesOf(watch)).toContain("live");
    expect(world.overlaps()).toEqual([]);
    expectNoSecret([watch, first, live, expired, released, second, free], place?.secret);
  });
}

function leaseOf({ stdout }: Tenure): unknown {
  return JSON.parse(stdout).leases[0];
}

function statesOf({ stdout }: Tenure): unknown[] {
  const lines = stdout.split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line).state);
}

function expectNoSecret(told: readonly Tenure[], secret = ""): void {
  if (secret === "") return;
  for (const { stdout, stderr } of told) expect(stdout + stderr).not.toContain(secret);
}

function commandsOnServer<T extends AsyncDisposable>(
  found: FoundServer<T>,
  urlOf: (server: T) => string | Promise<string>,
  expected: Expected = {},
): void {
  describeOn(found, (start) => {
    commandsOn(async () => {
      const server = await start();
      const urls = [await urlOf(server), await urlOf(server)];
      return {
        url: () => urls.pop() ?? expect.unreachable("more places than tests"),
        [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
      };
    }, expected);
  });
}

describe("PostgreSQL", () => {
  commandsOnServer(postgresServer, async (server) => server.url({ parameters: { schema: await server.schema() } }));
});

describe("Redis", () => {
  let places = 0;
  describeOn(foundRedis, (start) => {
    commandsOn(async () => {
      const { url, stop } = await start();
      return { url: () => `${url}?prefix=cli-${(places += 1)}`, [Symbol.asyncDispose]: stop };
    });
  });
});

describe("GCS", () => {
  // The stand-in ignores the conditions of deletes, which the probe has to find.
  commandsOnServer(gcsServerIn("memory"), (server) => server.url(server.fresh()), {
    found: /failure +probe +P8 .*\n +repair: choose another storage/,
    unsafe: true,
  });
});

describe("S3", () => {
  // The stand-in keeps files, so that one key cannot be the folder of another: that much is not proved there.
  const found = /13 of 14 steps passed.*\nwarning +probe +P13 /;
  commandsOnServer(s3Server, (server) => server.url(), { found });
});

describe("Kubernetes", () => {
  describeOn(foundKube, (start) => {
    commandsOn(
      async () => {
        const kube = await start();
        const kubeConfig = kube.kubeConfig();
        const urls = [`lease://${await kube.namespace()}`, `lease://${await kube.namespace()}`];
        return {
          url: () => urls.pop() ?? expect.unreachable("more places than tests"),
          env: { KUBECONFIG: await kube.fileOf(kubeConfig) },
          secret: kubeConfig.getCurrentUser()?.token ?? "",
          [Symbol.asyncDispose]: () => kube[Symbol.asyncDispose](),
        };
      },
      { found: /ok +times +the server keeps six digits[^]*ok +watch / },
    );
  });
});

describe("Git", () => {
  const timing = { TENURE_LEASE_DURATION: "12s", TENURE_RENEW_DEADLINE: "8s", TENURE_RETRY_PERIOD: "2s" };
  commandsOnServer(findGit("file"), (server) => `git+${server.place().url}?minWriteIntervalMs=0&pollMs=500`, {
    timing,
  });
});
