// Everything that a reviewer expects to be green, in one command. Every step runs, also after one has failed, so that
// one run shows all there is to repair; the summary at the end names each step with its time.
import { spawnSync } from "node:child_process";
import { subpaths } from "./subpaths.ts";

const steps = [
  { name: "build", commandOf: () => "node scripts/build.mjs", repair: "" }, // examples import the package by its name
  { name: "format", commandOf: () => "prettier --check --log-level warn .", repair: "npm run fix" },
  {
    name: "lint",
    commandOf: () => "oxlint --type-aware --deny-warnings src test examples bench scripts",
    repair: "npm run fix, then by hand",
  },
  { name: "types", commandOf: () => "tsc -p tsconfig.all.json", repair: "" },
  // Real processes wait for real leases: `npm test` plays them as well.
  { name: "test", commandOf: () => "vitest run --project unit --project package", repair: "" },
  { name: "api", commandOf: () => "node scripts/api.mjs --check", repair: "npm run api, and review the difference" },
  { name: "publint", commandOf: () => "publint --strict", repair: "" },
  {
    name: "attw",
    commandOf: () => `attw --pack . --profile esm-only --include-entrypoints ${drivers()}`,
    repair: "",
  },
];

/** attw skips wildcards. Asked only after the build. */
function drivers() {
  const names = subpaths().map(({ subpath }) => subpath);
  return names.filter((subpath) => subpath.startsWith("./storage/")).join(" ");
}

const rows = [];
for (const { name, commandOf, repair } of steps) {
  const command = commandOf();
  console.log(`\n# ${name}: ${command}`);
  const startedMs = performance.now();
  const { status } = spawnSync(command, { shell: true, stdio: "inherit" });
  rows.push({ name, repair, ok: status === 0, seconds: ((performance.now() - startedMs) / 1000).toFixed(1) });
}

console.log("\n# check");
for (const { name, repair, ok, seconds } of rows) {
  console.log(
    `${ok ? "ok    " : "FAILED"} ${name.padEnd(8)} ${seconds.padStart(6)} s${ok || !repair ? "" : `   ${repair}`}`,
  );
}
process.exit(rows.every(({ ok }) => ok) ? 0 : 1);
