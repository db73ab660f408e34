import { at, hasComment, hasModifier, isExported, parse, ts, walk, wordsOf } from "./syntax.ts";
import type { Parsed } from "./syntax.ts";
import type { Rule, Tree } from "./tree.ts";
import { perFile } from "./tree.ts";

const accessibility = [
  ts.SyntaxKind.PublicKeyword,
  ts.SyntaxKind.PrivateKeyword,
  ts.SyntaxKind.ProtectedKeyword,
  ts.SyntaxKind.ReadonlyKeyword,
];

function wrongShapes(path: string, text: string): readonly string[] {
  const problems: string[] = [];
  walk(parse(path, text).source, (node) => {
    const isDefault = hasModifier(node, ts.SyntaxKind.DefaultKeyword) && isExported(node);
    if (ts.isExportAssignment(node) || isDefault) problems.push(`${at(node)}: a default export; export the name`);
    if (ts.isEnumDeclaration(node)) problems.push(`${at(node)}: an enum; write a union of literals`);
    if (ts.isModuleDeclaration(node)) problems.push(`${at(node)}: a namespace; write a file`);
    if (ts.isParameter(node) && accessibility.some((kind) => hasModifier(node, kind))) {
      problems.push(`${at(node)}: a parameter property; declare the field and assign it`);
    }
  });
  return problems;
}

function exportedNames({ source }: Parsed): readonly string[] {
  return source.statements.filter(isExported).flatMap((node) => {
    if (ts.isVariableStatement(node)) return node.declarationList.declarations.map(({ name }) => name.getText());
    return [(node as ts.DeclarationStatement).name?.getText() ?? ""]; // whatever else can be exported has a name
  });
}

function stranger(path: string, text: string): readonly string[] {
  const stem = (path.split("/").at(-1) ?? "").replace(/\.ts$/, "");
  const names = exportedNames(parse(path, text));
  if (stem === "index" || stem === "main" || names.length === 0) return [];
  const own = wordsOf(stem).map(stemOf);
  if (names.some((name) => wordsOf(name).some((word) => own.includes(stemOf(word))))) return [];
  return [`${path}: exports ${names.join(", ")}; name the file like its main export, or the export like the file`];
}

/** `signals` and `signal`, `decide` and `decision`, `tidy` and `tidies` are one word. */
function stemOf(word: string): string {
  return word.length > 4 ? word.slice(0, 4) : word.replace(/s$/, "");
}

