// Goal: each failure of S3, of the network and of TLS is a typed error that says whether the write happened and names
// the repair, and shows no secret. Method: the double's switches, a client that fails as told, and ports with no S3.
import { createServer } from "node:net";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import * as commands from "@aws-sdk/client-s3";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { TenureError } from "../../src/errors.ts";
import { S3Storage } from "../../src/storage/s3.ts";
import type { Version, VersionedStorage } from "../../src/storage/versioned-storage.ts";
import { connectS3, secret } from "./support/s3-connect.ts";
import { S3Double, type S3Switches } from "./support/s3-double.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const version = "0123456789abcdef0123456789abcdef" as Version; // of nobody

async function thrownBy(call: () => Promise<unknown>): Promise<TenureError> {
  try {
    await call();
  } catch (error) {
    return error as TenureError; // what is expected of it follows
  }
  throw new Error("it did not throw");
}

async function listOf(storage: VersionedStorage): Promise<void> {
  for await (const { key } of storage.list("")) expect(key).toBe("nothing");
}

let double: S3Double;
beforeAll(async () => {
  double = await S3Double.start();
});
afterAll(() => double[Symbol.asyncDispose]());

describe("what S3 answers", () => {
  let storage: S3Storage;
  beforeEach(() => {
    double.switches = {};
    storage = connectS3({ endpoint: double.endpoint, bucket: double.bucket(), prefix: "p" });
    return () => storage.close();
  });

  interface Expected {
    readonly code: string;
    readonly applied: "no" | "unknown";
    readonly read?: string;
    readonly repair: RegExp;
  }
  const cases: readonly (readonly [string, S3Switches, Expected])[] = [
    [
      "no such bucket",
      { withoutBucket: true },
      { code: "INVALID_SETTINGS", applied: "no", repair: /no such bucket; create it/ },
    ],
    ["no right", { denies: "AccessDenied" }, { code: "ACCESS_DENIED", applied: "no", repair: /s3:(Put|Get|List)/ }],
    [
      "an unknown key",
      { denies: "InvalidAccessKeyId" },
      { code: "ACCESS_DENIED", applied: "no", repair: /credentials are wrong/ },
    ],
    [
      "a wrong secret",
      { denies: "SignatureDoesNotMatch" },
      { code: "ACCESS_DENIED", applied: "no", repair: /credentials are wrong/ },
    ],
    [
      "503 SlowDown",
      { slowDownSeconds: 3 },
      { code: "STORAGE_UNAVAILABLE", applied: "no", repair: /asks for fewer requests/ },
    ],
    [
      "a proxy's page as a success",
      { page: 200 },
      { code: "OUTCOME_UNKNOWN", applied: "unknown", read: "STORAGE_UNAVAILABLE", repair: /ETag|listing|failed/ },
    ],
    [
      "a proxy's 502",
      { page: 502 },
      { code: "OUTCOME_UNKNOWN", applied: "unknown", read: "STORAGE_UNAVAILABLE", repair: /502/ },
    ],
    [
      "a proxy's 503, which need not be from before processing",
      { page: 503 },
      { code: "OUTCOME_UNKNOWN", applied: "unknown", read: "STORAGE_UNAVAILABLE", repair: /503/ },
    ],
    ["429", { page: 429 }, { code: "STORAGE_UNAVAILABLE", applied: "no", repair: /fewer requests/ }],
  ];
  test.each(cases)("%s", async (_what, switches, { code, applied, read = code, repair }) => {
    double.switches = switches;
    const sent = double.requests.length;
    const writes = [
      () => storage.create("a", bytes("value-of-nobody")),
      () => storage.replace("a", bytes("value-of-nobody"), version),
      () => storage.remove("a", version),
    ];
    for (const write of writes) {
      const error = await thrownBy(write);
      expect(error).toMatchObject({ code, applied, key: "a", storage: storage.description });
      expect(error.message).toMatch(repair);
      assertSilent(error);
    }
    for (const call of [() => storage.read("a"), () => listOf(storage)]) {
      const error = await thrownBy(call);
      expect(error).toMatchObject({ code: read });
      expect(error.applied).toBeUndefined();
      expect(error.message).toMatch(repair);
      assertSilent(error);
    }
    expect(double.requests.length - sent).toBe(5); // each was sent once
    if (switches.slowDownSeconds !== undefined) {
      expect(await thrownBy(() => storage.read("a"))).toMatchObject({ retryAfterMs: 3_000 });
    }
  });

  test("#68: 409 is busy only with the two codes that say so, and changes nothing", async () => {
    for (const conflict of ["ConditionalRequestConflict", "OperationAborted"] as const) {
      double.switches = { conflict };
      const error = await thrownBy(() => storage.create("a", bytes("1")));
      expect(error).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
      expect(error.message).toMatch(/another conditional write/);
    }
    double.switches = { conflict: "ObjectParentIsFile" };
    expect(await thrownBy(() => storage.create("a", bytes("1")))).toMatchObject({
      code: "UNSUPPORTED",
      applied: "no",
    });
    double.switches = {};
    expect(await storage.read("a")).toBeUndefined();
  });

  test("412 for one's own repeated success is a refusal, and a read shows the write", async () => {
    double.switches = { refusesOwnSuccess: true };
    expect(await storage.create("a", bytes("mine"))).toEqual({ written: false });
    expect((await storage.read("a"))?.value).toEqual(bytes("mine"));
  });

  test("a success without an ETag is unknown, and was applied", async () => {
    double.switches = { withoutETag: true };
    expect(await thrownBy(() => storage.create("a", bytes("1")))).toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect(await thrownBy(() => storage.read("a"))).toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    double.switches = {};
    expect((await storage.read("a"))?.value).toEqual(bytes("1"));
  });

  test("a creation takes nothing away where a look mixes a tombstone with what was created over it", async () => {
    const created = await storage.create("a", bytes("1"));
    if (created.written) await storage.remove("a", created.version);
    // As versitygw looks: HEAD reads the metadata first and then the ETag, GET the ETag first and then the rest.
    const mixing = sender(async (command, client) => {
      const isHead = command instanceof commands.HeadObjectCommand;
      if (!isHead && !(command instanceof commands.GetObjectCommand)) {
        return client.send(command as commands.PutObjectCommand);
      }
      const before = await client.send(new commands.HeadObjectCommand(command.input));
      expect(await storage.create("a", bytes("theirs"))).toMatchObject({ written: true });
      const after = await client.send(command);
      return isHead ? { ...after, Metadata: before.Metadata } : { ...after, ETag: before.ETag };
    });
    expect(await mixing.create("a", bytes("mine"))).toEqual({ written: false });
    expect((await storage.read("a"))?.value).toEqual(bytes("theirs"));
  });

  test("the look at what refused a create proves by its failure that nothing was written", async () => {
    await storage.create("a", bytes("1"));
    const failing = sender(async (command, client) => {
      if (command instanceof commands.GetObjectCommand) throw serviceError("InternalError", 500);
      return client.send(command as commands.PutObjectCommand);
    });
    const error = await thrownBy(() => failing.create("a", bytes("2")));
    expect(error).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
  });

  test("the deadline of that look proves the same, and nothing is sent after it", async () => {
    await storage.create("a", bytes("1"));
    const sent: string[] = [];
    const silent = sender((command, client) => {
      sent.push(command.constructor.name);
      if (command instanceof commands.GetObjectCommand) return new Promise(() => {});
      return client.send(command as commands.PutObjectCommand);
    });
    const error = await thrownBy(() => silent.create("a", bytes("2"), { timeoutMs: 100 }));
    expect(error).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no", cause: { name: "TimeoutError" } });
    expect(sent).toEqual(["PutObjectCommand", "GetObjectCommand"]);
  });

  function sender(send: (command: object, client: commands.S3Client) => Promise<unknown>): S3Storage {
    const client = new commands.S3Client({
      ...{ endpoint: double.endpoint, region: "us-east-1", forcePathStyle: true, maxAttempts: 1 },
      credentials: { accessKeyId: "tester", secretAccessKey: secret },
    });
    const bucket = storage.description.split("/")[2] ?? "";
    return new S3Storage({ client: { send: (command) => send(command, client) }, commands, bucket, prefix: "p" });
  }
});

