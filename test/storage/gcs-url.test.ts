// Goal: what is wrong with a URL, an option, the package, the credentials or the connection is told by a typed error
// that names the repair, and no secret is in any of them. Method: hostile settings and failures, and the real package
// against the double.
import { inspect } from "node:util";
import { Storage } from "@google-cloud/storage";
import { describe, expect, test } from "vitest";
import { errorCode } from "../../src/errors.ts";
import { crc32c } from "../../src/storage/gcs-crc32c.ts";
import { loadGCSClient } from "../../src/storage/gcs-client.ts";
import { credentialError, networkError } from "../../src/storage/gcs-network-errors.ts";
import { GCSStorage, isTrusted, open, type GCSClient, type GCSStorageOptions } from "../../src/storage/gcs.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { openStorage } from "../../src/storage/registry.ts";
import { StorageUrl } from "../../src/storage/storage-url.ts";
import { systemClock } from "../../src/system/clock.ts";
import { silentLogger } from "../../src/system/logger.ts";
import { systemRandom } from "../../src/system/random.ts";
import { freePort } from "../servers/support/server-process.ts";
import { doubleBucket, GcsDouble } from "./support/gcs-double.ts";
import { quickGCS, secretToken } from "./support/gcs-places.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const parts = { clock: systemClock, random: systemRandom, logger: silentLogger };
const google = "https://storage.googleapis.com";

function clientAt(apiEndpoint: string, more: Partial<GCSClient> = {}): GCSClient {
  return { apiEndpoint, customEndpoint: true, authClient: { getRequestHeaders: async () => ({}) }, ...more };
}

async function thrown(call: () => unknown): Promise<Error & Record<string, unknown>> {
  try {
    await call();
  } catch (error) {
    if (error instanceof Error) return error as Error & Record<string, unknown>; // cast: fields are compared only
  }
  throw new Error("no error was thrown");
}

describe("gs: URLs", () => {
  test.each([
    ["gs://bucket", "gs://bucket"],
    ["gs://bucket/", "gs://bucket"],
    ["gs://my-bucket.example.com/teams/a/", "gs://my-bucket.example.com/teams/a"],
    ["gs://bucket_1/Über%20uns", "gs://bucket_1/Über uns"],
  ])("%s is %s, and sends nothing", async (url, description) => {
    const storage = await open(new StorageUrl(url), { ...parts, client: clientAt("http://127.0.0.1:1") });
    expect(storage.description).toBe(description);
    expect(storage.capabilities).toMatchObject({ watch: "poll", minWriteIntervalMs: 1000, maxValueBytes: 2 ** 24 });
  });

  test.each([
    ["gs:", "must be the name of a bucket"],
    ["gs:///prefix", "must be the name of a bucket"],
    ["gs://Bucket/x", "must be the name of a bucket"],
    ["gs://bucket:80/x", "must be the name of a bucket"],
    ["gs://bucket/a//b", "prefix: "],
    ["gs://bucket/../b", "prefix: "],
    [`gs://bucket/${"a".repeat(230)}`, "prefix has 230 bytes, 223 are allowed"],
    ["gs://me:hunter2@bucket/x", "takes no user info"],
    ["gs://bucket?region=eu", "region is no parameter of gs:"],
    ["gs://bucket?pollMs=5", "pollMs"],
    ["gs://bucket?maxValueBytes=99999999", "maxValueBytes"],
    ["gs://bucket?userProject=a%20b", "userProject"],
    ["gs://bucket?apiEndpoint=example.com", "apiEndpoint must be a URL"],
    ["gs://bucket?apiEndpoint=ftp://example.com", "apiEndpoint must be a URL"],
    ["gs://bucket?apiEndpoint=http://storage.example.com", "apiEndpoint must begin with https:"],
    ["gs://bucket?apiEndpoint=https://me:hunter2%40example.com", "apiEndpoint must not hold user info"],
    ["gs://bucket?apiEndpoint=https://x/?token=hunter2", "apiEndpoint must end with its path"],
  ])("%s is refused: %s", async (url, problem) => {
    const error = await thrown(() => openStorage(url));
    expect(errorCode(error)).toBe("INVALID_SETTINGS");
    expect(error.message).toContain(problem);
    expect(inspect(error)).not.toContain("hunter2");
  });

  test("options are all checked at once", async () => {
    const wrong = { client: {}, bucket: "B", prefix: 1, pollMs: 1, minWriteIntervalMs: -1, timeoutMs: 0.5 };
    const error = await thrown(() => new GCSStorage(wrong as unknown as GCSStorageOptions)); // cast: as from JavaScript
    expect((error["problems"] as string[]).map((problem) => problem.split(" ")[0])).toEqual([
      ...["client", "bucket", "prefix", "minWriteIntervalMs", "pollMs", "timeoutMs"],
    ]);
  });

  test("a client is that of the package, and has its own endpoint", async () => {
    const refused = (url: string, client: unknown): Promise<Error> => thrown(() => openStorage(url, { client }));
    expect((await refused("gs://bucket", { bucket: () => {} })).message).toContain("client must be a Storage");
    const both = await refused(`gs://bucket?apiEndpoint=${google}`, clientAt(google));
    expect(both.message).toContain("apiEndpoint is that of the client");
    expect((await refused("gs://bucket", clientAt("http://fake-gcs:4443"))).message).toContain(
      "must begin with https:",
    );
  });

  test("keys lie below the prefix, and a listing shows nothing that is no key", async () => {
    await using double = await GcsDouble.start();
    const storage = quickGCS(double.client(), { prefix: "elections" });
    await storage.create("leases/default/demo", bytes("{}"));
    for (const name of [
      "elections/",
      "elections/a//b",
      "elections-of-others/a",
      "leases/default/demo",
      "elections/x/",
    ]) {
      double.put(name, bytes("x"));
    }
    expect([...double.objects.keys()][0]).toBe("elections/leases/default/demo");
    const keys: string[] = [];
    for await (const { key } of storage.list("")) keys.push(key);
    expect(keys).toEqual(["leases/default/demo"]);
  });
});

