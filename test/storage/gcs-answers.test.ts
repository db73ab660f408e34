// Goal: no answer of Google Cloud Storage, or of what stands between, is taken for more than it proves. Method: the
// double answers as its switches say, or as Google words it; the driver's errors and requests are looked at.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { GCSStorage } from "../../src/storage/gcs.ts";
import { probeStorage } from "../../src/storage/probe.ts";
import type { Version } from "../../src/storage/versioned-storage.ts";
import { quickGCS } from "./support/gcs-places.ts";
import { GcsDouble, type GcsSwitches } from "./support/gcs-double.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

let double: GcsDouble;
let storage: GCSStorage;
let version: Version;

beforeEach(async () => {
  double = await GcsDouble.start();
  storage = quickGCS(double.client());
  const created = await storage.create("a", bytes("one"));
  if (!created.written) throw new Error("the double is not empty");
  ({ version } = created);
  double.seen.length = 0;
});
afterEach(async () => {
  await storage.close();
  await double[Symbol.asyncDispose]();
});

async function listed(from: GCSStorage): Promise<number> {
  let count = 0;
  for await (const _entry of from.list("")) count += 1;
  return count;
}

/** The calls, each on a place where it would do something. */
const calls: Readonly<Record<string, () => Promise<unknown>>> = {
  read: () => storage.read("a"),
  create: () => storage.create("b", bytes("two")),
  replace: () => storage.replace("a", bytes("two"), version),
  remove: () => storage.remove("a", version),
  list: () => listed(storage),
};
const writes = ["create", "replace", "remove"];

async function thrown(call: () => Promise<unknown>): Promise<Error & Record<string, unknown>> {
  const error: unknown = await call().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof Error) return error as Error & Record<string, unknown>; // cast: fields are compared only
  throw new Error("nothing was thrown");
}

/** Each call, under these switches: what it throws, having been sent once. */
async function eachThrows(switches: GcsSwitches, names: readonly string[] = Object.keys(calls)) {
  Object.assign(double.switches, switches);
  const errors = new Map<string, Error & Record<string, unknown>>();
  for (const name of names) {
    double.seen.length = 0;
    errors.set(name, await thrown(calls[name] ?? (() => Promise.resolve())));
    expect(double.seen.length, name).toBe(1);
  }
  return errors;
}

