import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  export interface ProvidedContext {
    /** A folder where the packed package is installed with its dependencies and nothing else. */
    readonly consumer: string;
  }
}

const root = fileURLToPath(new URL("../..", import.meta.url));

// What npm would install beside us. The test of the size counts them, so a fourth cannot come in unseen.
const dependencies = ["eventemitter3", "p-retry", "is-network-error"];

/** Packs once for all tests of the package; returns what removes it again. */
export default function pack(project: TestProject): () => void {
  if (!existsSync(join(root, "dist/index.js"))) throw new Error("dist is missing: npm run build");
  const consumer = mkdtempSync(join(tmpdir(), "tenure-consumer-"));
  const modules = join(consumer, "node_modules");
  mkdirSync(join(modules, "@types"), { recursive: true });
  execFileSync("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", consumer], { cwd: root });
  mkdirSync(join(modules, "tenure"));
  const archive = join(consumer, `tenure-${versionOfPackage()}.tgz`);
  execFileSync("tar", ["-xzf", archive, "--strip-components=1", "-C", join(modules, "tenure")]);
  for (const name of dependencies) cpSync(join(root, "node_modules", name), join(modules, name), { recursive: true });
  symlinkSync(join(root, "node_modules/@types/node"), join(modules, "@types/node"), "junction");
  writeFileSync(join(consumer, "package.json"), '{ "name": "consumer", "private": true, "type": "module" }');
  project.provide("consumer", consumer);
  return () => rmSync(consumer, { recursive: true, force: true });
}

function versionOfPackage(): string {
  return execFileSync(process.execPath, ["-p", "require('./package.json').version"], {
    cwd: root,
    encoding: "utf8",
  }).trim();
}
