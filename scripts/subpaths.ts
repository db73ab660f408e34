// What a user of the package can import: `exports`, with its wildcard expanded over what was built.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

type Exports = Readonly<Record<string, string | { readonly types: string } | null>>;

/** A subpath as it is imported, like `./storage/file`, and its declaration file, like `dist/storage/file.d.ts`. */
export interface Subpath {
  readonly subpath: string;
  readonly types: string;
}

/** The folder of the checkout. */
export const root: string = dirname(dirname(fileURLToPath(import.meta.url)));

/** Each importable subpath. */
export function subpaths(): Subpath[] {
  const { exports }: { exports: Exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return Object.entries(exports).flatMap(([subpath, target]) => {
    if (target === null || typeof target === "string") return [];
    if (!subpath.includes("*")) return [{ subpath, types: target.types.slice(2) }];
    return expand(subpath, target.types).filter((found) => !isHidden(exports, found.subpath));
  });
}

function isHidden(exports: Exports, subpath: string): boolean {
  return Object.entries(exports).some(([key, target]) => {
    const [start = "", end] = key.split("*");
    if (end === undefined) return target === null && key === subpath;
    return target === null && subpath.startsWith(start) && subpath.endsWith(end);
  });
}

function expand(subpath: string, types: string): Subpath[] {
  const [folder = "", ending = ""] = types.slice(2).split("*");
  if (!existsSync(join(root, folder))) return [];
  const files = readdirSync(join(root, folder)).filter((file) => file.endsWith(ending));
  return files.sort().map((file) => ({
    subpath: subpath.replace("*", file.slice(0, -ending.length)),
    types: folder + file,
  }));
}
