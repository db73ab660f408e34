// Goal: S3 storage keeps every promise of a storage, and its own about ETags, tombstones, listings, polls and settings.
// Method: the published suites over an in-process double of the REST API, with a proxy for faults; then its switches.
import { Agent } from "node:http";
import * as commands from "@aws-sdk/client-s3";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { S3Storage } from "../../src/storage/s3.ts";
import { probeStorage } from "../../src/storage/probe.ts";
import type { Version, WriteOutcome } from "../../src/storage/versioned-storage.ts";
import { leaseStorageSuite } from "../../src/testing/lease-storage-suite.ts";
import { runSuite, versionedStorageSuite } from "../../src/testing/versioned-storage-suite.ts";
import { connectS3, secret, type S3Place } from "./support/s3-connect.ts";
import { S3Double } from "./support/s3-double.ts";
import { S3Faults } from "./support/s3-faults.ts";

let double: S3Double;
beforeAll(async () => {
  double = await S3Double.start();
});
afterAll(() => double[Symbol.asyncDispose]());

const place = (): S3Place => ({ endpoint: double.endpoint, bucket: double.bucket(), prefix: "tenure/x" });
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function versionOf(outcome: WriteOutcome): Version {
  if (!outcome.written) throw new Error("the write was refused");
  return outcome.version;
}

describe("s3 storage", () => {
  const open: S3Faults[] = [];
  runSuite(test, versionedStorageSuite, {
    lacks: ["transact", "expiry"],
    secrets: [secret, "AKIASECRETSECRET", "secret-signature"],
    scale: 0.25, // all of it runs on a real server: test/servers/s3.test.ts
    place,
    connect: connectS3,
    faults: async (at) => {
      const faults = await S3Faults.start(double.port, (endpoint, agent) => connectS3({ ...at, endpoint, agent }));
      open.push(faults);
      return faults;
    },
    remove: async () => {
      for (const faults of open.splice(0)) await faults[Symbol.asyncDispose]();
    },
  });
});

describe("s3 storage, its leases", () => {
  runSuite(test, leaseStorageSuite, { complete: true, place, connect: connectS3 });
});

