// Goal: the code reads as the style of this project wants it, in every file, and each message says what to write
// instead. Method: each rule is a function over the texts of the tree; it first has to refuse its own bad examples,
// then to find nothing.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { arrows } from "./tidy/arrows.ts";
import { documentFile, documents, splitBlocks } from "./tidy/documents.ts";
import { globals } from "./tidy/globals.ts";
import { manifest } from "./tidy/manifest.ts";
import { shape } from "./tidy/shape.ts";
import { sizes } from "./tidy/sizes.ts";
import { storages } from "./tidy/storages.ts";
import { tests } from "./tidy/tests.ts";
import type { Tree } from "./tidy/tree.ts";
import { readTree, root } from "./tidy/tree.ts";
import { words } from "./tidy/words.ts";

const tree = readTree();
const rules = { arrows, globals, sizes, words, shape, storages, tests, documents, manifest };

for (const [group, list] of Object.entries(rules)) {
  describe(group, () => {
    for (const { name, check, refused, accepted = [] } of list) {
      it(`${name}: the examples`, () => {
        for (const example of refused) expect(check(treeOf(example)), JSON.stringify(example)).not.toEqual([]);
        for (const example of accepted) expect(check(treeOf(example)), JSON.stringify(example)).toEqual([]);
        expect(refused.length).toBeGreaterThan(0);
      });
      it(name, () => {
        expect(check(tree).join("\n")).toBe("");
      });
    }
  });
}

describe("code in documents", () => {
  it("compiles", () => {
    const blocks = [...tree].flatMap(([path, text]) =>
      documentFile.test(path)
        ? splitBlocks(text).blocks.flatMap((block) => (block.language === "ts" ? [{ path, ...block }] : []))
        : [],
    );
    expect(blocks.length).toBeGreaterThan(0);
    expect(compile(blocks.map(({ path, line, text }) => ({ where: `${path}:${line}`, text })))).toBe("");
  });

  it("does not compile if it is wrong", () => {
    expect(compile([{ where: "docs/a.md:1", text: 'const a: number = "b";' }])).toContain(
      "docs/a.md:1 (line 1 of the block)",
    );
  });
});

function treeOf(example: Readonly<Record<string, string>>): Tree {
  return new Map(Object.entries(example));
}

/**
 * Type-checks each text as a module of its own that has `tenure` installed; what the compiler says, with the places of
 * the texts.
 */
function compile(texts: readonly { readonly where: string; readonly text: string }[]): string {
  const folder = mkdtempSync(join(tmpdir(), "tenure-documents-"));
  try {
    mkdirSync(join(folder, "blocks"));
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction");
    for (const [index, { text }] of texts.entries()) {
      writeFileSync(join(folder, "blocks", `block-${index}.ts`), `${text}\nexport {};\n`);
    }
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(projectOf()));
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const { stdout } = spawnSync(process.execPath, [tsc, "-p", folder], { cwd: folder, encoding: "utf8" });
    return stdout.replaceAll(/^.*block-(\d+)\.ts\((\d+),\d+\)/gm, (_, block: string, line: string) => {
      return `${texts[Number(block)]?.where} (line ${line} of the block)`;
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function projectOf(): object {
  const { exports } = JSON.parse(tree.get("package.json") ?? "{}") as {
    exports: Record<string, { types?: string } | null>;
  }; // ours
  const paths = Object.entries(exports).flatMap(([subpath, target]) =>
    typeof target?.types === "string"
      ? [[`tenure${subpath.slice(1)}`, [join(root, target.types.replace("./dist/", "src/").replace(".d.ts", ".ts"))]]]
      : [],
  );
  return {
    extends: join(root, "tsconfig.json"),
    compilerOptions: {
      noEmit: true,
      rootDir: "/",
      isolatedDeclarations: false,
      declaration: false,
      declarationMap: false,
      noUnusedLocals: false,
      noUnusedParameters: false,
      skipLibCheck: true,
      types: ["node"],
      paths: Object.fromEntries(paths) as Record<string, string[]>, // pairs of exactly these
    },
    include: ["blocks"],
  };
}
