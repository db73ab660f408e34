// `npm run mutants`: each known flaw is put back into a copy of the code, and the tests that must catch it are run. It
// fails if one survives, if one no longer applies, or if the code as it is does not pass the very same runs.
import { fileURLToPath } from "node:url";
import { mutants } from "../test/simulation/mutants/index.ts";
import type { Mutant, Scenario } from "../test/simulation/mutants/mutant.ts";
import { Baseline } from "./mutants/baseline.ts";
import { Copy } from "./mutants/copy.ts";
import { parseOptions, usage, type Options } from "./mutants/options.ts";
import { tryMutant, type Verdict } from "./mutants/verdict.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const copies: Copy[] = [];

/** Whatever ends the run: no copy is left behind. */
process.on("exit", () => {
  for (const copy of copies) copy.remove();
});
for (const [signal, number] of [
  ["SIGINT", 2],
  ["SIGTERM", 15],
] as const) {
  process.on(signal, () => process.exit(128 + number));
}

function newCopy(): Copy {
  const copy = new Copy(root);
  copies.push(copy);
  return copy;
}

async function main({ only, jobs, seeds }: Options): Promise<number> {
  const asked = mutants.filter(({ id }) => only.length === 0 || only.some((one) => matches(id, one)));
  const bySeeds = ({ scenario }: Mutant): Scenario => ({
    seeds: { ...scenario.seeds, from: 1, to: seeds, invariant: "any" },
  });
  const chosen = seeds === 0 ? asked : asked.map((mutant) => ({ ...mutant, scenario: bySeeds(mutant) }));
  if (chosen.length === 0) throw new Error(`no mutant is named ${only.join(", ")}`);
  const startedMs = performance.now();
  const baseline = await Baseline.measure(newCopy(), chosen);
  console.log(`the code as it is: ${seconds(startedMs)}`);
  const queue = [...chosen];
  const verdicts: Verdict[] = [];
  const work = async (copy: Copy): Promise<void> => {
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const mutantMs = performance.now();
      const verdict = await tryMutant(copy, mutant, baseline);
      verdicts.push(verdict);
      const what = `${verdict.caught ? "caught  " : "SURVIVED"} ${mutant.id.padEnd(5)} ${seconds(mutantMs)}`;
      console.log(`${what}  ${mutant.flaw}\n${" ".repeat(24)}${verdict.how}`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, chosen.length) }, () => work(newCopy())));
  const caught = verdicts.filter((verdict) => verdict.caught).length;
  console.log(`${caught} caught, ${verdicts.length - caught} survived, ${seconds(startedMs)}`);
  return caught === verdicts.length ? 0 : 1;
}

/** `K1` means K1 and its forms (K1b), `K` all of that list. */
function matches(id: string, asked: string): boolean {
  return (
    id === asked ||
    (id.startsWith(asked) && !/^\d/.test(id.slice(asked.length))) ||
    (/^[A-Z]$/.test(asked) && id[0] === asked)
  );
}

function seconds(sinceMs: number): string {
  return `${((performance.now() - sinceMs) / 1000).toFixed(1).padStart(5)} s`;
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) process.stdout.write(usage);
  else process.exitCode = await main(options);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  process.exitCode = 2;
}