describe("s3 storage, by itself", () => {
  let at: S3Place;
  let storage: ReturnType<typeof connectS3>;
  beforeEach(() => {
    double.switches = {};
    double.requests.length = 0;
    at = place();
    storage = connectS3(at);
    return () => storage.close();
  });
  const object = (key: string) => double.object(at.bucket, `tenure/x/${key}`);
  const asked = (): string[] => double.requests.map(({ method }) => method);

  test("an object is the value and a trailer, which JSON readers do not mind", async () => {
    await storage.create("a", bytes('{"n":1}'));
    const { body, headers } = object("a") ?? { body: Buffer.alloc(0), headers: {} };
    expect(JSON.parse(body.toString())).toEqual({ n: 1 });
    expect(body.toString()).toMatch(/^\{"n":1\}\n[ \t]{128}$/);
    expect(headers).toMatchObject({
      "x-amz-meta-tenure-trailer": "129",
      "content-type": "application/json",
      "cache-control": "no-cache, no-store, must-revalidate",
    });
    expect(double.requests[0]?.headers).toMatchObject({
      "if-none-match": "*",
      "x-amz-server-side-encryption": "AES256",
    });
  });

  test("#68: equal bytes give ETags that differ, so that a writer of the past is refused (no ABA)", async () => {
    const first = versionOf(await storage.create("a", bytes("A")));
    const second = versionOf(await storage.replace("a", bytes("B"), first));
    const third = versionOf(await storage.replace("a", bytes("A"), second));
    expect(third).not.toBe(first);
    expect(await storage.replace("a", bytes("late"), first)).toEqual({ written: false });
    expect(await storage.read("a")).toEqual({ value: bytes("A"), version: third });
  });

  test("an object of others is taken whole, and has its ETag as version", async () => {
    double.put(at.bucket, "tenure/x/foreign", bytes("foreign\n \t"));
    const stored = await storage.read("foreign");
    expect(stored?.value).toEqual(bytes("foreign\n \t"));
    expect(`"${stored?.version}"`).toBe(object("foreign")?.etag);
    const expected = stored?.version as Version; // read above
    const version = versionOf(await storage.replace("foreign", bytes("ours"), expected));
    expect(await storage.read("foreign")).toEqual({ value: bytes("ours"), version });
  });

  test("an object that is longer than allowed, or has lost its trailer, is corrupt and is left alone", async () => {
    const small = connectS3({ ...at, maxValueBytes: 4 });
    double.put(at.bucket, "tenure/x/long", bytes("x".repeat(5)));
    double.put(at.bucket, "tenure/x/very-long", bytes("x".repeat(500)));
    for (const key of ["long", "very-long"]) {
      await expect(small.read(key)).rejects.toMatchObject({ code: "CORRUPT_DATA", version: expect.any(String) });
    }
    await storage.create("cut", bytes("value"));
    const { etag = "", headers = {} } = object("cut") ?? {};
    Object.assign(object("cut") ?? {}, { body: Buffer.from("value"), etag, headers });
    await expect(storage.read("cut")).rejects.toMatchObject({ code: "CORRUPT_DATA", key: "cut" });
    await small.close();
  });

  test("a removed key leaves a tombstone with a nonce of its own, which neither read nor list shows", async () => {
    const first = versionOf(await storage.create("a", bytes("")));
    const removal = versionOf(await storage.remove("a", first));
    const tombstone = object("a");
    expect(tombstone?.body.toString()).toMatch(/^[ \t]{128}$/);
    expect(tombstone?.headers).toMatchObject({ "x-amz-meta-tenure-tombstone": "1" });
    expect(asked()).not.toContain("DELETE");
    expect(await storage.read("a")).toBeUndefined();
    for await (const { key } of storage.list("")) expect(key).toBe("nothing");
    double.requests.length = 0;
    expect(await storage.replace("a", bytes("x"), removal)).toEqual({ written: false });
    const again = versionOf(await storage.create("a", bytes("")));
    expect(asked()).toEqual(["PUT", "PUT", "GET", "PUT"]);
    expect(double.requests.at(-1)?.headers["if-match"]).toBe(tombstone?.etag);
    versionOf(await storage.remove("a", again));
    expect(object("a")?.etag).not.toBe(tombstone?.etag);
  });

  test("a create over a tombstone that arrives again after the next removal brings nothing back", async () => {
    versionOf(await storage.remove("a", versionOf(await storage.create("a", bytes("1")))));
    const second = versionOf(await storage.create("a", bytes("2")));
    const late = double.requests.at(-1);
    versionOf(await storage.remove("a", second));
    const answer = await fetch(`${at.endpoint}${late?.path}`, {
      method: "PUT",
      headers: { "if-match": String(late?.headers["if-match"]) },
      body: "2",
    });
    expect(answer.status).toBe(412);
    expect(await storage.read("a")).toBeUndefined();
  });

  test("of 16 creates over one tombstone, one wins", async () => {
    versionOf(await storage.remove("a", versionOf(await storage.create("a", bytes("1")))));
    const racers = Array.from({ length: 16 }, (_, racer) => storage.create("a", bytes(`racer ${racer}`)));
    const outcomes = await Promise.all(racers);
    const winner = outcomes.findIndex(({ written }) => written);
    expect(outcomes.filter(({ written }) => written)).toHaveLength(1);
    expect((await storage.read("a"))?.value).toEqual(bytes(`racer ${winner}`));
  });

  test("a version that could be a header of its own is refused without being sent", async () => {
    versionOf(await storage.create("a", bytes("1")));
    double.requests.length = 0;
    for (const version of ["*", "", 'a", "b', "a,b", "ä", "a\r\nb"] as Version[]) {
      expect(await storage.replace("a", bytes("2"), version)).toEqual({ written: false });
      expect(await storage.remove("a", version)).toEqual({ written: false });
    }
    expect(double.requests).toEqual([]);
  });

  test("a list goes over all pages, and leaves out names that are no keys", async () => {
    double.switches = { pageSize: 2 };
    const keys = ["a/1", "a/2", "a/b c+d&e=f", "a/ä%20", "a/日本"];
    for (const key of keys) versionOf(await storage.create(key, bytes(key)));
    for (const name of ["a//b", "a/..", "a/", "a/\u0001"]) double.put(at.bucket, `tenure/x/${name}`, bytes("1"));
    double.put(at.bucket, "tenure/xa", bytes("1"));
    double.requests.length = 0;
    const found: string[] = [];
    for await (const { key, version } of storage.list("a/")) {
      expect((await storage.read(key))?.version).toBe(version);
      found.push(key);
    }
    expect(found.sort()).toEqual([...keys].sort());
    expect(asked().length - keys.length).toBe(5);
  });

  test.each([
    ["that is cut and does not go on", { Name: "b", KeyCount: 0, IsTruncated: true }],
    ["with an object without ETag", { Name: "b", KeyCount: 1, Contents: [{ Key: "k", Size: 200 }] }],
    ["with an object without name", { Name: "b", KeyCount: 1, Contents: [{ ETag: '"e"', Size: 200 }] }],
    ["that is none", {}],
    ["that is text", "<html></html>"],
  ])("a listing %s is an error, never a shorter list", async (_what, answer) => {
    const client = { send: () => Promise.resolve(answer) };
    const wrong = new S3Storage({ client, commands, bucket: "bucket" });
    const collect = async (): Promise<void> => {
      for await (const { key } of wrong.list("")) expect(key).toBe("nothing");
    };
    await expect(collect()).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE", operation: "list" });
  });

  test("a poll of a standby is one conditional request, and moves no body when nothing has changed", async () => {
    const version = versionOf(await storage.create("a", bytes("1")));
    double.requests.length = 0;
    const over = new AbortController();
    const hints = storage.watch?.("a", { signal: over.signal })[Symbol.asyncIterator]();
    await hints?.next();
    const next = hints?.next();
    while (double.requests.length < 6) await new Promise((resolve) => setTimeout(resolve, 5));
    const polls = double.requests.slice(1, 6);
    for (const poll of polls) {
      expect(poll).toMatchObject({ method: "GET", status: 304, bodyBytes: 0 });
      expect(poll.headers["if-none-match"]).toBe(`"${version}"`);
    }
    await storage.replace("a", bytes("2"), version);
    expect(await next).toEqual({ done: false, value: {} });
    over.abort(new Error("enough"));
    expect((await hints?.next())?.done).toBe(true);
  });

  test("a poll that finds a change gives its socket back, also where the object is large", async () => {
    const agent = new Agent({ keepAlive: true });
    const watcher = connectS3({ ...at, agent });
    const over = new AbortController();
    const hints = watcher.watch?.("a", { signal: over.signal })[Symbol.asyncIterator]();
    await hints?.next();
    let version = versionOf(await storage.create("a", bytes("0")));
    await hints?.next();
    for (const size of [10, 100, 1_000, 200_000, 10]) {
      version = versionOf(await storage.replace("a", new Uint8Array(size), version));
      await hints?.next();
    }
    over.abort(new Error("enough"));
    await hints?.next();
    const inUse = Object.values(agent.sockets).flatMap((sockets) => sockets ?? []);
    expect(inUse.filter(({ destroyed }) => !destroyed)).toEqual([]);
    await watcher.close();
    agent.destroy();
  });

  test("a poll of a removed key moves no body either, and a return is told", async () => {
    versionOf(await storage.remove("a", versionOf(await storage.create("a", bytes("1")))));
    double.requests.length = 0;
    const over = new AbortController();
    const hints = storage.watch?.("a", { signal: over.signal })[Symbol.asyncIterator]();
    await hints?.next();
    const next = hints?.next();
    while (double.requests.length < 4) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(double.requests.slice(1, 4).map(({ status }) => status)).toEqual([304, 304, 304]);
    versionOf(await storage.create("a", bytes("2")));
    expect(await next).toEqual({ done: false, value: {} });
    over.abort(new Error("enough"));
    await hints?.next();
  });

  test("a watch ends with an error where waiting cannot help", async () => {
    double.switches = { withoutBucket: true };
    const hints = storage.watch?.("a", { signal: new AbortController().signal })[Symbol.asyncIterator]();
    await expect(hints?.next()).rejects.toMatchObject({ code: "INVALID_SETTINGS" });
  });

  test("health asks one listing of one key, and says what is wrong", async () => {
    expect(await storage.health()).toMatchObject({ status: "healthy", reasons: [] });
    expect(double.requests[0]?.path).toMatch(/list-type=2.*max-keys=1|max-keys=1.*list-type=2/);
    double.switches = { withoutBucket: true };
    expect(await storage.health()).toMatchObject({ status: "unhealthy", reasons: [expect.stringMatching(/bucket/)] });
    double.switches = { denies: "AccessDenied" };
    expect(await storage.health()).toMatchObject({ reasons: [expect.stringMatching(/s3:ListBucket/)] });
  });

  test("a body that stops on its way ends with the deadline, and its socket with it", async () => {
    const faults = await S3Faults.start(double.port, (endpoint, agent) => connectS3({ ...at, endpoint, agent }));
    const direct = connectS3({ ...at, agent: faults.agent }); // not through the proxy, but with sockets that it counts
    await storage.create("a", new Uint8Array(100_000).fill(0x61));
    double.switches = { stuckBody: true };
    await expect(direct.read("a", { timeoutMs: 50 })).rejects.toMatchObject({
      code: "STORAGE_UNAVAILABLE",
      cause: { name: "TimeoutError" },
    });
    const reason = new Error("enough");
    const aborted = new AbortController();
    const reading = direct.read("a", { signal: aborted.signal });
    aborted.abort(reason);
    await expect(reading).rejects.toBe(reason);
    expect(faults.open).toBe(0);
    await direct.close();
    await faults[Symbol.asyncDispose]();
  });

  test("close ends its own client only, once", async () => {
    let ended = 0;
    const client = { send: () => Promise.reject(new Error("not asked")) };
    const own = new S3Storage({ client, commands, bucket: "bucket", onClose: () => void (ended += 1) });
    await own.close();
    await own.close();
    expect(ended).toBe(1);
    expect([own.ownsClient, new S3Storage({ client, commands, bucket: "bucket" }).ownsClient]).toEqual([true, false]);
  });
});