describe("a write", () => {
  test("names the object as its key, with content type, cache control and checksum", async () => {
    await storage.create("leases/default/demo", bytes("{}"));
    await storage.create("state/x", bytes("{}"));
    expect(double.objects.get("leases/default/demo")).toMatchObject({ contentType: "application/json" });
    expect(double.objects.get("leases/default/demo")?.cacheControl).toBe("no-cache, no-store, must-revalidate");
    expect(double.objects.get("state/x")?.contentType).toBe("application/octet-stream");
  });

  test("is a multipart upload with a condition, a delete has one too, and each is one request", async () => {
    await storage.create("b", bytes("two"));
    await storage.replace("a", bytes("two"), version);
    await storage.remove("a", version);
    expect(
      double.seen.map(({ kind, query }) => [kind, query.get("uploadType"), query.get("ifGenerationMatch")]),
    ).toEqual([
      ["create", "multipart", "0"],
      ["replace", "multipart", version],
      ["remove", null, version],
    ]);
  });

  test("whose version is none of Google's is lost, and never one that creates", async () => {
    for (const never of ["", "0", "absent", "-1", "1.5", "01", `${version}-removed`, "9999999999999999999"]) {
      const expected = never as Version; // cast: out of nowhere
      expect(await storage.replace("a", bytes("two"), expected)).toEqual({ written: false });
      expect(await storage.replace("missing", bytes("two"), expected)).toEqual({ written: false });
      expect(await storage.remove("a", expected)).toEqual({ written: false });
    }
    expect([...double.objects.keys()]).toEqual(["a"]);
    expect(double.seen.every(({ query }) => query.get("ifGenerationMatch") === "9223372036854775807")).toBe(true);
  });

  test("sooner than a second after another is refused without effect, and says when to come back", async () => {
    double.switches.minWriteIntervalMs = 1000;
    for (const name of ["replace", "remove"]) {
      const error = await thrown(calls[name] ?? (() => Promise.resolve()));
      expect(error).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no", retryAfterMs: 1000, key: "a" });
    }
    expect(double.seen).toHaveLength(2);
    expect(double.objects.get("a")?.generation).toBe(version);
  });

  test.each(["rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"])(
    "is throttled by 403 %s",
    async (reason) => {
      const body = JSON.stringify({ error: { code: 403, message: "Quota.", errors: [{ reason }] } });
      const errors = await eachThrows({ page: { status: 403, html: body } }, writes);
      for (const error of errors.values()) expect(error).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
    },
  );

  test("is unknown after 503, whether it was applied or not; only slowDown proves that it was not", async () => {
    for (const [unavailable, names] of [
      ["before", writes],
      ["after", ["create", "remove"]],
    ] as const) {
      const errors = await eachThrows({ unavailable }, names);
      for (const error of errors.values()) expect(error).toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
      expect([...double.objects.keys()]).toEqual([unavailable === "before" ? "a" : "b"]);
    }
    const errors = await eachThrows({ unavailable: "slowDown" }, writes);
    for (const error of errors.values()) expect(error).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
  });

  test.each([301, 302, 308, 404, 403, 412, 429, 500, 502, 504, 200])(
    "is unknown after %i with the page of a proxy; a read is unavailable",
    async (status) => {
      const errors = await eachThrows({ page: { status, html: "<html>Blocked by your proxy</html>" } }, [
        ...writes,
        ...(status === 200 ? ["list"] : ["read", "list"]),
      ]);
      for (const [name, error] of errors) {
        const unknown = { code: "OUTCOME_UNKNOWN", applied: "unknown" };
        expect(error, name).toMatchObject(writes.includes(name) ? unknown : { code: "STORAGE_UNAVAILABLE" });
        expect(error.message).not.toContain("proxy");
      }
    },
  );

  test("is unknown after a success that names no generation", async () => {
    for (const error of (await eachThrows({ noGeneration: "anywhere" }, ["create", "replace"])).values()) {
      expect(error).toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
    }
    expect(double.objects.size).toBe(2);
  });
});

describe("a read", () => {
  test("is one request for the body, and takes its version and checksum from the headers", async () => {
    expect(await storage.read("a")).toEqual({ value: bytes("one"), version });
    expect(double.seen.map(({ kind }) => kind)).toEqual(["read"]);
    expect(double.seen[0]?.headers).toMatchObject({ "accept-encoding": "identity", "cache-control": "no-cache" });
  });

  test.each([{ noGeneration: "media" }, { noChecksum: true }] satisfies GcsSwitches[])(
    "whose headers were taken away (%o) asks for metadata, and for the body that belongs to them",
    async (switches) => {
      Object.assign(double.switches, switches);
      expect(await storage.read("a")).toEqual({ value: bytes("one"), version });
      expect(double.seen.map(({ kind, query }) => [kind, query.get("generation")])).toEqual([
        ["read", null],
        ["look", null],
        ["read", version],
      ]);
      expect(await storage.read("missing")).toBeUndefined();
    },
  );

  test("of damaged bytes is unavailable; nothing of them is returned", async () => {
    double.switches.wrongChecksum = true;
    expect(await thrown(() => storage.read("a"))).toMatchObject({ code: "STORAGE_UNAVAILABLE" });
  });

  test("of more bytes than are allowed is cut off, and told with its version", async () => {
    const small = quickGCS(double.client(), { maxValueBytes: 10 });
    const generation = double.put("large", new Uint8Array(2 ** 20));
    const error = await thrown(() => small.read("large"));
    expect(error).toMatchObject({ code: "CORRUPT_DATA", version: generation, key: "large" });
    expect(await small.read("missing")).toBeUndefined(); // what says so is longer than any value here
  });

  test("of an object that somebody stored compressed is told: its checksum is not that of the bytes", async () => {
    double.switches.storedEncoding = "gzip";
    expect(await thrown(() => storage.read("a"))).toMatchObject({ code: "CORRUPT_DATA", version });
  });

  test("whose body stalls ends at the deadline, and its socket is gone", async () => {
    double.switches.slowBodyMs = 15;
    const error = await thrown(() => storage.read("a", { timeoutMs: 20 }));
    expect(error).toMatchObject({ code: "STORAGE_UNAVAILABLE", cause: { name: "TimeoutError" } });
    await expect.poll(() => double.openRequests).toBe(0);
  });
});

