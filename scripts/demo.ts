// `npm run demo`: the main job in five acts, on the built package. Real processes, a real crash, a real zombie.
import { allStop, contend, crash, handover, zombie } from "./demo/acts.ts";
import { Candidates } from "./demo/candidates.ts";
import { parseOptions, usage, type Options } from "./demo/options.ts";
import { Play, type ActResult } from "./demo/play.ts";
import { Screen } from "./demo/screen.ts";
import { Stage } from "./demo/stage.ts";
import { linesOf, summaryOf, type Summary } from "./demo/summary.ts";

const candidates = new Candidates();
let stage: Stage | undefined;
let keep = false;

/** Whatever ends the demo: no process may outlive it, and no folder. */
process.on("exit", () => {
  candidates.killAll();
  if (!keep) stage?.removeFolder();
});
for (const [signal, number] of [
  ["SIGINT", 2],
  ["SIGTERM", 15],
  ["SIGHUP", 1],
] as const) {
  process.on(signal, () => process.exit(128 + number));
}
process.stdout.on("error", () => process.exit()); // `| head` ends quietly

async function main(options: Options): Promise<number> {
  keep = options.keep;
  const out = options.json ? undefined : process.stdout;
  const live = !options.plain && process.stdout.isTTY && process.env["TERM"] !== "dumb";
  stage = await Stage.open(options.storage);
  const screen = new Screen(candidates.views, out, live && !options.json);
  const play = new Play({ candidates, stage, screen, seed: options.seed });
  const results: ActResult[] = [];
  const acts = [contend, crash, handover, zombie, (last: Play) => allStop(last, options.keep)];
  try {
    for (const act of acts) results.push(await act(play));
  } finally {
    screen.end();
  }
  const summary = summaryOf(stage.description, results, play.entries);
  show(summary, options.json);
  return summary.ok ? 0 : 1;
}

function show(summary: Summary, json: boolean): void {
  const text = json ? JSON.stringify(summary, undefined, 2) : linesOf(summary).join("\n");
  process.stdout.write(`${text}\n`);
}

let options: Options;
try {
  options = parseOptions(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  process.exit(2);
}
if (options.help) {
  process.stdout.write(usage);
} else {
  try {
    process.exitCode = await main(options);
  } catch (error) {
    process.stderr.write(`the demo has failed: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}
