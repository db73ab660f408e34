import { electionTests, inElection, type Mutant } from "./mutant.ts";

/** The rest of the flaws that nearly were: N15 to N22. */
export const flawsOfFolding: readonly Mutant[] = [
  {
    id: "N15",
    flaw: "What was stored reaches a prototype through the codec: W4 and #57 must see it changed.",
    edits: [
      { file: "src/storage/lease-codec.ts", find: "return Object.create(null) as T;", replace: "return {} as T;" },
    ],
    scenario: {
      tests: [{ file: "test/storage/lease-codec.test.ts", named: "wire W4:" }],
    },
  },
  {
    id: "N16",
    flaw: "A repeated release writes the term of an older record: the fold must see a term that goes back (S5).",
    edits: [
      inElection(
        "observation",
        "release.target = mine;",
        "release.target = { record: release.target.record, version: mine.version };",
      ),
    ],
    scenario: {
      tests: electionTests(
        "observation",
        "a renewal that was applied after all is mine, and is what the next try replaces",
      ),
    },
  },
  {
    id: "N17",
    flaw: "A lost race drops the pair: #15 and the fold must see one's own doubled write taken for another's.",
    edits: [
      inElection(
        "outcomes",
        'this.#end(write, "lost");',
        `this.#end(write, "lost");
    (state.sent.later as SentWrite[]).splice(state.sent.later.indexOf(write), 1);`,
      ),
    ],
    scenario: {
      tests: [
        ...electionTests("scenarios-network", "#15:"),
        ...electionTests("outcomes", "that lost the race asks for the truth, without a pause, and drops nothing"),
      ],
    },
  },
  {
    id: "N18",
    flaw: "An acquisition that was refused is sent again at once: #22 and the fold must miss the pause.",
    edits: [
      inElection(
        "outcomes",
        "state.acquirePauseUntilMs = now.observerMs + drawRetryPause(this.#parts);",
        "state.acquirePauseUntilMs = now.observerMs + 1;",
      ),
    ],
    scenario: {
      tests: [
        ...electionTests("outcomes", "that was refused pauses, and needs no read"),
        ...electionTests("scenarios-network", "#22: a standby whose acquisition is refused"),
      ],
    },
  },
  {
    id: "N19",
    flaw: "A second write in doubt postpones the next renewal: late answers must be seen to cost terms (#13).",
    edits: [
      inElection(
        "decide-leading",
        "return term.retryAtMs ?? confirmedMs + settings.renewIntervalMs;",
        "return term.retryAtMs ?? Math.max(confirmedMs, state.lastWriteMs) + settings.renewIntervalMs;",
      ),
    ],
    scenario: { tests: electionTests("mutant-gaps", "a second write in doubt postpones no renewal") },
  },
  {
    id: "N19b",
    flaw: "A read that was sent before the write judges it: G7 must see a second write too early.",
    edits: [
      inElection(
        "decide-leading",
        "return term.answeredReadSeq > Math.max(write.sentSeq, write.endedSeq);",
        "return term.answeredReadSeq > Math.min(0, write.sentSeq);",
      ),
    ],
    scenario: { tests: electionTests("decide", "decide G7: a read that was sent before the write proves nothing") },
  },
  {
    id: "N20",
    flaw: "A sighting seen before and since replaced is ignored: #24 and L1 must see a restored record stay hidden.",
    edits: [
      inElection(
        "observation",
        `this.#judgeLostAcquisition(found, pair, receipt);
    const seen`,
        `const known = this.#state.firstReceipts.has(pair);
    if (!mine && known && (this.#state.seen.kind !== "record" || this.#state.seen.pair !== pair)) return;
    this.#judgeLostAcquisition(found, pair, receipt);
    const seen`,
      ),
    ],
    scenario: {
      tests: [
        ...electionTests("scenarios-network", "#24: a stale sighting is judged by one early renewal"),
        ...electionTests(
          "scenarios-pace",
          "no busy loop where the record went back, and a leader once that is over, watch: bare",
        ),
      ],
    },
  },
  {
    id: "N21",
    flaw: "An erased leader creates after its validity has ended: #44 and F4 must see it too early.",
    edits: [
      inElection(
        "decide-following",
        "const exempt = now.leaderMs < state.erasedValidUntilMs;",
        "const exempt = state.erasedValidUntilMs > -Infinity;",
      ),
    ],
    scenario: {
      tests: [
        ...electionTests("decide", "decide F4: the exemption ends with the validity"),
        ...electionTests("scenarios-races", "#44: an erased leader whose work outlasts its validity"),
      ],
    },
  },
  {
    id: "N22",
    flaw: "The silence of a dropped write counts as doubt: the table and #50 must see it kept.",
    edits: [
      inElection(
        "sent-table",
        "other.sentSeq > write.sentSeq && other.expected !== write.expected",
        "other.sentSeq > write.sentSeq",
      ),
    ],
    scenario: {
      tests: [
        ...electionTests("sent-table", "drops what names the version that it replaced"),
        ...electionTests("scenarios-network", "#50:"),
      ],
    },
  },
];
