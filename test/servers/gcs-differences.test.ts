// Goal: everybody knows where our double of Google Cloud Storage and fake-gcs-server differ, and nothing else differs.
// Method: the driver's requests, sent bare to both; the differences of their answers are the list, and are printed.
import { afterAll, beforeAll, expect, test } from "vitest";
import { crc32c } from "../../src/storage/gcs-crc32c.ts";
import { doubleBucket, GcsDouble } from "../storage/support/gcs-double.ts";
import { describeOn } from "./support/found-server.ts";
import { gcsServerIn, isNamedGcsServer, type GcsServer } from "./support/gcs-server.ts";

/** What Google does, which the double does too, and what fake-gcs-server 1.56.1 does instead. */
const differences: Readonly<Record<string, readonly [double: string, server: string]>> = {
  "what a write answers, with fields=generation": ["generation", "more"],
  "a second write within a second": ["429 rateLimitExceeded", "200"],
  "what a missing bucket's 404 says": ["the bucket", "nothing"],
  "metadata, unchanged": ["304", "200"],
  "delete with an old generation": ["412 conditionNotMet", "200"],
  "delete with the right generation": ["204", "200"],
};

const bytes = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text));

/** A bucket by its bare JSON API. */
class Bare {
  readonly #origin: string;
  readonly #bucket: string;

  constructor(port: number, bucket: string) {
    this.#origin = `http://127.0.0.1:${port}`;
    this.#bucket = bucket;
  }

  async get(path: string, query = ""): Promise<Response> {
    return fetch(`${this.#origin}/storage/v1/b/${this.#bucket}/o${path}?${query}`);
  }

  async remove(name: string, query: string): Promise<Response> {
    return fetch(`${this.#origin}/storage/v1/b/${this.#bucket}/o/${name}?${query}`, { method: "DELETE" });
  }

  async upload(name: string, expected: string, more: object = {}, bucket = this.#bucket): Promise<Response> {
    const facts = { contentType: "application/json", cacheControl: "no-store", crc32c: crc32c(bytes("{}")) };
    const metadata = JSON.stringify({ name, ...facts, ...more });
    const parts = [`content-type: application/json\r\n\r\n${metadata}`, `content-type: text/plain\r\n\r\n{}`];
    const body = bytes(`${parts.map((part) => `--x\r\n${part}\r\n`).join("")}--x--\r\n`);
    const query = `uploadType=multipart&ifGenerationMatch=${expected}&fields=generation`;
    return fetch(`${this.#origin}/upload/storage/v1/b/${bucket}/o?${query}`, {
      method: "POST",
      headers: { "content-type": "multipart/related; boundary=x" },
      body,
    });
  }

  async generation(name: string): Promise<string> {
    return (await this.get(`/${name}`, "alt=media")).headers.get("x-goog-generation") ?? "";
  }
}

async function reasonOf(answer: Response): Promise<string> {
  const text = await answer.text();
  const reason = /"reason":\s*"(\w+)"/.exec(text)?.[1];
  return [answer.status, reason].filter(Boolean).join(" ");
}

/** The questions, in order: later ones find what earlier ones wrote. */
const questions: Readonly<Record<string, (bare: Bare) => Promise<string>>> = {
  "media of an absent object": async (bare) => String((await bare.get("/a", "alt=media")).status),
  "metadata of an absent object": async (bare) => reasonOf(await bare.get("/a")),
  create: async (bare) => reasonOf(await bare.upload("a", "0")),
  "what a write answers, with fields=generation": async (bare) => {
    const fields: unknown = await (await bare.upload("fields", "0")).json();
    return Object.keys(Object(fields)).length === 1 ? "generation" : "more";
  },
  "create where there is one": async (bare) => reasonOf(await bare.upload("a", "0")),
  "replace with an old generation": async (bare) => reasonOf(await bare.upload("a", "1")),
  "replace of an absent object": async (bare) => reasonOf(await bare.upload("b", "1")),
  "replace with the right generation": async (bare) => reasonOf(await bare.upload("a", await bare.generation("a"))),
  "a second write within a second": async (bare) => reasonOf(await bare.upload("a", await bare.generation("a"))),
  "create in a missing bucket": async (bare) => reasonOf(await bare.upload("a", "0", {}, "no-such-bucket")),
  "what a missing bucket's 404 says": async (bare) =>
    /bucket/i.test(await (await bare.upload("a", "0", {}, "no-such-bucket")).text()) ? "the bucket" : "nothing",
  "an upload with a wrong checksum": async (bare) => reasonOf(await bare.upload("sum", "0", { crc32c: "AAAAAA==" })),
  "headers of media": async (bare) => {
    const { headers } = await bare.get("/a", "alt=media");
    const sum = /crc32c=[^,]+/.exec(headers.get("x-goog-hash") ?? "")?.[0];
    return [headers.has("x-goog-generation") && "generation", sum, headers.get("cache-control")].join(", ");
  },
  "media of an old generation": async (bare) => String((await bare.get("/a", "alt=media&generation=1")).status),
  "metadata, unchanged": async (bare) =>
    String((await bare.get("/a", `ifGenerationNotMatch=${await bare.generation("a")}`)).status),
  "a page of one": async (bare) => {
    const page: unknown = await (await bare.get("", "maxResults=1")).json();
    const more: unknown = Reflect.get(Object(page), "nextPageToken");
    return `${String(Reflect.get(Object(page), "items").length)} and ${more === undefined ? "no token" : "a token"}`;
  },
  "delete with an old generation": async (bare) => reasonOf(await bare.remove("fields", "ifGenerationMatch=1")),
  "delete with the right generation": async (bare) =>
    reasonOf(await bare.remove("a", `ifGenerationMatch=${await bare.generation("a")}`)),
  "delete of an absent object": async (bare) => reasonOf(await bare.remove("a", "ifGenerationMatch=1")),
};

describeOn(gcsServerIn("memory"), (start) => {
  let server: GcsServer;
  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  test.skipIf(isNamedGcsServer)("the double and fake-gcs-server differ in this list, and in nothing else", async () => {
    await using double = await GcsDouble.start();
    const bares = [new Bare(double.port, doubleBucket), new Bare(server.process?.place.port ?? 0, server.bucket)];
    const found: Record<string, string[]> = {};
    for (const [name, ask] of Object.entries(questions)) {
      const answers: string[] = [];
      for (const bare of bares) {
        // One write a second is Google's: the double keeps it for the one question that is about it.
        double.switches.minWriteIntervalMs = name.startsWith("a second write") ? 1000 : 0;
        answers.push(await ask(bare));
      }
      if (answers[0] !== answers[1]) found[name] = answers;
    }
    for (const [name, [ours, theirs]] of Object.entries(found))
      console.warn(`${name}: double ${ours}, server ${theirs}`);
    expect(found).toEqual(differences);
  });
});
