import { electionTests, inElection, type Mutant } from "./mutant.ts";

/** The flaws that were measured in client-go, by the names of their traces. K16 needs a queue of requests. */
export const knownFlaws: readonly Mutant[] = [
  {
    id: "K1",
    flaw: "Validity counts from the answer: the trace and #12 must see a term that outlasts its last send by V.",
    edits: [
      inElection("outcomes", "this.#extendTerm(write);", "this.#extendTerm(write, now);"),
      inElection(
        "outcomes",
        "#extendTerm(write: SentWrite): void {",
        "#extendTerm(write: SentWrite, now: Readings): void {",
      ),
      inElection(
        "outcomes",
        "write.sentAtMs + this.#parts.settings.renewDeadlineMs",
        "now.leaderMs + this.#parts.settings.renewDeadlineMs",
      ),
    ],
    scenario: { tests: [...electionTests("traces", "trace K1:"), ...electionTests("scenarios-network", "#12:")] },
  },
  {
    id: "K1b",
    flaw: "The first validity counts from the begin of the term: F7 must see that an acquisition lasts too long.",
    edits: [
      inElection(
        "term-keeper",
        "const validUntilMs = confirmed.write.sentAtMs + settings.renewDeadlineMs;",
        "const validUntilMs = now.leaderMs + settings.renewDeadlineMs;",
      ),
    ],
    scenario: {
      tests: electionTests("scenarios-network", "an unknown acquisition that was applied is found by its pair"),
    },
  },
  {
    id: "K2",
    flaw: "Each attempt renews the deadline, applied or not: the trace and #12 must see that silence ends no term.",
    edits: [
      inElection(
        "lock-traffic",
        "if (state.term.challenged) state.term.lastEarlyRenewMs = write.sentAtMs;",
        `if (state.term.challenged) state.term.lastEarlyRenewMs = write.sentAtMs;
    state.term.validUntilMs = write.sentAtMs + this.#context.settings.renewDeadlineMs;
    state.effects.push({ kind: "renewed", write, slow: true });`,
      ),
    ],
    scenario: { tests: [...electionTests("traces", "trace K2:"), ...electionTests("scenarios-network", "#12:")] },
  },
  {
    id: "K2b",
    flaw: "A retry period is added to the deadline: the trace must see that the term ends late.",
    edits: [
      inElection(
        "outcomes",
        "write.sentAtMs + this.#parts.settings.renewDeadlineMs",
        "write.sentAtMs + this.#parts.settings.renewDeadlineMs + this.#parts.settings.retryPeriodMs",
      ),
    ],
    scenario: {
      tests: [...electionTests("traces", "trace K2:"), ...electionTests("outcomes", "extends validity from its send")],
    },
  },
  {
    id: "K3",
    flaw: "The ratio of clock rates is not checked: V3 must see that 1.05 is accepted.",
    edits: [
      inElection(
        "durations",
        "refuse(d.leaseDurationMs < leastLeaseMs,",
        "refuse(d.leaseDurationMs <= d.renewDeadlineMs,",
      ),
    ],
    scenario: {
      tests: [
        ...electionTests("client-go", "client-go V3:"),
        ...electionTests("durations", "leaseDurationMs is at least driftRatio times the validity"),
      ],
    },
  },
  {
    id: "K4",
    flaw: "Calls of the lock have no deadline: the trace must see calls that outlast the term.",
    edits: [inElection("lock-calls", "setTimer(sentMs + timeoutMs,", "setTimer(sentMs + 1_000 * timeoutMs,")],
    scenario: {
      tests: [
        ...electionTests("traces", "trace K4:"),
        ...electionTests("lock-calls", "ends at its deadline although the lock ignores its signal"),
      ],
    },
  },
  {
    id: "K5",
    flaw: "A foreign record is retried until V is over: the trace, G4 and #41 must see a leader that stays.",
    edits: [
      inElection(
        "observation",
        'term.loss ??= record.holderIdentity === "" ? "erased" : "taken";',
        "term.challenged = true;",
      ),
    ],
    scenario: {
      tests: [
        ...electionTests("traces", "trace K5: a term ends one read", "trace K5: without a hint"),
        ...electionTests("observation", "decide G4:"),
        ...electionTests("scenarios-races", "#41: a leader that a foreign candidate replaced"),
      ],
    },
  },
  {
    id: "K6",
    flaw: "A win after a loss goes on without new callbacks: the trace must miss the stop and the second start.",
    edits: [
      inElection(
        "term-keeper",
        "if (!term.closed) this.#end(term, term.ending?.reason ?? reason);",
        "if (!term.closed && !/taken|erased/.test(reason)) this.#end(term, term.ending?.reason ?? reason);",
      ),
      inElection(
        "term-keeper",
        "state.workRunning = this.#run?.ended === false;",
        "state.workRunning = !/taken|erased/.test(reason) && this.#run?.ended === false;",
      ),
      inElection(
        "term-keeper",
        "this.#run = new TermRun(leadership,",
        "this.#run = this.#run?.ended === false ? this.#run : new TermRun(leadership,",
      ),
    ],
    scenario: { tests: electionTests("traces", "trace K6:") },
  },
  {
    id: "K7",
    flaw: "A release names whatever version was read last: the trace and R3b must see another's record erased.",
    edits: [
      inElection(
        "observation",
        "this.#settleRelease(receipt, mine ? found : undefined);",
        "this.#settleRelease(receipt, found);",
      ),
    ],
    scenario: {
      tests: [
        ...electionTests("traces", "trace K7:"),
        ...electionTests("client-go", "client-go R3b:"),
        ...electionTests("scenarios-network", "#19: a partition that heals during the release"),
      ],
    },
  },
  {
    id: "K8",
    flaw: "The lease is released before the work has ended: the trace and S10 must see the release too early.",
    edits: [
      inElection(
        "decide-leading",
        "if (term.workEnded && term.runningSteps === 0 && !term.closed)",
        "if (!term.closed)",
      ),
      inElection("term-keeper", "if (this.#run?.ended === false) throw", "if (this.#run === undefined) throw"),
    ],
    scenario: {
      tests: [
        ...electionTests("traces", "trace K8:"),
        ...electionTests(
          "scenarios-lifecycle",
          "S10: callbacks, signals and the release",
          "a guarded step finishes during the drain",
        ),
      ],
    },
  },
  {
    id: "K8b",
    flaw: "The work's signal falls after the release: the trace must see the wrong order.",
    edits: [
      inElection(
        "decide-leading",
        'if (state.phase === "leading") return { do: "drain", reason };',
        'if (state.phase === "leading") return { do: "release" };',
      ),
      inElection("term-keeper", "if (this.#run?.ended === false) throw", "if (this.#run === undefined) throw"),
      inElection(
        "term-keeper",
        "if (release === undefined) return;",
        `if (release === undefined) return;
    this.#run?.leadership.close("stopped");
    this.#run?.stop("stopped");
    state.workRunning = this.#run?.ended === false;`,
      ),
    ],
    scenario: {
      tests: [
        ...electionTests("traces", "trace K8:"),
        ...electionTests("scenarios-lifecycle", "S10: callbacks, signals and the release"),
      ],
    },
  },
  {
    id: "K9",
    flaw: "isHeld() returns a flag: the traces must see it true after the deadline, as #31 must see K15b.",
    edits: [inElection("term-leadership", "return this.remainingMs() > 0;", "return this.#closed === undefined;")],
    scenario: { tests: [...electionTests("traces", "trace K9: past the deadline", "trace K15:")] },
  },
  {
    id: "K10",
    flaw: "The identity alone counts as mine: the trace and #33 must see a twin lead at once.",
    edits: [
      inElection(
        "election-state",
        "state.sent.confirmed?.write.pair === state.seen.pair",
        "state.seen.record.holderIdentity === state.identity",
      ),
    ],
    scenario: {
      tests: [
        ...electionTests("traces", "trace K10: a second process"),
        ...electionTests("scenarios-races", "#33: a second process with the same identity"),
        ...electionTests("client-go", "client-go T8:"),
      ],
    },
  },
  {
    id: "K10b",
    flaw: "A leader takes every record of its identity for its own: the trace must see two leaders of one identity.",
    edits: [
      inElection(
        "observation",
        "const write = sent.find(pair);",
        `const mine = found.record.holderIdentity === this.#state.identity;
    const write = sent.find(pair) ?? (mine ? sent.confirmed?.write : undefined);`,
      ),
    ],
    scenario: { tests: electionTests("traces", "trace K10: a leader that finds a pair of its identity") },
  },
  {
    id: "K11",
    flaw: "The term restarts at a re-created record: the trace and #44 must see a smaller one.",
    edits: [
      inElection(
        "decide-following",
        "return Math.max(state.highestTerm, state.floorTerm) + 1 + (recreated ? missedTerms : 0);",
        "return recreated ? 1 : Math.max(state.highestTerm, state.floorTerm) + 1;",
      ),
    ],
    scenario: {
      tests: [
        ...electionTests("traces", "trace K11: whose record was deleted is told so"),
        ...electionTests("scenarios-races", "#44: a leader whose record is deleted"),
        ...electionTests("decide", "decide F6: a re-creation counts 1 000 terms more"),
      ],
    },
  },
  {
    id: "K12",
    flaw: "Times are cut to seconds: the trace must see two renewals that look like one.",
    edits: [
      inElection(
        "renew-times",
        "return microTime(this.#lastUs);",
        "return microTime(Math.floor(this.#lastUs / 1e6) * 1e6);",
      ),
    ],
    scenario: {
      tests: [
        ...electionTests("traces", "trace K12: a leader's renewals within one second"),
        ...electionTests("scenarios-clocks", "#9:"),
      ],
    },
  },
  {
    id: "K13",
    flaw: "The stored duration is trusted as it is: the trace and #55 must see a lease that expires at once.",
    edits: [
      {
        file: "src/lock/record-codec.ts",
        find: "Number.isInteger(value) && value >= 1 && value <= greatestInt32) return value;",
        replace: "value <= greatestInt32) return value;",
      },
      inElection(
        "pauses",
        "return Math.max(storedMs ?? 0, settings.leaseDurationMs) + settings.holderGraceMs;",
        "return (storedMs ?? 0) + settings.holderGraceMs;",
      ),
    ],
    scenario: {
      tests: [
        ...electionTests("traces", "trace K13: a stored duration of 0", "trace K13: a negative stored duration"),
        ...electionTests("scenarios-records", "#55: a stored duration that is 0"),
      ],
    },
  },
  {
    id: "K13b",
    flaw: "A lease of 68 years is honoured like any other: the trace and #55 must miss the alarm, or see it replaced.",
    edits: [
      inElection("decide-following", "seen.storedMs > settings.maxHonouredLeaseMs", "seen.storedMs > Infinity"),
      inElection("sightings", "storedMs <= this.#parts.settings.maxHonouredLeaseMs", "storedMs <= Infinity"),
    ],
    scenario: {
      tests: [
        ...electionTests("traces", "trace K13: a stored duration of 68 years"),
        ...electionTests("scenarios-records", "#55: a stored duration above the limit"),
      ],
    },
  },
  {
    id: "K14",
    flaw: "A stop tells the stop callback without a start: the trace and #30 must see that call.",
    edits: [
      inElection(
        "campaign",
        "if (term === undefined) this.#finishSoon();",
        `if (term === undefined) void this.#work.stopped("stopped");
    if (term === undefined) this.#finishSoon();`,
      ),
    ],
    scenario: {
      tests: [
        ...electionTests("traces", "trace K14:"),
        ...electionTests("scenarios-lifecycle", "#30: stopped while an acquisition is under way"),
      ],
    },
  },
  {
    id: "K15",
    flaw: "Only the timer ends the term: the trace must see a check that leaves the signal as it was.",
    edits: [inElection("term-leadership", 'if (leftMs <= 0) this.close("expired");', "")],
    scenario: {
      tests: [
        ...electionTests("traces", "trace K15:"),
        ...electionTests("scenarios-clocks", "#31: after a blocked loop"),
      ],
    },
  },
  {
    id: "K15b",
    flaw: "A check does not look at the clock at all: #31 must see a step that is let through.",
    edits: [
      inElection(
        "term-leadership",
        "const leftMs = this.#validUntilMs - this.#clocks.leaderMs();",
        "const leftMs = Math.max(1, this.#validUntilMs - this.#clocks.leaderMs());",
      ),
    ],
    scenario: {
      tests: [
        ...electionTests("traces", "trace K15:"),
        ...electionTests("scenarios-clocks", "#31: after a blocked loop", "#31: a blocked loop inside"),
      ],
    },
  },
];
