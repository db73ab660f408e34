// Feeds generated hostile records, keys, URLs and flags to the codecs, the registry, the elector and the command line.
// Usage: npm run hostile [-- --count 1000000] [--seed 4711] [--from 0]
import process from "node:process";
import { parseArgs } from "node:util";
import { runHostile } from "../test/hostile/hostile.ts";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "1000000" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 1e6)) },
    from: { type: "string", default: "0" },
  },
});

const [seed, count, from] = [Number(values.seed), Number(values.count), Number(values.from)];
const growthLimitBytes = 32 * 2 ** 20;

console.log(`seed ${seed}: ${count} inputs from number ${from}`);
const { kinds, failures, slowestMs, grownBytes } = await runHostile(seed, count, from);
for (const [kind, { inputs, accepted }] of Object.entries(kinds)) {
  console.log(`${kind}: ${inputs} inputs, ${accepted} accepted`);
}
console.log(`slowest ${slowestMs.toFixed(1)} ms, heap grew by ${(grownBytes / 2 ** 20).toFixed(1)} MiB`);
for (const failure of failures) console.error(failure);
if (failures.length > 0) console.error(`repeat one: npm run hostile -- --seed ${seed} --count 1 --from NUMBER`);
process.exitCode = failures.length > 0 || grownBytes > growthLimitBytes ? 1 : 0;
