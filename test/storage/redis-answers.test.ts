// Goal: the Redis driver says exactly what became of a call, whatever Redis or the wire answers, and shows no secret.
// Method: single cases over a stub that speaks Redis's protocol, by both client libraries.
import { inspect } from "node:util";
import { createServer } from "node:net";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RedisStorage } from "../../src/storage/redis.ts";
import type { Version } from "../../src/storage/versioned-storage.ts";
import { redisLibraries } from "../servers/support/redis-harness.ts";
import { RedisStub, type StubAnswer } from "./redis-stub.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const never = "00000000-0000-4000-8000-000000000000" as Version; // cast: a version of nobody

let stub: RedisStub;
beforeEach(async () => {
  stub = await RedisStub.start();
});
afterEach(() => stub[Symbol.asyncDispose]());

const say = (text: string): StubAnswer => ({ text: `${text}\r\n` });
const at = () => ({ host: "127.0.0.1", port: stub.port });

async function trouble(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe.each(Object.entries(redisLibraries))("what Redis answers, through %s", (_name, connect) => {
  const storageOf = (options: object = {}): RedisStorage =>
    new RedisStorage({ client: connect(at(), { connectTimeoutMs: 500, pingMs: 20 }), ...options });

  const refused = [
    ["OOM command not allowed when used memory > 'maxmemory'.", "STORAGE_UNAVAILABLE", "no"],
    ["READONLY You can't write against a read only replica.", "STORAGE_UNAVAILABLE", "no"],
    ["NOREPLICAS Not enough good replicas to write.", "STORAGE_UNAVAILABLE", "no"],
    ["LOADING Redis is loading the dataset in memory", "STORAGE_UNAVAILABLE", "no"],
    ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "STORAGE_UNAVAILABLE", "no"],
    ["BUSY Redis is busy running a script.", "STORAGE_UNAVAILABLE", "no"],
    ["MISCONF Errors writing to the AOF file: No space left", "STORAGE_UNAVAILABLE", "no"],
    ["CLUSTERDOWN Hash slot not served", "STORAGE_UNAVAILABLE", "no"],
    ["NOAUTH Authentication required.", "ACCESS_DENIED", "no"],
    ["NOPERM this user has no permissions to run the 'eval' command", "ACCESS_DENIED", "no"],
    ["ERR The user executing the script can't run this command or subcommand script: x", "ACCESS_DENIED", "no"],
    ["WRONGTYPE Operation against a key holding the wrong kind of value script: x", "CORRUPT_DATA", "no"],
    ["MOVED 3999 127.0.0.1:6381", "INVALID_SETTINGS", "no"],
    ["PARTIAL a part was written", "OUTCOME_UNKNOWN", "unknown"],
    ["ERR proxy error", "OUTCOME_UNKNOWN", "unknown"],
    ["something odd", "OUTCOME_UNKNOWN", "unknown"],
  ] as const;

  it.each(refused)(
    "a write that is answered with %s is %s, applied %s, and is sent once",
    async (text, code, applied) => {
      await using storage = storageOf();
      stub.script = ([name]) => (name === "EVAL" ? say(`-${text}`) : undefined);
      for (const write of [
        () => storage.create("a", bytes("value-of-mine")),
        () => storage.replace("a", bytes("value-of-mine"), never),
        () => storage.remove("a", never),
        () => storage.transact?.([{ kind: "remove", key: "a", expected: never }]) ?? Promise.reject(new Error("none")),
      ]) {
        const sent = stub.count("EVAL");
        const error = await trouble(write());
        expect(error).toMatchObject({ code, applied });
        expect(inspect(error, { depth: 10 })).not.toMatch(/value-of-mine|script: x|127\.0\.0\.1:6381|maxmemory'/);
        expect(stub.count("EVAL")).toBe(sent + 1);
      }
    },
  );

  it("a read that is answered with an error is unavailable, denied or corrupt, and says nothing of a write", async () => {
    await using storage = storageOf();
    for (const [text, code] of [
      ...refused.slice(0, 13).map(([word, kind]) => [word, kind]),
      ["ERR x", "STORAGE_UNAVAILABLE"],
    ]) {
      stub.script = ([name]) => (name === "HMGET" ? say(`-${text}`) : undefined);
      expect(await trouble(storage.read("a"))).toMatchObject({ code });
    }
  });

  it.each([
    ["+OK\r\n", "an answer of another kind"],
    [":7\r\n", "another number"],
    ["$-1\r\n", "nothing"],
    ["*0\r\n", "an empty list"],
  ])("a write that is answered with %j is unknown: no version, no written", async (answer) => {
    await using storage = storageOf();
    stub.script = ([name]) => (name === "EVAL" ? { text: answer } : undefined);
    expect(await trouble(storage.create("a", bytes("x")))).toMatchObject({
      code: "OUTCOME_UNKNOWN",
      applied: "unknown",
    });
  });

  it("a write whose answer is no protocol at all is unknown, and the next call has a connection of its own", async () => {
    await using storage = storageOf();
    stub.script = ([name]) => (name === "EVAL" ? say("<html>gateway</html>") : undefined);
    const error = await trouble(storage.create("a", bytes("x"), { timeoutMs: 300 }));
    expect(error).toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
    stub.script = () => undefined;
    expect(await storage.create("b", bytes("x"))).toMatchObject({ written: true });
  });

  it("a write whose answer is lost is sent once, and never again by a new connection", async () => {
    await using storage = storageOf();
    await storage.read("a");
    stub.script = ([name]) => (name === "EVAL" ? "end" : undefined);
    expect(await trouble(storage.create("a", bytes("x")))).toMatchObject({ code: "OUTCOME_UNKNOWN" });
    stub.script = () => undefined;
    await storage.read("a");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(stub.count("EVAL")).toBe(1);
    expect(stub.connections.accepted).toBe(2);
  });

  it("a deadline destroys the connection; another write on it is unknown, another read is unavailable", async () => {
    await using storage = storageOf();
    await storage.read("a");
    stub.script = (_command, connection) => (connection === 1 ? "silence" : undefined);
    const [late, write, read] = [
      trouble(storage.read("a", { timeoutMs: 50 })),
      trouble(storage.create("b", bytes("x"))),
      trouble(storage.read("c")),
    ];
    expect(await late).toMatchObject({ code: "STORAGE_UNAVAILABLE", cause: { name: "TimeoutError" } });
    expect(await write).toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect(await read).toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    expect(await storage.read("a")).toBeUndefined();
    expect(stub.connections).toEqual({ accepted: 2, open: 1 });
  });

  it("an abort by one caller leaves the others' calls alone", async () => {
    await using storage = storageOf();
    await storage.read("a");
    stub.script = ([name]) => (name === "HMGET" || name === "EVAL" ? "silence" : undefined);
    const enough = new AbortController();
    const aborted = trouble(storage.read("a", { signal: enough.signal }));
    const other = trouble(storage.create("a", bytes("x"), { timeoutMs: 100 }));
    await new Promise((resolve) => setTimeout(resolve, 10));
    enough.abort("enough");
    expect(await aborted).toBe("enough");
    expect(stub.connections.open).toBe(1);
    expect(await other).toMatchObject({ code: "OUTCOME_UNKNOWN" });
  });

  it("a server that is silent from the start ends the opening in time, and nothing was sent", async () => {
    await using storage = storageOf();
    stub.script = () => "silence";
    const error = await trouble(storage.create("a", bytes("x")));
    expect(error).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
    expect(stub.count("EVAL")).toBe(0);
    expect(await trouble(storage.create("a", bytes("x"), { timeoutMs: 20 }))).toMatchObject({ applied: "no" });
    await vi.waitFor(() => expect(stub.connections.open).toBe(0));
  });

  it("nobody listens: unavailable, applied no, with the system's code", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number }; // cast: of a TCP server
    server.close();
    await once(server, "close");
    await using storage = new RedisStorage({ client: connect({ host: "127.0.0.1", port }) });
    const error = await trouble(storage.create("a", bytes("x")));
    expect(error).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
    expect(String(error)).toContain("ECONNREFUSED");
  });

  it("a replica is refused at the opening, and looked for again once a primary became one", async () => {
    await using storage = storageOf();
    stub.script = ([name]) => (name === "ROLE" ? say("*2\r\n$5\r\nslave\r\n$1\r\nx") : undefined);
    expect(await trouble(storage.read("a"))).toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    expect(String(await trouble(storage.read("a")))).toContain("name the primary");
    stub.script = ([name]) =>
      name === "EVAL" ? say("-READONLY You can't write against a read only replica.") : undefined;
    expect(await trouble(storage.create("a", bytes("x")))).toMatchObject({ applied: "no" });
    const before = stub.count("ROLE");
    stub.script = () => undefined;
    await storage.read("a");
    expect(stub.count("ROLE")).toBe(before + 1);
  });

  it("a wrong password, a missing one and a wrong database are told with their repair", async () => {
    const secret = "s3cret-of-redis";
    for (const [on, text, code, repair] of [
      ["AUTH", "WRONGPASS invalid username-password pair or user is disabled.", "ACCESS_DENIED", "password are wrong"],
      ["ROLE", "NOAUTH Authentication required.", "ACCESS_DENIED", "wants a password"],
      ["SELECT", "ERR DB index is out of range", "INVALID_SETTINGS", "no such database"],
      ["ROLE", "NOPERM this user has no permissions to run the 'role' command", "ACCESS_DENIED", "right to role"],
    ] as const) {
      stub.script = ([name]) => (name?.toUpperCase() === on ? say(`-${text}`) : undefined);
      const client = connect({ ...at(), database: 3, username: "ada", password: secret });
      await using storage = new RedisStorage({ client });
      const error = await trouble(storage.create("a", bytes("x")));
      expect(error).toMatchObject({ code, applied: "no" });
      expect(String(error)).toContain(repair);
      expect(inspect([error, storage, client], { depth: 10, showHidden: true })).not.toContain(secret);
    }
  });

  it("redirections of a cluster are followed where that was asked for, and only there", async () => {
    await using other = await RedisStub.start();
    stub.script = ([name]) =>
      name === "EVAL" || name === "HMGET" ? say(`-MOVED 1 127.0.0.1:${other.port}`) : undefined;
    const client = connect(at(), { cluster: true });
    await using storage = new RedisStorage({ client });
    expect(await storage.create("a", bytes("x"))).toMatchObject({ written: true });
    expect(await storage.read("a")).toMatchObject({ value: bytes("x") });
    expect([stub.count("EVAL"), other.count("EVAL")]).toEqual([1, 1]);
    await using plain = storageOf();
    expect(String(await trouble(plain.read("a")))).toContain("cluster=on");
  });

  it("a replica of a cluster is asked for the way, and answers nothing itself", async () => {
    await using primary = await RedisStub.start();
    const replica = say("*2\r\n$5\r\nslave\r\n$1\r\nx");
    stub.script = ([name]) => (name === "ROLE" ? replica : say(`-MOVED 1 127.0.0.1:${primary.port}`));
    await using storage = new RedisStorage({ client: connect(at(), { cluster: true }) });
    expect(await storage.create("a", bytes("x"))).toMatchObject({ written: true });
    expect(primary.count("EVAL")).toBe(1);
  });

  it("too few replicas leave the outcome unknown, and WAIT goes over the connection of the write", async () => {
    await using storage = storageOf({ replicas: 2 });
    expect(await trouble(storage.create("a", bytes("x")))).toMatchObject({ code: "OUTCOME_UNKNOWN" });
    const names = stub.seen.map(([name]) => name);
    expect(names.indexOf("WAIT")).toBe(names.indexOf("EVAL") + 1);
    stub.script = ([name]) => (name === "WAIT" ? say(":2") : undefined);
    expect(await storage.create("b", bytes("x"))).toMatchObject({ written: true });
    stub.script = ([name]) => (name === "WAIT" ? say("-NOPERM this user") : undefined);
    expect(await trouble(storage.create("c", bytes("x")))).toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect((await storage.health()).reasons[0]).toContain("0 replicas");
  });

  it("a foreign value under one of our names is corrupt, not absent", async () => {
    await using storage = storageOf();
    stub.put("{tenure}:k:half", { version: "x" });
    stub.put("{tenure}:k:other", { value: "x" });
    for (const key of ["half", "other"]) {
      expect(await trouble(storage.read(key))).toMatchObject({ code: "CORRUPT_DATA" });
    }
  });

  it("a subscription that a silent server leaves without pongs is opened again", async () => {
    await using storage = storageOf();
    const over = new AbortController();
    const hints = storage.watch?.("a", over)[Symbol.asyncIterator]();
    await hints?.next();
    stub.script = ([name]) => (name?.toUpperCase() === "PING" ? "silence" : undefined);
    await vi.waitFor(() => expect(stub.count("PING") + stub.count("ping")).toBeGreaterThan(0));
    expect(await hints?.next()).toMatchObject({ done: false }); // established again, by a new connection
    over.abort();
    expect(await hints?.next()).toMatchObject({ done: true });
  });

  it("a right to subscribe that is missing ends the watch, since waiting cannot help", async () => {
    await using storage = storageOf();
    stub.script = ([name]) =>
      name?.toUpperCase() === "SUBSCRIBE"
        ? say("-NOPERM this user has no permissions to access one of the channels")
        : undefined;
    const watching = storage.watch?.("a", new AbortController())[Symbol.asyncIterator]().next();
    expect(await trouble(Promise.resolve(watching))).toMatchObject({ code: "ACCESS_DENIED" });
  });

  it("watches share one connection, each hears its own key, and the last one closes it", async () => {
    await using storage = storageOf();
    const overs = [new AbortController(), new AbortController()] as const;
    const [a, b] = overs.map((over, index) => storage.watch?.(`k${index}`, over)[Symbol.asyncIterator]());
    await a?.next();
    await b?.next();
    expect(stub.connections.open).toBe(2);
    await storage.create("k1", bytes("x"));
    expect(await b?.next()).toMatchObject({ value: { seen: { value: bytes("x") } } });
    for (const over of overs) over.abort();
    await Promise.all([a?.next(), b?.next()]);
    await vi.waitFor(() => expect(stub.connections.open).toBe(1));
  });

  it("a value that is large is published bare", async () => {
    await using storage = storageOf();
    const over = new AbortController();
    const hints = storage.watch?.("a", over)[Symbol.asyncIterator]();
    await hints?.next();
    await storage.create("a", new Uint8Array(70_000));
    expect(await hints?.next()).toEqual({ done: false, value: {} });
    over.abort();
  });
});
