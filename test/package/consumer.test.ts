// Goal: a strict project without a single peer type-checks every subpath with no error, also inside our declarations.
// Method: the packed package is installed beside a few lines that import everything; each compiler looks at all of it.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { consumer, specifiers } from "./installed.ts";

const modules = fileURLToPath(new URL("../../node_modules", import.meta.url));

// 6.0 is the one that API Extractor brings; .ci/run names further compilers in TENURE_TYPESCRIPT (a path of a `tsc`).
const compilers = {
  "TypeScript 7": join(modules, "typescript/bin/tsc"),
  "TypeScript 6": join(modules, "@microsoft/api-extractor/node_modules/typescript/bin/tsc"),
  ...(process.env["TENURE_TYPESCRIPT"] ? { "TypeScript of the environment": process.env["TENURE_TYPESCRIPT"] } : {}),
};

const strict = {
  strict: true,
  noEmit: true,
  skipLibCheck: false,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  target: "es2022",
  lib: ["es2022", "esnext.disposable"],
  types: ["node"],
};

const projects = {
  nodenext: { ...strict, module: "nodenext" },
  bundler: { ...strict, module: "esnext", moduleResolution: "bundler" },
};

const imports = specifiers.map((specifier, index) => `export * as part${index} from "${specifier}";`).join("\n");

function check(compiler: string, name: string, options: object, text: string): string {
  const folder = join(consumer, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "index.ts"), text);
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["index.ts"] }));
  const { stdout, stderr, status } = spawnSync(process.execPath, [compiler, "-p", folder], { encoding: "utf8" });
  return status === 0 ? "" : `${stdout}${stderr}` || `exit ${status}`;
}

describe.each(Object.entries(compilers))("with %s", (version, compiler) => {
  it.each(Object.entries(projects))("a strict consumer type-checks every subpath (%s)", (name, options) => {
    expect(check(compiler, `${version}-${name}`.replaceAll(" ", "-"), options, imports)).toBe("");
  });

  it("an error in a consumer is still found", () => {
    const text = `${imports}\nexport const wrong: number = "text";`;
    expect(check(compiler, `${version}-wrong`.replaceAll(" ", "-"), projects.nodenext, text)).toContain("TS2322");
  });
});