function barrels(tree: Tree): readonly string[] {
  const manifest = tree.get("package.json") ?? "{}";
  return [...tree].flatMap(([path, text]) => {
    if (!/^src\/.*\.ts$/.test(path) || path.startsWith("src/cli/")) return [];
    const built = path.replace(/^src\//, "./dist/").replace(/ts$/, "js");
    if (manifest.includes(`"${built}"`)) return [];
    const { statements } = parse(path, text).source;
    const isBarrel = statements.length > 0 && statements.every((node) => ts.isExportDeclaration(node));
    if (!isBarrel && !path.endsWith("/index.ts")) return [];
    return [`${path}: only passes names on, and is no subpath; import the file that has the name`];
  });
}

function unsafeTypes(path: string, text: string): readonly string[] {
  const problems: string[] = [];
  const parsed = parse(path, text);
  walk(parsed.source, (node) => {
    if (node.kind === ts.SyntaxKind.AnyKeyword) problems.push(`${at(node)}: any; write unknown and look, or the shape`);
    const asserts =
      ts.isNonNullExpression(node) || (ts.isPropertyDeclaration(node) && node.exclamationToken !== undefined);
    if (asserts) problems.push(`${at(node)}: a "!"; check for undefined, or restructure so that it cannot be`);
    if (!ts.isAsExpression(node) && !ts.isTypeAssertionExpression(node)) return;
    if (node.type.getText() === "const" || hasComment(parsed, node)) return;
    problems.push(`${at(node)}: a cast; say on its line why it is true`);
  });
  return problems;
}

function mutableState(path: string, text: string): readonly string[] {
  const problems: string[] = [];
  const parsed = parse(path, text);
  const { source } = parsed;
  for (const node of source.statements.filter(ts.isVariableStatement)) {
    if ((node.declarationList.flags & ts.NodeFlags.Const) === 0 && !hasModifier(node, ts.SyntaxKind.DeclareKeyword)) {
      problems.push(`${at(node)}: a module-level variable; keep it in an object that somebody creates`);
    }
    for (const { name, type, initializer } of node.declarationList.declarations) {
      if (initializer === undefined || /\b[Rr]eadonly/.test(type?.getText() ?? "")) continue;
      if (isContainer(initializer) && !isNeverChanged(name.getText(), initializer, text)) {
        problems.push(`${at(node)}: a module-level container that can change; annotate it Readonly…, or move it`);
      } else if (ts.isNewExpression(initializer) && !isHarmless(initializer) && !hasComment(parsed, node)) {
        problems.push(`${at(node)}: a module-level object; let somebody create it, or say why a process has it once`);
      }
    }
  }
  walk(source, (node) => {
    if (!ts.isPropertyDeclaration(node) || !hasModifier(node, ts.SyntaxKind.StaticKeyword)) return;
    if (hasModifier(node, ts.SyntaxKind.ReadonlyKeyword) && !(node.initializer && isContainer(node.initializer)))
      return;
    problems.push(`${at(node)}: static state; keep it in an object that somebody creates`);
  });
  return problems;
}

function isContainer(node: ts.Expression): boolean {
  if (ts.isArrayLiteralExpression(node)) return true;
  if (ts.isObjectLiteralExpression(node)) return node.properties.length === 0;
  return ts.isNewExpression(node) && /^(Map|Set)$|Array$/.test(node.expression.getText());
}

/** A list that nothing in its file changes, or an array without elements. */
function isNeverChanged(name: string, node: ts.Expression, text: string): boolean {
  if (ts.isNewExpression(node)) return node.getText() === "new Uint8Array(0)";
  const changes = new RegExp(
    `\\b${name}(\\.(push|pop|shift|unshift|splice|sort|reverse|fill)\\(|\\[[^\\]]*\\] [^=]?=[^=])`,
  );
  return ts.isArrayLiteralExpression(node) && node.elements.length > 0 && !changes.test(text);
}

/** Objects of the language that nobody can change, or that hold nothing between calls. */
function isHarmless(node: ts.NewExpression): boolean {
  const isEmpty = node.getText() === "new Uint8Array(0)";
  return isEmpty || /^(TextEncoder|TextDecoder|RegExp|URL|Intl\.\w+|\w*Error)$/.test(node.expression.getText());
}

function silentCatches(path: string, text: string): readonly string[] {
  const problems: string[] = [];
  const parsed = parse(path, text);
  walk(parsed.source, (node) => {
    if (ts.isCatchClause(node)) {
      if (!usesItsError(node) && !hasComment(parsed, node)) {
        problems.push(
          `${at(node)}: a catch that drops its error; say in a comment why it may be dropped, or pass it on`,
        );
      }
    } else if (ts.isCallExpression(node) && dropsRejection(node) && !hasComment(parsed, node)) {
      problems.push(
        `${at(node)}: a .catch() that drops its error; say in a comment why it may be dropped, or pass it on`,
      );
    }
  });
  return problems;
}

function usesItsError({ variableDeclaration, block }: ts.CatchClause): boolean {
  const name = variableDeclaration?.name;
  if (name === undefined) return block.statements.some(ts.isThrowStatement);
  let used = !ts.isIdentifier(name);
  walk(block, (node) => {
    if (ts.isIdentifier(node) && node.text === name.getText()) used = true;
  });
  return used;
}

function dropsRejection({ expression, arguments: [callback] }: ts.CallExpression): boolean {
  if (!ts.isPropertyAccessExpression(expression) || expression.name.text !== "catch") return false;
  return callback !== undefined && ts.isArrowFunction(callback) && callback.parameters.length === 0;
}

const sources = /^src\/.*\.ts$/;

export const shape: readonly Rule[] = [
  {
    name: "no default export, enum, namespace or parameter property",
    check: perFile(sources, wrongShapes),
    refused: [
      { "src/lock/a.ts": "export default class A {}" },
      { "src/lock/a.ts": "const a = 1; export default a;" },
      { "src/lock/a.ts": "export enum A { b }" },
      { "src/lock/a.ts": "export namespace A { export const b = 1; }" },
      { "src/lock/a.ts": "export class A { constructor(private b: number) {} }" },
    ],
  },
  {
    name: "a file is named like what it exports",
    check: perFile(sources, stranger),
    refused: [{ "src/lock/multi-lock.ts": "export class Pair {}" }],
    accepted: [{ "src/system/signals.ts": "export function linkSignal(): void {}" }],
  },
  {
    name: "only subpaths pass names on",
    check: barrels,
    refused: [
      { "src/lock/index.ts": "export const a = 1;" },
      { "src/lock/all.ts": 'export * from "./storage-lock.ts";' },
    ],
    accepted: [{ "package.json": '{ "default": "./dist/index.js" }', "src/index.ts": 'export * from "./lock/a.ts";' }],
  },
  {
    name: "types are believed only where they are proved",
    check: perFile(sources, unsafeTypes),
    refused: [
      { "src/lock/a.ts": "export function a(b: any): void {}" },
      { "src/lock/a.ts": "export const a = b!.c;" },
      { "src/lock/a.ts": "export class A { b!: number; }" },
      { "src/lock/a.ts": "export const a = b as string;" },
      { "src/lock/a.ts": "// one line too far\n\nexport const a = <string>b;" },
    ],
    accepted: [{ "src/lock/a.ts": "export const a = b as string; // checked above\nexport const c = [1] as const;" }],
  },
  {
    name: "modules hold no state",
    check: perFile(sources, mutableState),
    refused: [
      { "src/lock/a.ts": "let count = 0;" },
      { "src/lock/a.ts": "const known = new Map<string, number>();" },
      { "src/lock/a.ts": "export const seen: string[] = [];" },
      { "src/lock/a.ts": "export class A { static count = 0; }" },
      { "src/lock/a.ts": "const registry = new Registry();" },
      { "src/lock/a.ts": "const ownerOf = new WeakMap();" },
      { "src/lock/a.ts": "const words = ['a'];\nexport const add = () => words.push('b');" },
    ],
    accepted: [
      { "src/lock/a.ts": 'const known: ReadonlySet<string> = new Set(["a"]);\nconst b = { c: 1 };' },
      { "src/lock/a.ts": "// once for each process, since …\nconst registry = new Registry();" },
      { "src/lock/a.ts": "const encoder = new TextEncoder();\nconst words = ['a'];" },
    ],
  },
  {
    name: "no error is dropped in silence",
    check: perFile(sources, silentCatches),
    refused: [
      { "src/lock/a.ts": "try { b(); } catch {}" },
      { "src/lock/a.ts": "try { b(); } catch (error) { c(); }" },
      { "src/lock/a.ts": "b().catch(() => undefined);" },
    ],
    accepted: [
      { "src/lock/a.ts": "try { b(); } catch (error) { c(error); }" },
      { "src/lock/a.ts": "try { b(); } catch { /* gone already */ }" },
    ],
  },
];
