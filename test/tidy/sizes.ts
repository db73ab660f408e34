import { at, lastLineOf, lineOf, parse, ts, walk } from "./syntax.ts";
import type { Rule } from "./tree.ts";
import { perFile } from "./tree.ts";

const most = { fileLines: 300, functionLines: 50, lineLength: 120, parameters: 3, nesting: 3 };

function tooLongFile(path: string, text: string): readonly string[] {
  const count = text.trimEnd().split("\n").length;
  if (count <= most.fileLines) return [];
  return [`${path}: ${count} lines; at most ${most.fileLines}: split it where it has a second idea`];
}

/** An address, or the head of a test with its name: the formatter leaves those alone, too. */
const unbreakable = /https?:\/\/\S{60}|^\s*(it|test|describe)[\w.]*\(["'`]|^\s*\w+\(["'`].*=> \{$/;

function tooLongLines(path: string, text: string): readonly string[] {
  return text.split("\n").flatMap((line, index) => {
    if (line.length <= most.lineLength || unbreakable.test(line)) return [];
    return [
      `${path}:${index + 1}: ${line.length} characters; at most ${most.lineLength}: name a part, or break the comment`,
    ];
  });
}

function tooLongFunctions(path: string, text: string): readonly string[] {
  const problems: string[] = [];
  walk(parse(path, text).source, (node) => {
    if (!ts.isFunctionLike(node) || !("body" in node) || node.body === undefined) return;
    const count = lastLineOf(node) - lineOf(node) + 1;
    if (count <= most.functionLines) return;
    problems.push(
      `${at(node)}: ${nameOf(node)} has ${count} lines; at most ${most.functionLines}: give its steps names`,
    );
  });
  return problems;
}

function tooManyParameters(path: string, text: string): readonly string[] {
  const problems: string[] = [];
  walk(parse(path, text).source, (node) => {
    if (!ts.isFunctionLike(node)) return;
    const parameters = node.parameters.filter(({ name }) => name.getText() !== "this");
    const hasOptions = parameters.some(
      (found) => /options|settings|details|parts/i.test(found.getText()) || isObject(found),
    );
    if (parameters.length <= most.parameters + (hasOptions ? 1 : 0)) return;
    const count = `${nameOf(node)} takes ${parameters.length} parameters`;
    problems.push(`${at(node)}: ${count}; at most ${most.parameters} and options: pass an object`);
  });
  return problems;
}

function isObject({ type, name }: ts.ParameterDeclaration): boolean {
  return ts.isObjectBindingPattern(name) || (type !== undefined && ts.isTypeLiteralNode(type));
}

function tooDeep(path: string, text: string): readonly string[] {
  const problems: string[] = [];
  const visit = (node: ts.Node, depth: number): void => {
    const deeper = ts.isFunctionLike(node) ? 0 : depth + (isNesting(node) ? 1 : 0);
    if (deeper === most.nesting + 1 && deeper > depth) {
      problems.push(
        `${at(node)}: nested ${deeper} deep; at most ${most.nesting}: return early, or give the inside a name`,
      );
    }
    ts.forEachChild(node, (child) => visit(child, deeper));
  };
  visit(parse(path, text).source, 0);
  return problems;
}

function isNesting(node: ts.Node): boolean {
  if (ts.isIfStatement(node)) return !(ts.isIfStatement(node.parent) && node.parent.elseStatement === node);
  return ts.isIterationStatement(node, false) || ts.isSwitchStatement(node) || ts.isTryStatement(node);
}

function nameOf(node: ts.SignatureDeclaration): string {
  const owner = node.name ?? (ts.isVariableDeclaration(node.parent) ? node.parent.name : undefined);
  return owner?.getText() ?? (ts.isConstructorDeclaration(node) ? "constructor" : "a function");
}

const code = /^(src|scripts|bench|examples)\/.*\.(ts|mjs)$/;
const everything = /^(src|scripts|bench|examples|test)\/.*\.(ts|mjs)$|^vitest\.config\.ts$/;
const repeated = (count: number, line: string): string => Array.from({ length: count }, () => line).join("\n");

export const sizes: readonly Rule[] = [
  {
    name: "files stay short",
    check: perFile(code, tooLongFile),
    refused: [{ "src/lock/a.ts": repeated(301, "f();") }],
  },
  {
    name: "examples fit on a screen",
    check: perFile(/^examples\/.*\.ts$/, (path, text) => {
      const count = text.trimEnd().split("\n").length;
      return count < 60 ? [] : [`${path}: ${count} lines; an example has less than 60: show one thing`];
    }),
    refused: [{ "examples/a.ts": repeated(60, "f();") }],
  },
  {
    name: "lines stay short",
    check: perFile(everything, tooLongLines),
    refused: [{ "test/a.test.ts": `const a = "${"x".repeat(120)}";` }],
    accepted: [{ "src/a.ts": `// ${"x".repeat(117)}` }, { "test/a.test.ts": `it("${"x".repeat(120)}", () => {});` }],
  },
  {
    name: "functions stay short",
    check: perFile(code, tooLongFunctions),
    refused: [{ "src/lock/a.ts": `function a(): void {\n${repeated(50, "  f();")}\n}` }],
    accepted: [{ "src/lock/a.ts": `function a(): void {\n${repeated(48, "  f();")}\n}` }],
  },
  {
    name: "functions take three parameters and options",
    check: perFile(code, tooManyParameters),
    refused: [
      { "src/lock/a.ts": "function a(b: number, c: number, d: number, e: number): void {}" },
      { "src/lock/a.ts": "interface A { a(b: number, c: number, d: number, e: number): void }" },
      { "src/lock/a.ts": "class A { constructor(b: number, c: number, d: number, e: number, options: {}) {} }" },
    ],
    accepted: [{ "src/lock/a.ts": "function a(b: number, c: number, d: number, options?: Options): void {}" }],
  },
  {
    name: "code nests three deep",
    check: perFile(code, tooDeep),
    refused: [{ "src/lock/a.ts": "for (;;) { if (a) { try { while (b) c(); } finally { d(); } } }" }],
    accepted: [
      { "src/lock/a.ts": "for (;;) { try { if (a) b(); else if (c) d(); else if (e) f(); } finally { g(); } }" },
    ],
  },
];
