// Writes the table of fault scenarios in docs/guarantees.md, from the numbers that the titles of tests carry:
// node scripts/scenarios.ts [--check]. A number with neither a test nor a reason fails it.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, ts, walk } from "../test/tidy/syntax.ts";
import { readTree, type Tree } from "../test/tidy/tree.ts";
import { scenarioRows, type ScenarioRow } from "./scenario-rows.ts";
import { root } from "./subpaths.ts";

/** The document with the table. */
export const document = "docs/guarantees.md";
const begin = "<!-- scenarios: npm run scenarios -->";
const end = "<!-- end of scenarios -->";

/** A test, by its file and its title, with the number of the scenario that the title carries. */
export interface NumberedTest {
  readonly number: number;
  readonly path: string;
  readonly title: string;
}

/** Each test, and each case of a published suite, that carries a number like `#12` in its title. */
export function numberedTests(tree: Tree): readonly NumberedTest[] {
  const carries = /^(test\/(?!tidy\/|scripts\/|simulation\/mutants\/)|src\/testing\/[\w-]*suite)/;
  return [...tree].flatMap(([path, text]) =>
    carries.test(path) && path.endsWith(".ts") && /#\d/.test(text) ? titlesOf(path, text) : [],
  );
}

function titlesOf(path: string, text: string): readonly NumberedTest[] {
  const found: NumberedTest[] = [];
  walk(parse(path, text).source, (node) => {
    if (!ts.isStringLiteralLike(node) && !ts.isTemplateExpression(node)) return;
    if (!isTitle(node)) return;
    const title = titleOf(node);
    for (const [, number] of title.matchAll(/#(\d+)\b/g)) {
      found.push({ number: Number(number), path, title: [...groupsOf(node), withoutNumber(title)].join(" ") });
    }
  });
  return found;
}

/** The first argument of a test or a group, the name of a case, or a part of one that begins with its number. */
function isTitle(node: ts.Expression): boolean {
  const { parent } = node;
  if (ts.isPropertyAssignment(parent)) return parent.name.getText() === "name";
  if (!ts.isCallExpression(parent)) return textOf(node).startsWith("#");
  const callee = parent.expression.getText();
  return parent.arguments[0] === node && /^(it|test|describe|scenario)\b/.test(callee) && !callee.endsWith(".skip");
}

/** The titles of the groups around a title, the outermost first: a title often begins in them. */
function groupsOf(node: ts.Node): readonly string[] {
  const groups: string[] = [];
  for (let up = node.parent.parent; !ts.isSourceFile(up); up = up.parent) {
    if (!ts.isCallExpression(up) || !/^describe\b/.test(up.expression.getText())) continue;
    const [title] = up.arguments;
    if (title !== undefined && title !== node) groups.unshift(withoutNumber(textOf(title)));
  }
  return groups;
}

function titleOf(node: ts.Expression): string {
  const parts = ts.isArrayLiteralExpression(node.parent) ? node.parent.elements.map(textOf) : [textOf(node)];
  return parts.join(": ");
}

/** What varies from test to test becomes an ellipsis. */
function textOf(node: ts.Expression): string {
  if (ts.isStringLiteralLike(node)) return node.text.replaceAll(/%[sdij]|\$\w+/g, "…");
  if (!ts.isTemplateExpression(node)) return "…";
  return [node.head.text, ...node.templateSpans.map(({ literal }) => `…${literal.text}`)].join("");
}

function withoutNumber(title: string): string {
  return title.replace(/^#\d+: |^#\d+$/, "").replace(/ \(#\d+\)$/, "");
}

/** What is wrong with the numbers: one line each, empty if all is well. */
export function problemsOf(rows: readonly ScenarioRow[], tests: readonly NumberedTest[]): readonly string[] {
  const tested = new Set(tests.map(({ number }) => number));
  const missing = rows.filter(({ number, notHere }) => !tested.has(number) && notHere === undefined);
  const excused = rows.filter(({ number, notHere }) => tested.has(number) && notHere !== undefined);
  const unknown = tests.filter(({ number }) => rows.every((row) => row.number !== number));
  return [
    ...missing.map(({ number, fault }) => `#${number} (${fault}) has no test, and no reason why not`),
    ...excused.map(({ number }) => `#${number} has a test: remove its reason in scripts/scenario-rows.ts`),
    ...unknown.map(({ number, path, title }) => `${path}: "${title}" carries #${number}, which is no scenario here`),
  ];
}

/** The table, as Markdown. */
export function tableOf(rows: readonly ScenarioRow[], tests: readonly NumberedTest[]): string {
  const lines = rows.map(({ number, fault, expected, notHere }) => {
    const where =
      notHere === undefined ? placesOf(tests.filter((test) => test.number === number)) : `not here: ${notHere}`;
    return `| ${number} | ${fault} | ${expected} | ${where} |`;
  });
  return [
    "| # | what goes wrong | what is promised | where it is tested |",
    "| --- | --- | --- | --- |",
    ...lines,
  ].join("\n");
}

function placesOf(tests: readonly NumberedTest[]): string {
  const files = Map.groupBy(tests, ({ path }) => path);
  const places = [...files].sort(([a], [b]) => (a < b ? -1 : 1));
  return places
    .map(([path, inFile]) => {
      const titles = [...new Set(inFile.map(({ title }) => escaped(title)))];
      return `[${path.replace(/^.*?\//, "").replace(/(\.long)?(\.test)?\.ts$/, "")}](../${path}): ${titles.join("; ")}`;
    })
    .join("<br>");
}

/** Characters that Markdown would take for its own, also in a table. */
function escaped(title: string): string {
  return title.replaceAll(/[|_*<\\]/g, "\\$&");
}

/** The document with the table put between its two marks. */
export function withTable(text: string, table: string): string {
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${document} needs two lines: ${begin} and ${end}`);
  return `${text.slice(0, from)}${begin}\n\n${table}\n\n${text.slice(to)}`;
}

/** The document as it should be now, and what is wrong with the numbers. */
export function regenerated(tree: Tree = readTree()): { readonly text: string; readonly problems: readonly string[] } {
  const tests = numberedTests(tree);
  const text = withTable(tree.get(document) ?? "", tableOf(scenarioRows, tests));
  return { text, problems: problemsOf(scenarioRows, tests) };
}

if (import.meta.main) {
  const { text, problems } = regenerated();
  for (const problem of problems) console.error(problem);
  const path = join(root, document);
  const isStale = readFileSync(path, "utf8") !== text;
  if (isStale && process.argv.includes("--check")) console.error(`${document} is stale: npm run scenarios`);
  else if (isStale) writeFileSync(path, text);
  process.exitCode = problems.length > 0 || (isStale && process.argv.includes("--check")) ? 1 : 0;
}
