import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import type { Benchmark, Fact, Prepared, Side } from "./benchmark.ts";
import { median } from "./rounds.ts";

const run = promisify(execFile);
const built = new URL("../dist/index.js", import.meta.url);
const nothing = "data:text/javascript,";

/** Told by a fresh process: how long one import took, and by how much it made the process larger. */
interface Import {
  readonly ns: number;
  readonly bytes: number;
}

/** Loading the package in a fresh process, against loading an empty module: the time and memory part of B6. */
export const benchmark: Benchmark = {
  row: "B6",
  bars: [],
  guards: [{ of: "import tenure", atMostNs: 15_000_000 }],
  notRun: [
    "against client-node, redlock and verrou (bench/peers is not there yet)",
    "packages and size on disk (they are tests of the package)",
  ],
  prepare,
};

async function prepare({ quick }: { readonly quick: boolean }): Promise<Prepared | string> {
  if (!existsSync(built)) return "dist is missing: npm run build";
  const bytes: Record<string, number[]> = { "import nothing": [], "import tenure": [] };
  const side = (name: string, specifier: string): Side => ({
    sample: async () => {
      const imported = await importAlone(specifier);
      bytes[name]?.push(imported.bytes);
      return imported.ns;
    },
  });
  return {
    samplesPerRound: quick ? 3 : 9,
    sides: { "import nothing": side("import nothing", nothing), "import tenure": side("import tenure", built.href) },
    check: async () => {
      const { stdout } = await run(process.execPath, [
        "-e",
        `import("${built.href}").then((m) => console.log(!!m.LeaderElector))`,
      ]);
      if (stdout.trim() !== "true") throw new Error("what was imported has no LeaderElector");
    },
    facts: (): Fact[] => {
      const grownMiB = (median(bytes["import tenure"] ?? []) - median(bytes["import nothing"] ?? [])) / 2 ** 20;
      return [{ name: "resident memory of the import", value: Number(grownMiB.toFixed(2)), unit: "MiB", atMost: 10 }];
    },
    close: () => {},
  };
}

async function importAlone(specifier: string): Promise<Import> {
  const script = `
    const rss = process.memoryUsage.rss();
    const begin = process.hrtime.bigint();
    import(${JSON.stringify(specifier)}).then(() => {
      const ns = Number(process.hrtime.bigint() - begin);
      console.log(JSON.stringify({ ns, bytes: process.memoryUsage.rss() - rss }));
    });`;
  const { stdout } = await run(process.execPath, ["-e", script], { env: {} });
  return JSON.parse(stdout) as Import; // written above
}