describe("the package", () => {
  test("8.4 is a client, by its own types, and writes and reads through the double", async () => {
    await using double = await GcsDouble.start();
    const client: GCSClient = new Storage({ apiEndpoint: `http://127.0.0.1:${double.port}` });
    const storage = new GCSStorage({ client, bucket: doubleBucket });
    expect(await storage.create("a", bytes("one"))).toMatchObject({ written: true });
    expect(await storage.read("a")).toMatchObject({ value: bytes("one") });
    expect(double.seen.every(({ headers }) => headers["authorization"] === undefined)).toBe(true);
  });

  test("is loaded by its URL; a place that is not Google's is probed at the start, with Google's it is not", async () => {
    await using double = await GcsDouble.start();
    const url = `gs://${doubleBucket}?apiEndpoint=http://127.0.0.1:${double.port}&minWriteIntervalMs=0`;
    await using storage = await openStorage(url);
    expect(storage).toBeInstanceOf(GCSStorage);
    expect(double.seen.length).toBeGreaterThan(100);
    double.switches.ignoresConditions = ["deletes"];
    expect(errorCode(await thrown(() => openStorage(url)))).toBe("UNSAFE_STORAGE");
    const trusted = (at: string): boolean =>
      isTrusted(new StorageUrl(url), new GCSStorage({ client: clientAt(at), bucket: doubleBucket }));
    expect(trusted(google)).toBe(true);
    expect(trusted("https://storage-mine.p.googleapis.com")).toBe(true);
    for (const at of ["https://googleapis.com.example.org", "https://notgoogleapis.com", "http://127.0.0.1:1"]) {
      expect(trusted(at)).toBe(false);
    }
    expect(isTrusted(new StorageUrl(url), new MemoryStorage())).toBe(false);
  });

  test("gives credentials to Google's endpoints only", async () => {
    const made = async (apiEndpoint?: string): Promise<boolean> => {
      const { customEndpoint, useAuthWithCustomEndpoint } = await loadGCSClient(apiEndpoint);
      return customEndpoint !== true || useAuthWithCustomEndpoint === true;
    };
    expect(await made()).toBe(true);
    expect(await made("https://storage-mine.p.googleapis.com")).toBe(true);
    expect(await made("https://storage.example.com")).toBe(false);
    await using double = await GcsDouble.start({ token: secretToken });
    const headers = { getRequestHeaders: async () => new Headers({ authorization: `Bearer ${secretToken}` }) };
    const [asked, silent] = [true, false].map((useAuthWithCustomEndpoint) =>
      quickGCS({ ...double.client(), authClient: headers, useAuthWithCustomEndpoint }),
    );
    expect(await asked?.create("a", bytes("x"))).toMatchObject({ written: true });
    expect(errorCode(await thrown(() => silent?.read("a")))).toBe("ACCESS_DENIED");
  });

  test("is named with its installation where it is missing; another failure to load is told as it is", async () => {
    const missing = Object.assign(new Error("Cannot find package '@google-cloud/storage' imported from /x"), {
      code: "ERR_MODULE_NOT_FOUND",
    });
    const error = await thrown(() => loadGCSClient(undefined, () => Promise.reject(missing)));
    expect(error).toMatchObject({ code: "PACKAGE_MISSING", cause: missing });
    expect(error.message).toContain("npm install @google-cloud/storage");
    const other = Object.assign(new Error("Cannot find package 'gaxios'"), { code: "ERR_MODULE_NOT_FOUND" });
    expect(await thrown(() => loadGCSClient(undefined, () => Promise.reject(other)))).toBe(other);
  });
});

