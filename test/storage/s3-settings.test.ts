// Goal: a URL opens the bucket that it names with a client that repeats nothing, every mistake in it is told at once,
// and no credentials appear. Method: good and bad URLs and options, and clients that say how often they send.
import { inspect } from "node:util";
import * as commands from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openStorage } from "../../src/storage/registry.ts";
import { isTrusted, open, S3Storage, type S3StorageOptions } from "../../src/storage/s3.ts";
import { loadS3, type S3Package } from "../../src/storage/s3-package.ts";
import { StorageUrl } from "../../src/storage/storage-url.ts";
import { silentLogger } from "../../src/system/logger.ts";
import { systemClock } from "../../src/system/clock.ts";
import { systemRandom } from "../../src/system/random.ts";
import { S3Double } from "./support/s3-double.ts";

let double: S3Double;
beforeAll(async () => {
  double = await S3Double.start();
});
afterAll(() => double[Symbol.asyncDispose]());

async function problemsOf(call: () => unknown): Promise<readonly string[]> {
  try {
    await call();
  } catch (error) {
    expect(error).toMatchObject({ code: "INVALID_SETTINGS" });
    return (error as { problems: readonly string[] }).problems; // of that class
  }
  return [];
}

const parts = { clock: systemClock, random: systemRandom, logger: silentLogger };
const client = { send: () => Promise.reject(new Error("not asked")) };

