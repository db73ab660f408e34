import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { systemRandom, type Random } from "../../src/system/random.ts";

/** What is wrong with one direction; whatever is not named is as on a plain wire. */
export interface WireFaults {
  /** How long each piece is under way, and up to how much longer, drawn for each; order is kept. */
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

export interface FaultProxySettings {
  readonly host?: string;
  readonly port: number;
  readonly random?: Random;
}

type Ends = { from: Socket; to: Socket; wire: () => WireFaults; random: Random };

const mostPieces = 65_536; // under way at once; then the sender waits

/**
 * A TCP proxy in this process, on loopback, between clients and the server at `host` and `port`.
 *
 * Faults hold from `inject` on, on open connections too; what is under way keeps its time. A connection that hangs
 * goes on when `accept` no longer says so.
 */
export class FaultProxy implements AsyncDisposable {
  readonly #settings: FaultProxySettings;
  readonly #links = new Set<Link>();
  #server: Server | undefined;
  #faults: Faults = {};
  #accepted = 0;
  #port = 0;

  constructor(settings: FaultProxySettings) {
    this.#settings = settings;
  }

  get port(): number {
    return this.#port;
  }

  /** How many connections were accepted so far, and how many of them are open. */
  get connections(): { readonly accepted: number; readonly open: number } {
    return { accepted: this.#accepted, open: this.#links.size };
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
    await once(server.listen(this.#port, "127.0.0.1"), "listening");
    this.#port = (server.address() as AddressInfo).port; // on a TCP port it is no text
    this.#server = server;
  }

  #unlisten(): void {
    this.#server?.close(); // the port; connections stay
    this.#server = undefined;
  }

  #accept(client: Socket): void {
    this.#accepted += 1;
    const link = new Link(client, this.#settings, () => this.#faults);
    this.#links.add(link);
    client.once("close", () => this.#links.delete(link));
    if (this.#faults.accept === "reset") link.reset();
    else if (this.#faults.accept !== "hang") link.start();
  }
}

/** One connection of a client, and the one to the server that belongs to it. */
class Link {
  readonly #client: Socket;
  readonly #open: () => Socket;
  #server: Socket | undefined;

  constructor(client: Socket, settings: FaultProxySettings, faults: () => Faults) {
    const { host = "127.0.0.1", port, random = systemRandom } = settings;
    this.#client = client.on("error", () => this.reset()).once("close", () => this.#server?.destroy());
    this.#open = () => {
      const server = connect({ host, port, allowHalfOpen: true, noDelay: true }).on("error", () => this.reset());
      new Pipe({ from: client, to: server, wire: () => faults().up ?? {}, random });
      new Pipe({ from: server, to: client, wire: () => faults().down ?? {}, random });
      return server;
    };
  }

  start(): void {
    if (!this.#client.destroyed) this.#server ??= this.#open();
  }

  reset(): void {
    this.#client.resetAndDestroy();
    this.#server?.resetAndDestroy();
  }
}

/** One direction: pieces, each with the time at which it leaves. An empty piece is the end. */
class Pipe {
  readonly #queue: { readonly bytes: Buffer; readonly dueMs: number }[] = [];
  readonly #ends: Ends;
  #timer: NodeJS.Timeout | undefined;
  #lastDueMs = 0;
  #head = "";
  #passed = 0;

  constructor(ends: Ends) {
    const { from, to } = (this.#ends = ends);
    from.on("data", (bytes) => this.#take(bytes)).once("end", () => this.#enqueue(Buffer.alloc(0), 0));
    for (const socket of [from, to]) socket.once("close", () => clearTimeout(this.#timer));
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

  #enqueue(bytes: Buffer, apartMs: number): void {
    const { latencyMs = 0, jitterMs = 0, swallow = false } = this.#ends.wire();
    if (swallow) return;
    const arrivesMs = performance.now() + latencyMs + jitterMs * this.#ends.random.next();
    this.#lastDueMs = Math.max(arrivesMs, this.#lastDueMs + apartMs);
    this.#queue.push({ bytes, dueMs: this.#lastDueMs });
    if (this.#queue.length > mostPieces) this.#ends.from.pause();
    if (this.#queue.length === 1) this.#leave();
  }

  /** Passes on what is due, and comes back for the rest. */
  #leave(): void {
    for (let piece = this.#queue[0]; piece !== undefined; piece = this.#queue[0]) {
      const waitMs = piece.dueMs - performance.now();
      if (waitMs > 0) return void (this.#timer = setTimeout(() => this.#leave(), Math.ceil(waitMs)));
      this.#queue.shift();
      this.#pass(piece.bytes);
    }
    this.#ends.from.resume();
  }

  #pass(bytes: Buffer): void {
    const { from, to, wire } = this.#ends;
    if (to.destroyed || to.writableEnded) return;
    const rest = (wire().cutAfterBytes ?? Infinity) - this.#passed;
    this.#passed += bytes.length;
    if (bytes.length > 0) to.write(bytes.subarray(0, Math.max(0, rest)));
    if (bytes.length >= rest) to.end(() => from.resetAndDestroy());
    else if (bytes.length === 0) to.end();
  }
}
