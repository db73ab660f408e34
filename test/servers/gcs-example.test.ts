// Goal: the example for Google Cloud Storage does what it says on a server, for somebody who has installed the package.
// Method: runs it as a process of its own on the built package, once with a URL and once without.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { describeOn } from "./support/found-server.ts";
import { gcsServerIn } from "./support/gcs-server.ts";

const example = fileURLToPath(new URL("../../examples/servers/gcs.ts", import.meta.url));

function run(...args: readonly string[]): {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
} {
  const { TENURE_TEST_GCS_URL: _named, FORCE_COLOR: _colour, ...env } = process.env;
  const ran = spawnSync(process.execPath, [example, ...args], { encoding: "utf8", env, timeout: 60_000 });
  return { status: ran.status, out: ran.stdout, err: ran.stderr };
}

describeOn(gcsServerIn("memory"), (start) => {
  test("examples/servers/gcs.ts prints what it promises, and ends with 0", async () => {
    await using server = await start();
    const { status, out, err } = run(server.url(server.fresh(), { probe: "never", pollMs: 200 }));
    expect(err).toBe("");
    expect(out.trimEnd().split("\n")).toEqual([
      "documents of at most 16777216 bytes, watched by poll",
      "ada leads in a term of her own: true",
      "bob leads in a later term: true",
      "the lease is free: true",
    ]);
    expect(status).toBe(0);
  });

  test("without a URL it says what it needs, and fails", () => {
    const { status, err } = run();
    expect(status).toBe(1);
    expect(err).toContain("name a bucket");
  });
});
