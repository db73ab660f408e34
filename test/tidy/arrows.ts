import type { Import } from "./imports.ts";
import { importsOf } from "./imports.ts";
import type { Rule, Tree } from "./tree.ts";
import { perFile } from "./tree.ts";

// The import map: `folder` allows it, `folder:types` allows types only, `folder/file` one file of it. A new arrow
// needs a decision record, not only a word here.
const mayImport: Readonly<Record<string, readonly string[]>> = {
  "errors.ts": ["system"],
  system: ["errors.ts"],
  storage: ["system", "errors.ts"],
  lock: ["storage:types", "system", "errors.ts"],
  election: ["lock", "system", "errors.ts"],
  state: ["storage:types", "election:types", "system", "errors.ts"],
  resources: ["system", "errors.ts"],
  kubernetes: ["lock", "resources", "storage:types", "system", "errors.ts"],
  telemetry: ["election:types", "system"],
  integrations: ["election", "system", "errors.ts:types"],
  controller: ["election", "lock", "storage", "kubernetes", "state", "resources", "telemetry", "system", "errors.ts"],
  cli: [
    "election",
    "lock",
    "storage",
    "kubernetes",
    "state",
    "resources",
    "telemetry",
    "controller",
    "system",
    "errors.ts",
  ],
  // A double of a storage is a driver, so it extends what drivers extend.
  testing: [
    ...["storage:types", "storage/probe.ts", "storage/versioned-lease-storage.ts"],
    ...["lock", "election", "system", "errors.ts"],
    // The port of a cluster, what its answers mean, and its times.
    ...["kubernetes/kubernetes-resources.ts", "kubernetes/api-error.ts", "kubernetes/micro-time.ts"],
  ],
  // Types of storages, since the signatures of locks name them: `tenure` still loads nothing of that folder.
  "index.ts": ["election", "lock", "errors.ts", "system:types", "storage:types"],
};

const mayImportMore: Readonly<Record<string, readonly string[]>> = {
  "src/state/factory.ts": ["storage/registry.ts"],
};

const packages: Readonly<Record<string, { readonly from: RegExp; readonly lazy: boolean }>> = {
  "p-retry": { from: /^src\/system\/retry\.ts$/, lazy: true },
  eventemitter3: { from: /^src\/election\//, lazy: false },
  "@opentelemetry/api": { from: /^src\/telemetry\//, lazy: false },
  "@kubernetes/client-node": { from: /^src\/kubernetes\/kube-config\.ts$/, lazy: true },
};

/** `storage` of `src/storage/file.ts`; `errors.ts` of `src/errors.ts`. */
function folderOf(path: string): string {
  return path.split("/")[1] ?? path;
}

function isAllowed(path: string, { target = "", typeOnly }: Import): boolean {
  const [from, to] = [folderOf(path), folderOf(target)];
  if (from === to) return true;
  const allowed = [...(mayImport[from] ?? []), ...(mayImportMore[path] ?? [])];
  return (
    allowed.includes(to) ||
    allowed.includes(target.slice("src/".length)) ||
    (typeOnly && allowed.includes(`${to}:types`))
  );
}

function wrongArrows(path: string, text: string): readonly string[] {
  if (mayImport[folderOf(path)] === undefined) {
    return [
      `${path}: ${folderOf(path)} is not in the import map; a new folder answers a new question and gets a row there`,
    ];
  }
  return importsOf(path, text).flatMap((imported) => {
    const { where, target, typeOnly } = imported;
    if (target === undefined) return [];
    if (!target.startsWith("src/")) return [`${where}: imports ${target}; what src needs lies in src`];
    if (target.endsWith("/index.ts")) return [`${where}: imports ${target}; import the file that has the name`];
    if (isAllowed(path, imported)) return [];
    const kind = typeOnly ? "types of " : "";
    const list = (mayImport[folderOf(path)] ?? []).join(", ");
    return [
      `${where}: ${folderOf(path)} may not import ${kind}${target}; it may import ${list}, or be given what it needs`,
    ];
  });
}

function wrongPackages(path: string, text: string): readonly string[] {
  return importsOf(path, text).flatMap(({ where, specifier, target, lazy, typeOnly }) => {
    if (target !== undefined || specifier.startsWith("node:")) return [];
    const rule = packages[specifier];
    const isDriver = path.startsWith("src/storage/");
    if (isDriver && lazy) return []; // a driver's open(); the manifest rule wants it as an optional peer
    if (rule === undefined || !rule.from.test(path)) {
      return [`${where}: may not import "${specifier}"; take a client, typed by the smallest shape that you use`];
    }
    return rule.lazy && !lazy && !typeOnly ? [`${where}: load "${specifier}" by import() when it is first needed`] : [];
  });
}

function cycles(tree: Tree): readonly string[] {
  const problems: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      const cycle = [...trail.slice(trail.indexOf(path)), path].join(" -> ");
      problems.push(`${cycle}: a cycle; move what both need into a file of its own`);
      return;
    }
    if (done.has(path)) return;
    for (const { target, lazy, typeOnly } of importsOf(path, tree.get(path) ?? "")) {
      if (target !== undefined && !lazy && !typeOnly && tree.has(target)) visit(target, [...trail, path]);
    }
    done.add(path);
  };
  for (const path of tree.keys()) if (path.startsWith("src/")) visit(path, []);
  return problems;
}

