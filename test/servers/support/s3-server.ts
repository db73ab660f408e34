import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { s3UrlOptions } from "../../../src/storage/s3-settings.ts";
import { StorageUrl } from "../../../src/storage/storage-url.ts";
import type { S3Place } from "../../storage/support/s3-connect.ts";
import type { FoundServer } from "./found-server.ts";
import { buildGoServer, findGoServer } from "./go-server.ts";
import { ServerProcess, type ServerPlace } from "./server-process.ts";

const versitygw = {
  name: "versitygw",
  module: "github.com/versity/versitygw/cmd/versitygw",
  version: "v1.8.0",
} as const;
const root = { accessKeyId: "tenure-root", secretAccessKey: "root-secret-that-nobody-may-see" } as const;

/** An S3 server: one of our own, or the bucket that TENURE_TEST_S3_URL names. */
export class S3Server implements AsyncDisposable {
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Present if it is our own. */
  readonly process: ServerProcess | undefined;
  /** The program of our own, which is its tool for users as well. */
  readonly program: string;

  constructor(parts: Omit<S3Server, "place" | "url" | "port" | typeof Symbol.asyncDispose>) {
    this.endpoint = parts.endpoint;
    this.bucket = parts.bucket;
    this.region = parts.region;
    this.credentials = parts.credentials;
    this.process = parts.process;
    this.program = parts.program;
  }

  /** A fresh place: nothing is below its prefix. */
  place(): S3Place {
    const { endpoint, bucket, region } = this;
    return { endpoint, bucket, region, ...this.credentials, prefix: `case-${randomUUID()}` };
  }

  /** The URL of a fresh place. */
  url(parameters: Readonly<Record<string, string | number>> = {}): string {
    const { accessKeyId, secretAccessKey } = this.credentials;
    const user = `${encodeURIComponent(accessKeyId)}:${encodeURIComponent(secretAccessKey)}`;
    const all = { endpoint: this.endpoint, region: this.region, forcePathStyle: "on", ...parameters };
    const query = Object.entries(all).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
    return `s3://${user}@${this.bucket}/case-${randomUUID()}?${query.join("&")}`;
  }

  /** Where it listens, for a proxy before it; `undefined` unless that is loopback without TLS. */
  get port(): number | undefined {
    const { protocol, hostname, port } = new URL(this.endpoint);
    return protocol === "http:" && hostname === "127.0.0.1" ? Number(port) : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process?.[Symbol.asyncDispose]();
  }
}

/** Starts versitygw with an empty bucket; `more` are options before its backend. */
export async function startVersitygw(more: (at: ServerPlace) => readonly string[] = () => []): Promise<S3Server> {
  const program = await buildGoServer(versitygw);
  let scheme = "http";
  const process = await ServerProcess.start({
    name: versitygw.name,
    prepare: ({ folder }) => mkdirSync(join(folder, "data")),
    command: (at) => {
      const options = more(at);
      if (options.includes("--cert")) scheme = "https";
      const plain = ["--port", `${at.host}:${at.port}`, "--keep-alive", "--quiet", "--region", "us-east-1"];
      return [program, ...plain, ...options, "posix", join(at.folder, "data")];
    },
    env: { ROOT_ACCESS_KEY: root.accessKeyId, ROOT_SECRET_KEY: root.secretAccessKey },
    ready: answers,
  });
  const endpoint = `${scheme}://${process.place.host}:${process.place.port}`;
  const parts = { endpoint, bucket: "tenure-tests", region: "us-east-1", credentials: root, process, program };
  const server = new S3Server(parts);
  mkdirSync(join(process.place.folder, "data", parts.bucket)); // what its CreateBucket does
  return server;
}

/** Whether somebody takes connections; what they say comes later. */
async function answers({ host, port }: ServerPlace): Promise<boolean> {
  const socket = connect(port, host);
  try {
    await once(socket, "connect");
    return true;
  } finally {
    socket.destroy();
  }
}

/** Our own, which tests may kill and freeze. */
export const ownS3Server: FoundServer<S3Server> =
  findGoServer(versitygw) === undefined
    ? { name: "s3 (versitygw)", missing: "Go, which builds versitygw; or name a bucket in TENURE_TEST_S3_URL" }
    : { name: "s3 (versitygw)", start: () => startVersitygw() };

/** Whether the tests run on a server that somebody else has made: what is only so on versitygw is left out then. */
export const isForeignS3: boolean = process.env["TENURE_TEST_S3_URL"] !== undefined;

/** The one that TENURE_TEST_S3_URL names, or our own. */
export const s3Server: FoundServer<S3Server> = named(process.env["TENURE_TEST_S3_URL"]) ?? ownS3Server;

function named(text: string | undefined): FoundServer<S3Server> | undefined {
  if (text === undefined) return undefined;
  const { storage, client } = s3UrlOptions(new StorageUrl(text));
  const { region = "us-east-1", credentials = { user: "", password: "" } } = client;
  const endpoint = client.endpoint ?? `https://s3.${region}.amazonaws.com`;
  const keys = { accessKeyId: credentials.user, secretAccessKey: credentials.password };
  const server = { endpoint, region, bucket: storage.bucket, credentials: keys, process: undefined, program: "" };
  return { name: `s3 (${new URL(endpoint).host})`, start: async () => new S3Server(server) };
}
