// Goal: whoever opens a storage without its package is told which one to install. Method: a fresh process opens each
// URL in the folder of a consumer who has installed tenure and nothing beside it.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { consumer, evaluate, installed, manifest } from "./installed.ts";

it.each([
  ["s3://bucket/prefix?region=eu-central-1", "@aws-sdk/client-s3"],
  ["postgres://host/database", "pg"],
])("%s needs %s", (url, name) => {
  const thrown = evaluate<{ code: string; message: string }>(`
    import { openStorage } from "tenure/storage";
    const thrown = await openStorage(${JSON.stringify(url)}).catch((error) => error);
    console.log(JSON.stringify({ code: thrown.code, message: thrown.message }));
  `);
  expect(thrown).toEqual({ code: "PACKAGE_MISSING", message: expect.stringContaining(`npm install ${name}`) });
});

it.each([
  [["status", "job", "--storage", "lease://billing"], 1],
  [["run", "job", "--storage", "lease://billing", "--", "true"], 125],
  [["doctor", "lease://billing"], 1],
  [["status", "job", "--storage", "multiclusterlease://billing"], 1],
  [["doctor", "multiclusterlease://billing"], 1],
])("K-8 tenure %j needs @kubernetes/client-node", (args, code) => {
  const program = join(installed, manifest.bin["tenure"] ?? "");
  const ran = spawnSync(process.execPath, [program, ...args], { cwd: consumer, encoding: "utf8" });
  expect([ran.status, ran.stdout + ran.stderr]).toEqual([
    code,
    expect.stringContaining(
      "kubernetes: needs the package @kubernetes/client-node: npm install @kubernetes/client-node",
    ),
  ]);
});
