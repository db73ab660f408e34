// Writes the public API as text, one report for each subpath; with --check it compares instead, and changes nothing.
import { Extractor, ExtractorConfig } from "@microsoft/api-extractor";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { root, subpaths } from "./subpaths.ts";

const accept = !process.argv.includes("--check");
const problems = [];
const forgotten = new Map();
const reports = new Set();

for (const { subpath, types } of subpaths()) {
  const name = subpath === "." ? "index" : subpath.slice(2);
  reports.add(`${name}.api.md`);
  extract(name, types);
}

const all = [...reports].map((report) => readFileSync(join(root, "temp", report), "utf8")).join("\n");
for (const [name, where] of forgotten) {
  if (new RegExp(`^export .*\\b${name}\\b`, "m").test(all)) continue;
  problems.push(
    `${where}: "${name}" is part of the API, but no subpath exports it; export it, or keep it out of signatures`,
  );
}
for (const stale of readdirSync(join(root, "api"), { recursive: true, encoding: "utf8" })) {
  if (!stale.endsWith(".api.md") || reports.has(stale)) continue;
  if (accept) rmSync(join(root, "api", stale));
  else problems.push(`api/${stale}: its subpath is gone; run npm run api`);
}
rmSync(join(root, "temp"), { recursive: true, force: true });

for (const problem of problems) console.error(problem);
console.log(`api: ${reports.size} reports, ${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);

function extract(name, types) {
  const shared = ExtractorConfig.loadFile(join(root, "api-extractor.json"));
  const report = join(root, "api", `${name}.api.md`);
  for (const folder of [report, join(root, "temp", name)]) mkdirSync(dirname(folder), { recursive: true });
  const configObject = { ...shared, mainEntryPointFilePath: join(root, types) };
  configObject.apiReport = {
    ...shared.apiReport,
    reportFileName: name.split("/").at(-1),
    reportFolder: dirname(report),
    reportTempFolder: dirname(join(root, "temp", name)),
  };
  const config = ExtractorConfig.prepare({
    configObject,
    configObjectFullPath: join(root, "api-extractor.json"),
    packageJsonFullPath: join(root, "package.json"),
  });
  const result = Extractor.invoke(config, { localBuild: accept, messageCallback: (message) => hear(message, name) });
  if (result.apiReportChanged) {
    console.log(`api/${name}.api.md ${accept ? "is rewritten; review the difference" : "differs"}`);
    if (!accept)
      problems.push(
        `api/${name}.api.md: the API has changed; if that is meant, run npm run api, commit, add to CHANGELOG.md`,
      );
  }
}

function hear(message, name) {
  message.handled = true;
  if (message.messageId === "ae-forgotten-export") {
    const [, symbol] = /symbol "([^"]+)"/.exec(message.text) ?? [];
    if (symbol !== undefined) forgotten.set(symbol.replace(/_\d+$/, ""), name);
  } else if (message.logLevel === "error") {
    const { sourceFilePath: path, sourceFileLine: line } = message;
    if (message.messageId === "ae-undocumented" && !mustBeDocumented(path, line)) return;
    problems.push(`${path?.slice(root.length + 1) ?? name}:${line ?? ""} ${message.text} (${message.messageId})`);
  }
}

// Every exported name, and every member of what a user fills in. Other members may be said by their name and type
// alone.
function mustBeDocumented(path, line) {
  const lines = readFileSync(path, "utf8").split("\n").slice(0, line);
  if (/^\s+readonly (clock|random|logger)\??:/.test(lines.at(-1))) return false; // the same part everywhere
  const declared = lines.findLast((text) => /^\S/.test(text) && !text.startsWith("}")) ?? "";
  return declared === lines.at(-1) || /\b\w+(Options|Callbacks)\b/.test(declared.split(/[{=]/)[0]);
}
