// Goal: whatever is lost, late, doubled, stale or edited, validity grows only from the send of a write that was really
// applied, and a term that is known to be lost stays lost. Method: random histories of one leader over a small model of
// a store, whose answers, hints and reads arrive in any order and of any age.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decide } from "../../src/election/decide.ts";
import type { SentWrite } from "../../src/election/sent-table.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import { Folding } from "./folding.ts";
import { leading, nowMs, record, settings, term, version } from "./situations.ts";

/** What is stored, and all that ever was. */
interface Stored {
  readonly record: LeaderElectionRecord | undefined;
  readonly version: string;
}

/** A leader, the store behind it, and what is under way between them. With `laggingReads` a read may tell any past. */
class Model {
  readonly laggingReads: boolean;

  readonly folding = new Folding(leading(1_000));
  readonly history: Stored[] = [];
  readonly writes: { readonly write: SentWrite; readonly outcomes: boolean[] }[] = [];
  /** Each with what was stored when it was sent. */
  readonly reads: { readonly seq: number; readonly from: number }[] = [];
  /** Sends of writes that were applied. */
  readonly appliedAtMs: number[];
  #versions = 1;

  constructor(laggingReads = true) {
    this.laggingReads = laggingReads;
    const { confirmed } = this.folding.state.sent;
    if (confirmed === undefined) throw new Error("the leader has confirmed nothing");
    this.history.push({ record: confirmed.record, version: confirmed.version });
    this.appliedAtMs = [confirmed.write.sentAtMs];
  }

  get now(): Stored {
    const last = this.history.at(-1);
    if (last === undefined) throw new Error("the history begins with a record");
    return last;
  }

  put(stored: LeaderElectionRecord | undefined): string {
    this.#versions += 1;
    const under = `v${this.#versions}`;
    this.history.push({ record: stored, version: under });
    return under;
  }

  send(): void {
    const expected = this.folding.state.sent.confirmed?.version;
    if (expected !== undefined) this.writes.push({ write: this.folding.send("renew", {}, expected), outcomes: [] });
  }

  /** A request arrives; it may arrive again. */
  deliver(index: number): void {
    const sent = pick(this.writes, index);
    if (sent === undefined) return;
    const applies = this.now.record !== undefined && this.now.version === sent.write.expected;
    if (applies) {
      this.put(sent.write.record);
      this.appliedAtMs.push(sent.write.sentAtMs);
    }
    sent.outcomes.push(applies);
  }

  /** The answer to any of the deliveries arrives, or none. */
  answer(index: number, which: number): void {
    const sent = pick(this.writes, index);
    if (sent === undefined) return;
    const outcome = pick(sent.outcomes, which);
    const { outcomes, now } = this.folding;
    if (outcome === undefined) return outcomes.unknown(sent.write, now);
    if (!outcome) return outcomes.lostRace(sent.write);
    const stored = this.history.find(({ record: found }) => found === sent.write.record);
    this.folding.confirm(sent.write, stored?.version);
  }

  sendRead(): void {
    this.reads.push({ seq: this.folding.sendRead(), from: this.history.length - 1 });
  }

  /** A read is answered by what is stored since it was sent, or by what was stored at any time before. */
  answerRead(index: number, age: number): void {
    const read = pick(this.reads, index);
    if (read === undefined) return;
    const found = pick(this.laggingReads ? this.history : this.history.slice(read.from), age);
    if (found?.record === undefined) this.folding.readNothing(read.seq);
    else this.folding.read(found.record, found.version, read.seq);
  }

  hint(age: number): void {
    const found = pick(this.history, age);
    if (found?.record !== undefined) this.folding.hint(found.record, found.version);
  }
}

function pick<T>(list: readonly T[], index: number): T | undefined {
  return list[list.length === 0 ? 0 : index % list.length];
}

type Step = readonly [name: keyof typeof steps, first: number, second: number];

const steps = {
  pass: (model: Model, ms: number) => void (model.folding.atMs += ms % 3_000),
  send: (model: Model) => model.send(),
  renew: (model: Model) => {
    model.send();
    model.deliver(model.writes.length - 1);
    model.answer(model.writes.length - 1, 0);
  },
  deliver: (model: Model, index: number) => model.deliver(index),
  answer: (model: Model, index: number, which: number) => model.answer(index, which),
  read: (model: Model) => model.sendRead(),
  answerRead: (model: Model, index: number, age: number) => model.answerRead(index, age),
  hint: (model: Model, age: number) => model.hint(age),
  edit: (model: Model) => {
    if (model.now.record !== undefined) model.put({ ...model.now.record, strategy: "edited" });
  },
  take: (model: Model, holder: number) => {
    const leaderTransitions = (model.now.record?.leaderTransitions ?? 0) + 1;
    model.put(record(holder % 3 === 0 ? "" : "other", { leaderTransitions, renewTime: `taken ${holder}` }));
  },
  erase: (model: Model) => void model.put(undefined),
};

const often = ["pass", "renew", "send", "deliver", "answer", "read", "answerRead", "hint"] as const;

