import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Clock } from "../system/clock.ts";
import type { MultiClusterLeaseController } from "./controller.ts";
import type { HttpAddress } from "./settings.ts";

/** What the server asks of a controller. */
export type ServedController = Pick<
  MultiClusterLeaseController,
  "turnedMs" | "isSynced" | "isStopping" | "storageAnsweredMs" | "metricsText"
>;

/** What a `ControllerServer` needs. */
export interface ControllerServerParts {
  /** Whose state is served. */
  readonly controller: ServedController;
  /** What the controller has, so that ages are told by it. */
  readonly clock: Clock;
  /** More metrics: those of the controller's own election. */
  readonly moreMetrics?: () => string;
}

/** Whoever did not turn, or was not answered, for so long is not well. */
const patienceMs = 30_000;

/**
 * `/healthz`: the loop turned within 30 s. `/readyz`: all MultiClusterLeases are listed, the storage answered within
 * 30 s, and no stop was asked for; standbys are ready, too. `/metrics`: Prometheus' text. No other path, and nothing
 * else than reading.
 */
export class ControllerServer {
  readonly #parts: ControllerServerParts;
  readonly #server: Server;

  constructor(parts: ControllerServerParts) {
    this.#parts = parts;
    this.#server = createServer((request, response) => this.#answer(request, response));
    this.#server.requestTimeout = 5_000;
    this.#server.headersTimeout = 5_000;
    this.#server.maxConnections = 100;
  }

  /** Resolves with the port once it listens; rejects if it cannot. */
  async listen({ host, port }: HttpAddress): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ port, ...(host !== undefined && { host }) }, resolve);
    });
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : port;
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { status, text, type = "text/plain; charset=utf-8" } = this.#judge(request);
    response.writeHead(status, {
      ...{ "content-type": type, "cache-control": "no-store", "x-content-type-options": "nosniff" },
      ...(status === 405 && { allow: "GET, HEAD" }),
    });
    response.end(request.method === "HEAD" ? undefined : text);
  }

  #judge({ method, url = "" }: IncomingMessage): { status: number; text: string; type?: string } {
    const [path] = url.split("?", 1);
    if (path !== "/healthz" && path !== "/readyz" && path !== "/metrics") return { status: 404, text: "not found\n" };
    if (method !== "GET" && method !== "HEAD") return { status: 405, text: "only GET\n" };
    if (path === "/metrics") {
      const { controller, moreMetrics } = this.#parts;
      const text = controller.metricsText() + (moreMetrics?.() ?? "");
      return { status: 200, text, type: "text/plain; version=0.0.4; charset=utf-8" };
    }
    const trouble = path === "/healthz" ? this.#unhealthy() : this.#unready();
    return trouble.length === 0 ? { status: 200, text: "ok\n" } : { status: 503, text: `${trouble.join("\n")}\n` };
  }

  #unhealthy(): readonly string[] {
    return this.#isRecent(this.#parts.controller.turnedMs) ? [] : ["the loop has not turned for 30 s"];
  }

  #unready(): readonly string[] {
    const { isSynced, isStopping, storageAnsweredMs } = this.#parts.controller;
    return [
      ...(isStopping ? ["stopping"] : []),
      ...(isSynced ? [] : ["the MultiClusterLeases are not listed yet"]),
      ...(this.#isRecent(storageAnsweredMs) ? [] : ["the storage has not answered for 30 s"]),
    ];
  }

  #isRecent(atMs: number | undefined): boolean {
    return atMs !== undefined && this.#parts.clock.monotonicMs() - atMs <= patienceMs;
  }
}
