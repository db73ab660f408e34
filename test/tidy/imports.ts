import { dirname, posix } from "node:path";
import { at, parse, ts, walk } from "./syntax.ts";

/** One import, re-export, `import()` or import type. */
export interface Import {
  readonly where: string;
  /** As it is written. */
  readonly specifier: string;
  /** The path in the tree if it is relative. */
  readonly target: string | undefined;
  readonly typeOnly: boolean;
  readonly lazy: boolean;
}

/** Everything that a file imports. */
export function importsOf(path: string, text: string): readonly Import[] {
  const found: Import[] = [];
  const add = (node: ts.Node, specifier: ts.Node | undefined, typeOnly: boolean, lazy: boolean): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return;
    const relative = specifier.text.startsWith(".");
    const target = relative ? posix.join(dirname(path), specifier.text) : undefined;
    found.push({ where: at(node), specifier: specifier.text, target, typeOnly, lazy });
  };
  walk(parse(path, text).source, (node) => {
    if (ts.isImportDeclaration(node)) add(node, node.moduleSpecifier, isTypeImport(node), false);
    else if (ts.isExportDeclaration(node)) add(node, node.moduleSpecifier, isTypeExport(node), false);
    else if (ts.isImportTypeNode(node))
      add(node, (node.argument as ts.LiteralTypeNode).literal, true, false); // always a literal
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node, node.arguments[0], false, true);
    }
  });
  return found;
}

function isTypeImport({ importClause: clause }: ts.ImportDeclaration): boolean {
  if (clause === undefined) return false;
  if (clause.isTypeOnly) return true;
  const bindings = clause.namedBindings;
  if (clause.name !== undefined || bindings === undefined || !ts.isNamedImports(bindings)) return false;
  return bindings.elements.length > 0 && bindings.elements.every((element) => element.isTypeOnly);
}

function isTypeExport({ isTypeOnly, exportClause: clause }: ts.ExportDeclaration): boolean {
  if (isTypeOnly) return true;
  return clause !== undefined && ts.isNamedExports(clause) && clause.elements.every((element) => element.isTypeOnly);
}
