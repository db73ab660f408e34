import type { Stage } from "../jobs.ts";

/** One place that a mutant changes: `find` is there exactly once, as it stands. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** Tests of which each must fail: those of `file` whose full name contains `named`. */
export interface NamedTests {
  readonly file: string;
  readonly named: string;
}

/** Runs of the simulation of which one must break this promise. The code as it is breaks none in any of them. */
export interface Seeds {
  /** Default `"election"`. */
  readonly stage?: Stage;
  /** Exactly these faults, instead of the drawn ones. */
  readonly faults?: readonly string[];
  readonly from: number;
  readonly to: number;
  readonly drift?: number;
  readonly invariant: string;
}

/** What must catch a mutant: all that is named here. */
export interface Scenario {
  readonly tests?: readonly NamedTests[];
  readonly seeds?: Seeds;
}

/** A flaw that is put back into a copy of the code, to see whether it is caught. */
export interface Mutant {
  /** As in the list of flaws; a letter after it tells one form of a flaw from another. */
  readonly id: string;
  /** The flaw, and who must catch it, in one sentence. */
  readonly flaw: string;
  readonly edits: readonly Edit[];
  readonly scenario: Scenario;
}

const electionFolder = "src/election";

/** An edit of a file of the election. */
export function inElection(name: string, find: string, replace: string): Edit {
  return { file: `${electionFolder}/${name}.ts`, find, replace };
}

/** Tests of a file of `test/election`, by a part of their names. */
export function electionTests(name: string, ...named: readonly string[]): readonly NamedTests[] {
  return named.map((part) => ({ file: `test/election/${name}.test.ts`, named: part }));
}
