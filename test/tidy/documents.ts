import { dirname, posix } from "node:path";
import type { Rule, Tree } from "./tree.ts";
import { perFile } from "./tree.ts";

/** The documents that people read; reports in `api` are written by a program. */
export const documentFile: RegExp = /^(docs\/.*|[^/]+)\.md$/;

/** A fenced block: its language, its text, and the number of its first line. */
export interface Block {
  readonly language: string;
  readonly text: string;
  readonly line: number;
}

/** The fenced blocks of a document, and the document with these lines blanked. */
export function splitBlocks(text: string): { readonly prose: string; readonly blocks: readonly Block[] } {
  const blocks: Block[] = [];
  const prose: string[] = [];
  let open: { language: string; lines: string[]; line: number } | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    const fence = /^\s*```(\w*)/.exec(line);
    if (fence === null) (open?.lines ?? prose).push(line);
    if (fence !== null || open !== undefined) prose.push("");
    if (fence === null) continue;
    if (open !== undefined) blocks.push({ language: open.language, text: open.lines.join("\n"), line: open.line });
    open = open === undefined ? { language: fence[1] ?? "", lines: [], line: index + 2 } : undefined;
  }
  return { prose: prose.join("\n"), blocks };
}

function titles(path: string, text: string): readonly string[] {
  const count = splitBlocks(text).prose.match(/^# /gm)?.length ?? 0;
  return count === 1 ? [] : [`${path}: ${count} titles; write one line that begins with "# "`];
}

function anchorsOf(text: string): readonly string[] {
  const headings = [...splitBlocks(text).prose.matchAll(/^#+ +(.*)$/gm)];
  return headings.map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

function deadLinks(tree: Tree): readonly string[] {
  return [...tree].flatMap(([path, text]) => {
    if (!documentFile.test(path)) return [];
    const links = splitBlocks(text).prose.matchAll(/\]\(([^()\s]+)\)/g);
    return [...links].flatMap(([, link = ""]) => {
      if (/^[a-z]+:/.test(link)) return [];
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? path : posix.join(dirname(path), file).replace(/\/$/, "");
      if (!exists(tree, target)) return [`${path}: links to ${link}; there is no ${target}`];
      if (anchor === undefined || anchorsOf(tree.get(target) ?? "").includes(anchor)) return [];
      return [`${path}: links to ${link}; ${target} has no heading "${anchor}"`];
    });
  });
}

function exists(tree: Tree, target: string): boolean {
  const others = ["LICENSE", ".ci/run"];
  return tree.has(target) || others.includes(target) || [...tree.keys()].some((path) => path.startsWith(`${target}/`));
}

function tooLong(path: string, text: string): readonly string[] {
  const count = text.trimEnd().split("\n").length;
  return count <= 150 ? [] : [`${path}: ${count} lines; at most 150: move the detail to docs/ and link to it`];
}

export const documents: readonly Rule[] = [
  {
    name: "each document has one title",
    check: perFile(documentFile, titles),
    refused: [{ "docs/a.md": "## A" }, { "docs/a.md": "# A\n\n# B" }],
    accepted: [{ "docs/a.md": "# A\n\n```sh\n# a comment\n```" }],
  },
  {
    name: "links in documents resolve",
    check: deadLinks,
    refused: [
      { "docs/a.md": "[b](b.md)" },
      { "docs/a.md": "[b](b.md#gone)", "docs/b.md": "# Here" },
      { "docs/a.md": "# A\n[b](#gone)" },
    ],
    accepted: [{ "docs/a.md": "[b](../README.md#the-two-commands)", "README.md": "## The two commands" }],
  },
  {
    name: "the README stays short",
    check: perFile(/^README\.md$/, tooLong),
    refused: [{ "README.md": "a\n".repeat(151) }],
  },
];
