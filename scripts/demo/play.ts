import { setTimeout as pause } from "node:timers/promises";
import type { Entry } from "../../examples/guarded-state.ts";
import { names, type Candidates, type Happening, type Name } from "./candidates.ts";
import type { Report } from "./messages.ts";
import type { Screen } from "./screen.ts";
import type { Stage } from "./stage.ts";

/** What an act showed. */
export interface ActResult {
  readonly act: number;
  readonly name: string;
  /** What was measured, in words. */
  readonly what: string;
  readonly measuredMs: number;
  /** A bar that is missed is a warning; the machine may be busy. */
  readonly barMs: number;
  /** What must hold, on any machine. */
  readonly facts: readonly Fact[];
}

export interface Fact {
  readonly text: string;
  readonly holds: boolean;
}

type ReportOf<Kind extends Report["kind"]> = Extract<Report, { kind: Kind }> & { readonly name: Name };

/** The play as it goes on: who acts, where, and what was seen. */
export class Play {
  readonly candidates: Candidates;
  readonly stage: Stage;
  readonly screen: Screen;
  /** In which order the acts' victims lead, with `--seed`. */
  readonly ranks: readonly Name[] | undefined;
  /** What a new term is measured from, and how that is told. */
  since: { readonly atMs: number; readonly what: string } | undefined;
  /** The journal as it was at the end. */
  entries: readonly Entry[] = [];

  constructor(parts: { candidates: Candidates; stage: Stage; screen: Screen; seed: number | undefined }) {
    this.candidates = parts.candidates;
    this.stage = parts.stage;
    this.screen = parts.screen;
    this.ranks = parts.seed === undefined ? undefined : permutation(parts.seed);
    this.candidates.on((happening) => {
      const line = this.#lineOf(happening);
      if (line !== undefined) this.screen.event(line);
    });
  }

  /** Starts these processes, and resolves once each is loaded. */
  async load(chosen: readonly Name[]): Promise<void> {
    const from = this.candidates.log.length;
    for (const name of chosen) this.candidates.start(name);
    for (const name of chosen) await this.heard(from, "loaded", (report) => report.name === name);
  }

  /** Has a loaded process campaign. */
  order(name: Name): void {
    const { url, place } = this.stage;
    this.candidates.send(name, { url, place, ...(this.ranks && { rank: this.ranks.indexOf(name) }) });
  }

  /** Resolves with the first such report since the `from`-th happening. */
  heard<Kind extends Report["kind"]>(
    from: number,
    kind: Kind,
    match: (report: ReportOf<Kind>) => boolean = () => true,
  ): Promise<ReportOf<Kind>> {
    return this.candidates.first(from, `a process that reports "${kind}"`, (happening) => {
      if (!("report" in happening) || happening.report.kind !== kind) return undefined;
      const report = { ...happening.report, name: happening.name } as ReportOf<Kind>; // cast: its kind was compared
      return match(report) ? report : undefined;
    });
  }

  /** Resolves once the term has so many appends, so that there is something to see. */
  async appends(term: number, count: number): Promise<void> {
    const leads = names.find((name) => this.candidates.views[name].term === term);
    while (leads !== undefined && this.candidates.views[leads].appends < count) {
      await this.heard(this.candidates.log.length, "appended", (report) => report.term === term);
    }
  }

  /**
   * Who leads, once somebody does, has appended a little, and has just renewed: the victim of an act. A standby counts
   * from its own first receipt of a record; after a renewal all of them count from the same.
   */
  async leader(): Promise<{ readonly name: Name; readonly term: number }> {
    for (;;) {
      const { name, term } = await this.heard(this.candidates.log.length, "renewed");
      await pause(200);
      const { state, appends } = this.candidates.views[name];
      if (state === "leads" && appends >= 8) return { name, term };
    }
  }

  #lineOf(happening: Happening): string | undefined {
    const { name } = happening;
    if ("ended" in happening) {
      const { code, signal } = happening.ended;
      if (signal === "SIGKILL") return undefined; // told when it was sent
      return code === 0 ? `${name} has ended` : `${name} has ended unexpectedly (${signal ?? `exit code ${code}`})`;
    }
    const { report } = happening;
    switch (report.kind) {
      case "elected":
        return `${name} leads, in term ${report.term}${this.#sinceText(report.atMs)}`;
      case "draining":
        return `${name} drains: the step under way may finish, and one last append`;
      case "stopped":
        return `${name}: term ${report.term} is over (${report.reason})`;
      case "woke": {
        const found = report.held ? "held" : "not held";
        return `${name} wakes after ${(report.sleptMs / 1000).toFixed(1)} s and looks: ${found}`;
      }
      case "forced":
        return `${name} writes all the same: ${report.refused ? "refused, " : ""}${report.message}`;
      case "trouble":
        return `${name} had trouble: ${report.message}`;
      case "follows":
        return report.holder.startsWith(`${name}_`) ? undefined : `${name} stands by behind ${labelOf(report.holder)}`;
      default:
        return undefined;
    }
  }

  #sinceText(atMs: number): string {
    const { since } = this;
    this.since = undefined;
    return since === undefined ? "" : `, ${Math.round(atMs - since.atMs)} ms ${since.what}`;
  }
}

/** `ada` of `ada_0b7e…`. */
function labelOf(identity: string): string {
  return identity.slice(0, identity.lastIndexOf("_"));
}

/** An order of the three for each number, all six of them in turn. */
function permutation(seed: number): readonly Name[] {
  const rest: Name[] = [...names];
  const [first] = rest.splice(seed % 3, 1);
  if (Math.floor(seed / 3) % 2 === 1) rest.reverse();
  return first === undefined ? rest : [first, ...rest];
}