/** The files of `src/storage` that the registry names. */
export function driversOf(tree: Tree): readonly string[] {
  const lines = (tree.get("src/storage/registry.ts") ?? "").matchAll(
    /[\w+-]+"?: \(\) => import\("\.\/([\w-]+\.ts)"\)/g,
  );
  return [...lines].map(([, file]) => `src/storage/${file}`);
}

function driversThatImportDrivers(tree: Tree): readonly string[] {
  const drivers = driversOf(tree);
  return drivers.flatMap((driver) =>
    importsOf(driver, tree.get(driver) ?? "").flatMap(({ where, target }) =>
      target !== undefined && drivers.includes(target)
        ? [`${where}: a driver imports the driver ${target}; what both need goes into a file that is no driver`]
        : [],
    ),
  );
}

const sources = /^src\/.*\.ts$/;

export const arrows: readonly Rule[] = [
  {
    name: "imports point down",
    check: perFile(sources, wrongArrows),
    refused: [
      { "src/system/clock.ts": 'import { x } from "../lock/storage-lock.ts";' },
      { "src/lock/storage-lock.ts": 'import { leaseKey } from "../storage/keys.ts";' },
      { "src/lock/storage-lock.ts": 'import type { Leadership } from "../election/leadership.ts";' },
      { "src/election/decide.ts": 'import type { Version } from "../storage/versioned-storage.ts";' },
      { "src/cli/main.ts": 'import { FakeLock } from "../testing/fake-lock.ts";' },
      { "src/storage/index.ts": 'export * from "../index.ts";' },
      { "src/lock/multi-lock.ts": 'type X = import("../testing/fake-lock.ts").FakeLock;' },
      { "src/index.ts": 'export { memory } from "./storage/memory.ts";' },
      { "src/mystery/thing.ts": "export const thing = 1;" },
    ],
    accepted: [{ "src/lock/storage-lock.ts": 'import type { Version } from "../storage/versioned-storage.ts";' }],
  },
  {
    name: "only the files that are named for it import a package",
    check: perFile(sources, wrongPackages),
    refused: [
      { "src/election/leader-elector.ts": 'import pRetry from "p-retry";' },
      { "src/system/retry.ts": 'import pRetry from "p-retry";' },
      { "src/storage/s3.ts": 'import { S3Client } from "@aws-sdk/client-s3";' },
      { "src/storage/s3.ts": 'import type { S3Client } from "@aws-sdk/client-s3";' },
    ],
    accepted: [{ "src/system/retry.ts": 'const load = () => import("p-retry");' }],
  },
  {
    name: "imports have no cycles",
    check: cycles,
    refused: [
      {
        "src/lock/a.ts": 'import { b } from "./b.ts"; export const a = () => b();',
        "src/lock/b.ts": 'import { a } from "./a.ts"; export const b = () => a();',
      },
    ],
  },
  {
    name: "no driver imports a driver",
    check: driversThatImportDrivers,
    refused: [
      {
        "src/storage/registry.ts": 'const drivers = { a: () => import("./a.ts"), b: () => import("./b.ts") };',
        "src/storage/a.ts": 'import type { B } from "./b.ts";',
        "src/storage/b.ts": "export class B {}",
      },
    ],
  },
];
