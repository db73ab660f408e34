// Goal: the package holds what users need, and stays small (B6 of the benchmarks: four packages, two megabytes).
// Method: looks at the files of the packed package, installed with its dependencies and without peers.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { consumer, has, installed, specifiers } from "./installed.ts";

const files = readdirSync(installed, { recursive: true, encoding: "utf8" }).filter((path) =>
  statSync(join(installed, path)).isFile(),
);

function sizeOf(folder: string): number {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return paths
    .map((path) => statSync(join(folder, path)))
    .reduce((sum, found) => sum + (found.isFile() ? found.size : 0), 0);
}

describe("the package", () => {
  it("holds the licence, the documents, the build, and what is applied to a cluster", () => {
    const built = ["dist/index.js", "dist/index.d.ts", "deploy/crd.yaml", "deploy/lease-rbac.yaml"];
    for (const path of ["LICENSE", "README.md", "CHANGELOG.md", ...built]) {
      expect(has(path), path).toBe(true);
    }
  });

  it("holds nothing else", () => {
    const known = /^(?:deploy|dist)\/|^(LICENSE|README\.md|CHANGELOG\.md|package\.json)$/;
    const others = files.filter((path) => !known.test(path));
    expect(others).toEqual([]);
    expect(files.filter((path) => /\.(test|tsbuildinfo|tgz)/.test(path))).toEqual([]);
  });

  it("has no map: the sources that it would lead to are not in it", () => {
    expect(files.filter((path) => path.endsWith(".map"))).toEqual([]);
    const code = files.filter((path) => /\.(?:js|d\.ts)$/.test(path));
    expect(code.length).toBeGreaterThan(2 * specifiers.length);
    expect(code.filter((path) => /sourceMappingURL/.test(readFileSync(join(installed, path), "utf8")))).toEqual([]);
  });

  it("publishes no `any`", () => {
    const declarations = files.filter((path) => path.endsWith(".d.ts"));
    expect(declarations.length).toBeGreaterThan(0);
    const found = declarations.filter((path) => /[:<(,|&=]\s*any\b/.test(codeOf(join(installed, path))));
    expect(found).toEqual([]);
  });

  it("imports nothing in its declarations but eventemitter3 and Node", () => {
    const specifier = /(?:from|import\()\s*"([^".][^"]*)"/g;
    const imported = files
      .filter((path) => path.endsWith(".d.ts") && !path.startsWith("dist/cli/"))
      .flatMap((path) => [...codeOf(join(installed, path)).matchAll(specifier)].map(([, name = ""]) => name));
    expect([...new Set(imported)].filter((name) => name !== "eventemitter3" && !name.startsWith("node:"))).toEqual([]);
  });

  it("is four packages and two megabytes at most, once installed (B6)", () => {
    const packages = readdirSync(join(consumer, "node_modules")).filter((name) => name !== "@types");
    expect(packages.length).toBeLessThanOrEqual(4);
    const bytes = packages.reduce((sum, name) => sum + sizeOf(join(consumer, "node_modules", name)), 0);
    expect(bytes).toBeLessThanOrEqual(2 * 1024 * 1024);
  });

  it("needs exactly the packages that are installed beside it", () => {
    const needed = new Set<string>();
    const add = (name: string): void => {
      const text = readFileSync(join(consumer, "node_modules", name, "package.json"), "utf8");
      const { dependencies = {} } = JSON.parse(text) as { dependencies?: Record<string, string> }; // a manifest
      needed.add(name);
      for (const next of Object.keys(dependencies)) if (!needed.has(next)) add(next);
    };
    add("tenure");
    expect([...needed].sort()).toEqual(["eventemitter3", "is-network-error", "p-retry", "tenure"]);
  });
});

function codeOf(path: string): string {
  return readFileSync(path, "utf8").replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
}
