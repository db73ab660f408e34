import { waitMs } from "../../src/election/pauses.ts";
import { heldPair } from "../../src/election/sent-table.ts";
import type { LeaderElectionRecord } from "../../src/lock/leader-election-record.ts";
import type { Version } from "../../src/storage/versioned-storage.ts";
import { honest } from "./setup.ts";
import type { Answer, Call, Candidate, World } from "./world.ts";

/** A request arrives: the one atomic step of the storage, and the checks of what it did. */
export function arrive(world: World, index: 0 | 1, call: Call): Answer {
  const { stored } = world;
  const { record } = call;
  if (record === undefined) throw new Error("a read needs no arrival: it may answer all that is stored meanwhile");
  if (stored?.version !== call.expected) return { kind: "lost" };
  if (call.answer?.kind === "written") world.broken.push("S4: one write was applied twice");
  const candidate = world.candidates[index];
  if (call.kind === "release") judgeRelease(world, candidate);
  else judgeWrite(world, candidate, call);
  return { kind: "written", version: store(world, record) };
}

/** Puts a record there, as its next version. */
export function store(world: World, record: LeaderElectionRecord): Version {
  const before = world.stored;
  world.lastVersion += 1;
  const version = String(world.lastVersion) as Version; // cast: the server of this world makes them
  world.stored = { record, version };
  if (before === undefined || heldPair(before.record) !== heldPair(record)) forgetReceipts(world);
  for (const candidate of world.candidates) {
    if (candidate.state.watchLive) candidate.hints = [...candidate.hints, world.stored].slice(-2);
  }
  showReaders(world);
  return version;
}

/** The record is deleted. */
export function erase(world: World): void {
  world.stored = undefined;
  forgetReceipts(world);
  showReaders(world);
}

/** What is stored now was received by nobody. */
function forgetReceipts(world: World): void {
  for (const candidate of world.candidates) candidate.currentSinceMs = undefined;
}

function showReaders({ candidates, stored }: World): void {
  for (const candidate of candidates) {
    candidate.calls = candidate.calls.map((call) =>
      call.kind === "read" ? { ...call, readable: [...call.readable, stored] } : call,
    );
  }
}

function judgeRelease(world: World, { identity }: Candidate): void {
  const { holderIdentity, renewTime = "" } = world.stored?.record ?? {};
  // The writer's letter opens each text; a free record that is one's own may be released once more.
  if (!renewTime.startsWith(identity)) world.broken.push(`S6: ${identity} releases a record of ${holderIdentity}`);
}

/** S3, and the proof that S2 and S11 are judged by. */
function judgeWrite(world: World, candidate: Candidate, call: Call): void {
  const { write, record } = call;
  if (write === undefined || record === undefined) throw new Error("a write without a record");
  if (write.kind === "acquire" && call.expected === undefined) judgeCreation(world, candidate, call);
  else if (write.kind === "acquire") judgeReplacement(world, candidate, call);
  const term = record.leaderTransitions;
  const sentAtMs = candidate.proof?.term === term ? Math.max(candidate.proof.sentAtMs, write.sentAtMs) : write.sentAtMs;
  candidate.proof = { term, sentAtMs };
}

function judgeReplacement(world: World, { identity, currentSinceMs }: Candidate, { sentMs }: Call): void {
  const { record } = world.stored ?? {};
  if (record === undefined || record.holderIdentity === "" || record.holderIdentity === identity) return;
  const storedMs = record.leaseDurationSeconds === undefined ? undefined : record.leaseDurationSeconds * 1000;
  const waitedMs = currentSinceMs === undefined ? -Infinity : sentMs - currentSinceMs;
  if (waitedMs < waitMs(storedMs, honest)) {
    world.broken.push(`S3: ${identity} replaces ${record.holderIdentity} after ${waitedMs} ms`);
  }
}

function judgeCreation(world: World, candidate: Candidate, { sentMs, write, knowing }: Call): void {
  const { identity, absentSinceMs, absentLastMs, state } = candidate;
  if (!knowing || (write !== undefined && write.sentAtMs < state.erasedValidUntilMs)) return;
  const waitedMs = absentSinceMs === undefined ? -Infinity : sentMs - absentSinceMs;
  const seenLately = sentMs - absentLastMs <= 3 * honest.retryPeriodMs;
  if (waitedMs < honest.leaseDurationMs || !seenLately) {
    world.broken.push(`S3: ${identity} creates after an absence of ${waitedMs} ms`);
  }
}
