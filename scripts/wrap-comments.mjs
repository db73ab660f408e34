// Breaks comments that are too long, which the formatter leaves as they are: node scripts/wrap-comments.mjs [file …]
// A comment behind code moves above it. The words stay the same, and code is never touched.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./subpaths.ts";

const width = 120;
const folders = ["src", "test", "examples", "bench", "scripts"];

const given = process.argv.slice(2);
for (const path of given.length > 0 ? given : folders.flatMap(filesOf)) {
  const text = readFileSync(path, "utf8");
  const wrapped = wrap(text);
  if (wrapped === text) continue;
  writeFileSync(path, wrapped);
  console.log(`wrapped ${path}`);
}

function filesOf(folder) {
  const names = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" });
  return names.filter((name) => /\.(ts|mjs)$/.test(name)).map((name) => join(root, folder, name));
}

function wrap(text) {
  const lines = text.split("\n");
  const done = [];
  while (lines.length > 0) {
    const line = lines.shift();
    const broken =
      line.length > width ? (openBlock(line) ?? breakComment(line, lines) ?? liftComment(line)) : undefined;
    if (broken === undefined) done.push(line);
    else lines.unshift(...broken);
  }
  return done.join("\n");
}

/** `/** text …` on one line becomes three. */
function openBlock(line) {
  const [, indent, words] = /^(\s*)\/\*\* (.*) \*\/$/.exec(line) ?? [];
  return words === undefined ? undefined : [`${indent}/**`, `${indent} * ${words}`, `${indent} */`];
}

/** A comment line gives its last words to the next line of the same paragraph, or to a new one. */
function breakComment(line, rest) {
  const [, start, item] = /^(\s*(?:\/\/|\*) )(\s*(?:[-*] |@\w+ )?)/.exec(line) ?? [];
  const cut = line.lastIndexOf(" ", width);
  if (start === undefined || cut <= start.length + item.length) return undefined;
  const hang = start + (item.startsWith("@") ? "  " : item.replaceAll(/\S/g, " "));
  const words = line.slice(cut + 1);
  const next = rest[0] ?? "";
  const continues = next.startsWith(start) && /^\s*[^-*@|`#/\s]/.test(next.slice(start.length));
  if (!continues) return [line.slice(0, cut), hang + words];
  rest.shift();
  return [line.slice(0, cut), `${hang}${words} ${next.slice(start.length).trimStart()}`];
}

/** A comment behind code moves to a line of its own. */
function liftComment(line) {
  const [, indent, code, words] = /^(\s*)(.*[;{},()\]]) +\/\/ ([^"`]*)$/.exec(line) ?? [];
  return words === undefined ? undefined : [`${indent}// ${words}`, indent + code];
}
