import { CorruptDataError, StorageUnavailableError, type TenureError } from "../errors.ts";
import type { Random } from "../system/random.ts";
import { crc32c } from "./gcs-crc32c.ts";
import { doubtful, isLost, isObjectMissing, refused, said, where, type FailedGCSCall } from "./gcs-errors.ts";
import { sendToGCS, type GCSAnswer, type GCSAttempt, type GCSConnection, type GCSRequest } from "./gcs-request.ts";

/** What is needed to speak of the objects of one bucket. */
export interface GCSObjectsParts extends GCSConnection {
  readonly bucket: string;
  readonly maxValueBytes: number;
  readonly random: Random;
}

/** One call, and what ends it. */
export interface GCSWork {
  readonly call: FailedGCSCall;
  readonly attempt: GCSAttempt;
}

/** An object as it was read. */
export interface GCSObject {
  readonly value: Uint8Array;
  readonly generation: string;
}

/** What is to be written, and over which generation. */
export interface GCSUpload {
  readonly name: string;
  readonly contentType: string;
  readonly value: Uint8Array;
  readonly expected: string;
}

/** One page of names. */
export interface GCSPage {
  readonly items: readonly { readonly name: string; readonly generation: string }[];
  readonly nextPageToken: string | undefined;
}

const metadataBytes = 2 ** 16;
const pageBytes = 2 ** 23;

/** The JSON API, as far as documents need it. Each method is one request; a read may take two more. */
export class GCSObjects {
  readonly #parts: GCSObjectsParts;

  constructor(parts: GCSObjectsParts) {
    this.#parts = parts;
  }

  /** The object now, or `undefined` if it is absent. */
  async read(name: string, work: GCSWork): Promise<GCSObject | undefined> {
    const answer = await this.#media(name, undefined, work);
    if (isObjectMissing(answer)) return undefined;
    if (answer.status !== 200) throw refused(answer, work.call);
    const generation = answer.headers.get("x-goog-generation");
    const sum = /(?:^|[,\s])crc32c=([^,\s]+)/.exec(answer.headers.get("x-goog-hash") ?? "")?.[1];
    // Something on the way has taken the headers: ask for both, and then for the body that belongs to them.
    if (!isGeneration(generation) || sum === undefined) return this.#readPinned(name, work);
    return this.#checked(answer, { generation, sum }, work.call);
  }