test("a request that went to the wrong server is sent again by fetch itself, since nothing was done there", async () => {
  double.switches.page = { status: 421, html: "" };
  await thrown(() => storage.create("b", bytes("x")));
  expect(double.seen.map(({ kind }) => kind)).toEqual(["create", "create"]);
  double.seen.length = 0;
  double.switches.page = { status: 307, html: "" };
  expect(await thrown(() => storage.create("b", bytes("x")))).toMatchObject({ code: "OUTCOME_UNKNOWN" });
  expect(double.seen).toHaveLength(1);
});

test("a redirection is not followed: credentials are for one host", async () => {
  await using elsewhere = await GcsDouble.start();
  double.switches.page = { status: 307, html: "", location: `http://127.0.0.1:${elsewhere.port}/` };
  expect(await thrown(() => storage.read("a"))).toMatchObject({ code: "STORAGE_UNAVAILABLE" });
  expect(elsewhere.seen).toEqual([]);
});

describe("a missing bucket", () => {
  test("is no lost race and no absent key: each call names it, a write without effect", async () => {
    const elsewhere = quickGCS(double.client(), { bucket: "no-such-bucket" });
    const all = [
      () => elsewhere.read("a"),
      () => elsewhere.create("a", bytes("x")),
      () => elsewhere.replace("a", bytes("x"), version),
      () => elsewhere.remove("a", version),
      () => listed(elsewhere),
    ];
    for (const [index, call] of all.entries()) {
      const error = await thrown(call);
      expect(error).toMatchObject({ code: "INVALID_SETTINGS", storage: "gs://no-such-bucket" });
      expect(error.message).toContain("the bucket does not exist; create it");
      if (index > 0 && index < 4) expect(error["applied"]).toBe("no");
    }
    const health = await elsewhere.health();
    expect(health).toMatchObject({ status: "unhealthy", reasons: [expect.stringContaining("does not exist")] });
  });

  test("is what a 404 on create means, whatever it says, and an object whose name has the word is still an object", async () => {
    const body = JSON.stringify({ error: { code: 404, message: "Not Found", errors: [{ reason: "notFound" }] } });
    double.switches.page = { status: 404, html: body };
    expect(await thrown(() => storage.create("b", bytes("x")))).toMatchObject({
      code: "INVALID_SETTINGS",
      applied: "no",
    });
    expect(await storage.replace("a", bytes("x"), version)).toEqual({ written: false });
    delete double.switches.page;
    expect(await storage.read("the bucket does not exist")).toBeUndefined();
    expect(await storage.remove("the bucket does not exist", version)).toEqual({ written: false });
  });
});

