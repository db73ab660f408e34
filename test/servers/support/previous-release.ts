import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
/** What our users bring along; a release finds it beside itself. */
const peer = "node_modules/@kubernetes/client-node";

/** What there is to say about the previous release. */
export type WantedRelease =
  | { readonly is: "given"; readonly spec: string }
  /** There was none yet: nothing to mix with. */
  | { readonly is: "none" }
  /** There was one, and nobody says where its package is. */
  | { readonly is: "missing"; readonly version: string };

/**
 * Which release this one is mixed with: a tarball or a version of the registry that somebody names. A changelog that
 * names a release makes that a must; nothing is fetched by a name that only this project uses.
 */
export function wantedRelease(changelog: string, given: string | undefined): WantedRelease {
  if (given !== undefined && given !== "") return { is: "given", spec: given };
  const [, version] = /^## \[?v?(\d+\.\d+\.\d+[^\s\]]*)/m.exec(changelog) ?? [];
  return version === undefined ? { is: "none" } : { is: "missing", version };
}

/** A release as a user has it, in a folder of its own. */
export class PreviousRelease implements Disposable {
  readonly version: string;
  /** Of its built package, for candidates. */
  readonly dist: string;
  /** Of its `tenure`. */
  readonly program: string;
  readonly #folder: string;

  /** Installs a tarball, or a version by the registry. */
  constructor(spec: string) {
    this.#folder = mkdtempSync(join(tmpdir(), "tenure-previous-"));
    const what = existsSync(spec) ? resolve(spec) : `tenure@${spec}`;
    writeFileSync(join(this.#folder, "package.json"), '{ "name": "consumer", "private": true, "type": "module" }');
    const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--loglevel", "error"];
    execFileSync("npm", ["install", ...flags, what], { cwd: this.#folder, stdio: ["ignore", "ignore", "inherit"] });
    mkdirSync(dirname(join(this.#folder, peer)), { recursive: true });
    symlinkSync(join(root, peer), join(this.#folder, peer), "junction");
    const installed = join(this.#folder, "node_modules/tenure");
    this.dist = pathToFileURL(join(installed, "dist")).href;
    this.program = join(installed, "dist/cli/main.js");
    this.version = execFileSync(process.execPath, [this.program, "--version"], { encoding: "utf8" }).trim();
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
