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

type EditOf = (name: string, find: string, replace: string) => Edit;
type TestsOf = (name: string, ...named: readonly string[]) => readonly NamedTests[];

/** An edit of a file of the election. */
export const inElection: EditOf = editIn("election");
/** An edit of a file of the controller. */
export const inController: EditOf = editIn("controller");
/** An edit of a file of the locks on Kubernetes. */
export const inKubernetes: EditOf = editIn("kubernetes");

/** Tests of a file of `test/election`, by parts of their names. */
export const electionTests: TestsOf = testsIn("election");
/** Tests of a file of `test/controller`. */
export const controllerTests: TestsOf = testsIn("controller");
/** Tests of a file of `test/kubernetes`. */
export const kubernetesTests: TestsOf = testsIn("kubernetes");

function editIn(folder: string): EditOf {
  return (name, find, replace) => ({ file: `src/${folder}/${name}.ts`, find, replace });
}

function testsIn(folder: string): TestsOf {
  return (name, ...named) => named.map((part) => ({ file: `test/${folder}/${name}.test.ts`, named: part }));
}
