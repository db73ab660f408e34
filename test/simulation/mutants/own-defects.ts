import { electionTests, inElection, type Mutant } from "./mutant.ts";

/** Defects that this code has had, and that were repaired: each is to be seen again. */
export const ownDefects: readonly Mutant[] = [
  {
    id: "D1",
    flaw: "A suspicion that was settled is found again by the next look: #1 must see renewals without end.",
    edits: [
      inElection(
        "campaign",
        `this.#news.tell(this.#clocks.readings());
    const action = decide(this.#state, this.#look(), this.#settings);`,
        `const now = this.#look();
    this.#news.tell(now);
    const action = decide(this.#state, now, this.#settings);`,
      ),
    ],
    scenario: { tests: electionTests("scenarios-clocks", "#1: a wall clock that steps an hour ahead") },
  },
  {
    id: "D2",
    flaw: "A restored record of one's own is accepted once only: the fold must see it ignored.",
    edits: [inElection("observation", 'if (seen.kind === "record" && seen.pair === pair) return false;', "")],
    scenario: {
      tests: [...electionTests("mutant-gaps", "a restored record of one's own is looked at like any other")],
    },
  },
  {
    id: "D2b",
    flaw: "Who ignores a stale record looks again at once: the fold must miss the pause.",
    edits: [
      inElection(
        "observation",
        'if (state.phase === "following") state.readPauseUntilMs = now.observerMs + drawRetryPause(this.#parts);',
        "drawRetryPause(this.#parts);",
      ),
    ],
    scenario: { tests: electionTests("observation", "is ignored, and not looked for again at once") },
  },
  {
    id: "D3",
    flaw: "An answer revives a term that a check has closed: it must be seen to be renewed without a leader.",
    edits: [
      inElection(
        "campaign",
        "if (term !== undefined && !term.closed && this.#keeper.run?.leadership.closed === true)",
        "if (term !== undefined && term.closed && this.#keeper.run === undefined)",
      ),
    ],
    scenario: { tests: electionTests("mutant-gaps", "a term that a check has closed is not revived") },
  },
  {
    id: "D3b",
    flaw: "An acquisition that a late renewal has dropped is awaited for ever: its candidate must stand still.",
    edits: [
      inElection(
        "outcomes",
        "if (state.acquiring !== undefined && !state.sent.holds(state.acquiring)) state.acquiring = undefined;",
        "",
      ),
      inElection(
        "outcomes",
        `state.mustReadSinceSeq = undefined;
`,
        `state.mustReadSinceSeq = undefined;
      if (state.acquiring !== undefined && !state.sent.holds(state.acquiring)) state.acquiring = undefined;
`,
      ),
    ],
    scenario: { tests: electionTests("mutant-gaps", "an acquisition that a late renewal has dropped is not awaited") },
  },
  {
    id: "D4",
    flaw: "A release without a known end is tried again at once, and again: the fold must miss the pause (E3).",
    edits: [
      inElection(
        "observation",
        "const atOnce = release.tries % 2 === 1 && release.lost;",
        "const atOnce = release.tries > 0;",
      ),
    ],
    scenario: {
      tests: electionTests("observation", "mine after an unknown end, or every second lost race, means a pause first"),
    },
  },
  {
    id: "D4b",
    flaw: "A release that was refused is tried again at once: K7 must count its writes (L5).",
    edits: [
      inElection(
        "release-traffic",
        "release.notBeforeMs = now.observerMs + pauseMs;",
        "release.notBeforeMs = now.observerMs + Math.min(pauseMs, 1);",
      ),
    ],
    scenario: { tests: [...electionTests("traces", "trace K7:")] },
  },
  {
    id: "D5",
    flaw: "After a first edit every renewal pauses: #59 must see edits that starve it.",
    edits: [
      inElection(
        "observation",
        "const atOnce = edited && !term.retriedAtOnce;",
        "const atOnce = edited && term.failures === 0;",
      ),
    ],
    scenario: {
      tests: electionTests("observation", "finds it mine, edited: again at once, but only every second time"),
    },
  },
  {
    id: "D5b",
    flaw: "A takeover that lost to an edit always pauses: the fold must see it starve.",
    edits: [
      inElection(
        "observation",
        "if (edited && state.editedAcquisitions < 3) {",
        "if (edited && state.editedAcquisitions < 0) {",
      ),
    ],
    scenario: {
      tests: electionTests("observation", "finds a mere edit: nobody competes, so again at once, three times in a row"),
    },
  },
  {
    id: "D6",
    flaw: "A step that waits while clocks are suspect is not woken by the end of its term: it must be seen to hang.",
    edits: [inElection("term-leadership", "this.#steps.abort(lost);\n    this.settle();", "this.#steps.abort(lost);")],
    scenario: {
      tests: electionTests("mutant-gaps", "a step that waits while the clocks are suspect ends with its term"),
    },
  },
  {
    id: "D7",
    flaw: "A watch keeps something of every hint: its listeners must be counted.",
    edits: [inElection("record-watch", 'signal.removeEventListener("abort", onAbort);', "")],
    scenario: { tests: electionTests("record-watch", "keeps no listener for each hint") },
  },
  {
    id: "D8",
    flaw: "First receipts of one's own writes are collected without bound: they must be counted.",
    edits: [
      inElection(
        "outcomes",
        "rememberReceipt(state, write.pair, { atMs: now.observerMs, share: 0 });",
        "state.firstReceipts.set(write.pair, { atMs: now.observerMs, share: 0 });",
      ),
    ],
    scenario: { tests: electionTests("sightings", "are not collected without bound for one's own writes") },
  },
  {
    id: "D9",
    flaw: "A stopped acquire rejects with something else than an AbortError.",
    edits: [inElection("acquired-term", '"AbortError"', '"InvalidStateError"')],
    scenario: { tests: electionTests("scenarios-faces", "a stop while acquire waits rejects with an AbortError") },
  },
  {
    id: "D10",
    flaw: "One wrong number hides the bounds between the others.",
    edits: [
      inElection(
        "durations",
        "return [...problems, ...relationProblems(",
        `if (problems.length > 0) return problems;
  return [...relationProblems(`,
      ),
    ],
    scenario: {
      tests: electionTests("settings", "include a bound between two numbers, although a third number is no number"),
    },
  },
  {
    id: "D11",
    flaw: "Foreign text is the format of a log line: #58 must see what follows swallowed.",
    edits: [inElection("campaign-news", 'parts.logger.warn("alarm", {', "parts.logger.warn(effect.message, {")],
    scenario: { tests: electionTests("scenarios-records", "#58: an identity cannot make a console swallow") },
  },
  {
    id: "D12",
    flaw: "Characters that turn the direction of text reach the log.",
    edits: [{ file: "src/system/logger.ts", find: "\\p{Cc}\\p{Cf}", replace: "\\p{Cc}" }],
    scenario: { tests: [...electionTests("mutant-gaps", "characters that turn the direction of text")] },
  },
  {
    id: "D13",
    flaw: "A pause that is no number is waited for: the retry must be seen to hang.",
    edits: [
      {
        file: "src/system/retry.ts",
        find: 'typeof asked === "number" && asked > 0 ? asked : 0',
        replace: 'typeof asked === "number" ? asked : 0',
      },
    ],
    scenario: { tests: [{ file: "test/system/retry.test.ts", named: "takes no advice that is no number" }] },
  },
  {
    id: "D14",
    flaw: "An elector stays unhealthy after it has healed a record whose term went back.",
    edits: [inElection("outcomes", "state.termWentBack = false;", "state.termWentBack &&= true;")],
    scenario: { tests: electionTests("outcomes", "heals a record whose term went back") },
  },
  {
    id: "D15",
    flaw: "One refused renewal gives up the held term of acquire: it must be seen to end for nothing.",
    edits: [inElection("acquired-term", "if (this.#begun) return false;", "")],
    scenario: { tests: electionTests("acquired-term", "a term that is held is not given up for one refused renewal") },
  },
  {
    id: "D16",
    flaw: "What a fold throws is swallowed, and the term goes on: the alarm and the end of the term must be missed.",
    edits: [
      inElection(
        "campaign",
        `fold?.();
    } catch (error) {
      this.#broken(error);`,
        `fold?.();
    } catch (error) {
      this.#context.trouble(error, "election");`,
      ),
    ],
    scenario: { tests: electionTests("campaign", "while something is folded ends the term at once as expired") },
  },
  {
    id: "D17",
    flaw: "A loss during the drain of a stop starts its time again: the stop must be seen to take too long (L4).",
    edits: [
      inElection(
        "campaign",
        "const drainedMs = (this.#stoppedAtMs ?? nowMs) + drainTimeoutMs;",
        "const drainedMs = nowMs + drainTimeoutMs;",
      ),
    ],
    scenario: { tests: electionTests("scenarios-lifecycle", "a loss during the drain of a stop does not prolong it") },
  },
  {
    id: "D17b",
    flaw: "A stop settles beside work that runs on, and nobody is told: the overrun must be missed.",
    edits: [
      inElection("campaign", "if (this.#state.workRunning && !this.#keeper.overrun) this.#keeper.tellOverrun();", ""),
    ],
    scenario: {
      tests: electionTests(
        "campaign",
        "settles in time although its work does not end, and says so: the storage hangs",
      ),
    },
  },
  {
    id: "D18",
    flaw: "A bug that repeats in a fold floods the storage: its requests must be counted.",
    edits: [
      inElection(
        "campaign",
        "{ holdUntilMs: untilMs, nextPollMs: untilMs, readPauseUntilMs: untilMs }",
        "{ holdUntilMs: untilMs }",
      ),
    ],
    scenario: {
      tests: electionTests("campaign", "while it campaigns lets it campaign again after a lease, and does not flood"),
    },
  },
  {
    id: "D19",
    flaw: "A logger that throws breaks the election.",
    edits: [
      inElection(
        "settings",
        "options.logger === undefined ? silentLogger : harmless(options.logger)",
        "options.logger ?? silentLogger",
      ),
    ],
    scenario: { tests: electionTests("leader-elector", "a logger whose info throws", "a logger whose debug throws") },
  },
  {
    id: "D20",
    flaw: "After a demotion that threw, a second term may begin beside the first one's work.",
    edits: [inElection("term-keeper", "workRunning: this.#run?.ended === false });", "workRunning: false });")],
    scenario: { tests: [...electionTests("mutant-gaps", "after a demotion that threw")] },
  },
  {
    id: "D21",
    flaw: "A lost creation proves no record: its absence afterwards must be seen not to be waited for.",
    edits: [
      inElection(
        "outcomes",
        "if (write.expected === undefined) {",
        "if (write.expected === undefined && state.everSaw) {",
      ),
    ],
    scenario: { tests: [...electionTests("outcomes", "that lost a creation proves that there was a record")] },
  },
  {
    id: "D22",
    flaw: "A read from before one's newest confirmed write ends the term: the fold must see a term lost.",
    edits: [
      inElection(
        "observation",
        "const early = receipt.readSeq !== undefined && receipt",
        "const early = receipt.readSeq === -1 && receipt",
      ),
    ],
    scenario: { tests: [...electionTests("mutant-gaps", "a record of my term that was read before my newest write")] },
  },
  {
    id: "D23",
    flaw: "Round trips measured in an outage spread takeovers for hours.",
    edits: [inElection("lock-traffic", "beforeMs === 0 || ms < beforeMs ? ms :", "beforeMs === 0 ? ms :")],
    scenario: { tests: [...electionTests("mutant-gaps", "round trips measured in an outage")] },
  },
  {
    id: "D24",
    flaw: "A takeover passes the last term that can be read, and ends all elections.",
    edits: [
      inElection(
        "decide-following",
        'return term > maxReadableTerm ? observe(state, nowMs, Infinity) : { do: "takeOver", term };',
        'return { do: "takeOver", term };',
      ),
    ],
    scenario: { tests: [...electionTests("decide", "a term that nobody could read is never written")] },
  },
  {
    id: "D25",
    flaw: "A lease of 31 years is waited for, though somebody has deleted its record.",
    edits: [
      inElection(
        "sightings",
        "waitMs(Math.min(seen.storedMs ?? 0, settings.maxHonouredLeaseMs), settings)",
        "waitMs(seen.storedMs, settings)",
      ),
    ],
    scenario: { tests: [...electionTests("mutant-gaps", "a lease that is not honoured is waited for no longer")] },
  },
];
