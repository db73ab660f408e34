import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Socket } from "node:net";
import { createSecureContext } from "node:tls";
import { isSameTLS, type KubeCredentials, type KubeTLS } from "./kubernetes-credentials.ts";

/** What a request is for: the two never share a connection, except behind a proxy. */
export type PoolUse = "request" | "watch";

interface Pool {
  readonly tls: KubeTLS;
  readonly agents: Readonly<Record<PoolUse, HttpAgent>>;
}

/** The server closes idle connections after 90 s; the pause between two renewals is shorter than that. */
const idleMs = 75_000;

/** The connections of one client: kept alive, its own, and gone when it is closed. */
export class KubernetesPools {
  readonly #isTLS: boolean;
  readonly #sockets = new Set<Socket>();
  #pool: Pool | undefined;

  constructor(isTLS: boolean) {
    this.#isTLS = isTLS;
  }

  /** Whether these credentials fit the connections that are open, if there are any. */
  fits({ tls }: KubeCredentials): boolean {
    return this.#pool === undefined || isSameTLS(this.#pool.tls, tls);
  }

  /** The agent for a request with these credentials; behind a proxy the given one, with keep-alive on. */
  agentFor(use: PoolUse, { tls, agent }: KubeCredentials, isProxied: boolean): HttpAgent {
    if (this.#pool !== undefined && isSameTLS(this.#pool.tls, tls)) return this.#pool.agents[use];
    const agents = isProxied ? proxied(agent) : this.#open(tls);
    this.#retire();
    this.#pool = { tls, agents };
    return agents[use];
  }

  /** To be called with the socket of every request, so that `close` finds it whoever made it. */
  track(socket: Socket): void {
    if (this.#sockets.has(socket)) return;
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  /** Ends the connections that nobody uses now: one of them did not answer, so the others may be dead, too. */
  dropIdle(use: PoolUse): void {
    if (this.#pool !== undefined) destroyIdle(this.#pool.agents[use]);
  }

  /** The agent of a proxy stays as it is: it belongs to `KubeConfig`, and others may use it. */
  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#pool = undefined;
  }

  /** Requests under way end as they would; afterwards their connections are not kept. */
  #retire(): void {
    for (const agent of new Set(Object.values(this.#pool?.agents ?? {}))) {
      agent.maxFreeSockets = 0;
      destroyIdle(agent);
    }
    this.#pool = undefined;
  }

  #open(tls: KubeTLS): Record<PoolUse, HttpAgent> {
    const settings = { keepAlive: true };
    if (!this.#isTLS) return { request: idling(new HttpAgent(settings)), watch: idling(new HttpAgent(settings)) };
    const { servername, rejectUnauthorized, ...material } = tls;
    // Once, not per connection, and not as a part of the name under which an agent finds its sockets.
    const secureContext = createSecureContext(withoutAbsent(material));
    const options = { ...settings, secureContext, ...withoutAbsent({ servername, rejectUnauthorized }) };
    return { request: idling(new HttpsAgent(options)), watch: idling(new HttpsAgent(options)) };
  }
}

/**
 * Ends connections that were not used for a while. An agent with a time-out of its own does that, too, and sets it for
 * each request as well, which costs a tenth of a renewal.
 */
function idling(agent: HttpAgent): HttpAgent {
  return agent.on("free", (socket: Socket) => socket.setTimeout(idleMs)); // its end is the agent's, if still unused
}

function proxied(agent: unknown): Record<PoolUse, HttpAgent> {
  if (typeof agent !== "object" || agent === null || typeof Reflect.get(agent, "addRequest") !== "function") {
    throw new TypeError("KubeConfig gave no agent for its proxy");
  }
  const kept = Object.assign(agent as HttpAgent, { keepAlive: true }); // cast: it has what node:https calls
  return { request: kept, watch: kept };
}

function destroyIdle(agent: HttpAgent): void {
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
}

function withoutAbsent(values: object): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== null));
}
