import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Paths with forward slashes, relative to the checkout, and the texts behind them. */
export type Tree = ReadonlyMap<string, string>;

/** One promise about the tree, with the smallest tree that breaks it. */
export interface Rule {
  readonly name: string;
  readonly check: (tree: Tree) => readonly string[];
  /** Trees that must be refused; each key is a path, each value a text. */
  readonly refused: readonly Readonly<Record<string, string>>[];
  /** Trees that must pass, for the borders of the rule. */
  readonly accepted?: readonly Readonly<Record<string, string>>[];
}

/** Makes a rule out of a function that looks at one file. */
export function perFile(
  applies: RegExp,
  problemsOf: (path: string, text: string) => readonly string[],
): (tree: Tree) => readonly string[] {
  return (tree) => [...tree].flatMap(([path, text]) => (applies.test(path) ? problemsOf(path, text) : []));
}

/** The folder of the checkout. */
export const root: string = fileURLToPath(new URL("../..", import.meta.url));

const folders = ["src", "test", "examples", "bench", "scripts", "docs", "api", "deploy"];

/** Everything that is written by hand, and the lock. */
export function readTree(): Tree {
  const files = readdirSync(root).filter((name) => statSync(join(root, name)).isFile());
  for (const folder of folders.filter((name) => existsSync(join(root, name)))) {
    const found = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" });
    files.push(...found.map((name) => `${folder}/${name.replaceAll("\\", "/")}`));
  }
  const texts = files.filter((path) => /\.(ts|mjs|md|json|yaml)$|^\.npmrc$/.test(path));
  return new Map(texts.sort().map((path) => [path, readFileSync(join(root, path), "utf8")]));
}
