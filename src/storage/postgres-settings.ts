import { InvalidSettingsError } from "../errors.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { printable } from "../system/logger.ts";
import { systemRandom, type Random } from "../system/random.ts";
import type { PostgresPool } from "./postgres-client.ts";
import type { StorageUrl } from "./storage-url.ts";

/** How a `PostgresStorage` is made. */
export interface PostgresStorageOptions {
  /** A pool of `pg`, or what looks like one. It is not closed by `close()`. */
  readonly client: PostgresPool;
  /** Default `public`. It has to exist. */
  readonly schema?: string | undefined;
  /** Default `tenure_documents`. */
  readonly table?: string | undefined;
  /** Whether the first call makes the table, if it is missing; default true. */
  readonly create?: boolean | undefined;
  /**
   * Whether writes notify and watches listen, on a session that is kept for that; default true. Without it, watches
   * poll: for poolers that swap sessions, and for servers with many commits, since notifications serialise them.
   */
  readonly notify?: boolean | undefined;
  /** How often a watch looks by itself, in milliseconds; at least 10, default 30 000, with `notify: false` 2000. */
  readonly pollMs?: number | undefined;
  /** The greatest size of a value in bytes; at most and by default 16 MiB. */
  readonly maxValueBytes?: number | undefined;
  /** The deadline of calls that name none, in milliseconds; default 10 000. */
  readonly timeoutMs?: number | undefined;
  /** For people, instead of schema and table; must hold no secret. */
  readonly description?: string | undefined;
  /** What `close()` has to end; default nothing. */
  readonly end?: (() => Promise<void>) | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}

/** Every option with its value. */
export type ResolvedPostgresSettings = {
  readonly [K in keyof PostgresStorageOptions]-?: Exclude<PostgresStorageOptions[K], undefined>;
};

/** What a URL says of the server, in the words of `pg`. */
export interface PostgresServer {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly ssl: PostgresTls | false;
  readonly maxConnections: number;
}

/** Options of `tls.connect`. */
export interface PostgresTls {
  readonly rejectUnauthorized: boolean;
  readonly minVersion: "TLSv1.2";
  readonly checkServerIdentity?: () => undefined;
}

const largestValueBytes = 16 * 2 ** 20;
const longestMs = 2 ** 31 - 1;
/** PostgreSQL cuts a longer name silently: two of them could be one. */
const longestNameBytes = 63;

/** @throws {InvalidSettingsError} naming all problems. */
export function postgresSettings(options: PostgresStorageOptions): ResolvedPostgresSettings {
  const { client, schema = "public", table = "tenure_documents", create = true, notify = true } = options;
  const { pollMs = notify ? 30_000 : 2000, maxValueBytes = largestValueBytes, timeoutMs = 10_000 } = options;
  const { clock = systemClock, random = systemRandom, end = nothing } = options;
  const { description = `postgres: ${printable(schema)}.${printable(table)}` } = options;
  const problems = [
    ...(isPool(client) ? [] : ["client must be a pool of pg, or look like one"]),
    ...name({ schema, table }),
    ...Object.entries({ create, notify })
      .filter(([, value]) => typeof value !== "boolean")
      .map(([flag, value]) => `${flag} (${shown(value)}) must be true or false`),
    ...wholeNumber({ pollMs }, 10, longestMs),
    ...wholeNumber({ maxValueBytes }, 1, largestValueBytes),
    ...wholeNumber({ timeoutMs }, 1, longestMs),
  ];
  if (problems.length > 0) throw new InvalidSettingsError(problems, { operation: "open" });
  return { client, schema, table, create, notify, pollMs, maxValueBytes, timeoutMs, clock, random, end, description };
}

const parameters = {
  schema: { type: "text", default: "public" },
  table: { type: "text", default: "tenure_documents" },
  create: { type: "flag", default: true },
  notify: { type: "flag", default: true },
  ssl: { type: "choice", default: "", of: ["disable", "require-unverified", "verify-ca", "verify-full"] },
  maxConnections: { type: "integer", default: 4, least: 1, most: 1000 },
} as const;

/**
 * What `postgres://user:…@host:5432/database?schema=elections` stands for.
 *
 * @throws {InvalidSettingsError} naming all problems.
 */
export function postgresUrl(url: StorageUrl): {
  readonly options: Omit<PostgresStorageOptions, "client">;
  readonly server: PostgresServer;
} {
  const { ssl, maxConnections, probe: _probe, ...options } = url.parameters(parameters);
  const { host, port } = addressOf(url.host);
  const [, database = ""] = /^\/([^/\0]+)$/.exec(url.path) ?? [];
  const problems: string[] = [];
  if (host === "" || database === "") problems.push('a PostgreSQL URL reads "postgres://host:5432/database"');
  if (!(port >= 1 && port <= 65_535)) problems.push("the port must be 1 to 65535");
  if (options.notify && maxConnections < 2)
    problems.push("maxConnections must be at least 2: with notify=on, one listens");
  problems.push(...name({ schema: options.schema, table: options.table }));
  if (problems.length > 0) throw new InvalidSettingsError(problems, { operation: "open" });
  const place = `${printable(url.host)}/${printable(database)}`;
  const description = `postgres://${place} ${printable(options.schema)}.${printable(options.table)}`;
  const { user, password } = url.credentials() ?? {};
  const isLocal = host.startsWith("/") || /^(localhost|127\.\d+\.\d+\.\d+|::1)$/i.test(host);
  const tls = tlsOf(ssl, isLocal);
  const server = { host, port, database, user: user || undefined, password: password || undefined, ssl: tls };
  return { options: { ...options, description }, server: { ...server, maxConnections } };
}

/** A host may be the folder of a socket, with its slashes as `%2f`. */
function addressOf(text: string): { readonly host: string; readonly port: number } {
  const [, host = "", port = ""] = /^(.*?)(?::(\d*))?$/.exec(text) ?? [];
  const plain = host.startsWith("[") ? host.slice(1, -1) : host.replaceAll(/%2f/gi, "/");
  return { host: plain, port: port === "" ? 5432 : Number(port) };
}

/** Without a choice, whatever leaves this machine is verified. */
function tlsOf(ssl: string, isLocal: boolean): PostgresTls | false {
  if (ssl === "disable" || (ssl === "" && isLocal)) return false;
  const minVersion = "TLSv1.2";
  if (ssl === "require-unverified") return { rejectUnauthorized: false, minVersion };
  const full = { rejectUnauthorized: true, minVersion } as const;
  return ssl === "verify-ca" ? { ...full, checkServerIdentity: () => undefined } : full;
}

function isPool(client: unknown): client is PostgresPool {
  return typeof client === "object" && client !== null && typeof Reflect.get(client, "connect") === "function";
}

function name(named: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(named)
    .filter(([, value]) => !isName(value))
    .map(([which, value]) => `${which} (${shown(value)}) must be a name of 1 to ${longestNameBytes} bytes`);
}

function isName(value: unknown): boolean {
  if (typeof value !== "string" || value === "" || value.includes("\0")) return false;
  return Buffer.byteLength(value) <= longestNameBytes;
}

function wholeNumber(named: Readonly<Record<string, unknown>>, least: number, greatest: number): string[] {
  return Object.entries(named)
    .filter(([, value]) => !(Number.isInteger(value) && Number(value) >= least && Number(value) <= greatest))
    .map(([which, value]) => `${which} (${shown(value)}) must be a whole number from ${least} to ${greatest}`);
}

function shown(value: unknown): string {
  return printable(typeof value === "string" ? `"${value}"` : String(value));
}

async function nothing(): Promise<void> {}
