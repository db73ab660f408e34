// What a user of the package can import: `exports`, with its wildcard expanded over what was built.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the checkout. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Each importable subpath with its declaration file: `{ subpath: "./storage/file", types: "dist/storage/file.d.ts" }`. */
export function subpaths() {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return Object.entries(exports).flatMap(([subpath, target]) => {
    if (typeof target?.types !== "string") return [];
    if (!subpath.includes("*")) return [{ subpath, types: target.types.slice(2) }];
    return expand(subpath, target.types).filter((found) => !isHidden(exports, found.subpath));
  });
}

function isHidden(exports, subpath) {
  return Object.entries(exports).some(([key, target]) => {
    const [start, end] = key.split("*");
    return (
      target === null && (end === undefined ? key === subpath : subpath.startsWith(start) && subpath.endsWith(end))
    );
  });
}

function expand(subpath, types) {
  const [folder, ending] = types.slice(2).split("*");
  if (!existsSync(join(root, folder))) return [];
  const files = readdirSync(join(root, folder)).filter((file) => file.endsWith(ending));
  return files.sort().map((file) => ({
    subpath: subpath.replace("*", file.slice(0, -ending.length)),
    types: folder + file,
  }));
}
