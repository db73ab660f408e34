import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inject } from "vitest";
import { subpaths } from "../../scripts/subpaths.ts";

/** The folder where the packed package is installed. */
export const consumer: string = inject("consumer");

/** The package itself, as a user has it. */
export const installed: string = join(consumer, "node_modules/tenure");

/** What a user can import: `tenure`, `tenure/storage/file`, … */
export const specifiers: readonly string[] = subpaths().map(({ subpath }) => `tenure${subpath.slice(1)}`);

/** The manifest as it is published. */
export const manifest: { readonly bin: Readonly<Record<string, string>>; readonly version: string } = JSON.parse(
  readFileSync(join(installed, "package.json"), "utf8"),
);

/** Runs a module in the folder of the consumer, and returns what it prints as JSON. */
export function evaluate<T>(code: string): T {
  const text = execFileSync(process.execPath, ["--input-type=module", "--eval", code], {
    cwd: consumer,
    encoding: "utf8",
  });
  return JSON.parse(text) as T; // the caller wrote the code that prints it
}

/** Every file that an import loads: those of the package by their path in `dist`, others by their package. */
export function loadedBy(specifier: string): readonly string[] {
  const urls = evaluate<string[]>(`
    import { registerHooks } from "node:module";
    const urls = [];
    registerHooks({ load: (url, context, next) => (urls.push(url), next(url, context)) });
    await import(${JSON.stringify(specifier)});
    console.log(JSON.stringify(urls));
  `);
  const names = urls.flatMap((url) => {
    if (url.startsWith("node:")) return [];
    const [, name = "", path = ""] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\/(.*)$/.exec(url) ?? [];
    return [name === "tenure" ? path.replace(/^dist\//, "") : name];
  });
  return [...new Set(names)].sort();
}

/** Whether a file of the package is there. */
export function has(path: string): boolean {
  return existsSync(join(installed, path));
}
