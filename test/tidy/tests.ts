import { importsOf } from "./imports.ts";
import { at, parse, ts, walk } from "./syntax.ts";
import type { Rule, Tree } from "./tree.ts";
import { perFile } from "./tree.ts";

const testFile = /^test\/.*\.test\.ts$/;
const testCode = /^test\/(?!tidy\/).*\.ts$/;

function withoutSubject(tree: Tree): readonly string[] {
  const subjects = /src\/|dist\/|scripts\/|examples\/|bench\/|package\.json|"tenure(\/[\w-]+)*"/;
  return [...tree].flatMap(([path, text]) => {
    if (!testFile.test(path) || path.startsWith("test/tidy")) return [];
    const gone = importsOf(path, text).filter(({ target }) => target?.startsWith("src/") && !tree.has(target));
    const problems = gone.map(({ where, target }) => `${where}: tests ${target}, which does not exist`);
    const isOfTestCode = tree.has(path.replace(".test.ts", ".ts")); // a judge of histories, say
    if (!isOfTestCode && !subjects.test(reached(tree, path)))
      problems.push(`${path}: tests nothing of ours; import or start its subject`);
    return problems;
  });
}

/** The text of a test and of the test code that it imports. */
function reached(tree: Tree, path: string, seen: Set<string> = new Set()): string {
  if (seen.has(path)) return "";
  seen.add(path);
  const text = tree.get(path) ?? "";
  const own = importsOf(path, text).filter(({ target }) => target?.startsWith("test/"));
  return [text, ...own.map(({ target = "" }) => reached(tree, target, seen))].join("\n");
}

function untested(tree: Tree): readonly string[] {
  const folders = ["election", "lock", "storage", "state"];
  const loaded = new Map(folders.map((folder) => [folder, loadedByTestsOf(tree, folder)]));
  return [...tree].flatMap(([path, text]) => {
    if (!/^src\/(election|lock|storage|state)\/(?!index\.)[^/]+\.ts$/.test(path) || isTypesOnly(path, text)) return [];
    const folder = path.split("/")[1] ?? "";
    if (loaded.get(folder)?.has(path)) return [];
    return [`${path}: no test of test/${folder} runs it; write ${path.replace(/^src(.*)\.ts$/, "test$1.test.ts")}`];
  });
}

/** What the tests of a folder load: the files that they import, and what these import. */
function loadedByTestsOf(tree: Tree, folder: string): ReadonlySet<string> {
  const loaded = new Set<string>();
  const load = (path: string): void => {
    if (loaded.has(path)) return;
    loaded.add(path);
    for (const { target, typeOnly } of importsOf(path, tree.get(path) ?? "")) {
      if (target !== undefined && !typeOnly) load(target);
    }
  };
  for (const path of tree.keys()) if (path.startsWith(`test/${folder}/`) && testFile.test(path)) load(path);
  return loaded;
}

function isTypesOnly(path: string, text: string): boolean {
  return parse(path, text).source.statements.every(
    (node) =>
      ts.isInterfaceDeclaration(node) ||
      ts.isTypeAliasDeclaration(node) ||
      (ts.isImportDeclaration(node) && node.importClause?.isTypeOnly === true) ||
      (ts.isExportDeclaration(node) && node.isTypeOnly) ||
      (ts.isVariableStatement(node) && /^declare\b/.test(node.getText())),
  );
}

