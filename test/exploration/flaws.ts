import { isMine, type ElectionState } from "../../src/election/election-state.ts";
import { honest, rules, setups, type Rules, type Setup } from "./setup.ts";

/** A known flaw, put into a copy of the rules, and the promise that it must break. */
export interface Flaw {
  readonly name: string;
  readonly rules: Rules;
  readonly setup: Setup;
  readonly breaks: readonly string[];
}

function setupOf(name: string): Setup {
  const found = setups.find((setup) => setup.name === name);
  if (found === undefined) throw new Error(`no setup "${name}"`);
  return found;
}

const apart = setupOf("one leads, clocks as far apart as allowed");
const silent = setupOf("one is silent, clocks as far apart as allowed");

/** Validity up to `V` after now, whatever was proved. */
function extend(state: ElectionState, leaderMs: number): void {
  const { term } = state;
  if (term !== undefined) term.validUntilMs = Math.max(term.validUntilMs, leaderMs + honest.renewDeadlineMs);
}

export const flaws: readonly Flaw[] = [
  {
    name: "the wait is too short: one's own duration instead of the holder's",
    rules: {
      ...rules,
      decide: (state, now, settings) => {
        const { seen } = state;
        const copy = seen.kind === "record" ? { ...state, seen: { ...seen, storedMs: 0 } } : state;
        return rules.decide(copy, now, { ...settings, leaseDurationMs: 14_000 });
      },
    },
    setup: silent,
    breaks: ["S3"],
  },
  {
    name: "clock rates are three times apart, which no check of the wait can see",
    rules,
    setup: { ...silent, name: "one is silent, clocks beyond the bound", stepMs: [10_000, 30_000] },
    breaks: ["S1"],
  },
  {
    name: "validity counts from the answer (trace K1)",
    rules: {
      ...rules,
      folded: (state, what, { leaderMs }) => {
        if (what === "written") extend(state, leaderMs);
      },
    },
    setup: apart,
    breaks: ["S11"],
  },
  {
    name: "an unknown renewal counts as applied",
    rules: {
      ...rules,
      folded: (state, what) => {
        const newest = state.sent.newest();
        if (what === "unknown" && newest !== undefined) extend(state, newest.sentAtMs);
      },
    },
    setup: apart,
    breaks: ["S11"],
  },
  {
    name: "an acquisition keeps the term of the record that it replaces",
    rules: {
      ...rules,
      decide: (state, now, settings) => {
        const action = rules.decide(state, now, settings);
        return action.do === "takeOver" ? { do: "takeOver", term: action.term - 1 } : action;
      },
    },
    setup: silent,
    breaks: ["S5"],
  },
  {
    name: "a release replaces whatever was read last (trace K7)",
    rules: {
      ...rules,
      decide: (state, now, settings) => {
        const { release, seen } = state;
        if (release?.step === "done" && !release.applied && seen.kind === "record" && !isMine(state)) {
          release.target = seen;
          release.step = "write";
        }
        return rules.decide(state, now, settings);
      },
    },
    setup: setupOf("a release is late"),
    breaks: ["S6"],
  },
  {
    name: "an absence is not waited for",
    rules: {
      ...rules,
      decide: (state, now, settings) => rules.decide({ ...state, lastWaitMs: 0 }, now, settings),
    },
    setup: setupOf("one leads, the record is deleted"),
    breaks: ["S3"],
  },
  {
    name: "a candidate reads whenever it has nothing else to do",
    rules: {
      ...rules,
      decide: (state, now, settings) => {
        const action = rules.decide(state, now, settings);
        return action.do === "wait" && state.phase === "following" ? { do: "read" } : action;
      },
    },
    setup: setupOf("from nothing"),
    breaks: ["L5"],
  },
  {
    name: "a leader sleeps until its next renewal, past the end of its validity",
    rules: {
      ...rules,
      decide: (state, now, settings) => {
        const action = rules.decide(state, now, settings);
        return action.do === "wait" && state.phase === "leading" ? { do: "wait", untilMs: Infinity } : action;
      },
    },
    setup: apart,
    breaks: ["S2"],
  },
];
