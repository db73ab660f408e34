import type { Rule, Tree } from "./tree.ts";

interface Entry {
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
  readonly optional?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface Lock {
  readonly packages?: Readonly<Record<string, Entry>>;
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly allowScripts?: Readonly<Record<string, boolean>>;
  readonly exports?: Readonly<Record<string, unknown>>;
}

function read(tree: Tree): Manifest {
  return JSON.parse(tree.get("package.json") ?? "{}") as Manifest; // every field is looked at before it is used
}

function dependencies(tree: Tree): readonly string[] {
  const { dependencies: found = {}, devDependencies = {}, allowScripts = {} } = read(tree);
  const problems: string[] = [];
  const names = Object.keys(found).sort().join(", ");
  if (names !== "eventemitter3, p-retry") {
    problems.push(
      `package.json: dependencies are ${names || "none"}; they are eventemitter3 and p-retry, and nothing else`,
    );
  }
  for (const [name, range] of Object.entries(found)) {
    if (!/^\^\d+\.\d+\.\d+$/.test(range))
      problems.push(`package.json: ${name} is ${range}; a dependency is a caret range`);
  }
  for (const [name, range] of Object.entries(devDependencies)) {
    if (!/^\d+\.\d+\.\d+$/.test(range)) problems.push(`package.json: ${name} is ${range}; a tool is an exact version`);
  }
  if (Object.keys(allowScripts).some((name) => !/^node(@|$)/.test(name))) {
    problems.push("package.json: allowScripts names more than node; choose a tool that needs no install script");
  }
  return problems;
}

function scripts(tree: Tree): readonly string[] {
  return Object.entries(read(tree).scripts ?? {}).flatMap(([name, command]) => {
    if (/^(pre|post)?(install|publish|pack)$|^(prepare|dependencies)$/.test(name)) {
      return [`package.json: "${name}" runs on the machines of users or by surprise; remove it`];
    }
    if (command.startsWith("node scripts/require-node.mjs && ")) return [];
    return [`package.json: "${name}" must begin with "node scripts/require-node.mjs && "`];
  });
}

function typesFirst(tree: Tree): readonly string[] {
  return Object.entries(read(tree).exports ?? {}).flatMap(([subpath, target]) => {
    if (target === null || typeof target === "string") return [];
    const conditions = Object.keys(target as object).join(", "); // neither null nor a string: an object
    return conditions === "types, default"
      ? []
      : [`package.json: "${subpath}" has ${conditions}; write types, then default`];
  });
}

function lock(tree: Tree): readonly string[] {
  const { packages = {} } = JSON.parse(tree.get("package-lock.json") ?? "{}") as Lock; // npm's own format
  const problems = Object.entries(packages).flatMap(([path, { resolved, hasInstallScript, optional }]) => [
    ...(resolved === undefined
      ? []
      : [`package-lock.json: ${path} names a registry; install with the .npmrc of this project`]),
    ...(hasInstallScript && !optional && path !== "node_modules/node"
      ? [`package-lock.json: ${path} has an install script; choose a tool that needs none`]
      : []),
  ]);
  for (const [path, { optionalDependencies = {} }] of Object.entries(packages)) {
    for (const name of Object.keys(optionalDependencies)) {
      if (found(packages, path, name)) continue;
      problems.push(
        `package-lock.json: ${path} lists ${name}, which has no entry, so npm ci fails; pin an older release`,
      );
    }
  }
  return problems;
}

/** As Node looks for packages: beside, then further up. */
function found(packages: Readonly<Record<string, Entry>>, path: string, name: string): boolean {
  if (packages[`${path === "" ? "" : `${path}/`}node_modules/${name}`] !== undefined) return true;
  return path !== "" && found(packages, path.slice(0, Math.max(0, path.lastIndexOf("/node_modules/"))), name);
}

function npmrc(tree: Tree): readonly string[] {
  const text = tree.get(".npmrc") ?? "";
  const problems = /registry=.*\/\/|_authToken|\/\//.test(text)
    ? [".npmrc: names a registry; leave that to each machine"]
    : [];
  if (!text.includes("omit-lockfile-registry-resolved=true")) {
    problems.push(".npmrc: must say omit-lockfile-registry-resolved=true, so that the lock works behind any mirror");
  }
  return problems;
}

const json = (value: unknown): string => JSON.stringify(value);
const both = { eventemitter3: "^5.0.4", "p-retry": "^9.0.0" };

export const manifest: readonly Rule[] = [
  {
    name: "dependencies are the two",
    check: dependencies,
    refused: [
      { "package.json": json({ dependencies: { ...both, lodash: "^4.0.0" } }) },
      { "package.json": json({ dependencies: { ...both, "p-retry": "9.0.0" } }) },
      { "package.json": json({ dependencies: both, devDependencies: { vitest: "^5.0.0" } }) },
      { "package.json": json({ dependencies: both, allowScripts: { esbuild: true } }) },
    ],
    accepted: [{ "package.json": json({ dependencies: both }) }],
  },
  {
    name: "scripts look at Node first, and none runs by itself",
    check: scripts,
    refused: [
      { "package.json": json({ scripts: { test: "vitest run" } }) },
      { "package.json": json({ scripts: { postinstall: "node scripts/require-node.mjs && node a.mjs" } }) },
    ],
  },
  {
    name: "subpaths say types first",
    check: typesFirst,
    refused: [
      { "package.json": json({ exports: { ".": { default: "./dist/index.js", types: "./dist/index.d.ts" } } }) },
    ],
  },
  {
    name: "the lock installs anywhere",
    check: lock,
    refused: [
      { "package-lock.json": json({ packages: { "node_modules/a": { resolved: "https://registry/a.tgz" } } }) },
      { "package-lock.json": json({ packages: { "node_modules/a": { hasInstallScript: true } } }) },
      {
        "package-lock.json": json({ packages: { "node_modules/a": { optionalDependencies: { "a-linux": "1.0.0" } } } }),
      },
    ],
    accepted: [
      {
        "package-lock.json": json({
          packages: {
            "node_modules/a": { optionalDependencies: { b: "1.0.0" } },
            "node_modules/b": { optional: true },
          },
        }),
      },
    ],
  },
  {
    name: "the npm settings name no machine",
    check: npmrc,
    refused: [{ ".npmrc": "registry=https://mirror.example/" }, { ".npmrc": "fund=false" }],
  },
];
