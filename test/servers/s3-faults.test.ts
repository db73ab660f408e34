// Goal: elections on S3 outlive what servers and networks do, and a bucket keeps out whom it should. Method: a real
// server that is killed and frozen, a TCP proxy with faults before it, users without rights, a certificate of nobody.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { DeleteObjectCommand, PutBucketPolicyCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import { StorageLock } from "../../src/lock/storage-lock.ts";
import type { S3Storage } from "../../src/storage/s3.ts";
import type { Version, WriteOutcome } from "../../src/storage/versioned-storage.ts";
import { leaseStorageSuite } from "../../src/testing/lease-storage-suite.ts";
import { runSuite, versionedStorageSuite } from "../../src/testing/versioned-storage-suite.ts";
import { FaultProxy } from "../process/fault-proxy.ts";
import { connectS3, type S3Place } from "../storage/support/s3-connect.ts";
import { describeOn } from "./support/found-server.ts";
import { ownS3Server, startVersitygw, type S3Server } from "./support/s3-server.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const timing = { leaseDurationMs: 1_500, renewDeadlineMs: 1_000, retryPeriodMs: 200 } as const;

function versionOf(outcome: WriteOutcome): Version {
  return outcome.written ? outcome.version : expect.fail("the write was refused");
}

/** One term, as its candidate saw it. */
interface SeenTerm {
  readonly label: string;
  readonly term: number;
  readonly startMs: number;
  endMs: number;
}

/** A candidate that leads whenever it can. */
class Campaign implements AsyncDisposable {
  readonly elector: LeaderElector;
  readonly #seen: SeenTerm[];
  readonly #over = new AbortController();
  readonly #running: Promise<void>;

  constructor(storage: S3Storage, label: string, seen: SeenTerm[]) {
    this.#seen = seen;
    this.elector = new LeaderElector({
      lock: new StorageLock({ storage, namespace: "tests", name: "faults", label }),
      ...timing,
    });
    this.#running = this.#run(label);
  }

