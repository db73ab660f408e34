// Runs what was built on the oldest Node that `engines` names: node scripts/floor.mjs <that node>
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root, subpaths } from "./subpaths.ts";

const [, , floor] = process.argv;
const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** In the checkout, `tenure` means its own `exports`. */
function run(...args) {
  return execFileSync(floor, args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();
}

const version = run("--version");
if (!version.startsWith(`v${engines.node.replace(">=", "")}.`)) {
  console.error(`floor: ${floor} is ${version}, but engines says ${engines.node}`);
  process.exit(1);
}

for (const { subpath } of subpaths()) {
  const specifier = JSON.stringify(`tenure${subpath.slice(1)}`);
  const names = run(
    "--no-warnings",
    "--input-type=module",
    "--eval",
    `import { createRequire } from "node:module";
    const required = createRequire(process.cwd() + "/")(${specifier});
    const imported = await import(${specifier});
    const missing = Object.keys(imported).filter((name) => required[name] === undefined);
    if (missing.length > 0) throw new Error("require() misses " + missing);
    console.log(Object.keys(imported).length);`,
  );
  console.log(`floor: ${specifier} gives ${names} names to import and to require`);
}
