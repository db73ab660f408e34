import type { Effect, ElectionState, Readings } from "../../src/election/election-state.ts";
import { Observation } from "../../src/election/observation.ts";
import { Outcomes } from "../../src/election/outcomes.ts";
import { heldPair, type SentWrite } from "../../src/election/sent-table.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import { nowMs, record, settings, version } from "./situations.ts";
import type { ResolvedSettings } from "../../src/election/settings.ts";

/** A state with what folds events into it, at a time and with a chance that the test sets. */
export class Folding {
  readonly state: ElectionState;
  readonly observation: Observation;
  readonly outcomes: Outcomes;
  /** What every draw gives. */
  draw = 0;
  draws = 0;
  /** By both clocks. */
  atMs = nowMs;
  #writes = 0;

  constructor(state: ElectionState, more: Partial<ResolvedSettings> = {}) {
    const random = { next: () => this.#next(), uuid: () => "" };
    const parts = { settings: { ...settings, ...more }, random };
    this.state = state;
    this.observation = new Observation(state, parts);
    this.outcomes = new Outcomes(state, parts);
  }

  get now(): Readings {
    return { observerMs: this.atMs, leaderMs: this.atMs };
  }

  /** Sends a read: what it orders by. */
  sendRead(): number {
    this.state.seq += 1;
    return this.state.seq;
  }

  /** The answer of a read; by default of one that is sent now. */
  read(found: LeaderElectionRecord, under = "v1", readSeq: number = this.sendRead()): void {
    this.observation.record({ record: found, version: version(under) }, { now: this.now, readSeq });
  }

  /** A record that came with a hint. */
  hint(found: LeaderElectionRecord, under = "v1"): void {
    this.observation.record({ record: found, version: version(under) }, { now: this.now, readSeq: undefined });
  }

  readNothing(readSeq: number = this.sendRead()): void {
    this.observation.absence({ now: this.now, readSeq });
  }

  readGarbage(error: unknown, readSeq: number = this.sendRead()): void {
    this.observation.unreadable(error, { now: this.now, readSeq });
  }

  /** Sends a write of mine, as the traffic does. */
  send(
    kind: SentWrite["kind"],
    more: Partial<LeaderElectionRecord> = {},
    expected: string | undefined = "v1",
  ): SentWrite {
    this.#writes += 1;
    this.state.seq += 1;
    const renewTime = `write ${String(this.#writes).padStart(3, "0")}`; // sorts after the times of situations.ts
    const mine = record("me", { renewTime, ...more });
    const write: SentWrite = {
      ...{ kind, pair: heldPair(mine), record: mine, sentAtMs: this.atMs, sentSeq: this.state.seq },
      ...{ expected: expected === undefined ? undefined : version(expected), status: "underWay", endedSeq: 0 },
    };
    this.state.sent.add(write);
    if (kind === "acquire") this.state.acquiring = write;
    return write;
  }

  /** The answer `written`. */
  confirm(write: SentWrite, under = "v2", more: Partial<LeaderElectionRecord> = {}): void {
    this.outcomes.confirm(write, { record: { ...write.record, ...more }, version: version(under) }, this.now);
  }

  /** The effects so far, which are taken. */
  effects(): Effect[] {
    return this.state.effects.splice(0);
  }

  /** What was told so far: alarms by their kind, new leaders with their term, the rest by its name. */
  told(): string[] {
    return this.effects().map((effect) => {
      if (effect.kind === "alarm") return effect.alarm;
      return effect.kind === "newLeader" ? `${effect.identity} ${effect.term}` : effect.kind;
    });
  }

  #next(): number {
    this.draws += 1;
    return this.draw;
  }
}
