// The one place that knows a parser. TypeScript 7 has no compiler API yet; API Extractor is pinned and brings 6.0,
// which reads the same syntax, so that no package is added for this. It lies where API Extractor's own dependency lies,
// by the lock.
import ts from "../../node_modules/@microsoft/api-extractor/node_modules/typescript/lib/typescript.js";

export { ts };

/** A parsed file. */
export interface Parsed {
  readonly path: string;
  readonly source: ts.SourceFile;
  readonly lines: readonly string[];
  /** Numbers (from 0) of all lines that hold a comment, or a part of one. */
  readonly commented: ReadonlySet<number>;
}

const cache = new Map<string, Parsed>();

/** Parses once, however many rules ask. */
export function parse(path: string, text: string): Parsed {
  const key = `${path}\n${text}`;
  const known = cache.get(key);
  if (known !== undefined) return known;
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.ESNext, true);
  const parsed = { path, source, lines: text.split("\n"), commented: commentedLines(source) };
  cache.set(key, parsed);
  return parsed;
}

/** Calls `visit` for each node below `node`, in the order of the text. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  ts.forEachChild(node, (child) => {
    visit(child);
    walk(child, visit);
  });
}

/** The number of the line, from 0, where a node starts. */
export function lineOf(node: ts.Node): number {
  const source = node.getSourceFile();
  return source.getLineAndCharacterOfPosition(node.getStart(source)).line;
}

/** The number of the line, from 0, where a node ends. */
export function lastLineOf(node: ts.Node): number {
  return node.getSourceFile().getLineAndCharacterOfPosition(node.end).line;
}

/** `path:line`, as people count lines. */
export function at(node: ts.Node): string {
  return `${node.getSourceFile().fileName}:${lineOf(node) + 1}`;
}

/** Whether a comment stands on a line of the node, on its own line right above, or first in the block that it opens. */
export function hasComment({ commented, lines }: Parsed, node: ts.Node): boolean {
  const first = lineOf(node);
  for (let line = first; line <= lastLineOf(node); line += 1) if (commented.has(line)) return true;
  const last = lastLineOf(node);
  if (lines[last]?.endsWith("{") && /^\s*\/\//.test(lines[last + 1] ?? "")) return true;
  return commented.has(first - 1) && /^\s*(\/\/|\*|\/\*)/.test(lines[first - 1] ?? "");
}

/** The names that a file declares, each with its node: what a person chose, not what somebody else's API is called. */
export function declaredNames({ source }: Parsed): readonly ts.Identifier[] {
  const names: ts.Identifier[] = [];
  walk(source, (node) => {
    if (!ts.isIdentifier(node) && !ts.isPrivateIdentifier(node)) return;
    const parent = node.parent as ts.NamedDeclaration; // any parent will do: only its name is compared
    if (parent.name !== node || ts.isPropertyAccessExpression(parent) || ts.isMetaProperty(parent)) return;
    if (ts.isImportSpecifier(parent) || ts.isExportSpecifier(parent) || ts.isImportClause(parent)) return;
    if (ts.isBindingElement(parent) && parent.propertyName === undefined) return;
    names.push(node as ts.Identifier); // a private name has the same `text`
  });
  return names;
}

/** Whether a statement is exported. */
export function isExported(node: ts.Node): boolean {
  return ts.canHaveModifiers(node) && hasModifier(node, ts.SyntaxKind.ExportKeyword);
}

/** Whether a declaration carries a modifier. */
export function hasModifier(node: ts.Node, kind: ts.SyntaxKind): boolean {
  return ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some((modifier) => modifier.kind === kind);
}

/** Splits a name or a file name into lower-case words: `renewDeadlineMs`, `S3Storage`, `fake-lock`. */
export function wordsOf(name: string): readonly string[] {
  const spaced = name.replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2").replaceAll(/([A-Z])([A-Z][a-z])/g, "$1 $2");
  return spaced
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== "");
}

function commentedLines(source: ts.SourceFile): ReadonlySet<number> {
  const text = source.text;
  const lines = new Set<number>();
  const add = (start: number, end: number): void => {
    const from = source.getLineAndCharacterOfPosition(start).line;
    const to = source.getLineAndCharacterOfPosition(end).line;
    for (let line = from; line <= to; line += 1) lines.add(line);
  };
  const visit = (node: ts.Node): void => {
    const children = node.getChildren(source);
    for (const child of children) visit(child);
    if (children.length > 0 || node.getFullStart() === node.getStart(source)) return;
    for (const range of ts.getLeadingCommentRanges(text, node.getFullStart()) ?? []) add(range.pos, range.end);
    for (const range of ts.getTrailingCommentRanges(text, node.getFullStart()) ?? []) add(range.pos, range.end);
  };
  visit(source);
  return lines;
}
