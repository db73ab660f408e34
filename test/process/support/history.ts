/** One guarded step that took effect: it began in its process, and ended when the guarded resource had it. */
export interface Step {
  /** The process that acted, whatever identity it bears. */
  readonly actor: string;
  readonly term: number;
  readonly beginNs: bigint;
  readonly endNs: bigint;
}

/** What became of one lease, in the order of its versions: each one names the one that it replaced. */
export interface LeaseVersion {
  readonly number: number;
  readonly writeId: string;
  /** The write id of the version that this one replaced. */
  readonly previous: string | null;
  readonly holderIdentity: string;
  readonly renewTime: string;
  readonly term: number;
}

/** S1: two candidates never act at the same true time. One line for each pair of neighbours that overlap. */
export function overlaps(steps: readonly Step[]): string[] {
  const byBegin = steps.toSorted((one, other) => compare(one.beginNs, other.beginNs));
  const problems: string[] = [];
  const lastOf = new Map<string, Step>(); // of each candidate, the step that ends last
  for (const step of byBegin) {
    for (const [actor, last] of lastOf) {
      if (actor === step.actor || last.endNs <= step.beginNs) continue;
      const ms = Number(last.endNs - step.beginNs) / 1e6;
      problems.push(`overlap: ${describe(step)} began ${ms.toFixed(1)} ms before ${describe(last)} ended`);
    }
    const last = lastOf.get(step.actor);
    if (last === undefined || last.endNs < step.endNs) lastOf.set(step.actor, step);
  }
  return problems;
}

/** S5, S12: terms never shrink, a term has one candidate, and a candidate that comes back has a larger one. */
export function termProblems(steps: readonly Step[]): string[] {
  const byEnd = steps.toSorted((one, other) => compare(one.endNs, other.endNs));
  const problems: string[] = [];
  let last: Step | undefined;
  for (const step of byEnd) {
    if (last !== undefined && step.term < last.term) problems.push(`${describe(step)} came after ${describe(last)}`);
    if (last !== undefined && step.term === last.term && step.actor !== last.actor) {
      problems.push(`one term, two candidates: ${describe(last)} and ${describe(step)}`);
    }
    last = step;
  }
  return problems;
}

/** The moment in which a candidate sent the release of its term. */
export interface Release {
  readonly actor: string;
  readonly term: number;
  readonly atNs: bigint;
}

/** S7: when a release is sent, no step of its term runs, and none starts any more. */
export function releaseProblems(steps: readonly Step[], releases: readonly Release[]): string[] {
  return releases.flatMap(({ actor, term, atNs }) =>
    steps
      .filter((step) => step.actor === actor && step.term === term && step.endNs > atNs)
      .map((step) => `released during or before a step: ${describe(step)}`),
  );
}

/** S4, S5: the versions form one chain, no pair of a holder occurs twice, and a new holder has a larger term. */
export function chainProblems(versions: readonly LeaseVersion[]): string[] {
  const problems: string[] = [];
  const pairs = new Set<string>();
  let last: LeaseVersion | undefined;
  let highestHeld = 0;
  for (const version of versions) {
    if (last !== undefined && version.number !== last.number + 1)
      problems.push(`a version is missing: ${version.number}`);
    if (last !== undefined && version.previous !== last.writeId)
      problems.push(`version ${version.number}: another chain`);
    problems.push(...heldProblems(version, last, highestHeld));
    const pair = `${version.holderIdentity} ${version.renewTime}`;
    if (version.holderIdentity !== "" && pairs.has(pair)) problems.push(`twice: ${pair}`);
    pairs.add(pair);
    if (version.holderIdentity !== "") highestHeld = Math.max(highestHeld, version.term);
    last = version;
  }
  return problems;
}

function heldProblems(version: LeaseVersion, last: LeaseVersion | undefined, highestHeld: number): string[] {
  const { number, holderIdentity, term } = version;
  if (holderIdentity === "") return [];
  const renews = last?.holderIdentity === holderIdentity && last.term === term;
  if (renews || term > highestHeld) return [];
  return [`version ${number}: ${holderIdentity} leads with term ${term}, after ${highestHeld}`];
}

/** S10: what one candidate told, in its order: one start for each term, at most one stop, and only after the start. */
export function callbackProblems(told: readonly { readonly did: string; readonly term?: number }[]): string[] {
  const problems: string[] = [];
  let [running, lastTerm] = [0, 0];
  for (const { did, term = 0 } of told) {
    if (did === "settled" && running !== 0) problems.push(`settled, and term ${running} was never stopped`);
    if (did === "started" && running !== 0) problems.push(`term ${term} started within term ${running}`);
    if (did === "started" && term <= lastTerm) problems.push(`term ${term} started after term ${lastTerm}`);
    if (did === "onStoppedLeading" && running === 0) problems.push("a stop without a start");
    if (did === "started") [running, lastTerm] = [term, term];
    if (did === "onStoppedLeading") running = 0;
  }
  return problems;
}

function describe({ actor, term }: Step): string {
  return `${actor} (term ${term})`;
}

function compare(one: bigint, other: bigint): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