/** Most histories are quiet: rarely is the record taken, erased or edited. */
const anyStep = fc.tuple(
  fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...often) },
    { weight: 1, arbitrary: fc.constantFrom("edit", "take", "erase") },
  ),
  fc.nat(1_000),
  fc.nat(1_000),
) as fc.Arbitrary<Step>; // cast: names of steps only

function play(history: readonly Step[], check: (model: Model) => void, model: Model = new Model()): void {
  for (const [name, first, second] of history) {
    steps[name](model, first, second);
    check(model);
  }
}

/** As `expect(holds).toBe(true)`, for what is asked a hundred thousand times. */
function ensure(holds: boolean, what: string): void {
  if (!holds) expect.fail(what);
}

describe("in any history of a leader", () => {
  const histories = fc.array(anyStep, { minLength: 30, maxLength: 80 });

  it("validity reaches no further than from the send of a write that was applied (S2, S11), and never shrinks", () => {
    let extended = 0;
    const property = fc.property(histories, (history) => {
      let before = nowMs + 9_000;
      play(history, ({ folding, appliedAtMs }) => {
        const { validUntilMs } = term(folding.state);
        ensure(validUntilMs >= before, `validity shrank from ${before} to ${validUntilMs}`);
        ensure(
          appliedAtMs.includes(validUntilMs - settings.renewDeadlineMs),
          `nothing applied ends at ${validUntilMs}`,
        );
        if (validUntilMs > before) extended += 1;
        before = validUntilMs;
      });
    });
    fc.assert(property, { numRuns: 200, seed: 11 });
    expect(extended).toBeGreaterThan(100);
  });

  it("what is confirmed was applied, under a version that it really had", () => {
    const property = fc.property(histories, (history) => {
      play(history, ({ folding, history: stored }) => {
        const { confirmed } = folding.state.sent;
        const found = stored.some(
          (each) => each.version === confirmed?.version && each.record?.renewTime === confirmed.record.renewTime,
        );
        ensure(found, `nothing like the confirmed record was stored under ${confirmed?.version}`);
      });
    });
    fc.assert(property, { numRuns: 200, seed: 12 });
  });

  it("a term that is known to be lost stays lost for the same reason, and is demoted next (S8)", () => {
    let lost = 0;
    const property = fc.property(histories, (history) => {
      let before: string | undefined;
      play(history, ({ folding }) => {
        const { loss } = term(folding.state);
        ensure(before === undefined || loss === before, `the loss was ${before} and is ${loss}`);
        before = loss;
        if (loss === undefined) return;
        lost += 1;
        ensure(decide(folding.state, folding.now, settings).do === "demote", "a lost term is not demoted");
      });
    });
    fc.assert(property, { numRuns: 200, seed: 13 });
    expect(lost).toBeGreaterThan(100);
  });

  it("without anybody else's hand no term is lost, whatever is late, doubled, edited or unknown (L3)", () => {
    let races = 0;
    const quietStep = fc.tuple(fc.constantFrom(...often, "edit" as const), fc.nat(1_000), fc.nat(1_000));
    const quiet = fc.array(quietStep, { minLength: 30, maxLength: 80 });
    const property = fc.property(quiet, (history) => {
      const check = ({ folding }: Model): void => {
        const { loss, lostRace } = term(folding.state);
        ensure(loss === undefined, `lost as ${loss}`);
        if (lostRace !== undefined) races += 1;
      };
      play(history, check, new Model(false));
    });
    fc.assert(property, { numRuns: 300, seed: 14 });
    expect(races).toBeGreaterThan(100);
  });

  it("a takeover is noticed by the first read that was sent after it (S9)", () => {
    const property = fc.property(histories, (history) => {
      const model = new Model();
      play(history, () => {}, model);
      const successor = record("other", { leaderTransitions: 900, renewTime: "the successor" });
      model.folding.read(successor, model.put(successor));
      ensure(term(model.folding.state).loss !== undefined, "nothing was noticed");
      ensure(decide(model.folding.state, model.folding.now, settings).do === "demote", "the term is not demoted");
    });
    fc.assert(property, { numRuns: 100, seed: 15 });
  });

  it("what is remembered stays bounded", () => {
    const property = fc.property(fc.array(anyStep, { minLength: 300, maxLength: 400 }), (history) => {
      play(history, ({ folding: { state } }) => {
        ensure(state.sent.later.length <= 32, `${state.sent.later.length} writes`);
        ensure(state.firstReceipts.size <= 32, `${state.firstReceipts.size} receipts`);
        state.effects.splice(0);
      });
    });
    fc.assert(property, { numRuns: 10, seed: 16 });
  });
});

it("the model itself knows what a stale answer is: a version names one state", () => {
  const model = new Model();
  model.send();
  model.deliver(0);
  model.deliver(0);
  expect(model.writes[0]?.outcomes).toEqual([true, false]);
  expect(new Set(model.history.map((each) => each.version)).size).toBe(model.history.length);
  expect(model.history[0]?.version).toBe(version("v1"));
});