describe("what nobody may", () => {
  const needed = {
    read: "storage.objects.get",
    create: "storage.objects.create",
    replace: "storage.objects.delete",
    remove: "storage.objects.delete",
    list: "storage.objects.list",
  };

  test.each(Object.entries(needed))("%s without %s is told with the operation and the right", async (name, right) => {
    const error = (await eachThrows({ denied: [right] }, [name])).get(name);
    expect(error).toMatchObject({ code: "ACCESS_DENIED", operation: name });
    expect(error?.message).toContain(`the right ${right} is missing`);
    if (writes.includes(name)) expect(error?.["applied"]).toBe("no");
  });

  test("to read an absent object without the right to list is told so", async () => {
    double.switches.denied = ["storage.objects.list"];
    const error = await thrown(() => storage.read("missing"));
    expect(error.message).toContain("the right storage.objects.list is missing");
  });

  test("credentials that Google refuses are told with their repair", async () => {
    for (const error of (await eachThrows({ page: { status: 401, html: '{"error":{"code":401}}' } })).values()) {
      expect(error).toMatchObject({ code: "ACCESS_DENIED", message: expect.stringContaining("gcloud auth") });
    }
  });

  test("a bucket whose requester pays wants userProject, and gets it with each request", async () => {
    double.switches.requesterPays = true;
    const error = await thrown(() => storage.replace("a", bytes("x"), version));
    expect(error).toMatchObject({ code: "INVALID_SETTINGS", applied: "no" });
    expect(error.message).toContain("name a project with userProject");
    const paying = quickGCS(double.client(), { userProject: "our-project" });
    double.seen.length = 0;
    await paying.read("a");
    await paying.create("b", bytes("x"));
    await listed(paying);
    expect((await paying.health()).status).toBe("healthy");
    expect(double.seen.map(({ query }) => query.get("userProject"))).toEqual(Array(4).fill("our-project"));
  });

  test.each(["retentionPolicyNotMet", "objectUnderActiveHold"] as const)(
    "%s makes renewal impossible",
    async (frozen) => {
      double.switches.frozen = frozen;
      const error = await thrown(() => storage.replace("a", bytes("two"), version));
      expect(error).toMatchObject({ code: "UNSAFE_STORAGE", applied: "no" });
      expect(error.message).toContain("use a bucket without retention policy");
    },
  );
});

describe("the probe", () => {
  const connect = (): GCSStorage => quickGCS(double.client());

  test.each(["writes", "deletes"] as const)("finds a bucket unsafe that ignores conditions of %s", async (ignored) => {
    double.switches.ignoresConditions = [ignored];
    expect((await probeStorage(connect, { quick: true })).verdict).toBe("unsafe");
  });

  test.each([
    [{ retentionPolicy: { retentionPeriod: "60" } }, "unsafe", "retention policy"],
    [{ defaultEventBasedHold: true }, "unsafe", "defaultEventBasedHold"],
    [{ lifecycle: { rule: [{ action: { type: "Delete" }, condition: { age: 30 } }] } }, "unsafe", "lifecycle"],
    [{ lifecycle: { rule: [{ action: { type: "Delete" }, condition: { age: 3, isLive: false } }] } }, "safe", ""],
    [
      { lifecycle: { rule: [{ action: { type: "Delete" }, condition: { age: 3, matchesPrefix: ["a/"] } }] } },
      "unsafe",
      "",
    ],
    [{ lifecycle: { rule: [{ action: { type: "SetStorageClass" }, condition: { age: 3 } }] } }, "safe", ""],
    [{ lifecycle: { rule: "odd" }, retentionPolicy: null }, "safe", ""],
  ])("reads the settings of the bucket: %j is %s", async (bucketSettings, verdict, detail) => {
    double.switches.bucketSettings = bucketSettings;
    const findings = await storage.probeSettings();
    expect(findings.map((finding) => finding.verdict)).toEqual(verdict === "safe" ? [] : [verdict]);
    if (verdict !== "safe") expect(findings[0]?.detail).toContain(detail);
  });

  test("leaves rules for other prefixes alone", async () => {
    const rule = { action: { type: "Delete" }, condition: { matchesPrefix: ["logs/"] } };
    double.switches.bucketSettings = { lifecycle: { rule: [rule] } };
    expect(await quickGCS(double.client(), { prefix: "elections" }).probeSettings()).toEqual([]);
    expect(await quickGCS(double.client(), { prefix: "logs/of/us" }).probeSettings()).toHaveLength(1);
  });

  test("says what it could not read, and which right is missing", async () => {
    double.switches.denied = ["storage.buckets.get"];
    const report = await probeStorage(connect, { quick: true });
    expect(report.verdict).toBe("unproven");
    const unproven = report.steps.filter(({ verdict }) => verdict !== "safe");
    double.switches.page = { status: 503, html: "" }; // no answer is something else than no right
    expect(await thrown(() => storage.probeSettings())).toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    expect(unproven.map(({ id, detail }) => `${id} ${detail}`)).toEqual([
      "P12 retention, holds and lifecycle of the bucket were not read: storage.buckets.get is missing",
    ]);
  });
});