describe("a URL", () => {
  test("names bucket, prefix and endpoint; its credentials sign and are never shown", async () => {
    const bucket = double.bucket();
    const endpoint = encodeURIComponent(double.endpoint);
    const parameters = `endpoint=${endpoint}&region=eu-central-1&forcePathStyle=on&sse=none&minWriteIntervalMs=5`;
    const url = `s3://AKIATESTER:very%2fsecret@${bucket}/some/prefix?${parameters}&probe=never&maxValueBytes=100`;
    const storage = await openStorage(url);
    expect(storage.description).toBe(`s3://${bucket}/some/prefix at ${new URL(double.endpoint).host}`);
    expect(storage.capabilities).toEqual({
      watch: "poll",
      transact: false,
      expiry: false,
      maxValueBytes: 100,
      minWriteIntervalMs: 5,
      durability: "durable",
      reach: "network",
    });
    expect(await storage.create("a", new Uint8Array([1]))).toMatchObject({ written: true });
    const sent = double.requests.at(-1);
    expect(sent?.path).toMatch(new RegExp(`^/${bucket}/some/prefix/a\\?x-id=PutObject$|^/${bucket}/some/prefix/a$`));
    expect(sent?.headers["authorization"]).toMatch(/Credential=AKIATESTER\/\d+\/eu-central-1\/s3\/aws4_request/);
    expect(sent?.headers).not.toHaveProperty("x-amz-server-side-encryption");
    expect(sent?.headers).not.toHaveProperty("x-amz-checksum-crc32");
    expect(inspect(storage, { depth: 10, showHidden: true })).not.toMatch(/very.{1,3}secret|AKIATESTER/);
    await storage.close();
    await expect(storage.read("a")).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("its probe refuses an endpoint that ignores conditions", async () => {
    double.switches = { ignoresConditions: true };
    const url = `s3://k:s@${double.bucket()}?endpoint=${double.endpoint}&region=us-east-1&forcePathStyle=on`;
    await expect(openStorage(url)).rejects.toMatchObject({ code: "UNSAFE_STORAGE" });
    double.switches = {};
    const storage = await openStorage(url);
    expect(storage).toBeInstanceOf(S3Storage);
    await storage.close();
  });

  test("all its problems are told at once", async () => {
    const options = "endpoint=http%3a%2f%2fs3.example.com&region=Berlin!&sse=rot13&pollMs=1&kepe=1";
    expect(await problemsOf(() => openStorage(`s3://bucket/a?${options}`))).toEqual([
      "kepe is no parameter of s3:",
      'pollMs ("1") must be an integer of at least 10 and at most 3600000',
      'sse ("rot13") must be one of AES256, aws:kms, none',
      expect.stringMatching(/^allowed are: endpoint, forcePathStyle, kmsKeyId, .*region, sse, timeoutMs$/),
    ]);
    expect(await problemsOf(() => openStorage("s3:///a//b?endpoint=ftp%3a%2f%2fa&region=Berlin!"))).toEqual([
      expect.stringMatching(/^bucket/),
      expect.stringMatching(/^prefix: .*a segment is empty/),
      expect.stringMatching(/^region/),
      expect.stringMatching(/^endpoint must be a URL/),
    ]);
  });

  test.each([
    ["https://storage.googleapis.com", /use gs: instead/],
    ["https://bucket.storage.googleapis.com/x", /use gs: instead/],
    ["https://user:pass@s3.example.com", /must hold no credentials/],
    ["http://s3.example.com", /must be https:/],
    ["https://s3.example.com?a=b", /neither query nor fragment/],
  ])("the endpoint %s is refused", async (endpoint, problem) => {
    const problems = await problemsOf(() => openStorage(`s3://bucket?endpoint=${encodeURIComponent(endpoint)}`));
    expect(problems.join()).toMatch(problem);
    expect(problems.join()).not.toContain("pass");
  });

  test("AWS itself is trusted, another endpoint or a client that was passed is probed", async () => {
    const options = (storage: unknown) => storage as S3Storage; // built below
    const aws = new StorageUrl("s3://bucket/p?region=eu-north-1");
    const own = await open(aws, parts);
    expect(own.description).toBe("s3://bucket/p");
    expect(isTrusted(aws, own)).toBe(true);
    const passed = await open(aws, { ...parts, client });
    expect(isTrusted(aws, options(passed))).toBe(false);
    const other = new StorageUrl("s3://bucket?endpoint=https://s3.example.com&region=r");
    expect(isTrusted(other, await open(other, parts))).toBe(false);
    await own.close();
  });
});

describe("the package", () => {
  const settings = { region: undefined, endpoint: undefined, forcePathStyle: false, credentials: undefined };

  test("that is missing is named, with the command that installs it", async () => {
    const missing = Object.assign(new Error("Cannot find package"), { code: "ERR_MODULE_NOT_FOUND" });
    const loading = loadS3(settings, undefined, () => Promise.reject(missing));
    await expect(loading).rejects.toMatchObject({
      code: "PACKAGE_MISSING",
      message: expect.stringContaining("npm install @aws-sdk/client-s3"),
    });
    const broken = new Error("a bug of the package");
    await expect(loadS3(settings, undefined, () => Promise.reject(broken))).rejects.toBe(broken);
  });

  test("gets one attempt, its own endpoint only, and checksums where AWS wants them", async () => {
    const made: Record<string, unknown>[] = [];
    const fake = {
      ...commands,
      S3Client: class {
        readonly config = { region: () => Promise.resolve("r") };
        constructor(given: object) {
          made.push({ ...given });
        }
        send = () => Promise.reject(new Error("not asked"));
        destroy(): void {}
      },
    } as S3Package; // with one class replaced
    await loadS3(settings, undefined, () => Promise.resolve(fake));
    await loadS3({ ...settings, endpoint: "https://s3.example.com" }, undefined, () => Promise.resolve(fake));
    expect(made).toEqual([
      { maxAttempts: 1, forcePathStyle: false, ignoreConfiguredEndpointUrls: true },
      {
        maxAttempts: 1,
        forcePathStyle: false,
        ignoreConfiguredEndpointUrls: true,
        endpoint: "https://s3.example.com",
        requestChecksumCalculation: "WHEN_REQUIRED",
        responseChecksumValidation: "WHEN_REQUIRED",
      },
    ]);
  });

  test("without a region it is told how to name one", async () => {
    const fake = {
      ...commands,
      S3Client: class {
        readonly config = { region: () => Promise.reject(new Error("Region is missing")) };
        send = () => Promise.reject(new Error("not asked"));
        destroy(): void {}
      },
    } as S3Package; // with one class replaced
    const problems = await problemsOf(() => loadS3(settings, undefined, () => Promise.resolve(fake)));
    expect(problems.join()).toMatch(/add region=/);
  });

  test("a client that is none is refused", async () => {
    for (const wrong of ["text", {}, { send: 1 }, null]) {
      const problems = await problemsOf(() => open(new StorageUrl("s3://bucket"), { ...parts, client: wrong }));
      expect(problems.join()).toMatch(/client must be an S3Client/);
    }
  });

  test("a client that repeats writes is refused before anything is sent", async () => {
    const repeating = new commands.S3Client({ region: "us-east-1", maxAttempts: 3 });
    const storage = new S3Storage({ client: repeating, commands, bucket: "bucket" });
    await expect(storage.create("a", new Uint8Array(1))).rejects.toMatchObject({
      code: "INVALID_SETTINGS",
      applied: "no",
      message: expect.stringContaining("maxAttempts: 1"),
    });
    repeating.destroy();
  });
});

describe("options", () => {
  test("all problems are told at once", async () => {
    const wrong = {
      ...{ client: {}, commands, bucket: "a/b", prefix: "/a", sse: "AES256", kmsKeyId: "a b" },
      ...{ minWriteIntervalMs: -1, pollMs: 9, maxValueBytes: 2 ** 25, timeoutMs: 0 },
    } as unknown as S3StorageOptions; // wrong on purpose
    expect(await problemsOf(() => new S3Storage(wrong))).toHaveLength(9);
    const longPrefix = { client, commands, bucket: "bucket", prefix: "x/".repeat(5) + "ä".repeat(20) };
    expect(await problemsOf(() => new S3Storage(longPrefix))).toEqual([]);
    expect(await problemsOf(() => new S3Storage({ ...longPrefix, prefix: "x".repeat(201) }))).toHaveLength(1);
  });

  test("encryption by a key of KMS is asked for with each write", async () => {
    const sent: object[] = [];
    const recording = { send: (command: object) => Promise.resolve(void sent.push(command)) };
    const encrypted = { sse: "aws:kms", kmsKeyId: "alias/tenure" } as const;
    const storage = new S3Storage({ client: recording, commands, bucket: "bucket", ...encrypted });
    await expect(storage.create("a", new Uint8Array(1))).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect(sent).toMatchObject([{ input: { ServerSideEncryption: "aws:kms", SSEKMSKeyId: "alias/tenure" } }]);
  });
});
