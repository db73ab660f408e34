import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { systemRandom, type Random } from "../../src/system/random.ts";

/** What is wrong with one direction; whatever is not named is as on a plain wire. */
export interface WireFaults {
  /** How long each piece is under way, and up to how much longer; order is kept. */
  readonly latencyMs?: number;
  readonly jitterMs?: number;
  /** What arrives is taken and never passed on, the end of the stream neither. */
  readonly swallow?: boolean;
  /** The greatest piece; pieces leave at least a millisecond apart. */
  readonly sliceBytes?: number;
  readonly bytesPerSecond?: number;
  /** The receiver gets so many bytes of each connection, and then its end; the sender is reset. */
  readonly cutAfterBytes?: number;
  /** What follows the first blank line (the body of the first HTTP message) leaves byte by byte, so far apart. */
  readonly slowBodyMs?: number;
}

export interface Faults {
  /** From the client to the server, and back. */
  readonly up?: WireFaults;
  readonly down?: WireFaults;
  /** New connections: nobody listens; accepted and reset; accepted, and nothing more. */
  readonly accept?: "refuse" | "reset" | "hang";
}

export type FaultProxySettings = { readonly host?: string; readonly port: number; readonly random?: Random };
type LinkParts = FaultProxySettings & { readonly faults: () => Faults; readonly gone: () => void };
type Ends = { from: Socket; to: Socket; wire: () => WireFaults; random: Random };

/**
 * A TCP proxy in this process, on loopback, between clients and the server at `host` and `port`.
 *
 * Faults hold from `inject` on, on open connections too. What is under way keeps its time; what hangs goes on later.
 */
export class FaultProxy implements AsyncDisposable {
  readonly #settings: FaultProxySettings;
  readonly #links = new Set<Link>();
  #server: Server | undefined;
  #faults: Faults = {};
  #accepted = 0;
  /** Where clients connect, for good; 0 until it was opened by the first `inject`. */
  port = 0;

  constructor(settings: FaultProxySettings) {
    this.#settings = settings;
  }

