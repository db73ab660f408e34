// Goal: the examples for Redis do what they say on a real server, for somebody who has installed the package. Method:
// runs each as a process of its own on the built package, with a URL and without.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeOn } from "./support/found-server.ts";
import { foundRedis, type RedisTestPlace } from "./support/redis-server.ts";

const folder = fileURLToPath(new URL("../../examples/servers/", import.meta.url));

interface Ran {
  readonly code: unknown;
  readonly lines: readonly string[];
  readonly errors: string;
}

async function run(name: string, ...args: readonly string[]): Promise<Ran> {
  const { TENURE_TEST_REDIS_URL: _named, FORCE_COLOR: _colour, ...env } = process.env;
  const child = spawn(process.execPath, [folder + name, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  let [output, errors] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const [code]: unknown[] = await once(child, "close");
  return { code, lines: output.trimEnd().split("\n"), errors };
}

describeOn(foundRedis, (start) => {
  let server: RedisTestPlace | undefined;
  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server?.stop());

  test("examples/servers/redis.ts prints what it promises, and ends with 0", async () => {
    const { code, lines, errors } = await run("redis.ts", server?.url ?? "");
    expect(errors).toBe("");
    expect(lines).toEqual([
      "a failover may lose what was acknowledged: true",
      "ada leads in a term of her own: true",
      "bob leads in a later term: true",
      "he waited for a message, not for a poll: true",
      "the lease is free: true",
    ]);
    expect(code).toBe(0);
  });

  test("examples/servers/redis-by-hand.ts passes the suite of leases", async () => {
    const { code, lines, errors } = await run("redis-by-hand.ts", server?.url ?? "");
    expect(errors).toBe("");
    expect(lines.filter((line) => /storage LS\d+: /.test(line))).toHaveLength(15);
    expect(lines.find((line) => line.endsWith("pass 15"))).toBeDefined();
    expect(lines.find((line) => line.endsWith("fail 0"))).toBeDefined();
    expect(code).toBe(0);
  });

  test.each(["redis.ts", "redis-by-hand.ts"])("without a URL %s says what it needs, and fails", async (name) => {
    const { code, errors } = await run(name);
    expect(errors).toContain("name a server");
    expect(code).toBe(1);
  });
});