  async #readPinned(name: string, work: GCSWork): Promise<GCSObject | undefined> {
    const metadata = await this.#get({ path: this.#objectPath(name), query: { fields: "generation,crc32c" } }, work);
    if (isObjectMissing(metadata)) return undefined;
    const { generation, crc32c: sum } = fieldsOf(metadata, work.call);
    if (!isGeneration(generation) || typeof sum !== "string") throw doubtful(work.call, noAnswerOfGCS);
    const answer = await this.#media(name, generation, work);
    if (isObjectMissing(answer)) throw doubtful(work.call, "it was replaced while it was read");
    if (answer.status !== 200) throw refused(answer, work.call);
    return this.#checked(answer, { generation, sum }, work.call);
  }

  #checked(
    { headers, body }: GCSAnswer,
    { generation, sum }: { readonly generation: string; readonly sum: string },
    call: FailedGCSCall,
  ): GCSObject {
    const corrupt = (why: string): TenureError =>
      new CorruptDataError(said(call, why), { ...where(call), version: generation });
    if (body === undefined) throw corrupt(`it has more than ${this.#parts.maxValueBytes} bytes`);
    const encoding = headers.get("x-goog-stored-content-encoding") ?? "identity";
    if (encoding !== "identity") throw corrupt("somebody stored it compressed");
    if (crc32c(body) !== sum) throw new StorageUnavailableError(said(call, "its bytes were damaged"), where(call));
    return { value: body, generation };
  }

  /**
   * Uploads, exactly if the generation is `expected` (`"0"`: if the object is absent). Returns the new generation, or
   * `undefined` if the condition was refused.
   */
  async write({ name, contentType, value, expected }: GCSUpload, work: GCSWork): Promise<string | undefined> {
    const boundary = this.#parts.random.uuid();
    const metadata = {
      name,
      contentType,
      cacheControl: "no-cache, no-store, must-revalidate",
      crc32c: crc32c(value), // what was damaged on the way is refused there
    };
    const answer = await this.#send(work, {
      method: "POST",
      path: `/upload/storage/v1/b/${encodeURIComponent(this.#parts.bucket)}/o`,
      query: { uploadType: "multipart", ifGenerationMatch: expected, fields: "generation" },
      contentType: `multipart/related; boundary=${boundary}`,
      body: multipart(boundary, metadata, value),
      limitBytes: metadataBytes,
    });
    if (isLost(answer, expected === "0")) return undefined;
    if (answer.status !== 200) throw refused(answer, work.call);
    const { generation } = fieldsOf(answer, work.call);
    if (!isGeneration(generation)) throw doubtful(work.call, noAnswerOfGCS);
    return generation;
  }

  /** Deletes, exactly if the generation is `expected`; whether it did. */
  async remove(name: string, expected: string, work: GCSWork): Promise<boolean> {
    const answer = await this.#send(work, {
      method: "DELETE",
      path: this.#objectPath(name),
      query: { ifGenerationMatch: expected },
      limitBytes: metadataBytes,
    });
    if (isLost(answer, false)) return false;
    if (answer.status !== 204 && answer.status !== 200) throw refused(answer, work.call);
    // A proxy that answers by itself sends a page; emulators send an empty document instead of nothing.
    const text = new TextDecoder().decode(answer.body ?? new Uint8Array([0])).trim();
    if (!["", "null", "{}"].includes(text)) throw doubtful(work.call, noAnswerOfGCS);
    return true;
  }

  /** The generation now; `known`, told without a body, if it is still that one; `undefined` if the object is absent. */
  async look(name: string, known: string | undefined, work: GCSWork): Promise<string | undefined> {
    const query = { ifGenerationNotMatch: known, fields: "generation" };
    const answer = await this.#get({ path: this.#objectPath(name), query }, work);
    if (answer.status === 304 && known !== undefined) return known;
    if (isObjectMissing(answer)) return undefined;
    const { generation } = fieldsOf(answer, work.call);
    if (!isGeneration(generation)) throw doubtful(work.call, noAnswerOfGCS);
    return generation;
  }

  /** The names that begin with `prefix`, up to a thousand. */
  async page(prefix: string, pageToken: string | undefined, work: GCSWork): Promise<GCSPage> {
    const path = `/storage/v1/b/${encodeURIComponent(this.#parts.bucket)}/o`;
    const fields = "items(name,generation),nextPageToken";
    const query = { prefix, pageToken, projection: "noAcl", fields };
    const found = fieldsOf(await this.#get({ path, query, limitBytes: pageBytes }, work), work.call);
    const items: unknown = found["items"] ?? [];
    const token: unknown = found["nextPageToken"];
    if (!Array.isArray(items) || !items.every(isItem)) throw doubtful(work.call, noAnswerOfGCS);
    return { items, nextPageToken: typeof token === "string" && token !== "" ? token : undefined };
  }

  /** The settings of the bucket. */
  async bucket(work: GCSWork): Promise<Readonly<Record<string, unknown>>> {
    const path = `/storage/v1/b/${encodeURIComponent(this.#parts.bucket)}`;
    const query = { fields: "retentionPolicy,defaultEventBasedHold,lifecycle" };
    return fieldsOf(await this.#get({ path, query }, work), work.call);
  }

  #media(name: string, generation: string | undefined, work: GCSWork): Promise<GCSAnswer> {
    const query = { alt: "media", generation };
    return this.#get({ path: this.#objectPath(name), query, limitBytes: this.#parts.maxValueBytes }, work);
  }

  #get(
    { path, query, limitBytes = metadataBytes }: Pick<GCSRequest, "path" | "query"> & { readonly limitBytes?: number },
    work: GCSWork,
  ): Promise<GCSAnswer> {
    return this.#send(work, { method: "GET", path, query, limitBytes });
  }

  #send(work: GCSWork, request: GCSRequest): Promise<GCSAnswer> {
    return sendToGCS(this.#parts, request, work);
  }

  #objectPath(name: string): string {
    return `/storage/v1/b/${encodeURIComponent(this.#parts.bucket)}/o/${encodeURIComponent(name)}`;
  }
}

const noAnswerOfGCS = "the answer is not one of Google Cloud Storage";

/** The fields of a success. @throws what `refused` makes of anything else. */
function fieldsOf(answer: GCSAnswer, call: FailedGCSCall): Readonly<Record<string, unknown>> {
  if (answer.status !== 200) throw refused(answer, call);
  try {
    const fields: unknown = JSON.parse(new TextDecoder().decode(answer.body));
    if (typeof fields === "object" && fields !== null) return { ...fields };
  } catch (error) {
    throw doubtful(call, noAnswerOfGCS, error instanceof SyntaxError ? undefined : error); // it quotes the body
  }
  throw doubtful(call, noAnswerOfGCS);
}

/** Whether this is a generation of an object; `0` stands for "absent". */
export function isGeneration(text: unknown): text is string {
  return typeof text === "string" && /^[1-9]\d{0,17}$/.test(text);
}

function isItem(item: unknown): item is GCSPage["items"][number] {
  return typeof Reflect.get(Object(item), "name") === "string" && isGeneration(Reflect.get(Object(item), "generation"));
}

function multipart(boundary: string, metadata: object, value: Uint8Array): Uint8Array {
  const head = [
    `--${boundary}\r\ncontent-type: application/json; charset=utf-8\r\n\r\n${JSON.stringify(metadata)}\r\n`,
    `--${boundary}\r\ncontent-type: application/octet-stream\r\n\r\n`,
  ].join("");
  return Buffer.concat([Buffer.from(head), value, Buffer.from(`\r\n--${boundary}--\r\n`)]);
}
