import assert from "node:assert/strict";
import { appliedOf } from "../errors.ts";
import type { Random } from "../system/random.ts";
import { probeStorage } from "../storage/probe.ts";
import type { Version, VersionedStorage, WriteOutcome } from "../storage/versioned-storage.ts";
import { BrokenStorage, storageFlaws } from "./broken-storage.ts";
import { FaultyStorage } from "./faulty-storage.ts";
import { linearizabilityProblem, type HistoryCall } from "./linearizability.ts";
import { SeededRandom } from "./seeded-random.ts";
import { bytes, listed, text } from "./storage-assertions.ts";
import type { StorageFault, StorageOperation } from "./storage-faults.ts";
import type { StorageSuiteCase } from "./storage-suite-case.ts";

/** R26 and R27: what only many calls together show. */
export const historyCases: readonly StorageSuiteCase<VersionedStorage>[] = [
  {
    id: "R26",
    scales: true,
    name: "the probe finds this place safe, leaves nothing behind, and finds each flaw of a broken one",
    async run({ connect, clock, random, scaled }) {
      const options = { clock, random, quick: true };
      const report = await probeStorage(connect, options);
      assert.equal(report.verdict, "safe", JSON.stringify(report.steps.filter(({ verdict }) => verdict !== "safe")));
      assert.equal(report.steps.map(({ id }) => id).join(), Array.from({ length: 14 }, (_, i) => `P${i + 1}`).join());
      assert.equal((await listed(await connect(), "tenure-probe/")).size, 0);
      for (const flaw of storageFlaws.slice(0, scaled(storageFlaws.length))) {
        const found = await probeStorage(async () => new BrokenStorage(await connect(), flaw), options);
        assert.equal(found.verdict, "unsafe", `a storage that ${flaw} passed`);
      }
    },
  },
  {
    id: "R27",
    scales: true,
    name: "200 random histories of 4 clients behind a faulty network are linearizable, unknown writes either way",
    async run({ connect, scaled }) {
      const connections = await Promise.all([connect(), connect(), connect(), connect()]);
      let written = 0;
      for (let seed = 1; seed <= scaled(200); seed += 1) {
        const history = await randomHistory(connections, seed);
        assert.equal(linearizabilityProblem(history), undefined, `seed ${seed}: ${JSON.stringify(history)}`);
        written += history.filter(({ end }) => end.kind === "written").length;
      }
      // What fails is left out of a history: one of failures alone would prove nothing.
      assert.ok(written >= scaled(200), `${written} writes in ${scaled(200)} histories: most calls failed`);
    },
  },
];

const callsPerClient = 8;

/** What clients of a seed's history did, over two keys that nobody else uses. */
export async function randomHistory(connections: readonly VersionedStorage[], seed: number): Promise<HistoryCall[]> {
  const history: HistoryCall[] = [];
  let events = 0;
  const clients = connections.map(async (connection, client) => {
    const random = new SeededRandom(seed * 16 + client);
    const storage = new FaultyStorage(connection, { script: ({ operation }) => randomFault(random, operation) });
    const known = new Map<string, Version>();
    for (let turn = 0; turn < callsPerClient; turn += 1) {
      for (let pause = Math.floor(random.next() * 6); pause > 0; pause -= 1) await Promise.resolve();
      const call = randomCall(random, { seed, client, turn, known });
      const begunAt = (events += 1);
      const end = await endOf(storage, call);
      const endedAt = (events += 1);
      if (end === undefined) continue;
      if (end.version !== undefined) known.set(call.key, end.version);
      history.push({ ...call, client, begunAt, endedAt, end: end.end });
    }
  });
  await Promise.all(clients);
  return history;
}

type RandomCall = Pick<HistoryCall, "key" | "kind" | "value"> & { readonly expected?: Version };

function randomCall(
  random: Random,
  { seed, client, turn, known }: { seed: number; client: number; turn: number; known: ReadonlyMap<string, Version> },
): RandomCall {
  const key = `history/${seed}/${random.next() < 0.7 ? "x" : "y"}`;
  const draw = random.next();
  const expected = known.get(key);
  const value = `${client}.${turn}`;
  if (draw < 0.35) return { key, kind: "read" };
  if (draw < 0.5 || expected === undefined) return { key, kind: "create", value };
  return draw < 0.85 ? { key, kind: "replace", value, expected } : { key, kind: "remove", expected };
}

/**
 * A create is not doubled: where somebody removes the key between its two deliveries, it is applied twice, as two
 * writes of one value (R20 doubles creates while nobody else writes).
 */
export function randomFault(random: Random, operation: StorageOperation): StorageFault | undefined {
  const draw = random.next();
  if (draw < 0.1) return { kind: "requestLost" };
  if (draw < 0.2) return { kind: "answerLost" };
  if (draw < 0.25) return { kind: "throttled" };
  if (draw < 0.3 && operation !== "create") return { kind: "doubled", answer: draw < 0.275 ? 1 : 2 };
  return undefined;
}

type End = { readonly end: HistoryCall["end"]; readonly version: Version | undefined };

/** How the call ended; `undefined` if it provably had no effect. A refusal may be that of one's own doubled write. */
async function endOf(storage: FaultyStorage, call: RandomCall): Promise<End | undefined> {
  const asked = storage.calls.length;
  try {
    if (call.kind === "read") {
      const stored = await storage.read(call.key);
      const end = { kind: "seen", value: text(stored?.value), version: stored?.version } as const;
      return { end, version: stored?.version };
    }
    const outcome = await send(storage, call);
    if (outcome.written) return { end: { kind: "written", version: outcome.version }, version: outcome.version };
    const doubled = storage.calls[asked]?.fault?.kind === "doubled";
    return { end: { kind: doubled ? "unknown" : "refused" }, version: undefined };
  } catch (error) {
    if (call.kind === "read" || appliedOf(error) === "no") return undefined;
    return { end: { kind: "unknown" }, version: undefined };
  }
}

function send(storage: VersionedStorage, { kind, key, value = "", expected }: RandomCall): Promise<WriteOutcome> {
  if (expected === undefined) return storage.create(key, bytes(value));
  return kind === "remove" ? storage.remove(key, expected) : storage.replace(key, bytes(value), expected);
}
