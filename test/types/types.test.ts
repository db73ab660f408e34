// Goal: what must compile does, and what must not does not.
// Method: the compiler looks at the files beside this one; an expected error that does not come is an error itself.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const folder = fileURLToPath(new URL(".", import.meta.url));
const tsc = fileURLToPath(new URL("../../node_modules/typescript/bin/tsc", import.meta.url));

it("inference holds, and misuse of src/index.ts does not compile", () => {
  const { stdout, status } = spawnSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" });
  expect(stdout).toBe("");
  expect(status).toBe(0);
});

it("each misuse has its reason", () => {
  const expectations = readFileSync(`${folder}misuse.ts`, "utf8").match(/@ts-expect-error.*/g) ?? [];
  expect(expectations.length).toBeGreaterThan(20);
  for (const expectation of expectations) expect(expectation).toMatch(/^@ts-expect-error \w+( \S+){3,}/);
});
