import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** What the stub says instead: text of the protocol, nothing at all, or the end of the connection. */
export type StubAnswer = { readonly text: string } | "silence" | "end";

/** An answer for a command, if it is to be another than usual. */
export type StubScript = (command: readonly string[], connection: number) => StubAnswer | undefined;

type Reply = string | number | null | readonly Reply[] | Error;
type Hash = Map<string, string>;

const greetings: readonly string[] = ["AUTH", "CLIENT", "SELECT"];

/**
 * As much of Redis as the driver uses, in this process: for answers that a real server cannot be made to give, and for
 * suites where there is none. The two scripts are done in JavaScript, so it proves nothing about them.
 */
export class RedisStub implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Map<Socket, Set<string>>();
  readonly #hashes = new Map<string, Hash>();
  readonly #ends = new Map<string, number>();
  readonly #index = new Map<string, Set<string>>();
  #connections = 0;
  /** Every command that came, greetings too. */
  readonly seen: (readonly string[])[] = [];
  script: StubScript = () => undefined;

  private constructor() {
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  static async start(): Promise<RedisStub> {
    const stub = new RedisStub();
    await once(stub.#server.listen(0, "127.0.0.1"), "listening");
    return stub;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port; // on a TCP port it is no text
  }

  get connections(): { readonly accepted: number; readonly open: number } {
    return { accepted: this.#connections, open: this.#sockets.size };
  }

  /** How often this command came. */
  count(name: string): number {
    return this.seen.filter(([first]) => first?.toUpperCase() === name).length;
  }

  /** Sets a field as a foreign program would. */
  put(hash: string, fields: Readonly<Record<string, string>>): void {
    this.#hashes.set(hash, new Map(Object.entries(fields)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets.keys()) socket.destroy();
    await once(this.#server, "close");
  }

  #accept(socket: Socket): void {
    const connection = (this.#connections += 1);
    this.#sockets.set(socket, new Set());
    let rest = "";
    socket.on("error", () => {}).on("close", () => this.#sockets.delete(socket));
    socket.on("data", (bytes: Buffer) => {
      rest += bytes.toString("latin1");
      for (let taken = commandOf(rest); taken !== undefined; taken = commandOf(rest)) {
        rest = rest.slice(taken.length);
        this.#answer(socket, taken.command, connection);
      }
    });
  }

  #answer(socket: Socket, command: readonly string[], connection: number): void {
    this.seen.push(command);
    const said = this.script(command, connection);
    if (said === "silence" || socket.destroyed) return;
    if (said === "end") return void socket.destroy();
    socket.write(said?.text ?? encoded(this.#execute(socket, command)), "latin1");
  }

  #execute(socket: Socket, [name = "", ...args]: readonly string[]): Reply {
    const upper = name.toUpperCase();
    if (greetings.includes(upper)) return "OK";
    switch (upper) {
      case "ROLE":
        return ["master", 0, []];
      case "PING":
        return (this.#sockets.get(socket)?.size ?? 0) > 0 ? ["pong", ""] : "PONG";
      case "SUBSCRIBE":
        this.#sockets.get(socket)?.add(args[0] ?? "");
        return ["subscribe", args[0] ?? "", 1];
      case "UNSUBSCRIBE":
        this.#sockets.get(socket)?.delete(args[0] ?? "");
        return ["unsubscribe", args[0] ?? "", 0];
      case "HMGET":
        return args.slice(1).map((field) => this.#hash(args[0] ?? "")?.get(field) ?? null);
      case "SSCAN":
        return ["0", [...(this.#index.get(args[0] ?? "") ?? [])]];
      case "EVAL":
        return this.#evaluate(args);
      case "WAIT":
        return 0;
      case "CONFIG":
        return [args[1] ?? "", { maxmemory: "0", save: "3600 1", appendonly: "no" }[args[1] ?? ""] ?? "noeviction"];
      default:
        return new Error(`ERR unknown command '${name}'`);
    }
  }

  #evaluate([script = "", count = "0", ...rest]: readonly string[]): Reply {
    const [index = "", ...hashes] = rest.slice(0, Number(count));
    const args = rest.slice(Number(count));
    if (!script.includes("PUBLISH")) return hashes.map((hash) => this.#hash(hash)?.get("version") ?? null);
    const [version = "", life = "", channel = "", most = "0", cut = "1", ...changes] = args;
    const parts = hashes.map((hash, at) => ({ hash, kind: changes[3 * at], expected: changes[3 * at + 1] }));
    for (const { hash, kind, expected } of parts) {
      const found = this.#hash(hash)?.get("version");
      const absent = kind === "create" || kind === "absent";
      if (absent ? found !== undefined : found !== expected) return 0;
    }
    for (const [at, { hash, kind }] of parts.entries()) {
      const [key, value] = [hash.slice(Number(cut) - 1), changes[3 * at + 2] ?? ""];
      const members = this.#index.get(index) ?? new Set();
      this.#index.set(index, members);
      this.#ends.delete(hash);
      if (kind === "create" || kind === "replace") {
        members.add(key);
        this.#hashes.set(hash, new Map(Object.entries({ value, version })));
        if (life !== "") this.#ends.set(hash, performance.now() + Number(life));
      } else if (kind === "remove") {
        members.delete(key);
        this.#hashes.delete(hash);
      } else continue;
      const message = kind === "remove" || value.length > Number(most) ? "" : version + value;
      if (channel !== "") this.#publish(channel + key, message);
    }
    return 1;
  }

  #publish(channel: string, message: string): void {
    for (const [socket, channels] of this.#sockets) {
      if (channels.has(channel)) socket.write(encoded(["message", channel, message]), "latin1");
    }
  }

  #hash(name: string): Hash | undefined {
    if ((this.#ends.get(name) ?? Infinity) <= performance.now()) this.#hashes.delete(name);
    return this.#hashes.get(name);
  }
}

/** Bytes travel as latin1 in here, one character each. */
function encoded(reply: Reply): string {
  if (reply === null) return "$-1\r\n";
  if (typeof reply === "number") return `:${reply}\r\n`;
  if (reply instanceof Error) return `-${reply.message}\r\n`;
  if (typeof reply === "string") return `$${reply.length}\r\n${reply}\r\n`;
  return `*${reply.length}\r\n${reply.map(encoded).join("")}`;
}

function commandOf(text: string): { readonly command: readonly string[]; readonly length: number } | undefined {
  const head = /^\*(\d+)\r\n/.exec(text);
  if (head === null) return undefined;
  let at = head[0].length;
  const command: string[] = [];
  for (let part = 0; part < Number(head[1]); part += 1) {
    const line = text.indexOf("\r\n", at);
    if (line < 0) return undefined;
    const [begin, size] = [line + 2, Number(text.slice(at + 1, line))];
    if (text.length < begin + size + 2) return undefined;
    command.push(text.slice(begin, begin + size));
    at = begin + size + 2;
  }
  return { command, length: at };
}
