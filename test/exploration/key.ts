import type { SentWrite } from "../../src/election/sent-table.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import type { ObservedRecord } from "../../src/lock/resource-lock.ts";
import type { Call, Candidate, World } from "./world.ts";

/** Further ahead than any wait of these settings: never. */
const horizonMs = 100_000;
/** What is older is as old as can be: the wait of three ticks, and the three reads that keep up an absence. */
const longestMs = 30_001;
/** Sends that are older prove nothing any more: a validity. */
const validMs = 20_001;
const nothing = -987_654_321;
const phases = ["following", "leading", "draining", "releasing"];
const steps = ["write", "sent", "read", "done"];
const statuses = ["underWay", "unknown", "refused", "lost"];
const kinds = ["nothing", "record", "absent", "unreadable"];

/** Kinds of numbers of which only the order matters: they are replaced by their rank. */
const ranked = { plain: 0, order: 1, otherOrder: 2, aTime: 3, bTime: 4, version: 5 } as const;

/**
 * A canonical form of a world: times count from now, orders, versions and renew times are ranks, and what no rule looks
 * at is left out. Two worlds with the same key have the same future.
 */
export function keyOf(world: World): number {
  const writer = new KeyWriter();
  writer.world(world);
  return writer.hash();
}

class KeyWriter {
  readonly #values: number[] = [];
  readonly #classes: number[] = [];
  /** Pairs that may still be received, in the order of their first mention. */
  readonly #pairs = new Set<string>();
  #order: number = ranked.order;
  #candidate: Candidate | undefined;

  world({ stored, lastBegun, rare, candidates }: World): void {
    this.#observed(stored);
    this.#plain(lastBegun, rare.edits, rare.deletions, rare.doubles, rare.refusals, rare.ends);
    for (const [index, candidate] of candidates.entries()) {
      this.#order = index === 0 ? ranked.order : ranked.otherOrder;
      this.#candidate = candidate;
      this.#person(candidate);
      this.#following(candidate);
      this.#leading(candidate);
      this.#plain(candidate.calls.length);
      for (const call of candidate.calls) this.#call(call);
      this.#plain(candidate.hints.length);
      for (const hint of candidate.hints) this.#observed(hint);
    }
    for (const candidate of candidates) {
      this.#candidate = candidate;
      for (const pair of this.#pairs) this.#since(candidate.state.firstReceipts.get(pair)?.atMs);
    }
  }

  hash(): number {
    const values = this.#values;
    const ranks = Object.values(ranked).map((kind) => this.#ranksOf(kind));
    let one = 0x9e3779b9;
    let two = 0x85ebca6b;
    for (let index = 0; index < values.length; index += 1) {
      const value = values[index] ?? 0;
      const rank = ranks[this.#classes[index] ?? 0]?.get(value) ?? value;
      one = Math.imul(one ^ rank, 0x01000193) ^ (one >>> 15);
      two = Math.imul(two ^ (rank + index), 0x5bd1e995) ^ (two >>> 13);
    }
    return (one >>> 0) * 2 ** 21 + ((two >>> 0) & 0x1fffff);
  }

  #ranksOf(kind: number): Map<number, number> | undefined {
    if (kind === ranked.plain) return undefined;
    const values = this.#values.filter((value, index) => this.#classes[index] === kind && value !== nothing);
    return new Map([...new Set(values)].sort((a, b) => a - b).map((value, rank) => [value, rank]));
  }

  #person({
    state,
    late,
    closed,
    wakeMs,
    currentSinceMs,
    everSaw,
    absentSinceMs,
    absentLastMs,
    proof,
  }: Candidate): void {
    this.#plain(phases.indexOf(state.phase), late, closed, everSaw);
    this.#due(wakeMs);
    this.#since(currentSinceMs, absentSinceMs, absentLastMs);
    this.#plain(proof?.term);
    this.#sent(proof?.sentAtMs);
  }