function serviceError(name: string, httpStatusCode: number, more: object = {}): Error {
  const error = Object.assign(new Error("AKIASECRETSECRET, secret-signature"), { $metadata: { httpStatusCode } }, more);
  error.name = name;
  return error;
}

function failingWith(error: unknown): S3Storage {
  const send = async (): Promise<never> => {
    throw error;
  };
  return new S3Storage({ client: { send }, commands, bucket: "bucket" });
}

/** Nothing that a log could show of it tells a secret, a value or a signed header. */
function assertSilent(error: unknown): void {
  const shown = [inspect(error, { depth: 10, showHidden: true }), JSON.stringify(error)].join("\n");
  expect(shown).not.toMatch(/AKIASECRETSECRET|secret-signature|AWS4-HMAC|Signature=|value-of-nobody/);
  expect(shown).not.toContain(secret);
}

describe("what the client throws", () => {
  const coded = (code: string, name = "Error"): Error =>
    Object.assign(new Error("secret-signature"), { code, name, $metadata: { attempts: 1 } });
  const both = (...codes: string[]): Error =>
    new AggregateError(
      codes.map((code) => coded(code)),
      "",
    );

  test.each<[string, unknown, string, "no" | "unknown"]>([
    ["a reset, which is named TimeoutError", coded("ECONNRESET", "TimeoutError"), "OUTCOME_UNKNOWN", "unknown"],
    ["a broken pipe", coded("EPIPE", "TimeoutError"), "OUTCOME_UNKNOWN", "unknown"],
    ["a connect timeout", coded("ETIMEDOUT", "TimeoutError"), "OUTCOME_UNKNOWN", "unknown"],
    ["a refused connection", coded("ECONNREFUSED"), "STORAGE_UNAVAILABLE", "no"],
    ["two refused addresses", both("ECONNREFUSED", "ECONNREFUSED"), "STORAGE_UNAVAILABLE", "no"],
    ["one refused and one silent address", both("ECONNREFUSED", "ETIMEDOUT"), "OUTCOME_UNKNOWN", "unknown"],
    ["an unknown host", coded("ENOTFOUND"), "STORAGE_UNAVAILABLE", "no"],
    ["a certificate of nobody", coded("DEPTH_ZERO_SELF_SIGNED_CERT"), "STORAGE_UNAVAILABLE", "no"],
    ["a certificate for another name", coded("ERR_TLS_CERT_ALTNAME_INVALID"), "STORAGE_UNAVAILABLE", "no"],
    ["no credentials", coded("", "CredentialsProviderError"), "ACCESS_DENIED", "no"],
    ["an expired token", serviceError("ExpiredToken", 400), "ACCESS_DENIED", "no"],
    ["401 without a code", serviceError("Unknown", 401), "ACCESS_DENIED", "no"],
    ["a disabled key of KMS", serviceError("KMS.DisabledException", 400), "INVALID_SETTINGS", "no"],
    ["conditions that are not implemented", serviceError("NotImplemented", 501), "UNSUPPORTED", "no"],
    ["409 of another kind", serviceError("InvalidBucketState", 409), "OUTCOME_UNKNOWN", "unknown"],
    ["500", serviceError("InternalError", 500), "OUTCOME_UNKNOWN", "unknown"],
    ["503 ServiceUnavailable", serviceError("ServiceUnavailable", 503), "OUTCOME_UNKNOWN", "unknown"],
    ["400 of an unknown kind", serviceError("constructor", 400), "OUTCOME_UNKNOWN", "unknown"],
    ["404 that names nothing", serviceError("NotFound", 404), "OUTCOME_UNKNOWN", "unknown"],
    ["text", "secret-signature", "OUTCOME_UNKNOWN", "unknown"],
  ])("%s", async (_what, error, code, applied) => {
    const storage = failingWith(error);
    const thrown = await thrownBy(() => storage.replace("a", bytes("value-of-nobody"), version));
    expect(thrown).toMatchObject({ code, applied });
    assertSilent(thrown);
    const read = await thrownBy(() => storage.read("a"));
    expect(read.code).toBe(code === "OUTCOME_UNKNOWN" ? "STORAGE_UNAVAILABLE" : code);
    assertSilent(read);
  });

  test("a missing object is a lost race for the version of one, and no more than that", async () => {
    const storage = failingWith(serviceError("NoSuchKey", 404));
    expect(await storage.replace("a", bytes("1"), version)).toEqual({ written: false });
    expect(await storage.remove("a", version)).toEqual({ written: false });
    expect(await storage.read("a")).toBeUndefined();
    expect(await thrownBy(() => storage.create("a", bytes("1")))).toMatchObject({ code: "OUTCOME_UNKNOWN" });
  });

  test("the region of the bucket is told, where S3 says it", async () => {
    const headers = { "x-amz-bucket-region": "eu-north-1" };
    const storage = failingWith(serviceError("PermanentRedirect", 301, { $response: { headers } }));
    const error = await thrownBy(() => storage.read("a"));
    expect(error.code).toBe("INVALID_SETTINGS");
    expect(error.message).toContain("region=eu-north-1");
  });
});