  async #run(label: string): Promise<void> {
    for await (const { term, signal } of this.elector.terms({ signal: this.#over.signal })) {
      const seen = { label, term, startMs: performance.now(), endMs: Infinity };
      this.#seen.push(seen);
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      seen.endMs = performance.now();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort(new Error("enough"));
    await this.#running.catch(() => undefined);
  }
}

async function until(holds: () => boolean, ms = 30_000): Promise<void> {
  const lastMs = performance.now() + ms;
  while (!holds()) {
    if (performance.now() > lastMs) expect.fail("it did not come about");
    await pause(10);
  }
}

/** No two terms at once, and each number larger than the one before. */
function expectApart(seen: readonly SeenTerm[]): void {
  const sorted = [...seen].sort((a, b) => a.startMs - b.startMs);
  for (const [index, { endMs, term }] of sorted.entries()) {
    const next = sorted[index + 1];
    if (next === undefined) continue;
    expect(next.startMs).toBeGreaterThanOrEqual(endMs);
    expect(next.term).toBeGreaterThan(term);
  }
}

describeOn(ownS3Server, (start) => {
  let server: S3Server;
  const ends: (() => unknown)[] = [];
  beforeAll(async () => {
    server = await start();
  });
  afterAll(async () => {
    for (const end of ends.splice(0).reverse()) await end();
    await server?.[Symbol.asyncDispose]();
  });

  const gateway = () => server.process ?? expect.fail("it is not our own");
  const connect = (at: S3Place): S3Storage => {
    const storage = connectS3({ ...at, pollMs: 200 });
    ends.push(() => storage.close());
    return storage;
  };
  const proxied = async (at: S3Place): Promise<{ proxy: FaultProxy; storage: S3Storage }> => {
    const proxy = await new FaultProxy({ port: server.port ?? 0 }).inject({});
    ends.push(() => proxy[Symbol.asyncDispose]());
    return { proxy, storage: connect({ ...at, endpoint: `http://127.0.0.1:${proxy.port}` }) };
  };

  describe("elections", () => {
    for (const [how, down, up] of [
      ["the server is killed", () => gateway().kill(), () => gateway().up()],
      ["#66: the server is frozen", async () => gateway().signal("SIGSTOP"), async () => gateway().signal("SIGCONT")],
    ] as const) {
      test(`${how}: the leader steps down by its own clock, and one leads after it is back`, async () => {
        const at = server.place();
        const seen: SeenTerm[] = [];
        await using one = new Campaign(connect(at), "a", seen);
        await using other = new Campaign(connect(at), "b", seen);
        await until(() => seen.length === 1);
        await pause(500);
        const downMs = performance.now();
        await down();
        try {
          await until(() => seen.every(({ endMs }) => endMs < Infinity), 10_000);
          expect(performance.now() - downMs).toBeLessThan(timing.renewDeadlineMs + 500);
          await pause(2_500);
          expect(seen).toHaveLength(1); // nobody leads while nobody can write
        } finally {
          await up();
        }
        await until(() => seen.length > 1);
        await pause(1_000);
        expect(seen.filter(({ endMs }) => endMs === Infinity)).toHaveLength(1);
        expectApart(seen);
        expect(one.elector.leader).toMatch(new RegExp(`^${seen.at(-1)?.label}_`));
        expect(other.elector.leader).toBe(one.elector.leader);
      });
    }

    test("the leader is cut off: it steps down by its own clock, and the other leads, not before", async () => {
      const at = server.place();
      const seen: SeenTerm[] = [];
      const { proxy, storage } = await proxied(at);
      await using _cutOff = new Campaign(storage, "a", seen);
      await until(() => seen.length === 1);
      await using _other = new Campaign(connect(at), "b", seen);
      await pause(500);
      await proxy.inject({ up: { swallow: true }, down: { swallow: true } });
      await until(() => seen.length === 2);
      expect(seen.map(({ label }) => label)).toEqual(["a", "b"]);
      await proxy.inject({});
      proxy.resetAll();
      await pause(1_000);
      expect(seen).toHaveLength(2);
      expectApart(seen);
    });
  });

  test("SIGKILL of the server among writes loses no acknowledged one, and leaves no broken object", async () => {
    const storage = connect(server.place());
    versionOf(await storage.create("counter", bytes("0")));
    let acknowledged = 0;
    let over = false;
    const counting = (async () => {
      while (!over) {
        const stored = await storage.read("counter", { timeoutMs: 2_000 }).catch(() => undefined);
        if (stored === undefined) continue;
        const count = Number(new TextDecoder().decode(stored.value));
        expect(count).toBeGreaterThanOrEqual(acknowledged);
        expect(count).toBeLessThanOrEqual(acknowledged + 1); // one that was in doubt may have been applied
        acknowledged = count;
        const next = storage.replace("counter", bytes(`${count + 1}`), stored.version, { timeoutMs: 2_000 });
        const outcome = await next.catch(() => undefined);
        if (outcome?.written === true) acknowledged = count + 1;
      }
    })();
    for (let kills = 0; kills < 5; kills += 1) {
      const before = acknowledged;
      await until(() => acknowledged > before + 5);
      await gateway().kill();
      await gateway().up();
    }
    over = true;
    await counting;
    expect(Number(new TextDecoder().decode((await storage.read("counter"))?.value))).toBeGreaterThanOrEqual(
      acknowledged,
    );
  });

  describe("the network", () => {
    test("silence: a write is unknown at its deadline, a read unavailable, and no socket is left", async () => {
      const { proxy, storage } = await proxied(server.place());
      const version = versionOf(await storage.create("a", bytes("1")));
      await proxy.inject({ down: { swallow: true } });
      await expect(storage.replace("a", bytes("2"), version, { timeoutMs: 200 })).rejects.toMatchObject({
        code: "OUTCOME_UNKNOWN",
        cause: { name: "TimeoutError" },
      });
      await expect(storage.read("a", { timeoutMs: 200 })).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
      await until(() => proxy.connections.open === 0, 1_000);
      await proxy.inject({});
      proxy.resetAll();
      expect((await storage.read("a"))?.value).toEqual(bytes("2")); // the request had arrived
    });

    test("nobody listens, a reset, a cut answer, a slow body: each is what it proves", async () => {
      const { proxy, storage } = await proxied(server.place());
      const version = versionOf(await storage.create("a", new Uint8Array(5_000)));
      await proxy.inject({ accept: "refuse" });
      proxy.resetAll();
      const refused = { code: "STORAGE_UNAVAILABLE", applied: "no" };
      await pause(50); // until the client knows that its pooled sockets are gone
      await expect(storage.replace("a", bytes("2"), version)).rejects.toMatchObject(refused);
      await proxy.inject({ accept: "reset" });
      await expect(storage.replace("a", bytes("2"), version)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
      await proxy.inject({ down: { cutAfterBytes: 20 } });
      await expect(storage.replace("b", bytes("2"), version)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
      await proxy.inject({ down: { slowBodyMs: 20 } });
      proxy.resetAll();
      await expect(storage.read("a", { timeoutMs: 300 })).rejects.toMatchObject({
        code: "STORAGE_UNAVAILABLE",
        cause: { name: "TimeoutError" },
      });
      await proxy.inject({});
      expect((await storage.read("a"))?.version).toBe(version);
    });

    test("a frozen server may apply a write whose client has gone: unknown has no end in time", async () => {
      const at = server.place();
      const storage = connect(at);
      const version = versionOf(await storage.create("a", bytes("1")));
      gateway().signal("SIGSTOP");
      const writing = storage.replace("a", bytes("2"), version, { timeoutMs: 300 });
      await expect(writing).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
      await pause(500);
      gateway().signal("SIGCONT");
      const other = connect(at);
      let stored = await other.read("a");
      for (let looks = 0; looks < 100 && stored?.version === version; looks += 1) {
        await pause(10);
        stored = await other.read("a");
      }
      expect(stored?.value).toEqual(bytes("2"));
    });

    describe("with latency and in small pieces, the storage and its leases", () => {
      let proxy: FaultProxy;
      beforeAll(async () => {
        proxy = await new FaultProxy({ port: server.port ?? 0 }).inject({
          up: { latencyMs: 5, jitterMs: 10, sliceBytes: 2_000 },
          down: { latencyMs: 5, jitterMs: 10, sliceBytes: 2_000 },
        });
      });
      afterAll(() => proxy?.[Symbol.asyncDispose]());
      const harness = {
        complete: true,
        place: () => ({ ...server.place(), endpoint: `http://127.0.0.1:${proxy.port}` }),
        connect: connectS3,
      };
      runSuite(test, leaseStorageSuite, harness);
      // Those of one key and few calls; races and histories run without latency.
      const short = ["R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9", "R10", "R13", "R16", "R24", "R25"];
      runSuite(
        test,
        versionedStorageSuite.filter(({ id }) => short.includes(id)),
        harness,
      );
    });
  });

  describe("removals", () => {
    test("of 16 removers one wins in each of 50 rounds, and creators over the tombstone have one winner too", async () => {
      const at = server.place();
      const racers = Array.from({ length: 16 }, () => connect(at));
      const [first] = racers;
      for (let round = 0; round < 50; round += 1) {
        const key = `round-${round}`;
        const version = versionOf((await first?.create(key, bytes("1"))) ?? { written: false });
        const removals = await Promise.all(racers.map((racer) => racer.remove(key, version)));
        expect(removals.filter(({ written }) => written)).toHaveLength(1);
        const creations = await Promise.all(racers.map((racer, index) => racer.create(key, bytes(`${index}`))));
        const winner = creations.findIndex(({ written }) => written);
        expect(creations.filter(({ written }) => written)).toHaveLength(1);
        expect((await first?.read(key))?.value).toEqual(bytes(`${winner}`));
      }
    });

    test("what the driver does without: a conditional DELETE, which all of 16 removers win here", async () => {
      const { bucket, endpoint, region, credentials } = server;
      const client = new S3Client({ endpoint, region, credentials: { ...credentials }, forcePathStyle: true });
      const named = { Bucket: bucket, Key: "deleted-by-all" };
      const { ETag: etag } = await client.send(new PutObjectCommand({ ...named, Body: "1" }));
      const command = { ...named, IfMatch: etag ?? "" };
      const ended = await Promise.allSettled(
        Array.from({ length: 16 }, () => client.send(new DeleteObjectCommand(command))),
      );
      expect(ended.filter(({ status }) => status === "fulfilled").length).toBeGreaterThan(1);
      client.destroy();
    });
  });
});

describeOn({ ...ownS3Server, name: "s3 (versitygw), with users" }, () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startVersitygw((at) => {
      mkdirSync(join(at.folder, "users"), { recursive: true });
      return ["--iam-dir", join(at.folder, "users")];
    });
    addUser(server, "stranger");
    addUser(server, "reader");
    const { endpoint, region, credentials, bucket } = server;
    const client = new S3Client({ endpoint, region, credentials: { ...credentials }, forcePathStyle: true });
    const statement = [
      { Effect: "Allow", Principal: "reader", Action: "s3:GetObject", Resource: `arn:aws:s3:::${bucket}/*` },
      { Effect: "Allow", Principal: "reader", Action: "s3:ListBucket", Resource: `arn:aws:s3:::${bucket}` },
    ];
    const policy = JSON.stringify({ Version: "2012-10-17", Statement: statement });
    await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: policy }));
    client.destroy();
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  test("who has no right at all is told which one is missing, call by call", async () => {
    const storage = connectS3({ ...server.place(), accessKeyId: "stranger", secretAccessKey: "stranger-secret" });
    const denied = (right: RegExp): object => ({ code: "ACCESS_DENIED", message: expect.stringMatching(right) });
    await expect(storage.create("a", bytes("1"))).rejects.toMatchObject({ ...denied(/s3:PutObject/), applied: "no" });
    await expect(storage.read("a")).rejects.toMatchObject(denied(/s3:GetObject/));
    await expect(storage.list("").next()).rejects.toMatchObject(denied(/s3:ListBucket/));
    expect(await storage.health()).toMatchObject({ status: "unhealthy" });
    await storage.close();
  });

  test("who may only read cannot write, and sees what others write", async () => {
    const at = server.place();
    const [storage, owner] = [connectS3({ ...at, ...keysOf("reader") }), connectS3(at)];
    const version = versionOf(await owner.create("a", bytes("1")));
    expect((await storage.read("a"))?.version).toBe(version);
    await expect(storage.replace("a", bytes("2"), version)).rejects.toMatchObject({
      code: "ACCESS_DENIED",
      applied: "no",
      message: expect.stringMatching(/s3:PutObject/),
    });
    expect((await owner.read("a"))?.version).toBe(version);
    await storage.close();
    await owner.close();
  });
});

