// Goal: the example for PostgreSQL does what it says on a real server, for somebody who has installed the package.
// Method: runs it as a process of its own on the built package, once with a URL and once without.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { describeOn } from "./support/found-server.ts";
import { postgresServer } from "./support/postgres-server.ts";

const example = fileURLToPath(new URL("../../examples/servers/postgres.ts", import.meta.url));

interface Ran {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function run(...args: readonly string[]): Ran {
  const { TENURE_TEST_POSTGRES_URL: _named, FORCE_COLOR: _colour, ...env } = process.env;
  const ran = spawnSync(process.execPath, [example, ...args], { encoding: "utf8", env, timeout: 60_000 });
  return { status: ran.status, out: ran.stdout, err: ran.stderr };
}

describeOn(postgresServer, (start) => {
  test("examples/servers/postgres.ts prints what it promises, and ends with 0", async () => {
    await using server = await start();
    const { status, out, err } = run(server.url());
    expect(err).toBe("");
    expect(out.trimEnd().split("\n")).toEqual([
      "documents of at most 16777216 bytes, watched by push",
      "ada leads in a term of her own: true",
      "bob leads in a later term: true",
      "he waited for a notification, not for a poll: true",
      "the lease is free: true",
    ]);
    expect(status).toBe(0);
  });

  test("without a URL it says what it needs, and fails", () => {
    const { status, err } = run();
    expect(status).toBe(1);
    expect(err).toContain("name a database");
  });
});
