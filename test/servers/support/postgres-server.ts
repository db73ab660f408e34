import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { findProgram, type FoundServer } from "./found-server.ts";
import { runAt, ServerProcess, type ServerPlace } from "./server-process.ts";

const debian = "/usr/lib/postgresql";
const administrator = "tenure";

/** What a URL of this server names. */
export interface PostgresUrlParts {
  readonly port?: number;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  readonly parameters?: Readonly<Record<string, string>>;
}

/** A PostgreSQL server: one of our own, or the one that TENURE_TEST_POSTGRES_URL names. */
export class PostgresServer implements AsyncDisposable {
  /** Of an administrator, for this server as it is. */
  readonly #base: URL;
  readonly #process: ServerProcess | undefined;
  #schemas = 0;

  constructor(base: URL, process?: ServerProcess) {
    this.#base = base;
    this.#process = process;
  }

  get host(): string {
    return this.#base.hostname;
  }

  get port(): number {
    return Number(this.#base.port || 5432);
  }

  /** A URL for tenure; without parts it is that of the administrator. */
  url({ port = this.port, user, password, database, parameters = {} }: PostgresUrlParts = {}): string {
    const url = new URL(this.#base);
    url.port = String(port);
    if (user !== undefined) url.username = encodeURIComponent(user);
    if (password !== undefined) url.password = encodeURIComponent(password);
    if (database !== undefined) url.pathname = `/${encodeURIComponent(database)}`;
    const query = Object.entries(parameters).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
    return `${url.href}${query.length === 0 ? "" : `?${query.join("&")}`}`;
  }

  /** Runs statements as the administrator, on a session of their own. */
  async ask(text: string, values?: unknown[]): Promise<readonly Record<string, unknown>[]> {
    const client = await this.session();
    try {
      return (await client.query<Record<string, unknown>>(text, values)).rows;
    } finally {
      await client.end();
    }
  }

  /** A bare session of the administrator. */
  async session(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.#base.href });
    client.on("error", () => undefined);
    await client.connect();
    return client;
  }

  /** A new schema, for one test. */
  async schema(name = `case_${process.pid}_${(this.#schemas += 1)}`): Promise<string> {
    await this.ask(`drop schema if exists "${name.replaceAll('"', '""')}" cascade`);
    await this.ask(`create schema "${name.replaceAll('"', '""')}"`);
    return name;
  }

  async dropSchema(name: string): Promise<void> {
    await this.ask(`drop schema if exists "${name.replaceAll('"', '""')}" cascade`);
  }

  /** SIGKILL of all its processes. */
  async kill(): Promise<void> {
    for (const pid of this.#pids()) kill(pid, "SIGKILL");
    await this.#own.kill();
  }

  /** Starts it again after `kill()`. */
  up(): Promise<void> {
    return this.#own.up();
  }

  /** SIGSTOP or SIGCONT for all its processes: each session has a process group of its own. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    for (const pid of this.#pids()) kill(pid, signal);
  }

  log(): string {
    return this.#own.log();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process === undefined) return;
    await this.kill();
    await this.#process[Symbol.asyncDispose]();
  }

  get #own(): ServerProcess {
    if (this.#process === undefined) throw new Error("this server was not started here");
    return this.#process;
  }

  /** The first server process and its children. */
  #pids(): readonly number[] {
    const [first] = readFileSync(join(this.#own.place.folder, "data", "postmaster.pid"), "utf8").split("\n");
    return [Number(first), ...childrenOf(Number(first))];
  }
}

/** Where PostgreSQL can be had here. */
export const postgresServer: FoundServer<PostgresServer> = found(process.env["TENURE_TEST_POSTGRES_URL"]);

/** The same, for tests that kill, freeze or reconfigure it. */
export const ownPostgresServer: FoundServer<PostgresServer> = found(undefined);

function found(url: string | undefined): FoundServer<PostgresServer> {
  const name = "PostgreSQL";
  if (url !== undefined) return { name, start: () => Promise.resolve(new PostgresServer(new URL(url))) };
  const folder = programs();
  if (folder !== undefined) return { name, start: () => start(folder) };
  return { name, missing: "Debian's package postgresql, or TENURE_TEST_POSTGRES_URL" };
}

function programs(): string | undefined {
  try {
    const versions = readdirSync(debian).sort((one, other) => Number(other) - Number(one));
    const folder = versions.map((version) => join(debian, version, "bin")).find((bin) => findProgram("initdb", [bin]));
    if (folder !== undefined) return folder;
  } catch {
    // no such folder: it may be on the path
  }
  return findProgram("initdb")?.replace(/\/initdb$/, "");
}

async function start(folder: string): Promise<PostgresServer> {
  const url = ({ host, port }: ServerPlace): URL => new URL(`postgres://${administrator}@${host}:${port}/postgres`);
  const process = await ServerProcess.start({
    name: "postgres",
    user: "postgres",
    prepare: (at) => prepare(folder, at),
    command: ({ folder: place, port }) => [
      join(folder, "postgres"),
      ...["-D", join(place, "data"), "-h", "127.0.0.1", "-p", String(port), "-k", place],
    ],
    ready: async (at) => {
      await using server = new Probe(url(at));
      await server.client.connect();
      return true;
    },
  });
  return new PostgresServer(url(process.place), process);
}

class Probe implements AsyncDisposable {
  readonly client: pg.Client;

  constructor(url: URL) {
    this.client = new pg.Client({ connectionString: url.href });
    this.client.on("error", () => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.end().catch(() => undefined);
  }
}

/** The administrator needs no password, everybody else does. */
function prepare(folder: string, at: ServerPlace): void {
  const data = join(at.folder, "data");
  const initdb = [join(folder, "initdb"), "-D", data, "-U", administrator, "--auth=trust", "--no-sync"];
  runAt(at, [...initdb, "--encoding=UTF8", "--locale=C.UTF-8"]);
  const lines = [`host all ${administrator} 127.0.0.1/32 trust`, "host all all 127.0.0.1/32 scram-sha-256", ""];
  writeFileSync(join(data, "pg_hba.conf"), lines.join("\n"));
  const settings = ["max_connections = 200", "ssl = on"]; // the certificate has its default name
  writeFileSync(join(data, "postgresql.auto.conf"), `${settings.join("\n")}\n`);
  const key = ["-newkey", "rsa:2048", "-nodes", "-keyout", join(data, "server.key"), "-out", join(data, "server.crt")];
  runAt(at, ["openssl", "req", "-x509", ...key, "-days", "2", "-subj", "/CN=elsewhere.example"]);
}

function childrenOf(parent: number): readonly number[] {
  try {
    const out = execFileSync("pgrep", ["-P", String(parent)], { encoding: "utf8" });
    return out.split("\n").filter(Boolean).map(Number);
  } catch {
    return []; // none
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // gone already
  }
}
