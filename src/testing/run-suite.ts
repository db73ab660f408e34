import assert from "node:assert/strict";
import { systemClock, type Clock } from "../system/clock.ts";
import type { Random } from "../system/random.ts";
import type { StorageCapabilities } from "../storage/versioned-storage.ts";
import { SeededRandom } from "./seeded-random.ts";
import type { StorageFaults } from "./storage-faults.ts";
import type { StorageNeed, StorageSuiteCase, StorageSuiteContext } from "./storage-suite-case.ts";

/**
 * How the suites reach a storage. `Place` is whatever tells two connections to meet: a server, a directory, a shared
 * map.
 */
export interface SuiteHarness<Connection, Place> {
  /** A fresh, empty place; called for each case. */
  place(): Place | Promise<Place>;
  connect(place: Place): Connection | Promise<Connection>;
  /** Lets a connection meet faults. Without it the cases that need them are not run. */
  faults?(place: Place): StorageFaults<Connection> | Promise<StorageFaults<Connection>>;
  /** Puts bytes under a key, as a foreign program would; default: by `create` of a connection. */
  put?(place: Place, key: string, body: Uint8Array): void | Promise<void>;
  /** Ends the place; called after each case. */
  remove?(place: Place): void | Promise<void>;
  /** What the technology cannot do. It has to be said: a case is not left out in silence. */
  readonly lacks?: readonly StorageNeed[];
  /** Whether a case that is not run counts as failed, as it should for a storage that is relied on. */
  readonly complete?: boolean;
  readonly clock?: Clock;
  readonly random?: Random;
  /** What the harness has put into URLs and credentials; no error, inspection or log may show it. */
  readonly secrets?: readonly string[];
  /** What was logged so far. */
  logged?(): string;
  /** Gets "not run: R18 (no faults)"; default: such a line is the name of a test. */
  print?(line: string): void;
  /** The deadline of one case, as the runner's third argument; default 60 000 ms. */
  readonly timeoutMs?: number;
  /**
   * How much of their repetitions the long cases do (R11, R12, R15, R26, R27, R30), above 0 and at most 1, for a
   * storage that takes a tenth of a second for each call; default 1. The lines of these cases then say so.
   */
  readonly scale?: number;
}

/** A test runner's `test`: that of vitest, node:test and jest fits. */
export type RegisterTest = (name: string, run: () => Promise<void>, timeoutMs: number) => unknown;

/** What both kinds of connection have. */
interface Closable {
  readonly capabilities?: StorageCapabilities;
  close?(): Promise<void>;
}

/** Registers each case of a suite as one test over a place of its own. */
export function runSuite<Connection extends Closable, Place>(
  test: RegisterTest,
  suite: readonly StorageSuiteCase<Connection>[],
  harness: SuiteHarness<Connection, Place>,
): void {
  const { scale = 1 } = harness;
  assert.ok(scale > 0 && scale <= 1, `scale (${scale}) must be above 0 and at most 1`);
  const lacks = new Set<StorageNeed>(harness.lacks ?? []);
  if (harness.faults === undefined) lacks.add("faults");
  for (const each of suite) {
    const missing = (each.needs ?? []).filter((need) => lacks.has(need));
    const run = missing.length === 0 ? () => runCase(each, harness) : () => explain(each.id, missing, harness);
    const line = `not run: ${each.id} (no ${missing.join(", no ")})`;
    if (missing.length > 0) harness.print?.(line);
    const name = `storage ${each.id}: ${each.name}${each.scales === true && scale < 1 ? ` (x ${scale})` : ""}`;
    test(missing.length === 0 ? name : line, run, harness.timeoutMs ?? 60_000);
  }
}

/** What is said to be missing has to be missing. */
async function explain<Connection extends Closable, Place>(
  id: string,
  missing: readonly StorageNeed[],
  harness: SuiteHarness<Connection, Place>,
): Promise<void> {
  assert.notEqual(harness.complete, true, `${id} was not run, and this harness has to be complete`);
  const place = await harness.place();
  try {
    const connection = await harness.connect(place);
    for (const need of missing) {
      const has = need === "faults" ? harness.faults !== undefined : can(connection.capabilities, need);
      assert.equal(has, false, `the storage has ${need}, so it must not be declared as lacking`);
    }
    await connection.close?.();
  } finally {
    await harness.remove?.(place);
  }
}

function can(capabilities: StorageCapabilities | undefined, need: Exclude<StorageNeed, "faults">): boolean {
  return need === "watch" ? (capabilities?.watch ?? "none") !== "none" : capabilities?.[need] === true;
}

async function runCase<Connection extends Closable, Place>(
  each: StorageSuiteCase<Connection>,
  harness: SuiteHarness<Connection, Place>,
): Promise<void> {
  const place = await harness.place();
  const connections: Connection[] = [];
  const connect = async (): Promise<Connection> => {
    const connection = await harness.connect(place);
    connections.push(connection);
    return connection;
  };
  try {
    const faults = await harness.faults?.(place);
    if (faults !== undefined) connections.push(faults.connection);
    await each.run(contextOf(harness, place, { connect, ...(faults && { faults }) }));
  } finally {
    await Promise.allSettled(connections.map(async (connection) => connection.close?.()));
    await harness.remove?.(place);
  }
}

function contextOf<Connection extends Closable, Place>(
  harness: SuiteHarness<Connection, Place>,
  place: Place,
  parts: Pick<StorageSuiteContext<Connection>, "connect" | "faults">,
): StorageSuiteContext<Connection> {
  const { clock = systemClock, random = new SeededRandom(1), secrets = [], scale = 1 } = harness;
  return {
    ...parts,
    place,
    clock,
    random,
    secrets,
    logged: () => harness.logged?.() ?? "",
    scaled: (count) => Math.max(1, Math.round(count * scale)),
    put: async (key, body) => {
      if (harness.put !== undefined) return harness.put(place, key, body);
      const connection = await parts.connect();
      const create: unknown = Reflect.get(connection, "create");
      assert.ok(typeof create === "function", "the harness needs put(place, key, body)");
      await Reflect.apply(create, connection, [key, body]);
    },
  };
}
