// Plays every order of sends, arrivals, answers, losses, ticks and pauses of two candidates up to a depth.
// Usage: npm run explore [-- --depth 12]
import process from "node:process";
import { parseArgs } from "node:util";
import { explore } from "../test/exploration/explore.ts";
import { flaws } from "../test/exploration/flaws.ts";
import { rules, setups } from "../test/exploration/setup.ts";

/** What was put in shows within this depth, however shallow the rest of a run is. */
const flawDepth = 12;

const { values } = parseArgs({ options: { depth: { type: "string", default: "12" } } });

process.exitCode = run(Number(values.depth));

function run(depth: number): number {
  if (!Number.isInteger(depth) || depth < 1) {
    console.error("--depth takes a whole number of at least 1");
    return 2;
  }
  let failures = 0;
  let states = 0;
  for (const setup of setups) {
    const started = process.hrtime.bigint();
    const found = explore(setup, rules, depth);
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    states += found.states;
    console.log(`${setup.name}: ${found.states} states, ${found.moves} moves, ${seconds.toFixed(1)} s`);
    failures += told(found.broken);
  }
  const caught = flaws.filter((flaw) => {
    const text = explore(flaw.setup, flaw.rules, Math.max(depth, flawDepth)).broken?.text ?? "nothing";
    console.log(`put in: ${flaw.name}\n  found: ${text}`);
    return flaw.breaks.includes(text.split(":")[0] ?? "");
  });
  console.log(`depth ${depth}: ${states} states, ${failures} broken promises`);
  console.log(`${caught.length} of ${flaws.length} flaws found that were put in`);
  return failures === 0 && caught.length === flaws.length ? 0 : 1;
}

function told(broken: ReturnType<typeof explore>["broken"]): number {
  if (broken === undefined) return 0;
  console.error([broken.text, ...broken.path.map((line) => `  ${line}`)].join("\n"));
  return 1;
}
