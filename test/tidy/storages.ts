import { posix } from "node:path";
import { driversOf } from "./arrows.ts";
import { importsOf } from "./imports.ts";
import type { Rule, Tree } from "./tree.ts";

interface Manifest {
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

function manifestOf(tree: Tree): Manifest {
  return JSON.parse(tree.get("package.json") ?? "{}") as Manifest; // every field is looked at before it is used
}

/** Whether a `null` line of `exports`, perhaps one with a wildcard, keeps a subpath from being imported. */
function hides(exports: Readonly<Record<string, unknown>>, subpath: string): boolean {
  return Object.keys(exports).some((key) => {
    const [start = "", end] = key.split("*");
    const matches = end === undefined ? key === subpath : subpath.startsWith(start) && subpath.endsWith(end);
    return exports[key] === null && matches;
  });
}

function storageFiles(tree: Tree): readonly string[] {
  return [...tree.keys()].filter((path) => /^src\/storage\/(?!index\.)[^/]+\.ts$/.test(path));
}

function unregistered(tree: Tree): readonly string[] {
  const drivers = driversOf(tree);
  const { exports = {} } = manifestOf(tree);
  const problems = storageFiles(tree).flatMap((path) => {
    const name = posix.basename(path, ".ts");
    const isHidden = hides(exports, `./storage/${name}`);
    if (drivers.includes(path) && isHidden) return [`package.json: "./storage/${name}" is hidden, but it is a driver`];
    if (drivers.includes(path) || isHidden) return [];
    return [
      `${path}: is neither a driver nor hidden; give it a line in src/storage/registry.ts, ` +
        `or "./storage/${name}": null in the exports of package.json`,
    ];
  });
  const files = [...storageFiles(tree), "src/storage/index.ts"].filter((path) => tree.has(path));
  const stale = Object.keys(exports).filter(
    (key) => exports[key] === null && !files.some((path) => hides({ [key]: null }, `./${path.slice(4, -3)}`)),
  );
  return [...problems, ...stale.map((subpath) => `package.json: "${subpath}": null hides nothing; remove the line`)];
}

/** A driver may have a scheme of another name, or several. */
function schemesOf(tree: Tree, name: string): readonly string[] {
  const lines = (tree.get("src/storage/registry.ts") ?? "").matchAll(
    /([\w+-]+)"?: \(\) => import\("\.\/([\w-]+)\.ts"\)/g,
  );
  return [...lines].flatMap(([, scheme = "", file]) => (file === name ? [scheme] : []));
}

function incomplete(tree: Tree): readonly string[] {
  return driversOf(tree).flatMap((path) => {
    const name = posix.basename(path, ".ts");
    if (!tree.has(path)) return [`src/storage/registry.ts: names ${path}, which does not exist`];
    const problems: string[] = [];
    const test = tree.get(`test/storage/${name}.test.ts`);
    if (test === undefined || !/[sS]uite/.test(test)) {
      problems.push(`${path}: has no test/storage/${name}.test.ts that calls the suite`);
    }
    const schemes = schemesOf(tree, name);
    const rows = (tree.get("docs/storages.md") ?? "").split("\n").filter((line) => line.startsWith("|"));
    if (!rows.some((row) => schemes.some((scheme) => row.includes(`\`${scheme}:`)))) {
      problems.push(`${path}: has no row in docs/storages.md that shows its URL, "${schemes.join(':" or "')}:"`);
    }
    const { exports = {} } = manifestOf(tree);
    if (exports["./storage/*"] === undefined)
      problems.push(`package.json: "./storage/*" is gone; ${path} is out of reach`);
    return problems;
  });
}

function peerless(tree: Tree): readonly string[] {
  const { peerDependencies = {}, peerDependenciesMeta = {} } = manifestOf(tree);
  return driversOf(tree).flatMap((path) =>
    importsOf(path, tree.get(path) ?? "").flatMap(({ where, specifier, target, lazy }) => {
      if (!lazy || target !== undefined || specifier.startsWith("node:")) return [];
      if (peerDependencies[specifier] !== undefined && peerDependenciesMeta[specifier]?.optional === true) return [];
      return [`${where}: "${specifier}" must be an optional peer dependency in package.json`];
    }),
  );
}

const registry = 'const drivers = { a: () => import("./a.ts") };';
const whole = {
  "src/storage/registry.ts": registry,
  "src/storage/a.ts": "export class AStorage {}",
  "test/storage/a.test.ts": 'runSuite("a", open);',
  "docs/storages.md": "| `a://place` | … |",
  "package.json": '{ "exports": { "./storage/*": {}, "./storage/registry": null } }',
};

export const storages: readonly Rule[] = [
  {
    name: "each file of src/storage is a driver or hidden",
    check: unregistered,
    refused: [
      { ...whole, "src/storage/b.ts": "export const b = 1;" },
      {
        ...whole,
        "package.json": '{ "exports": { "./storage/*": {}, "./storage/registry": null, "./storage/a": null } }',
      },
      {
        ...whole,
        "package.json": '{ "exports": { "./storage/*": {}, "./storage/registry": null, "./storage/z": null } }',
      },
    ],
    accepted: [whole],
  },
  {
    name: "each driver is complete",
    check: incomplete,
    refused: [
      { ...whole, "src/storage/registry.ts": 'const drivers = { b: () => import("./b.ts") };' },
      { ...whole, "test/storage/a.test.ts": "" },
      { ...whole, "docs/storages.md": "| `b://place` | … |" },
      { ...whole, "src/storage/registry.ts": 'const drivers = { "x+y": () => import("./a.ts") };' },
      { ...whole, "package.json": "{}" },
    ],
    accepted: [whole],
  },
  {
    name: "what a driver loads is an optional peer",
    check: peerless,
    refused: [{ ...whole, "src/storage/a.ts": 'export const open = () => import("a-client");' }],
    accepted: [whole],
  },
];