  /** How many connections were accepted so far, and how many of them their clients have not ended. */
  get connections(): { readonly accepted: number; readonly open: number } {
    const open = [...this.#links].filter(({ client }) => !client.destroyed && !client.readableEnded);
    return { accepted: this.#accepted, open: open.length };
  }

  /** Replaces all faults; `inject({})` opens, and heals. */
  async inject(faults: Faults): Promise<this> {
    this.#faults = faults;
    if (faults.accept === "refuse") this.#unlisten();
    else if (this.#server === undefined) await this.#listen();
    if (faults.accept !== "hang") for (const link of this.#links) link.start();
    return this;
  }

  /** Resets what is open, as a server that is killed does. */
  resetAll(): void {
    for (const link of this.#links) link.reset();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unlisten();
    this.resetAll();
    while (this.#links.size > 0) await new Promise(setImmediate);
  }

  async #listen(): Promise<void> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
    server.on("connection", (client) => this.#accept(client));
    await once(server.listen(this.port, "127.0.0.1"), "listening");
    this.port = (server.address() as AddressInfo).port; // on a TCP port it is no text
    this.#server = server;
  }

  #unlisten(): void {
    this.#server?.close(); // the port; connections stay
    this.#server = undefined;
  }

  #accept(client: Socket): void {
    this.#accepted += 1;
    const gone = (): void => void this.#links.delete(link);
    const link: Link = new Link(client, { ...this.#settings, faults: () => this.#faults, gone });
    this.#links.add(link);
    if (this.#faults.accept === "reset") link.reset();
    else if (this.#faults.accept !== "hang") link.start();
  }
}

/** One connection of a client, and its one to the server; each may outlive the other. */
class Link {
  readonly client: Socket;
  readonly #parts: LinkParts;
  #server: Socket | undefined;

  constructor(client: Socket, parts: LinkParts) {
    this.#parts = parts;
    this.client = client.on("close", () => this.#closed()).on("error", () => {});
  }

  start(): void {
    if (this.#server !== undefined || this.client.destroyed) return;
    const { host = "127.0.0.1", port, random = systemRandom, faults } = this.#parts;
    const server = connect({ host, port, allowHalfOpen: true, noDelay: true }).on("close", () => this.#closed());
    this.#server = server;
    new Pipe({ from: this.client, to: server, wire: () => faults().up ?? {}, random });
    new Pipe({ from: server, to: this.client, wire: () => faults().down ?? {}, random });
  }

  #closed(): void {
    if (this.client.closed && this.#server?.closed !== false) this.#parts.gone();
  }

  reset(): void {
    for (const socket of [this.client, this.#server]) if (socket !== undefined) reset(socket);
  }
}

/** One direction: pieces, each with the time at which it leaves. The end and a reset travel like pieces. */
class Pipe {
  readonly #queue: { readonly piece: Buffer | "end" | "reset"; readonly dueMs: number }[] = [];
  readonly #ends: Ends;
  #timer: NodeJS.Timeout | undefined;
  #lastDueMs = 0;
  #head = "";
  #passed = 0;

  constructor(ends: Ends) {
    const { from, to } = (this.#ends = ends);
    from.on("data", (bytes) => this.#take(bytes));
    from.on("end", () => this.#enqueue("end")).on("error", () => this.#enqueue("reset"));
    to.on("close", () => clearTimeout(this.#timer));
    from.resume();
  }

  #take(bytes: Buffer): void {
    const { slowBodyMs, bytesPerSecond = Infinity, sliceBytes = bytes.length } = this.#ends.wire();
    const most = Math.max(1, Math.min(sliceBytes, Math.floor(bytesPerSecond / 50)));
    const head = slowBodyMs === undefined ? bytes.length : this.#headLength(bytes);
    for (let at = 0; at < head; at += most) {
      const piece = bytes.subarray(at, Math.min(at + most, head));
      this.#enqueue(piece, Math.max(most < bytes.length ? 1 : 0, (piece.length * 1_000) / bytesPerSecond));
    }
    for (let at = head; at < bytes.length; at += 1) this.#enqueue(bytes.subarray(at, at + 1), slowBodyMs ?? 0);
  }

  /** How much of `bytes` still belongs to the head of the first message. */
  #headLength(bytes: Buffer): number {
    const before = this.#head.length;
    [this.#head = ""] = (this.#head + bytes.toString("latin1")).split(/(?<=\r\n\r\n)/, 1);
    return this.#head.length - before;
  }

  #enqueue(piece: Buffer | "end" | "reset", apartMs = 0): void {
    const { latencyMs = 0, jitterMs = 0, swallow = false } = this.#ends.wire();
    if (swallow || this.#ends.to.destroyed) return;
    const arrivesMs = performance.now() + latencyMs + jitterMs * this.#ends.random.next();
    this.#lastDueMs = Math.max(arrivesMs, this.#lastDueMs + apartMs);
    this.#queue.push({ piece, dueMs: this.#lastDueMs });
    if (this.#queue.length > 65_536) this.#ends.from.pause(); // a wire does not hold everything: the sender waits
    if (this.#queue.length === 1) this.#leave();
  }

  #leave(): void {
    for (let head = this.#queue[0]; head !== undefined; head = this.#queue[0]) {
      const waitMs = head.dueMs - performance.now();
      if (waitMs > 0) return void (this.#timer = setTimeout(() => this.#leave(), Math.ceil(waitMs)));
      this.#queue.shift();
      this.#pass(head.piece);
    }
    this.#ends.from.resume();
  }

  #pass(piece: Buffer | "end" | "reset"): void {
    const { from, to, wire } = this.#ends;
    if (piece === "reset") return reset(to);
    if (to.destroyed || to.writableEnded) return;
    if (piece === "end") return void to.end();
    const rest = (wire().cutAfterBytes ?? Infinity) - this.#passed;
    this.#passed += piece.length;
    to.write(piece.subarray(0, Math.max(0, rest)));
    if (piece.length >= rest) to.end(() => reset(from));
  }
}

/** Node's own `resetAndDestroy` ends first: if an error comes between (nodejs/node v24), the socket never closes. */
function reset(socket: Socket): void {
  if (!socket.writableEnded) Object.assign(socket, { resetAndClosing: true });
  socket.destroy();
}
