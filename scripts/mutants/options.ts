/** What `npm run mutants` was asked for. */
export interface Options {
  /** The ids to try; all of them where it is empty. */
  readonly only: readonly string[];
  /** How many mutants run side by side. */
  readonly jobs: number;
  /** Not 0: try them by this many seeds of the simulation instead of their tests, to see what it finds by itself. */
  readonly seeds: number;
  readonly help: boolean;
}

export const usage = `npm run mutants -- [options]

  Puts each known flaw back into a copy of the code, and runs the tests that must catch it.

  --only K1,N3   these alone; "K" alone means all of K
  --jobs 1       how many side by side, 1 to 8 (default 2)
  --seeds 60     play this many seeds of the simulation instead: what does it find by itself?
  --help
`;

/** @throws {Error} that says which option is wrong. */
export function parseOptions(argv: readonly string[]): Options {
  // cast: an empty list has no type of its own
  const options = { only: [] as string[], jobs: 2, seeds: 0, help: false };
  const rest = [...argv];
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === "--help") options.help = true;
    else if (name === "--only") options.only.push(...valueOf(name, rest).split(","));
    else if (name === "--jobs") options.jobs = numberOf(name, valueOf(name, rest), 8);
    else if (name === "--seeds") options.seeds = numberOf(name, valueOf(name, rest), 500);
    else throw new Error(`${name} is not an option`);
  }
  return options;
}

function valueOf(name: string, rest: string[]): string {
  const value = rest.shift();
  if (value === undefined || value === "") throw new Error(`${name} needs a value`);
  return value;
}

function numberOf(name: string, text: string, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most) throw new Error(`${name} (${text}) must be 1 to ${most}`);
  return value;
}
