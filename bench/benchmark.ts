/** One thing that is measured, beside what it is compared with. */
export interface Side {
  /** Does the work of one sample, and resolves with the nanoseconds of one operation. */
  sample(): number | Promise<number>;
}

/** A promise as a ratio of two sides, taken in each round: it survives a change of machine. */
export interface Bar {
  readonly of: string;
  readonly to: string;
  readonly atMost: number;
}

/** A promise in nanoseconds: the median over all rounds, less that of `minus` if there is one. */
export interface Guard {
  readonly of: string;
  readonly minus?: string;
  readonly atMostNs: number;
}

/** A promise that is no time. */
export interface Fact {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly atMost: number;
}

/** A benchmark that is ready to run. */
export interface Prepared {
  readonly sides: Readonly<Record<string, Side>>;
  readonly samplesPerRound: number;
  /** Throws unless the work was really done: a fast wrong answer fails. */
  check(): void | Promise<void>;
  /** What is measured once, after the rounds. */
  facts?(): readonly Fact[] | Promise<readonly Fact[]>;
  close(): void | Promise<void>;
}

/** What each `*.bench.ts` exports as `benchmark`. */
export interface Benchmark {
  /** Its row in the list of bars: `B11`. */
  readonly row: string;
  readonly bars: readonly Bar[];
  readonly guards: readonly Guard[];
  /** What of the row it does not measure, and why: said in each report. */
  readonly notRun: readonly string[];
  /** A text instead says why it cannot run here. */
  prepare(options: { readonly quick: boolean }): Promise<Prepared | string>;
}
