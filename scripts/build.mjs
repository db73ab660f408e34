// Builds dist: tsc into a fresh folder, which then takes the place of the old one in one step, so that whoever runs
// the old build meanwhile never sees half of a new one.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const fresh = join(root, `dist.${process.pid}`); // beside dist: the relative paths in source maps stay right
const dist = join(root, "dist");

const tsc = join(root, "node_modules/typescript/bin/tsc");
const { status } = spawnSync(process.execPath, [tsc, "-p", root, "--outDir", fresh], { cwd: root, stdio: "inherit" });
if (status !== 0) {
  rmSync(fresh, { recursive: true, force: true });
  console.error("build: the types above must be right first; dist is as it was");
  process.exit(1);
}

const program = join(fresh, "cli/main.js");
if (existsSync(program)) {
  if (!readFileSync(program, "utf8").startsWith("#!/usr/bin/env node\n")) {
    rmSync(fresh, { recursive: true, force: true });
    console.error(
      'build: the first line of src/cli/main.ts must be "#!/usr/bin/env node", or `tenure` cannot be started',
    );
    process.exit(1);
  }
  chmodSync(program, 0o755);
}

// A program is started, never imported: nobody could reach its declarations, and they take room.
for (const file of readdirSync(dirname(program), { recursive: true, encoding: "utf8" })) {
  if (file.endsWith(".d.ts")) rmSync(join(dirname(program), file));
}

const old = `${dist}.${process.pid}.old`;
if (existsSync(dist)) renameSync(dist, old);
renameSync(fresh, dist);
rmSync(old, { recursive: true, force: true });
