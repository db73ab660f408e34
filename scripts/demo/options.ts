import { parseArgs } from "node:util";

/** What the command line says. */
export interface Options {
  readonly plain: boolean;
  readonly json: boolean;
  readonly keep: boolean;
  readonly help: boolean;
  readonly storage?: string;
  readonly seed?: number;
}

export const usage = `Usage: npm run demo -- [flags]

Plays the main job in five acts: three processes elect a leader, survive its SIGKILL, hand over, refuse a zombie,
and stop.

  --plain        no live rows: one line for each event (also without a terminal)
  --json         one JSON document at the end, and nothing else
  --storage URL  play on this storage instead of a fresh temporary folder
  --keep         keep the folder, or the two keys in the storage
  --seed N       choose whom the acts befall: a whole number
  --help         this text
`;

/** @throws {Error} that says what is wrong with the flags. */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      plain: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
      storage: { type: "string" },
      seed: { type: "string" },
    },
  });
  const { seed, storage, ...flags } = values;
  if (seed !== undefined && !/^\d{1,9}$/.test(seed)) throw new Error(`--seed ${seed} is not a whole number`);
  if (storage?.startsWith("memory:")) throw new Error("--storage memory: belongs to one process; the demo has three");
  return { ...flags, ...(storage !== undefined && { storage }), ...(seed !== undefined && { seed: Number(seed) }) };
}
