import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import {
  DeleteObjectCommand,
  GetBucketLifecycleConfigurationCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type PutObjectCommandInput,
} from "@aws-sdk/client-s3";

/** The same questions to any S3 server, as the driver's requests ask them; each answer is one line. */
export class S3Questions {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix = `questions-${randomUUID()}`;

  constructor(client: S3Client, bucket: string) {
    this.#client = client;
    this.#bucket = bucket;
  }

  async answers(): Promise<Readonly<Record<string, string>>> {
    const answers: Record<string, string> = {};
    const first = await this.#client.send(this.#put("a", { IfNoneMatch: "*", Metadata: { "tenure-trailer": "129" } }));
    const etag = first.ETag ?? "none";
    const ask = async (question: string, command: object, client = this.#client): Promise<void> => {
      answers[question] = await lineOf(client, command);
    };
    const named = (name: string): { Bucket: string; Key: string } => this.#at(name);
    await ask("a second create", this.#put("a", { IfNoneMatch: "*" }));
    await ask("a replace with another version", this.#put("a", { IfMatch: '"absent"' }));
    await ask("a replace of a missing key", this.#put("missing", { IfMatch: etag }));
    await ask("a read", new GetObjectCommand(named("a")));
    await ask("a read of a missing key", new GetObjectCommand(named("missing")));
    await ask("a conditional read of the same", new GetObjectCommand({ ...named("a"), IfNoneMatch: etag }));
    await ask("a conditional read of another", new GetObjectCommand({ ...named("a"), IfNoneMatch: '"other"' }));
    await ask("a look", new HeadObjectCommand(named("a")));
    await ask("a look at a missing key", new HeadObjectCommand(named("missing")));
    await ask("equal bytes", this.#put("a", { IfMatch: etag }));
    await ask("a key below another", this.#put("a/b", { IfNoneMatch: "*" }));
    await this.#client.send(this.#put("c/d", {}));
    await ask("a key above another", this.#put("c", { IfNoneMatch: "*" }));
    await ask("a deletion of a missing key", new DeleteObjectCommand(named("missing")));
    await ask("a missing bucket", new GetObjectCommand({ Bucket: "nobodys-bucket", Key: "a" }));
    const list = { Bucket: this.#bucket, Prefix: `${this.#prefix}/`, EncodingType: "url" } as const;
    await ask("an encoded listing", new ListObjectsV2Command(list));
    await ask("a listing of one", new ListObjectsV2Command({ ...list, MaxKeys: 1 }));
    await ask("lifecycle rules", new GetBucketLifecycleConfigurationCommand({ Bucket: this.#bucket }));
    const stranger = new S3Client({
      ...{ endpoint: await this.#endpoint(), region: "us-east-1", forcePathStyle: true, maxAttempts: 1 },
      credentials: { ...(await this.#client.config.credentials()), secretAccessKey: "wrong" },
    });
    await ask("a wrong secret", new HeadObjectCommand(named("a")), stranger);
    answers["a wrong secret"] = await lineOf(stranger, new GetObjectCommand(named("a")));
    stranger.destroy();
    return answers;
  }

  async #endpoint(): Promise<string> {
    const { protocol, hostname, port } = (await this.#client.config.endpoint?.()) ?? {};
    return `${protocol}//${hostname}:${port}`;
  }

  #at(name: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: `${this.#prefix}/${name}` };
  }

  #put(name: string, more: Partial<PutObjectCommandInput>): PutObjectCommand {
    return new PutObjectCommand({ ...this.#at(name), Body: "body", ...more });
  }
}

/** Status, code, and what the driver looks at. */
async function lineOf(client: S3Client, command: object): Promise<string> {
  try {
    const sent: unknown = await client.send(command as GetObjectCommand); // any of those above
    const answer = sent as Readonly<Record<string, unknown>>; // each is an object
    const { EncodingType: encoding, IsTruncated: more, Metadata: metadata, ContentLength: length } = answer;
    if (answer["Body"] instanceof Readable) answer["Body"].destroy();
    const facts = [
      ...("KeyCount" in answer ? [encoding === "url" ? "url" : "not encoded"] : []),
      ...(more === true ? ["cut"] : []),
      ...(typeof length === "number" ? [`${length} bytes, ${JSON.stringify(metadata)}`] : []),
    ];
    const { httpStatusCode } = answer["$metadata"] as { httpStatusCode: number }; // each answer has it
    return [httpStatusCode, ...facts].join(" ");
  } catch (error) {
    const { name, $metadata } = error as { name: string; $metadata?: { httpStatusCode?: number } }; // of the client
    return `${$metadata?.httpStatusCode ?? "no status"} ${name}`;
  }
}