  #following({ state, now }: Candidate): void {
    const { seen, sent, lostAcquisition } = state;
    this.#plain(kinds.indexOf(seen.kind));
    if (seen.kind === "record") {
      this.#observed(seen);
      this.#since(seen.firstReceiptMs, seen.lastReceiptMs);
    }
    if (seen.kind === "absent") this.#since(seen.sinceMs, seen.lastReceiptMs);
    this.#plain(state.everSaw, state.lastWaitMs, state.highestTerm, state.floorTerm, state.readFailed);
    this.#since(state.lastReadSentMs);
    this.#due(state.readPauseUntilMs, state.nextPollMs, state.quietUntilMs);
    this.#due(state.acquirePauseUntilMs, state.holdUntilMs);
    this.#dueForLeader(state.erasedValidUntilMs);
    this.#ordered(state.reading?.seq, state.mustReadSinceSeq, lostAcquisition?.seq, state.watchOpenedSeq, state.seq);
    this.#version(lostAcquisition?.expected);
    this.#plain(lostAcquisition?.watched, state.editedAcquisitions, state.watchLive, state.hintPending);
    if (state.hintPending) this.#plain(state.hintTokens + (now.observerMs - state.hintTokensAtMs) * 0.002);
    this.#plain(state.begunTerm, state.stillborn, state.releaseGivenUp, state.lastReason === "resigned");
    this.#plain(state.acquiring !== undefined, sent.later.length);
    for (const write of sent.later) this.#write(write, state.acquiring === write);
    const { confirmed } = sent;
    this.#plain(confirmed !== undefined);
    if (confirmed === undefined) return;
    this.#write(confirmed.write, confirmed.write === state.begunWrite);
    this.#version(confirmed.version);
    this.#plain(confirmed.term);
    this.#ordered(confirmed.seq);
  }

  #leading({ state: { term, release }, releases }: Candidate): void {
    this.#plain(term?.number, release === undefined ? nothing : releases);
    if (term !== undefined) {
      this.#dueForLeader(term.validUntilMs, term.retryAtMs);
      this.#sent(term.lastEarlyRenewMs);
      this.#plain(term.retriedAtOnce, term.challenged, term.loss !== undefined, term.ending !== undefined);
      this.#plain(term.workEnded, term.closed, term.stopCallbackEnded);
      this.#ordered(term.lostRace?.seq, term.answeredReadSeq, term.suspectSeq);
      this.#due(term.drainUntilMs);
    }
    if (release === undefined) return;
    this.#due(release.untilMs, release.notBeforeMs);
    this.#plain(steps.indexOf(release.step), release.applied, release.tries % 2, release.lost);
    this.#ordered(release.sinceSeq);
    this.#record(release.target.record);
    this.#version(release.target.version);
  }

  #call({
    kind,
    seq,
    write,
    releaseId,
    record,
    expected,
    deadlineMs,
    sentMs,
    told,
    mute,
    answer,
    readable,
    knowing,
  }: Call): void {
    const { sent } = this.#candidate?.state ?? {};
    this.#plain(kind.length, releaseId, told, mute, answer?.kind.length);
    if (kind === "read") this.#ordered(seq);
    if (write !== undefined) this.#plain(sent?.holds(write));
    this.#record(record);
    this.#version(expected);
    if (!told) this.#due(deadlineMs);
    if (write?.kind === "acquire") this.#since(sentMs);
    this.#sent(write?.sentAtMs);
    this.#plain(readable.length, knowing);
    for (const found of readable) this.#observed(found);
    if (answer?.kind === "written") this.#version(answer.version);
  }

  #write({ kind, record, sentAtMs, sentSeq, expected, status, endedSeq }: SentWrite, marked: boolean): void {
    this.#plain(kind.length, statuses.indexOf(status), marked);
    this.#record(record);
    this.#sent(sentAtMs);
    this.#ordered(sentSeq, endedSeq);
    this.#version(expected);
  }

  #observed(observed: ObservedRecord | undefined): void {
    this.#record(observed?.record);
    this.#version(observed?.version);
  }

  #record(record: LeaderElectionRecord | undefined): void {
    if (record === undefined) return this.#plain(nothing);
    const { holderIdentity, renewTime, leaderTransitions } = record;
    this.#plain(holderIdentity.codePointAt(0), leaderTransitions);
    const writer = renewTime.startsWith("a") ? ranked.aTime : renewTime.startsWith("b") ? ranked.bTime : ranked.plain;
    this.#push(Number(renewTime.slice(1)), writer);
    if (holderIdentity !== "") this.#pairs.add(`${holderIdentity}\n${renewTime}`);
  }

  #plain(...values: readonly (number | boolean | undefined)[]): void {
    for (const value of values) this.#push(Number(value ?? nothing), ranked.plain);
  }

  #ordered(...values: readonly (number | undefined)[]): void {
    for (const value of values) this.#push(value ?? nothing, this.#order);
  }

  #version(value: string | undefined): void {
    this.#push(value === undefined ? nothing : Number(value), ranked.version);
  }

  /** A time that is only asked whether it is over. */
  #due(...values: readonly (number | undefined)[]): void {
    for (const value of values) this.#time(value, { nowMs: this.#candidate?.now.observerMs ?? 0, oldestMs: 0 });
  }

  #dueForLeader(...values: readonly (number | undefined)[]): void {
    for (const value of values) this.#time(value, { nowMs: this.#candidate?.now.leaderMs ?? 0, oldestMs: 0 });
  }

  /** A time since which something is counted: whatever is older than all waits is the same. */
  #since(...values: readonly (number | undefined)[]): void {
    for (const value of values) this.#time(value, { nowMs: this.#candidate?.now.observerMs ?? 0, oldestMs: longestMs });
  }

  #sent(...values: readonly (number | undefined)[]): void {
    for (const value of values) this.#time(value, { nowMs: this.#candidate?.now.leaderMs ?? 0, oldestMs: validMs });
  }

  #time(value: number | undefined, { nowMs, oldestMs }: { readonly nowMs: number; readonly oldestMs: number }): void {
    const relative = value === undefined ? nothing : Math.max(-oldestMs, Math.min(horizonMs, value - nowMs));
    this.#push(Math.round(relative), ranked.plain);
  }

  #push(value: number, kind: number): void {
    this.#values.push(value);
    this.#classes.push(kind);
  }
}
