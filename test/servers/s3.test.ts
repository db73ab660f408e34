// Goal: S3 storage keeps every promise of a storage on a real server. Method: the published suites, each case below a
// prefix of its own, with an HTTP proxy for faults between; then what only a server can show, and where the double of
// test/storage differs from it.
import { inspect } from "node:util";
import { ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { probeStorage } from "../../src/storage/probe.ts";
import type { VersionedStorage } from "../../src/storage/versioned-storage.ts";
import type { StorageFaults } from "../../src/testing/storage-faults.ts";
import { leaseStorageSuite } from "../../src/testing/lease-storage-suite.ts";
import { FaultyStorage } from "../../src/testing/faulty-storage.ts";
import { runSuite, versionedStorageSuite } from "../../src/testing/versioned-storage-suite.ts";
import { connectS3, type S3Place } from "../storage/support/s3-connect.ts";
import { S3Double } from "../storage/support/s3-double.ts";
import { S3Faults } from "../storage/support/s3-faults.ts";
import { BesideStorage } from "./support/beside-storage.ts";
import { describeOn } from "./support/found-server.ts";
import { S3Questions } from "./support/s3-questions.ts";
import { isForeignS3, s3Server, type S3Server } from "./support/s3-server.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The client alone. */
function raw(at: S3Server | string): S3Client {
  const credentials = typeof at === "string" ? { accessKeyId: "k", secretAccessKey: "s" } : { ...at.credentials };
  const [endpoint, region] = typeof at === "string" ? [at, "us-east-1"] : [at.endpoint, at.region];
  return new S3Client({ endpoint, region, credentials, forcePathStyle: true, maxAttempts: 1 });
}

/** What versitygw is beyond: its objects are files, and a file cannot be a folder too. */
const beyond: ReadonlyMap<string, string> = new Map(
  isForeignS3
    ? []
    : [["R14", "a key beside one below it (a, a/b), which versitygw refuses with 409: it runs on the double"]],
);
/** Cases that have such keys by the way: they run with names that are apart. */
const renamed: readonly string[] = isForeignS3 ? [] : ["R15", "R26", "R28"];

describeOn(s3Server, (start) => {
  let server: S3Server;
  const faults: S3Faults[] = [];
  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  const faultsOf = async (at: S3Place): Promise<StorageFaults<VersionedStorage>> => {
    if (server.port === undefined) return new FaultyStorage(connectS3(at)); // TLS: nobody can be between
    const made = await S3Faults.start(server.port, (endpoint, agent) => connectS3({ ...at, endpoint, agent }));
    faults.push(made);
    return made;
  };
  const harness = {
    lacks: ["transact", "expiry"],
    timeoutMs: 110_000, // R11 and R27 make some ten thousand requests
    place: () => server.place(),
    secrets: ["root-secret-that-nobody-may-see"],
    remove: async () => {
      for (const made of faults.splice(0)) await made[Symbol.asyncDispose]();
    },
  } as const;

  describe("storage", () => {
    for (const [id, reason] of beyond) console.warn(`not run on versitygw: ${id}: ${reason}`);
    const direct = versionedStorageSuite.filter(({ id }) => !beyond.has(id) && !renamed.includes(id));
    runSuite(test, direct, { ...harness, connect: connectS3, faults: faultsOf });

    const apart = versionedStorageSuite.filter(({ id }) => renamed.includes(id));
    runSuite(test, apart, {
      ...harness,
      complete: true,
      connect: (at: S3Place) => new BesideStorage(connectS3(at)),
      faults: async (at) => renamedFaults(await faultsOf(at)),
    });
  });

  describe("leases", () => {
    runSuite(test, leaseStorageSuite, { complete: true, place: () => server.place(), connect: connectS3 });
  });

  describe("by itself", () => {
    test("keys that are odd, long, or alike but for case stay apart and come back (#60)", async () => {
      const storage = connectS3(server.place());
      const keys = ["a", "A", "d/b", "a%2fb", "%2e", "@", ".lock", "a..b", "con", "-x", "a b", "a\\b", "ä", "日本語"];
      keys.push("a+b&c=d#e", "🜁", "{a}", "__proto__", "a'b\"c", "<&>", "x".repeat(253), "y/".repeat(15) + "z");
      for (const key of keys) expect(await storage.create(key, bytes(key))).toMatchObject({ written: true });
      for (const key of keys) expect((await storage.read(key))?.value).toEqual(bytes(key));
      const listed: string[] = [];
      for await (const { key } of storage.list("")) listed.push(key);
      expect(listed.sort()).toEqual(keys.sort());
      await storage.close();
    });

    test("2 MiB, which are sent after the server has said to go on, come back", async () => {
      const storage = connectS3(server.place());
      const value = new Uint8Array(2 ** 21).fill(0xa5);
      expect(await storage.create("large", value)).toMatchObject({ written: true });
      expect(Buffer.compare((await storage.read("large"))?.value ?? bytes(""), value)).toBe(0);
      expect(await storage.create("large", value)).toEqual({ written: false });
      await storage.close();
    });
  });

  if (isForeignS3) return;
  describe("versitygw itself", () => {
    test("a key beside one below it is refused as unsupported, without effect", async () => {
      const storage = connectS3(server.place());
      await storage.create("a", bytes("1"));
      await storage.create("d/b", bytes("1"));
      for (const key of ["a/b", "d"]) {
        await expect(storage.create(key, bytes("2"))).rejects.toMatchObject({ code: "UNSUPPORTED", applied: "no" });
        expect(await storage.read(key)).toBeUndefined();
      }
      expect((await storage.read("a"))?.value).toEqual(bytes("1"));
      await storage.close();
    });

    test("the probe finds all else in order, says what is missing, and leaves nothing behind", async () => {
      const at = server.place();
      const { verdict, steps } = await probeStorage(() => connectS3(at), { quick: true });
      expect(steps.filter((step) => step.verdict !== "safe").map(({ id }) => id)).toEqual(["P13"]);
      expect(verdict).toBe("unproven");
      expect(steps.find(({ id }) => id === "P13")?.detail).toMatch(/cannot have a key beside one below it/);
      const bare = new ListObjectsV2Command({ Bucket: at.bucket, Prefix: `${at.prefix}/` });
      expect((await raw(server).send(bare)).KeyCount).toBe(0);
    });

    test("a poll of a standby is one conditional request, and moves no body when nothing has changed", async () => {
      const made = await S3Faults.start(server.port ?? expect.fail("TLS"), (endpoint, agent) =>
        connectS3({ ...server.place(), endpoint, agent, pollMs: 20 }),
      );
      const storage = made.connection;
      await storage.create("a", bytes("1"));
      const over = new AbortController();
      const hints = storage.watch?.("a", { signal: over.signal })[Symbol.asyncIterator]();
      await hints?.next();
      const [requests, unchanged] = [made.requests, made.unchanged];
      const next = hints?.next();
      while (made.unchanged < unchanged + 5) await new Promise((resolve) => setTimeout(resolve, 5));
      const underWay = made.requests - requests - (made.unchanged - unchanged);
      expect([0, 1]).toContain(underWay);
      over.abort(new Error("enough"));
      expect((await next)?.done).toBe(true);
      await storage.close();
      await made[Symbol.asyncDispose]();
    });

    test.each([
      ["a bucket that is not there", { bucket: "nobodys-bucket" }, "INVALID_SETTINGS", /no such bucket; create it/],
      ["a wrong secret", { secretAccessKey: "wrong-secret" }, "ACCESS_DENIED", /credentials are wrong/],
      ["an unknown key", { accessKeyId: "nobody" }, "ACCESS_DENIED", /credentials are wrong/],
      ["a wrong region", { region: "eu-west-9" }, "INVALID_SETTINGS", /in another region; correct region=/],
      ["TLS where there is none", { endpoint: "https" }, "OUTCOME_UNKNOWN", /does not speak TLS: correct the endpoint/],
    ])("%s is a typed error that names the repair", async (_what, wrong: Partial<S3Place>, code, repair) => {
      const at = server.place();
      const endpoint = wrong.endpoint === undefined ? at.endpoint : at.endpoint.replace("http:", "https:");
      const storage = connectS3({ ...at, ...wrong, endpoint });
      const error: unknown = await storage.create("a", bytes("value-of-nobody")).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code, message: expect.stringMatching(repair) });
      expect((await storage.health()).reasons.join()).toMatch(repair);
      const shown = inspect(error, { depth: 10, showHidden: true });
      expect(shown).not.toMatch(/wrong-secret|nobody-may-see|Signature=|AWS4-HMAC|value-of-nobody/);
      await storage.close();
    });

    test("the double differs from versitygw in these points, and in no other that was asked", async () => {
      await using double = await S3Double.start();
      const [own, real] = [
        new S3Questions(raw(double.endpoint), double.bucket()),
        new S3Questions(raw(server), server.bucket),
      ];
      const [byDouble, byServer] = [await own.answers(), await real.answers()];
      const different = Object.keys(byDouble).filter((question) => byDouble[question] !== byServer[question]);
      expect(Object.fromEntries(different.map((each) => [each, [byDouble[each], byServer[each]]]))).toEqual({
        "a key below another": ["200", "409 ObjectParentIsFile"],
        "a key above another": ["200", "409 ExistingObjectIsDirectory"],
        "an encoded listing": ["200 url", "200 not encoded"],
        "a listing of one": ["200 url cut", "200 not encoded cut"],
        "lifecycle rules": ["404 NoSuchLifecycleConfiguration", "501 NotImplemented"],
        "a wrong secret": ["200 4 bytes, {}", "403 SignatureDoesNotMatch"],
      });
      expect(Object.keys(byDouble).length).toBeGreaterThan(different.length + 8);
    });
  });
});

function renamedFaults(inner: StorageFaults<VersionedStorage>): StorageFaults<BesideStorage> {
  return {
    connection: new BesideStorage(inner.connection),
    next: (fault, on) => inner.next(fault, on),
    cutWatches: () => inner.cutWatches(),
    ...(inner.patienceMs !== undefined && { patienceMs: inner.patienceMs }),
    get requests() {
      return inner.requests;
    },
    get open() {
      return inner.open;
    },
  };
}