function keysOf(user: string): { readonly accessKeyId: string; readonly secretAccessKey: string } {
  return { accessKeyId: user, secretAccessKey: `${user}-secret` };
}

function addUser(server: S3Server, user: string): void {
  const { accessKeyId, secretAccessKey } = server.credentials;
  const admin = ["admin", "--access", accessKeyId, "--secret", secretAccessKey, "--endpoint-url", server.endpoint];
  const added = ["create-user", "--access", user, "--secret", `${user}-secret`, "--role", "user"];
  execFileSync(server.program, [...admin, ...added], { stdio: "ignore" });
}

describeOn({ ...ownS3Server, name: "s3 (versitygw), with TLS" }, () => {
  let folder = "";
  let server: S3Server;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "tenure-certificate-"));
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    const name = ["-subj", "/CN=nobody", "-addext", "subjectAltName=IP:127.0.0.1"];
    const made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", cert, ...name];
    execFileSync("openssl", made, { stdio: "ignore" });
    server = await startVersitygw(() => ["--cert", cert, "--key", key]);
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  test("a certificate of nobody is refused before anything is sent, and the repair is named", async () => {
    const storage = connectS3(server.place());
    const error: unknown = await storage.create("a", bytes("1")).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
    expect(String(error)).toMatch(/certificate is not trusted; let NODE_EXTRA_CA_CERTS name its CA/);
    await storage.close();
  });
});
