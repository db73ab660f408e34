import { importsOf } from "./imports.ts";
import { at, parse, ts, walk } from "./syntax.ts";
import type { Rule } from "./tree.ts";
import { perFile } from "./tree.ts";

const clock = "take a Clock (src/system/clock.ts), so that tests need not wait";
const random = "take a Random (src/system/random.ts), so that a seed repeats the run";

// Called by their bare names.
const bannedNames: Readonly<Record<string, string>> = {
  Date: clock,
  performance: clock,
  hrtime: clock,
  setTimeout: clock,
  setInterval: clock,
  setImmediate: clock,
  clearTimeout: clock,
  clearInterval: clock,
  clearImmediate: clock,
};

const bannedMembers: Readonly<Record<string, string>> = {
  "process.hrtime": clock,
  "process.uptime": clock,
  "os.uptime": clock,
  "AbortSignal.timeout": `${clock}; withDeadline in src/system/signals.ts ends a call`,
  "Math.random": random,
  "crypto.randomUUID": random,
  "crypto.getRandomValues": random,
  "crypto.randomBytes": random,
};

const bannedImports: Readonly<Record<string, string>> = {
  "node:timers": clock,
  "node:timers/promises": clock,
  "node:perf_hooks": clock,
};

const bannedBindings: Readonly<Record<string, string>> = {
  "node:os uptime": clock,
  "node:process hrtime": clock,
  "node:crypto randomUUID": random,
  "node:crypto randomBytes": random,
  "node:crypto randomInt": random,
};

const edgeMembers = /^(globalThis\.)?process\.(env|exit|exitCode|argv|on|once|addListener|prependListener)$/;

function isUse(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent))
    return parent.expression === node || parent.expression.getText() === "globalThis";
  if (ts.isTypeReferenceNode(parent) || ts.isExpressionWithTypeArguments(parent)) return false;
  return (parent as ts.NamedDeclaration).name !== node; // any parent will do: only its name is compared
}

function wrongGlobals(path: string, text: string): readonly string[] {
  const problems: string[] = [];
  const { source } = parse(path, text);
  walk(source, (node) => {
    if (ts.isIdentifier(node) && Object.hasOwn(bannedNames, node.text) && isUse(node)) {
      problems.push(`${at(node)}: ${node.text}; ${bannedNames[node.text]}`);
    }
    if (ts.isPropertyAccessExpression(node)) {
      const name = node.getText(source).replaceAll(/\s|globalThis\./g, "");
      if (Object.hasOwn(bannedMembers, name)) problems.push(`${at(node)}: ${name}; ${bannedMembers[name]}`);
    }
    if (ts.isImportSpecifier(node)) {
      const from = (node.parent.parent.parent.moduleSpecifier as ts.StringLiteral).text; // the grammar knows no other
      const instead = bannedBindings[`${from} ${(node.propertyName ?? node.name).text}`];
      if (instead !== undefined) problems.push(`${at(node)}: ${node.getText(source)} of ${from}; ${instead}`);
    }
  });
  for (const { where, specifier, typeOnly } of importsOf(path, text)) {
    const instead = bannedImports[specifier];
    if (instead !== undefined && !typeOnly) problems.push(`${where}: imports ${specifier}; ${instead}`);
  }
  return problems;
}

function wrongEdges(path: string, text: string): readonly string[] {
  const problems: string[] = [];
  const { source } = parse(path, text);
  walk(source, (node) => {
    if (ts.isIdentifier(node) && node.text === "console" && isUse(node)) {
      problems.push(`${at(node)}: console; take a Logger (src/system/logger.ts), silent by default`);
    }
    if (!ts.isPropertyAccessExpression(node) || !edgeMembers.test(node.getText(source))) return;
    problems.push(
      `${at(node)}: ${node.getText(source)}; only a program reads or ends its process: take it as an option`,
    );
  });
  return problems;
}

function branchesForTests(path: string, text: string): readonly string[] {
  const lines = text.split("\n");
  return lines.flatMap((line, index) => {
    const [found] = /\bNODE_ENV\b|\bVITEST\b|\bimport\.meta\.vitest\b|\bisTest\b|\binTests?\b/.exec(line) ?? [];
    return found === undefined
      ? []
      : [`${path}:${index + 1}: ${found}; tests run what users run: take what differs as a part`];
  });
}

export const globals: readonly Rule[] = [
  {
    name: "nothing in src knows that it is tested",
    check: perFile(/^src\/.*\.ts$/, branchesForTests),
    refused: [{ "src/cli/a.ts": 'if (process.env["VITEST"]) skip();' }],
    accepted: [{ "src/cli/a.ts": "const latest = inTesting;" }],
  },
  {
    name: "time and chance come from src/system",
    check: perFile(/^src\/(?!system\/).*\.ts$/, wrongGlobals),
    refused: [
      { "src/lock/a.ts": "export const a = () => Date.now();" },
      { "src/lock/a.ts": "export const a = () => new Date(0);" },
      { "src/lock/a.ts": "export const a = () => performance.now();" },
      { "src/lock/a.ts": "export const a = () => process.hrtime.bigint();" },
      { "src/lock/a.ts": 'import os from "node:os"; export const a = () => os.uptime();' },
      { "src/lock/a.ts": 'import { uptime } from "node:os"; export const a = () => uptime();' },
      { "src/lock/a.ts": "export const a = () => setTimeout(a, 1);" },
      { "src/lock/a.ts": "export const a = () => globalThis.setTimeout;" },
      { "src/lock/a.ts": 'import { setTimeout as later } from "node:timers/promises"; export const a = later;' },
      { "src/lock/a.ts": "export const a = () => Math.random();" },
      { "src/lock/a.ts": "export const a = () => crypto.randomUUID();" },
      { "src/lock/a.ts": 'import { randomUUID } from "node:crypto"; export const a = () => randomUUID();' },
      { "src/lock/a.ts": "export const a = () => AbortSignal.timeout(5);" },
    ],
    accepted: [
      { "src/lock/a.ts": "export const a = (clock: { setTimeout(): void }, b: Date) => [clock.setTimeout(), b];" },
      { "src/lock/a.ts": "// Date.now() would jump\nexport const a = 'Math.random()';" },
      { "src/system/machine-clock.ts": "export const nowMs = () => performance.now();" },
    ],
  },
  {
    name: "only the programs touch their process and the console",
    // git-process.ts hands the environment on to git, which needs PATH, HOME, proxies and the agent of ssh.
    check: perFile(/^src\/(?!(cli|controller)\/|storage\/git-process\.ts$).*\.ts$/, wrongEdges),
    refused: [
      { "src/lock/a.ts": 'export const a = process.env["HOME"];' },
      { "src/storage/git.ts": 'export const a = process.env["HOME"];' },
      { "src/lock/a.ts": "export const a = () => process.exit(1);" },
      { "src/lock/a.ts": "export const a = process.argv;" },
      { "src/election/a.ts": 'process.on("SIGTERM", () => undefined);' },
      { "src/election/a.ts": 'console.log("leading");' },
    ],
    accepted: [
      { "src/cli/main.ts": "process.exitCode = 1;" },
      { "src/storage/a.ts": "export const a = process.pid;" },
      { "src/storage/git-process.ts": "export const a = process.env;" },
    ],
  },
];