function unrun(path: string, text: string): readonly string[] {
  const { source, lines } = parse(path, text);
  const problems: string[] = [];
  walk(source, (node) => {
    if (!ts.isPropertyAccessExpression(node) || !/^(it|test|describe|suite)\b/.test(node.getText(source))) return;
    const name = node.name.text;
    if (name === "only") problems.push(`${at(node)}: .only; remove it, or the rest never runs`);
    if (name !== "skip" && name !== "todo" && name !== "fails") return;
    const line = source.getLineAndCharacterOfPosition(node.getStart(source)).line;
    if (/#\d+/.test(`${lines[line - 1]}${lines[line]}`)) return;
    problems.push(`${at(node)}: .${name} without an issue; name it (#12) on this line or above, or remove the test`);
  });
  return problems;
}

function withoutGoal(path: string, text: string): readonly string[] {
  const [comment = ""] = /^(\s*(\/\/[^\n]*\n|\/\*[\s\S]*?\*\/\s*))+/.exec(text) ?? [];
  const sentences = comment.match(/[.!?](?=\s|$|\*)/g) ?? [];
  return sentences.length >= 2
    ? []
    : [`${path}: opens without a comment; say its goal and its method in two sentences`];
}

function mocksAndSleeps(path: string, text: string): readonly string[] {
  const problems: string[] = [];
  const { source } = parse(path, text);
  const waits = importedFrom(source, "node:timers/promises");
  const mayWait = /^test\/(process|servers|package)\//.test(path);
  walk(source, (node) => {
    if (!ts.isCallExpression(node)) return;
    const called = node.expression.getText(source);
    if (/^vi\.(do)?[mM]ock$/.test(called))
      problems.push(`${at(node)}: mocks a module; write a fake that implements the port`);
    if (mayWait || !(called === "setTimeout" || waits.includes(called))) return;
    const tooLong = node.arguments.find((argument) => ts.isNumericLiteral(argument) && Number(argument.text) > 20);
    if (tooLong) problems.push(`${at(node)}: sleeps ${tooLong.getText(source)} ms; move a ManualClock instead`);
  });
  return problems;
}

/** The local names of what a file imports from a module. */
function importedFrom(source: ts.SourceFile, module: string): readonly string[] {
  return source.statements.flatMap((node) => {
    if (!ts.isImportDeclaration(node) || !ts.isStringLiteral(node.moduleSpecifier)) return [];
    const bindings = node.importClause?.namedBindings;
    if (node.moduleSpecifier.text !== module || bindings === undefined || !ts.isNamedImports(bindings)) return [];
    return bindings.elements.map(({ name }) => name.text);
  });
}

const goal = "// Goal: the first sentence. Method: the second one.\n";

export const tests: readonly Rule[] = [
  {
    name: "each test has a subject",
    check: withoutSubject,
    refused: [
      { "test/lock/a.test.ts": 'import { a } from "../../src/lock/a.ts";' },
      { "test/lock/a.test.ts": 'import { it } from "vitest"; it("adds", () => {});' },
    ],
    accepted: [
      { "test/lock/a.test.ts": 'import { a } from "../../src/lock/a.ts";', "src/lock/a.ts": "export const a = 1;" },
      { "test/process/a.test.ts": 'import "./start.ts";', "test/process/start.ts": 'fork("src/cli/main.ts");' },
      { "test/simulation/judge.test.ts": 'import "./judge.ts";', "test/simulation/judge.ts": "" },
    ],
  },
  {
    name: "each file of the core has a test",
    check: untested,
    refused: [
      { "src/lock/a.ts": "export const a = 1;" },
      { "src/lock/a.ts": "export const a = 1;", "test/storage/a.test.ts": 'import { a } from "../../src/lock/a.ts";' },
      {
        "src/lock/a.ts": "export const a = 1;",
        "test/lock/b.test.ts": 'import type { a } from "../../src/lock/a.ts";',
      },
    ],
    accepted: [
      { "src/lock/a.ts": "export interface A {}" },
      { "src/lock/a.ts": "export const a = 1;", "test/lock/b.test.ts": 'import { a } from "../../src/lock/a.ts";' },
      {
        "src/lock/a.ts": "export const a = 1;",
        "src/lock/b.ts": 'export { a } from "./a.ts";',
        "test/lock/b.test.ts": 'import { a } from "../../src/lock/b.ts";',
      },
    ],
  },
  {
    name: "every test runs",
    check: perFile(testCode, unrun),
    refused: [
      { "test/a.test.ts": 'it.only("a", () => {});' },
      { "test/a.test.ts": 'describe.skip("a", () => {});' },
      { "test/a.test.ts": 'it.todo("a");' },
    ],
    accepted: [{ "test/a.test.ts": 'it.todo("a"); // #12' }],
  },
  {
    name: "each test says its goal and its method",
    check: perFile(testFile, withoutGoal),
    refused: [{ "test/a.test.ts": 'import "a";' }, { "test/a.test.ts": "// One sentence only.\nimport 'a';" }],
    accepted: [{ "test/a.test.ts": `${goal}import "a";` }],
  },
  {
    name: "tests neither mock modules nor sleep",
    check: perFile(testCode, mocksAndSleeps),
    refused: [
      { "test/a.test.ts": 'vi.mock("node:fs");' },
      { "test/a.test.ts": "setTimeout(done, 50);" },
      { "test/a.test.ts": 'import { setTimeout as sleep } from "node:timers/promises"; await sleep(50);' },
    ],
    accepted: [
      { "test/process/a.test.ts": "setTimeout(done, 50);" },
      { "test/a.test.ts": "setTimeout(done, 5);" },
      { "test/a.test.ts": "await sleep(scene.clock, 30_000);" },
    ],
  },
];
