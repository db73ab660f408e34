// Goal: the driver speaks with a server that others wrote. Method: the published suites over fake-gcs-server, with
// faults on the way; the cases that this server cannot show are named, must fail on it, and run over our own double.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { leaseStorageSuite } from "../../src/testing/lease-storage-suite.ts";
import { runSuite, type RegisterTest } from "../../src/testing/run-suite.ts";
import type { StorageSuiteCase } from "../../src/testing/storage-suite-case.ts";
import type { VersionedStorage } from "../../src/storage/versioned-storage.ts";
import { GcsDoor } from "../storage/support/gcs-door.ts";
import { suiteBeyondBuckets, suiteOfBuckets } from "../storage/support/gcs-places.ts";
import { describeOn } from "./support/found-server.ts";
import { gcsServerIn, isNamedGcsServer, type GcsServer } from "./support/gcs-server.ts";

const deletes = "it deletes whatever the condition says";
/** What fake-gcs-server 1.56.1 cannot show, and why. */
const beyond: ReadonlyMap<string, string> = new Map(
  isNamedGcsServer
    ? []
    : [
        ["R8", deletes],
        ["R9", deletes],
        ["R11", `${deletes}: several removers win`],
        ["R22", deletes],
        ["R26", `${deletes}, so that the probe finds it unsafe (P8)`],
        ["R27", deletes],
      ],
);

interface Place {
  readonly prefix: string;
  readonly doors: GcsDoor[];
}

describeOn(gcsServerIn("memory"), (start) => {
  let server: GcsServer;
  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  const door = async ({ prefix, doors }: Place): Promise<GcsDoor> => {
    const connect = (port: number): VersionedStorage => server.connect(prefix, { port });
    const opened = await GcsDoor.open({ port: server.process?.place.port ?? 0, connect });
    doors.push(opened);
    return opened;
  };
  const harness = {
    place: (): Place => ({ prefix: server.fresh(), doors: [] }),
    connect: ({ prefix }: Place) => server.connect(prefix),
    remove: async ({ doors }: Place) => {
      for (const each of doors) await each[Symbol.asyncDispose]();
    },
    // Faults come from a proxy of our own, which leads to loopback only.
    ...(isNamedGcsServer ? { lacks: ["faults" as const] } : { complete: true, faults: door }),
  };
  const run = (suite: readonly StorageSuiteCase<VersionedStorage>[], register: RegisterTest = test): void =>
    runSuite(register, suite, harness);

  describe("storage", () => {
    run(suiteOfBuckets.filter(({ id }) => !beyond.has(id)));
    runSuite(test, suiteBeyondBuckets, { ...harness, complete: false, lacks: ["transact", "expiry"] });
  });

  describe("storage, beyond this server", () => {
    for (const each of suiteOfBuckets.filter(({ id }) => beyond.has(id))) {
      const reason = beyond.get(each.id) ?? "";
      console.warn(
        `not run on ${gcsServerIn("memory").name}: ${each.id} (${reason}); test/storage/gcs.test.ts runs it`,
      );
      run([each], (name, body, timeoutMs) =>
        test(`${name}: fails here, for ${reason}`, () => expect(body()).rejects.toThrow(), timeoutMs),
      );
    }
  });

  describe("leases", () => {
    const { place, connect, remove } = harness;
    runSuite(test, leaseStorageSuite, { place, connect, remove, complete: true });
  });

  test("of 16 racers that replace, exactly one is written in each of 50 rounds", async () => {
    const prefix = server.fresh();
    const storages = [server.connect(prefix), server.connect(prefix)];
    const created = await storages[0]?.create("a", new Uint8Array(1));
    let version = created?.written === true ? created.version : undefined;
    for (let round = 0; round < 50 && version !== undefined; round += 1) {
      const expected = version;
      const racing = Array.from({ length: 8 }, (_, racer) => racer).flatMap((racer) =>
        storages.map((storage) => storage.replace("a", Uint8Array.of(round, racer), expected)),
      );
      const won = (await Promise.all(racing)).filter((outcome) => outcome.written);
      expect(won).toHaveLength(1);
      version = won[0]?.version;
    }
    expect(version).toBeDefined();
  });
});
