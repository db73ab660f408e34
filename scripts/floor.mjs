// Runs what was built on the oldest Node that `engines` names: node scripts/floor.mjs <that node>
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
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

// One term on each storage: taken, held, fenced, given back.
const folder = mkdtempSync(join(tmpdir(), "tenure-floor-"));
try {
  for (const url of ["memory:", pathToFileURL(folder).href]) {
    const said = run(
      "--no-warnings",
      "--input-type=module",
      "--eval",
      `import { LeaderElector, StorageLock } from "tenure";
      import { openStorage } from "tenure/storage";
      const storage = await openStorage(${JSON.stringify(url)});
      const lock = new StorageLock({ storage, namespace: "floor", name: "billing" });
      const elector = new LeaderElector({ lock });
      const leadership = await elector.acquire();
      const token = await leadership.guard(async (term) => term);
      const held = leadership.isHeld();
      await leadership[Symbol.asyncDispose]();
      const { record } = await lock.get();
      await storage.close();
      console.log(JSON.stringify({ held, token, heldAfter: leadership.isHeld(), holder: record.holderIdentity }));`,
    );
    const expected = JSON.stringify({ held: true, token: 1, heldAfter: false, holder: "" });
    console.log(`floor: a term on ${url.split(":")[0]}: ${said}`);
    if (said !== expected) throw new Error(`expected ${expected}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
