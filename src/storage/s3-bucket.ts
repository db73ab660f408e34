/** The one method that we need of an `S3Client` of `@aws-sdk/client-s3`. */
export interface S3Sender {
  send(command: object, options?: { readonly abortSignal?: AbortSignal }): Promise<unknown>;
  /** Asked for `maxAttempts`, where it tells it: a client that repeats conditional writes is refused. */
  readonly config?: { readonly maxAttempts?: unknown };
}

/** How one command of the package is made. What from differs between them, and between releases of the package. */
export type S3CommandClass = new (input: never) => object;

/** The commands that we send: `import * as commands from "@aws-sdk/client-s3"` fits. */
export interface S3Commands {
  readonly GetObjectCommand: S3CommandClass;
  readonly PutObjectCommand: S3CommandClass;
  readonly ListObjectsV2Command: S3CommandClass;
  /** For what a probe leaves behind, only. */
  readonly DeleteObjectCommand: S3CommandClass;
  /** For the probe, only. */
  readonly GetBucketLifecycleConfigurationCommand: S3CommandClass;
}

/** An answer; what it holds is looked at before it is believed. */
export type S3Answer = Readonly<Record<string, unknown>>;

/** One bucket, by one client. */
export class S3Bucket {
  readonly #sender: S3Sender;
  readonly #commands: S3Commands;
  readonly #bucket: string;

  constructor(sender: S3Sender, commands: S3Commands, bucket: string) {
    this.#sender = sender;
    this.#commands = commands;
    this.#bucket = bucket;
  }

  /** How often the client would send one command, if it tells that. */
  async attempts(): Promise<unknown> {
    const attempts = this.#sender.config?.maxAttempts;
    return typeof attempts === "function" ? Reflect.apply(attempts, this.#sender.config, []) : attempts;
  }

  /** Sends one command once. On abort the client rejects with an error of its own: the caller looks at the signal. */
  async send(name: keyof S3Commands, input: object, signal: AbortSignal): Promise<S3Answer> {
    const named = { ...input, Bucket: this.#bucket };
    const command = new this.#commands[name](named as never); // cast: each command is given what the S3 API names
    const answer = await this.#sender.send(command, { abortSignal: signal });
    return Object(answer) as S3Answer; // cast: Object() made one
  }
}

/**
 * The body of an answer, `undefined` if it has more than `limit` bytes. The signal that the request was sent with ends
 * this too: it destroys the socket.
 */
export async function bodyOf(answer: S3Answer, limit: number): Promise<Uint8Array | undefined> {
  const body = answer["Body"];
  if (!isBody(body)) throw new TypeError("the answer has no body");
  if (Number(answer["ContentLength"] ?? 0) > limit) {
    body.destroy?.();
    return undefined;
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    length += chunk.byteLength;
    if (length > limit) return undefined; // leaving the loop destroys the stream
  }
  return new Uint8Array(Buffer.concat(chunks));
}

type Body = AsyncIterable<Uint8Array> & { destroy?(): unknown };

function isBody(body: unknown): body is Body {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}

/** The ETag of an answer without its quotes, which servers write or leave out; `undefined` if there is none. */
export function etagOf({ ETag: tag }: S3Answer): string | undefined {
  const bare = typeof tag === "string" ? tag.replace(/^"(.*)"$/s, "$1") : "";
  return bare === "" ? undefined : bare;
}

/** Whether `text` can be sent as an ETag, and as nothing else: no wildcard, no list, no header of its own. */
export function isEtag(text: string): boolean {
  return /^[\x20\x21\x23-\x29\x2b\x2d-\x7e]+$/.test(text);
}

/** Details of an object that its writer gave. */
export function metadataOf({ Metadata: metadata }: S3Answer, name: string): string | undefined {
  const value: unknown = typeof metadata === "object" && metadata !== null ? Reflect.get(metadata, name) : undefined;
  return typeof value === "string" ? value : undefined;
}