describe("the probe of an S3 place", () => {
  const leases = "<Prefix>tenure/x/leases/</Prefix>";
  const large = "<ObjectSizeGreaterThan>1</ObjectSizeGreaterThan>";
  const marker = "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>";
  const ask = (at: S3Place) => probeStorage(() => connectS3(at), { quick: true });
  beforeEach(() => {
    double.switches = {};
  });

  test.each([
    ["ignores conditions", { ignoresConditions: true }],
    ["creates on replace", { replaceCreates: true }],
    ["removes leases by a rule", { lifecycle: rule("<Prefix>tenure/</Prefix>") }],
    ["removes leases larger than a byte", { lifecycle: rule(`<Filter><And>${leases}${large}</And></Filter>`) }],
    ["removes everything by a rule", { lifecycle: rule("<Filter></Filter>") }],
  ])("a place that %s is unsafe", async (_what, switches) => {
    double.switches = switches;
    expect((await ask(place())).verdict).toBe("unsafe");
  });

  test.each([
    ["without rules", {}],
    ["with a rule for another prefix", { lifecycle: rule("<Filter><Prefix>logs/</Prefix></Filter>") }],
    ["with a rule for tagged objects", { lifecycle: rule("<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter>") }],
    [
      "with a rule for a prefix and a tag",
      {
        lifecycle: rule("<Filter><And><Prefix>tenure/</Prefix><Tag><Key>a</Key><Value>b</Value></Tag></And></Filter>"),
      },
    ],
    ["with a rule for markers of deletions only", { lifecycle: rule("<Filter></Filter>", { expiration: marker }) }],
    ["with a rule that is off", { lifecycle: rule("<Filter></Filter>", { status: "Disabled" }) }],
    ["whose ETags follow nothing", { drawnETags: true }],
  ])("a place %s is safe, and nothing is left of the probe, not even tombstones", async (_what, switches) => {
    double.switches = switches;
    const at = place();
    expect(await ask(at)).toMatchObject({ verdict: "safe" });
    expect(double.names(at.bucket)).toEqual([]);
  });

  test("only the leftovers of a probe can be discarded", async () => {
    const storage = connectS3(place());
    for (const prefix of ["", "leases/", "tenure-probe/", "tenure-probe/a/b/"]) {
      await expect(storage.discardScratch(prefix)).rejects.toMatchObject({ code: "INVALID_SETTINGS" });
    }
    await storage.close();
  });
});

function rule(
  filter: string,
  { status = "Enabled", expiration = "<Expiration><Days>30</Days></Expiration>" } = {},
): string {
  const body = `<Rule><ID>1</ID>${filter}<Status>${status}</Status>${expiration}</Rule>`;
  return `<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${body}</LifecycleConfiguration>`;
}
