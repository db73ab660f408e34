import { electionTests, inElection, type Mutant } from "./mutant.ts";

/** Flaws that nearly were, or may come with a repair: N1 to N22 without N11, which needs fenced state. */
export const flawsOfDecisions: readonly Mutant[] = [
  {
    id: "N1",
    flaw: "An unknown outcome counts as applied: #12 and #13 must see validity that nothing proves (S11).",
    edits: [
      inElection(
        "lock-traffic",
        "if (unproven) this.#outcomes.unknown(write, now);",
        'if (unproven) this.#outcomes.confirm(write, { record: write.record, version: write.expected ?? "" }, now);',
      ),
    ],
    scenario: { tests: [...electionTests("scenarios-network", "#12:", "#13: writes answered 0.9 V late")] },
  },
  {
    id: "N2",
    flaw: "Validity counts from the read that confirms: #14 and G2 must see it too long.",
    edits: [
      inElection(
        "observation",
        "this.#outcomes.confirm(write, found, receipt.now);",
        `Object.assign(write, { sentAtMs: receipt.now.leaderMs });
      this.#outcomes.confirm(write, found, receipt.now);`,
      ),
    ],
    scenario: {
      tests: [
        ...electionTests("scenarios-network", "#14: a lost answer is settled by its pair"),
        ...electionTests("observation", "is confirmed from its send, however late it is read"),
      ],
    },
  },
  {
    id: "N3",
    flaw: "An unknown renewal counts as lost: #14 must see a term that ends for nothing.",
    edits: [
      inElection(
        "outcomes",
        "if (state.acquiring !== write) return;",
        `if (state.acquiring !== write && state.term !== undefined) state.term.loss ??= "taken";
    if (state.acquiring !== write) return;`,
      ),
    ],
    scenario: {
      tests: [
        ...electionTests(
          "scenarios-network",
          "#14: an unknown renewal after which a replica shows nothing of mine",
          "a renewal whose answer comes after its deadline",
        ),
      ],
    },
  },
  {
    id: "N3b",
    flaw: "A lost race ends the term before anybody looked: #50 and F2 must see a term that ends for nothing.",
    edits: [inElection("outcomes", "state.term.lostRace = { seq: state.seq };", 'state.term.loss ??= "taken";')],
    scenario: {
      tests: [...electionTests("scenarios-network", "#50:"), ...electionTests("client-go", "client-go F2:")],
    },
  },
  {
    id: "N4",
    flaw: "The wait restarts at each new version: #59 must see edits that postpone a takeover.",
    edits: [
      inElection(
        "sightings",
        "const before = this.#state.firstReceipts.get(pair);",
        `const key = pair + version;
    const before = this.#state.firstReceipts.get(key);`,
      ),
      inElection(
        "sightings",
        "rememberReceipt(this.#state, pair, known);",
        "rememberReceipt(this.#state, key, known);",
      ),
    ],
    scenario: {
      tests: [
        ...electionTests(
          "scenarios-records",
          "#59: a hundred edits a second postpone no takeover and starve no renewal: records",
        ),
        ...electionTests("observation", "an edit postpones nothing (#59)"),
      ],
    },
  },
  {
    id: "N5",
    flaw: "A hint shortens the wait: F14 must see a takeover instead of a read.",
    edits: [
      inElection(
        "decide-following",
        "if (nowMs < dueMs) return observe(state, nowMs, dueMs); // F14",
        "if (nowMs < dueMs && !state.hintPending) return observe(state, nowMs, dueMs); // F14",
      ),
    ],
    scenario: { tests: electionTests("decide", "decide F14: a bare hint asks for one read") },
  },
  {
    id: "N5b",
    flaw: "A stale hint demotes: G5 and the truth must see a hint of any age believed.",
    edits: [
      inElection(
        "observation",
        "if (readSeq === undefined) return false;",
        "if (readSeq === undefined) return this.#state.term !== undefined;",
      ),
    ],
    scenario: {
      tests: electionTests("observation", "decide G5: what may be stale", "is none if it came with a hint"),
    },
  },
  {
    id: "N6",
    flaw: "A conditional write that failed is repeated blindly: the suite of locks must count two requests.",
    edits: [
      {
        file: "src/lock/storage-lock.ts",
        find: "version = (await this.#inTime(budget, (next) => send(data, next))).generation;",
        replace: `const once = (): Promise<LeaseObject> => this.#inTime(budget, (next) => send(data, next));
      version = (await once().catch(once)).generation;`,
      },
    ],
    scenario: { tests: [{ file: "test/lock/storage-lock.test.ts", named: "lock O7:" }] },
  },
  {
    id: "N6b",
    flaw: "Every driver repeats a call that failed, writes too: their tests must count two attempts.",
    edits: [
      {
        file: "src/storage/storage-call.ts",
        find: "return await withDeadline({ clock, timeoutMs, signal, closing }, attempt);",
        replace: `const once = (): Promise<T> => withDeadline({ clock, timeoutMs, signal, closing }, attempt);
    return await once().catch(once);`,
      },
    ],
    scenario: { tests: [{ file: "test/storage/mutant-gaps.test.ts", named: "a write that failed is never repeated" }] },
  },
  {
    id: "N7",
    flaw: "A candidate of the same label keeps the term: #34 and F8b must see a term twice.",
    edits: [
      inElection(
        "decide-following",
        'const recreated = state.seen.kind === "absent" && state.everSaw;',
        `const recreated = state.seen.kind === "absent" && state.everSaw;
  const labelOf = (identity: string): string => identity.slice(0, identity.lastIndexOf("_"));
  if (state.seen.kind === "record" && labelOf(state.seen.record.holderIdentity) === labelOf(state.identity)) {
    return state.seen.record.leaderTransitions;
  }`,
      ),
    ],
    scenario: {
      tests: [...electionTests("scenarios-races", "#34:"), ...electionTests("traces", "trace K10: a second process")],
    },
  },
  {
    id: "N8",
    flaw: "The leader uses the slow clock: #6 must see a term that outlasts a suspend.",
    edits: [
      inElection("election-clocks", "return monotonicMs + this.#suspendedMs;", "return monotonicMs;"),
      inElection("election-clocks", "leaderMs: observerMs + this.#suspendedMs }", "leaderMs: observerMs }"),
    ],
    scenario: {
      tests: [
        ...electionTests("scenarios-clocks", "#6: after a suspend of 60 s"),
        ...electionTests("election-clocks", "counts for the leader, once"),
      ],
    },
  },
  {
    id: "N8b",
    flaw: "The observer uses the fast clock: #6 must see a takeover too early.",
    edits: [
      inElection("election-clocks", "return this.#clock.monotonicMs();\n", "return this.leaderMs();\n"),
      inElection(
        "election-clocks",
        "return { observerMs, leaderMs:",
        "return { observerMs: observerMs + this.#suspendedMs, leaderMs:",
      ),
    ],
    scenario: {
      tests: [
        ...electionTests("scenarios-clocks", "#6: a suspend counts for the leader, and not for who waits"),
        ...electionTests("election-clocks", "never counts for the observer"),
      ],
    },
  },
  {
    id: "N9",
    flaw: "An absence is not waited for: the trace, #44 and F4 must see a record created at once.",
    edits: [
      inElection(
        "decide-following",
        "exempt ? 0 : state.everSaw ? state.lastWaitMs : unseenMs;",
        "exempt || state.everSaw ? 0 : unseenMs;",
      ),
    ],
    scenario: {
      tests: [
        ...electionTests("traces", "trace K11: who has seen a record waits its whole lease"),
        ...electionTests("scenarios-races", "#44: a leader whose record is deleted"),
        ...electionTests("decide", "decide F4: an absence lasts"),
      ],
    },
  },
  {
    id: "N9b",
    flaw: "An absence is waited for without reads: F4 must miss its looks.",
    edits: [
      inElection(
        "decide-following",
        "return nowMs < lookMs ? wait(state, nowMs, [dueMs, lookMs]) : readNow(state, nowMs); // F4, F5",
        "return wait(state, nowMs, [dueMs]); // F4, F5",
      ),
    ],
    scenario: { tests: electionTests("decide", "decide F4: an absence lasts", "decide F4: the look is due") },
  },
  {
    id: "N9c",
    flaw: "A gap between the looks at an absence does not matter: the trace and the fold must see the wait go on.",
    edits: [
      inElection(
        "observation",
        'const goesOn = seen.kind === "absent" && gapMs <= 3 * this.#parts.settings.retryPeriodMs;',
        'const goesOn = seen.kind === "absent" && gapMs < Infinity;',
      ),
    ],
    scenario: {
      tests: [
        ...electionTests("traces", "trace K11: a gap in the looks at an absence"),
        ...electionTests("observation", "starts again after a longer gap"),
      ],
    },
  },
  {
    id: "N10",
    flaw: "A stillborn term is started: #13 and F8 must see a start after its validity.",
    edits: [
      inElection(
        "decide-following",
        "const inTime = now.leaderMs < confirmed.write.sentAtMs + settings.renewDeadlineMs;",
        "const inTime = now.leaderMs < Infinity;",
      ),
      inElection("term-keeper", "if (run.leadership.isHeld()) run.start();", "run.start();"),
    ],
    scenario: {
      tests: [
        ...electionTests("decide", "decide F8: the same, too late"),
        ...electionTests("scenarios-network", "#13: an acquisition that is found after its validity"),
      ],
    },
  },
  {
    id: "N12",
    flaw: "There is no herd window: #40 and F13 must see everybody write at the same instant.",
    edits: [
      inElection(
        "decide-following",
        "waitMs(seen.storedMs, settings) + seen.share * windowMs;",
        "waitMs(seen.storedMs, settings) + 0 * windowMs;",
      ),
    ],
    scenario: {
      tests: [
        ...electionTests("decide", "decide F13: the draw of the herd window"),
        ...electionTests(
          "scenarios-races",
          "#40: fifty candidates whose leader dies elect one, in few attempts at 1 ms",
        ),
      ],
    },
  },
  {
    id: "N13",
    flaw: "A new term begins while old work runs: #46 and F1 must see two starts without an end between.",
    edits: [
      inElection("decide-following", "if (state.workRunning) return observe(state, nowMs, overrunAtMs); // F1", ""),
    ],
    scenario: {
      tests: [
        ...electionTests("decide", "decide F1: work of an earlier term still runs"),
        ...electionTests("scenarios-races", "#46:"),
      ],
    },
  },
  {
    id: "N14",
    flaw: "Failed work is tried again without a back-off: #47 must see it at once.",
    edits: [
      inElection(
        "term-keeper",
        "holdMs = minMs + random.next() * (mostMs - minMs);",
        "holdMs = 0 * mostMs * random.next();",
      ),
    ],
    scenario: {
      tests: electionTests(
        "scenarios-lifecycle",
        "#47: work that throws",
        "#47: work that rejects",
        "the back-off after failed work doubles",
      ),
    },
  },
];