describe("credentials", () => {
  const call = { operation: "replace", storage: "gs://bucket", key: "a", writes: true };
  const failure = (message: string, more: object = {}): Error => Object.assign(new Error(message), more);

  test.each([
    [
      failure("Could not load the default credentials. Browse to https://…"),
      "ACCESS_DENIED",
      "no credentials were found",
    ],
    [failure("invalid_grant: Token has been revoked", { response: { status: 400 } }), "ACCESS_DENIED", "invalid_grant"],
    [failure("Request failed", { response: { status: 403 } }), "ACCESS_DENIED", "refused (403)"],
    [failure("The file at /x does not exist, or it is not a file."), "ACCESS_DENIED", "cannot be read"],
    [new SyntaxError("Unexpected token"), "ACCESS_DENIED", "cannot be read"],
    [failure("bad", { code: "ERR_OSSL_UNSUPPORTED" }), "ACCESS_DENIED", "cannot be read"],
    [failure("request failed", { code: "ECONNREFUSED" }), "STORAGE_UNAVAILABLE", "(ECONNREFUSED)"],
    [failure("Request failed", { response: { status: 503 } }), "STORAGE_UNAVAILABLE", "(503)"],
    ["text", "STORAGE_UNAVAILABLE", "(no reason)"],
  ])("%s: %s", (error, code, text) => {
    const told = credentialError(error, call);
    expect(told).toMatchObject({ code, applied: "no", operation: "replace", key: "a" });
    expect(told.message).toContain(text);
    expect(told.cause).toBeUndefined();
  });

  test("of which something goes wrong stay out of errors, causes and inspection (#63)", async () => {
    await using double = await GcsDouble.start();
    const config = { headers: { authorization: secretToken }, data: { refresh_token: secretToken } };
    const broken = failure(`invalid_grant ${secretToken}`, { config, response: { status: 400, config } });
    const failing: (() => Promise<object>)[] = [
      () => Promise.reject(broken),
      async () => ({ authorization: `Bearer ${secretToken}\nx` }), // no header: the error of fetch quotes it
      () => Promise.reject(Object.assign(new Error(secretToken), { code: secretToken })),
    ];
    for (const getRequestHeaders of failing) {
      const client = { ...double.client(), useAuthWithCustomEndpoint: true, authClient: { getRequestHeaders } };
      const storage = quickGCS(client);
      const errors = [await thrown(() => storage.read("a")), await thrown(() => storage.create("a", bytes("x")))];
      expect(errors[1]).toHaveProperty("applied", "no");
      expect(inspect([storage, errors], { depth: 10, showHidden: true })).not.toContain(secretToken);
    }
    expect(double.seen).toEqual([]);
  });

  test("that never come end at the deadline, and nothing is sent then", async () => {
    await using double = await GcsDouble.start();
    let give = (_headers: object): void => {};
    const getRequestHeaders = (): Promise<object> => new Promise((resolve) => (give = resolve));
    const storage = quickGCS({
      ...double.client(),
      useAuthWithCustomEndpoint: true,
      authClient: { getRequestHeaders },
    });
    const error = await thrown(() => storage.create("a", bytes("x"), { timeoutMs: 10 }));
    expect(error).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no", cause: { name: "TimeoutError" } });
    give({});
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(double.seen).toEqual([]);
  });
});

