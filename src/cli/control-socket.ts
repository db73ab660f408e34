import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sleep, systemClock } from "../system/clock.ts";

/** What the control socket tells and does. */
export interface Controlled {
  readonly name: string;
  /** What `GET /leader` answers. */
  status(): Readonly<Record<string, unknown>>;
  leads(): boolean;
  /** Ends the term on purpose; resolves when it was released, or left to run out. */
  resign(to?: string): Promise<void>;
}

/** A running control socket. */
export interface ControlSocket {
  readonly path: string;
  /** Waits a moment for answers under way. */
  close(): Promise<void>;
}

const answerPatienceMs = 100;
/** The longest path of a Unix socket on the systems that we know (macOS), in bytes. */
const longestPathBytes = 103;

/**
 * Listens on a Unix socket, mode 0600, in a new folder that nobody else may enter. It speaks HTTP: `GET /leader`, and
 * `POST /resign`, with `?wait=1` to be answered when the term has ended, `?to=IDENTITY`, and `?name=NAME`, which must
 * be ours.
 */
export async function openControlSocket(controlled: Controlled): Promise<ControlSocket> {
  const { createServer } = await import("node:http");
  const folder = privateFolder();
  const path = join(folder, "control.sock");
  const server = createServer((request, response) => {
    answer(controlled, request).then(
      ([status, body]) => send(response, status, body),
      (error: unknown) => send(response, 500, { error: error instanceof Error ? error.message : String(error) }),
    );
  });
  await listen(server, path);
  chmodSync(path, 0o600);
  server.unref();
  return {
    path,
    async close() {
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      await Promise.race([closed, sleep(systemClock, answerPatienceMs)]);
      server.closeAllConnections();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function privateFolder(): string {
  const fits = Buffer.byteLength(join(tmpdir(), "tenure-XXXXXX", "control.sock")) <= longestPathBytes;
  return mkdtempSync(join(fits ? tmpdir() : "/tmp", "tenure-")); // mode 0700
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => resolve());
  });
}

type Answer = [status: number, body: Readonly<Record<string, unknown>>];

async function answer(controlled: Controlled, request: IncomingMessage): Promise<Answer> {
  const url = new URL(request.url ?? "/", "http://control");
  const asked = url.searchParams.get("name") ?? controlled.name;
  if (asked !== controlled.name) return [409, { error: `this candidate campaigns for "${controlled.name}"` }];
  if (url.pathname === "/leader" && request.method === "GET") return [200, controlled.status()];
  if (url.pathname !== "/resign") return [404, { error: "there is GET /leader and POST /resign" }];
  if (request.method !== "POST") return [405, { error: "resign with POST" }];
  if (!controlled.leads()) return [409, { error: "this candidate does not lead", leads: false }];
  const resigned = controlled.resign(url.searchParams.get("to") ?? undefined);
  if (url.searchParams.get("wait") === "1") {
    await resigned;
    return [200, { resigned: true }];
  }
  // whoever asks from the command's own group is gone before the term has ended
  resigned.catch(() => {}); // the elector has told onError
  return [202, { resigning: true }];
}

function send(response: ServerResponse, status: number, body: Readonly<Record<string, unknown>>): void {
  response.writeHead(status, { "content-type": "application/json", connection: "close" });
  response.end(`${JSON.stringify({ schema: 1, ...body })}\n`);
}
