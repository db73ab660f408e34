// Goal: whoever imports a part of the package gets it, loads nothing else, and reaches nothing that is ours alone.
// Method: fresh processes import the packed and installed package, and report every file that they loaded.
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { evaluate, installed, loadedBy, manifest, specifiers } from "./installed.ts";

const drivers = specifiers.filter((specifier) => /^tenure\/storage\/./.test(specifier));
const isDriver = (path: string): boolean => drivers.some((driver) => path === `${driver.slice("tenure/".length)}.js`);
const ours = (path: string): boolean => path.endsWith(".js");

describe("entry points", () => {
  it("are those that the documents name", () => {
    // A new driver is no change here: test/tidy.test.ts demands its row in docs/storages.md.
    for (const name of ["file", "memory"]) expect(drivers).toContain(`tenure/storage/${name}`);
    for (const driver of drivers) expect(driver).toMatch(/^tenure\/storage\/[a-z0-9]+$/);
    expect(specifiers.filter((specifier) => !drivers.includes(specifier))).toEqual([
      "tenure",
      "tenure/controller",
      "tenure/kubernetes",
      "tenure/storage",
      "tenure/telemetry",
      "tenure/testing",
    ]);
  });

  it.each(specifiers)("%s gives the same names to import and to require", (specifier) => {
    const names = evaluate<{ imported: string[]; required: string[] }>(`
      import { createRequire } from "node:module";
      const required = createRequire(process.cwd() + "/")(${JSON.stringify(specifier)});
      const imported = await import(${JSON.stringify(specifier)});
      const extra = ["__esModule", "module.exports"]; // what require() adds
      const namesOf = (names) => Object.keys(names).filter((name) => !extra.includes(name)).sort();
      console.log(JSON.stringify({ imported: namesOf(imported), required: namesOf(required) }));
    `);
    expect(names.imported.length).toBeGreaterThan(0);
    expect(names.required).toEqual(names.imported);
    expect(names.imported).not.toContain("default");
  });

  it("import of tenure loads no driver, no client, and not p-retry", () => {
    const loaded = loadedBy("tenure");
    expect(loaded).toContain("index.js");
    expect(loaded.filter((path) => path.startsWith("storage/"))).toEqual([]);
    expect(loaded.filter((path) => !ours(path))).toEqual(["eventemitter3"]);
    expect(
      loaded.filter((path) => /^(testing|cli|controller|kubernetes|state|resources|telemetry)\//.test(path)),
    ).toEqual([]);
  });

  it.each(drivers)("import of %s loads no other driver and no package", (driver) => {
    const loaded = loadedBy(driver);
    expect(loaded.filter(isDriver)).toEqual([`${driver.slice("tenure/".length)}.js`]);
    expect(loaded.filter((path) => !ours(path))).toEqual([]);
  });

  it("import of tenure/storage loads no client", () => {
    const loaded = loadedBy("tenure/storage");
    expect(loaded.filter((path) => !ours(path))).toEqual([]);
    expect(loaded.filter((path) => isDriver(path) && !/\/(memory|file)\.js$/.test(path))).toEqual([]);
  });

  it("import of tenure/testing loads no test runner and no driver", () => {
    const loaded = loadedBy("tenure/testing");
    expect(loaded.filter((path) => !ours(path) && path !== "eventemitter3")).toEqual([]);
    expect(loaded.filter(isDriver)).toEqual([]);
  });

  it("import of tenure/kubernetes loads no client, no driver and no elector", () => {
    const loaded = loadedBy("tenure/kubernetes");
    expect(loaded.filter((path) => !ours(path) || /^(election|storage|testing)\//.test(path))).toEqual([]);
  });

  it("import of tenure/telemetry loads no package and no elector", () => {
    const loaded = loadedBy("tenure/telemetry");
    expect(loaded.filter((path) => !ours(path) || /^(election|lock|storage)\//.test(path))).toEqual([]);
  });

  it("gives the manifest", () => {
    const version = evaluate<string>(`
      import { createRequire } from "node:module";
      console.log(JSON.stringify(createRequire(process.cwd() + "/")("tenure/package.json").version));
    `);
    expect(version).toBe(manifest.version);
  });

  it.each([
    "tenure/dist/index.js",
    "tenure/errors",
    "tenure/election/decide",
    "tenure/src/index.ts",
    "tenure/storage/index",
    "tenure/storage/keys",
    "tenure/storage/registry",
    "tenure/storage/probe",
    "tenure/storage/lease-codec",
    "tenure/storage/versioned-storage",
    "tenure/storage/file-writer",
    "tenure/system/clock",
    "tenure/cli/main",
  ])("keeps %s to itself", (specifier) => {
    const code = evaluate<string>(`
      const code = await import(${JSON.stringify(specifier)}).then(() => "imported", (error) => error.code);
      console.log(JSON.stringify(code));
    `);
    expect(code).toBe("ERR_PACKAGE_PATH_NOT_EXPORTED");
  });

  it("has a program that can be started", () => {
    const program = join(installed, manifest.bin["tenure"] ?? "");
    expect(readFileSync(program, "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
    expect(statSync(program).mode & 0o111).not.toBe(0);
  });
});