describe("a connection", () => {
  const write = { operation: "create", storage: "gs://bucket", writes: true };
  const read = { operation: "read", storage: "gs://bucket", writes: false };
  const failed = (cause: unknown): Error => new TypeError("fetch failed", { cause });
  const trouble = (code: string, syscall?: string): Error => Object.assign(new Error(code), { code, syscall });

  test.each([
    ["refused", trouble("ECONNREFUSED", "connect"), "no"],
    [
      "refused at each address",
      new AggregateError([trouble("ECONNREFUSED", "connect"), trouble("ENETUNREACH", "connect")]),
      "no",
    ],
    [
      "refused at one address",
      new AggregateError([trouble("ECONNREFUSED", "connect"), trouble("ECONNRESET", "read")]),
      "unknown",
    ],
    ["without an address", trouble("ENOTFOUND", "getaddrinfo"), "no"],
    ["not made in time", trouble("UND_ERR_CONNECT_TIMEOUT"), "no"],
    ["unreachable while it was read", trouble("EHOSTUNREACH", "read"), "unknown"],
    ["reset", trouble("ECONNRESET", "read"), "unknown"],
    ["closed", trouble("UND_ERR_SOCKET"), "unknown"],
    ["with a certificate that nobody signed", trouble("DEPTH_ZERO_SELF_SIGNED_CERT"), "no"],
    ["with a certificate that has expired", trouble("CERT_HAS_EXPIRED"), "no"],
    ["with the certificate of another host", trouble("ERR_TLS_CERT_ALTNAME_INVALID"), "no"],
    ["with a broken record", trouble("ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC"), "unknown"],
    ["of no known trouble", undefined, "unknown"],
  ])("%s: what is known of a write, and of a read", (_name, cause, applied) => {
    const code = applied === "no" ? "STORAGE_UNAVAILABLE" : "OUTCOME_UNKNOWN";
    expect(networkError(failed(cause), write)).toMatchObject({ code, applied });
    const told = networkError(failed(cause), read);
    expect(told).toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    expect(told.applied).toBeUndefined();
  });

  test("that is refused proves that nothing was written", async () => {
    const storage = quickGCS(clientAt(`http://127.0.0.1:${await freePort()}`));
    const error = await thrown(() => storage.create("a", bytes("x")));
    expect(error).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
    expect(error.message).toContain("ECONNREFUSED");
    expect(await storage.health()).toMatchObject({ status: "unhealthy" });
  });

  test("to a server without TLS, or with a certificate that is not trusted, names the repair", async () => {
    await using double = await GcsDouble.start();
    const storage = quickGCS(clientAt(`https://127.0.0.1:${double.port}`));
    const error = await thrown(() => storage.create("a", bytes("x")));
    expect(error).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
    expect(error.message).toContain("correct apiEndpoint");
    const untrusted = networkError(failed(trouble("SELF_SIGNED_CERT_IN_CHAIN")), write);
    expect(untrusted.message).toContain("trust its issuer with NODE_EXTRA_CA_CERTS");
  });
});

describe("the checksum", () => {
  test("is CRC32C (RFC 3720, B.4), big-endian, in base64", () => {
    const hex = (sum: string): string => Buffer.from(sum, "base64").toString("hex");
    expect(hex(crc32c(new Uint8Array()))).toBe("00000000");
    expect(hex(crc32c(new Uint8Array(32)))).toBe("8a9136aa");
    expect(hex(crc32c(new Uint8Array(32).fill(0xff)))).toBe("62a8ab43");
    expect(hex(crc32c(Uint8Array.from({ length: 32 }, (_, index) => index)))).toBe("46dd794e");
    expect(hex(crc32c(bytes("123456789")))).toBe("e3069283");
  });
});