describe("a place that is no S3", () => {
  test("nobody listens: nothing was done", async () => {
    const storage = connectS3({ endpoint: "http://127.0.0.1:1", bucket: "bucket" });
    expect(await thrownBy(() => storage.create("a", bytes("1")))).toMatchObject({
      code: "STORAGE_UNAVAILABLE",
      applied: "no",
    });
    await storage.close();
  });

  test("no TLS where TLS was asked for: the endpoint is named as the repair", async () => {
    const storage = connectS3({ endpoint: double.endpoint.replace("http:", "https:"), bucket: "bucket" });
    for (const call of [() => storage.create("a", bytes("1")), () => storage.read("a")]) {
      const error = await thrownBy(call);
      expect(error.code).toMatch(/OUTCOME_UNKNOWN|STORAGE_UNAVAILABLE/);
      expect(error.message).toMatch(/does not speak TLS: correct the endpoint/);
    }
    await storage.close();
  });

  test("a server that closes every connection: a write is unknown", async () => {
    const server = createServer((socket) => void socket.once("data", () => socket.destroy()));
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo; // on TCP it is no text
    const storage = connectS3({ endpoint: `http://127.0.0.1:${port}`, bucket: "bucket" });
    const error = await thrownBy(() => storage.create("a", bytes("1")));
    expect(error).toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect(error.message).toContain("ECONNRESET");
    await storage.close();
    server.close();
  });
});
