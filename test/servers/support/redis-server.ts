import { connect } from "node:net";
import { findProgram, type FoundServer } from "./found-server.ts";
import { runAt, ServerProcess, type ServerPlace } from "./server-process.ts";

/** How a Redis of one's own is started. */
export interface RedisServerOptions {
  /** More lines of configuration: `--appendonly yes`, … */
  readonly settings?: readonly string[];
  /** Speaks TLS there as well, with a certificate for 127.0.0.1 that nobody has signed: `tls.crt` in its folder. */
  readonly tlsPort?: number;
}

/** Debian's `redis-server`, in a process group of its own, on loopback. */
export async function startRedisServer({ settings = [], tlsPort }: RedisServerOptions = {}): Promise<ServerProcess> {
  const program = redisProgram();
  if (program === undefined) throw new Error(missing);
  return ServerProcess.start({
    name: "redis",
    command: ({ host, port, folder }) => [
      ...[program, "--bind", host, "--port", String(port), "--dir", folder, "--save", "3600 1"],
      ...["--repl-diskless-sync-delay", "0", "--proto-max-bulk-len", "64mb", "--stop-writes-on-bgsave-error", "no"],
      ...(tlsPort === undefined ? [] : ["--tls-port", String(tlsPort), "--tls-auth-clients", "no"]),
      ...(tlsPort === undefined ? [] : ["--tls-cert-file", "tls.crt", "--tls-key-file", "tls.key"]),
      ...(tlsPort === undefined ? [] : ["--tls-ca-cert-file", "tls.crt"]),
      ...settings,
    ],
    prepare: (place) => {
      if (tlsPort === undefined) return;
      const key = ["-newkey", "rsa:2048", "-nodes", "-keyout", "tls.key", "-out", "tls.crt"];
      const name = ["-subj", "/CN=tenure", "-addext", "subjectAltName=IP:127.0.0.1"];
      runAt(place, ["openssl", "req", "-x509", ...key, "-days", "2", ...name]);
    },
    ready: async (place) => (await askRedis(place, "PING")).startsWith("+PONG"),
  });
}

const missing = "redis-server (Debian's package of that name), or TENURE_TEST_REDIS_URL";

function redisProgram(): string | undefined {
  return findProgram("redis-server", ["/usr/bin", "/usr/local/bin"]);
}

/** Where tests of the suite meet. */
export interface RedisTestPlace {
  readonly url: string;
  /** Ends it, if it was started here. */
  stop(): Promise<void>;
}

/** An existing Redis by `TENURE_TEST_REDIS_URL`, or one that is started. */
export const foundRedis: FoundServer<RedisTestPlace> = found();

/** For what an existing one must not be asked to do: freeze, forget, fail. */
export const foundOwnRedis: FoundServer<ServerProcess> =
  redisProgram() === undefined
    ? { name: "redis of one's own", missing }
    : { name: "redis of one's own", start: () => startRedisServer() };

function found(): FoundServer<RedisTestPlace> {
  const url = process.env["TENURE_TEST_REDIS_URL"];
  if (url !== undefined) return { name: "redis", start: async () => ({ url, stop: async () => undefined }) };
  if (redisProgram() === undefined) return { name: "redis", missing };
  return {
    name: "redis",
    start: async () => {
      const server = await startRedisServer();
      return { url: `redis://127.0.0.1:${server.place.port}/0`, stop: () => server[Symbol.asyncDispose]() };
    },
  };
}

/** Sends one command in Redis's inline form, and resolves with the first bytes of its answer. */
export function askRedis({ host, port }: Pick<ServerPlace, "host" | "port">, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port }, () => socket.write(`${line}\r\n`));
    socket.setTimeout(5_000, () => socket.destroy(new Error(`no answer to ${line.split(" ")[0]}`)));
    socket.once("error", reject).once("data", (data: Buffer) => {
      socket.destroy();
      resolve(data.toString());
    });
  });
}
