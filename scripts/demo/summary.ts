import type { Entry } from "../../examples/guarded-state.ts";
import { overlaps } from "./acts.ts";
import type { ActResult } from "./play.ts";

/** How far above its bar a time may be before the demo counts as failed. */
const graceMs = 1_000;

/** All that the play has shown, as one document: the output of `--json`. */
export interface Summary {
  readonly schema: 1;
  readonly ok: boolean;
  readonly storage: string;
  readonly acts: readonly (ActResult & { readonly verdict: "ok" | "slow" | "failed" })[];
  readonly terms: readonly { readonly term: number; readonly by: string; readonly appends: number }[];
  readonly overlaps: number;
}

export function summaryOf(storage: string, acts: readonly ActResult[], entries: readonly Entry[]): Summary {
  const judged = acts.map((act) => ({ ...act, measuredMs: Math.round(act.measuredMs), verdict: verdictOf(act) }));
  const numbers = [...new Set(entries.map(({ term }) => term))];
  const terms = numbers.map((term) => {
    const own = entries.filter((entry) => entry.term === term);
    return { term, by: own[0]?.by ?? "", appends: own.length };
  });
  const count = overlaps(entries);
  const ok = acts.length === 5 && count === 0 && judged.every(({ verdict }) => verdict !== "failed");
  return { schema: 1, ok, storage, acts: judged, terms, overlaps: count };
}

function verdictOf({ measuredMs, barMs, facts }: ActResult): "ok" | "slow" | "failed" {
  if (!facts.every(({ holds }) => holds) || measuredMs > barMs + graceMs) return "failed";
  return measuredMs > barMs ? "slow" : "ok";
}

/** The summary for people. */
export function linesOf(summary: Summary): readonly string[] {
  const rows = summary.acts.map(({ act, name, what, measuredMs, barMs, verdict }) => {
    const measured = `${String(measuredMs).padStart(5)} ms`;
    return `  ${act} ${name.padEnd(9)} ${measured} (bar ${String(barMs).padStart(4)})  ${verdict.padEnd(6)} ${what}`;
  });
  const facts = summary.acts.flatMap(({ act, facts }) => facts.map((fact) => ({ ...fact, act })));
  const broken = facts.filter(({ holds }) => !holds);
  const terms = summary.terms.map(({ term, by, appends }) => `${appends} in term ${term} (${by.split("_")[0]})`);
  return [
    "",
    ...rows,
    "",
    `  appends: ${terms.join(", ")}`,
    `  overlaps: ${summary.overlaps}; what had to hold: ${facts.length - broken.length} of ${facts.length}`,
    ...broken.map(({ act, text }) => `  NOT TRUE in act ${act}: ${text}`),
    ...(summary.acts.some(({ verdict }) => verdict === "slow") ? ["  slow: above the bar; is the machine busy?"] : []),
    "",
    "  Read on: README.md, docs/guarantees.md (what is promised, and why), examples/guarded-state.ts (the journal)",
  ];
}
