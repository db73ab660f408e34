import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { loadGCSClient } from "../../../src/storage/gcs-client.ts";
import { gcsUrlOptions } from "../../../src/storage/gcs-settings.ts";
import { GCSStorage, type GCSClient, type GCSStorageOptions } from "../../../src/storage/gcs.ts";
import { StorageUrl } from "../../../src/storage/storage-url.ts";
import type { FoundServer } from "./found-server.ts";
import { buildGoServer, findGoServer } from "./go-server.ts";
import { ServerProcess } from "./server-process.ts";

const fake = { name: "fake-gcs-server", module: "github.com/fsouza/fake-gcs-server", version: "v1.56.1" } as const;
const bucket = "tenure-tests";

/** A server of buckets: a fake-gcs-server of our own, or the place that TENURE_TEST_GCS_URL names. */
export class GcsServer implements AsyncDisposable {
  /** `undefined` where the place was named: then nobody stops, kills or stands between. */
  readonly process: ServerProcess | undefined;
  readonly bucket: string;
  readonly #client: GCSClient;
  readonly #root: string;

  constructor(parts: { client: GCSClient; bucket: string; root: string; process?: ServerProcess }) {
    this.#client = parts.client;
    this.bucket = parts.bucket;
    this.#root = parts.root;
    this.process = parts.process;
  }

  /** A prefix that nobody has used. */
  fresh(): string {
    return [this.#root, randomUUID()].filter(Boolean).join("/");
  }

  /** A connection, to the server or through a port that leads to it. */
  connect(prefix: string, options: Partial<GCSStorageOptions> & { readonly port?: number } = {}): GCSStorage {
    const { port, ...more } = options;
    const client = port === undefined ? this.#client : at(port);
    const quick = this.process === undefined ? {} : { minWriteIntervalMs: 0 };
    return new GCSStorage({ client, bucket: this.bucket, prefix, pollMs: 50, ...quick, ...more });
  }

  /** For `openStorage` and for programs. */
  url(prefix: string, parameters: Readonly<Record<string, string | number>> = {}): string {
    const { apiEndpoint } = this.#client;
    const quick = this.process === undefined ? {} : { minWriteIntervalMs: 0 };
    const all = { apiEndpoint, ...quick, ...parameters };
    const query = Object.entries(all).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
    return `gs://${this.bucket}/${prefix}?${query.join("&")}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process?.[Symbol.asyncDispose]();
  }
}

/** Of a server on loopback, which asks for no credentials. */
function at(port: number): GCSClient {
  const authClient = { getRequestHeaders: async () => ({}) };
  return { apiEndpoint: `http://127.0.0.1:${port}`, customEndpoint: true, authClient };
}

/** Starts one with an empty bucket: in its memory, or in a folder, where what was written survives its process. */
async function start(backend: "memory" | "filesystem"): Promise<GcsServer> {
  const program = await buildGoServer(fake);
  const process = await ServerProcess.start({
    name: "gcs",
    command: ({ host, port, folder }) => [
      ...[program, "-scheme", "http", "-host", host, "-port", String(port), "-public-host", `${host}:${port}`],
      ...["-backend", backend, "-filesystem-root", join(folder, "data"), "-log-level", "warn"],
    ],
    ready: async ({ host, port }) => {
      const buckets = `http://${host}:${port}/storage/v1/b`;
      if ((await fetch(`${buckets}/${bucket}`)).ok) return true;
      return (await fetch(buckets, { method: "POST", body: JSON.stringify({ name: bucket }) })).ok;
    },
  });
  return new GcsServer({ client: at(process.place.port), bucket, root: "", process });
}

/** Starts one that speaks TLS, with a certificate that nobody trusts. */
export async function startUntrustedGcs(): Promise<ServerProcess> {
  const program = await buildGoServer(fake);
  return ServerProcess.start({
    name: "gcs-tls",
    command: ({ host, port }) => [
      program,
      "-scheme",
      "https",
      "-host",
      host,
      "-port",
      String(port),
      "-backend",
      "memory",
    ],
    ready: async ({ host, port }) => {
      const refused = await fetch(`https://${host}:${port}/`).catch((error: unknown) => error);
      return /CERT|SIGNED|UNABLE_TO/.test(String(Reflect.get(Object(Reflect.get(Object(refused), "cause")), "code")));
    },
  });
}

async function named(url: string): Promise<GcsServer> {
  const { apiEndpoint, bucket: given, prefix = "" } = gcsUrlOptions(new StorageUrl(url));
  return new GcsServer({ client: await loadGCSClient(apiEndpoint), bucket: given, root: prefix });
}

const url = process.env["TENURE_TEST_GCS_URL"];
/** Whether the place is somebody's own, Google's say. */
export const isNamedGcsServer: boolean = url !== undefined;

/** How one is had here. What a folder keeps survives the process; memory alone takes `a` beside `a/b`. */
export function gcsServerIn(backend: "memory" | "filesystem"): FoundServer<GcsServer> {
  if (url !== undefined) return { name: "the bucket of TENURE_TEST_GCS_URL", start: () => named(url) };
  const missing = `Go, which builds ${fake.module}; or TENURE_TEST_GCS_URL=gs://bucket/prefix`;
  if (findGoServer(fake) === undefined) return { name: fake.name, missing };
  return { name: `${fake.name} ${fake.version} (${backend})`, start: () => start(backend) };
}
