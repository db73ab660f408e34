import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { StorageFault, StorageOperation } from "../../../src/testing/storage-faults.ts";

/** What a client sends that is a call of the storage; the rest is greeting. */
const calls: readonly string[] = ["HMGET", "EVAL", "SSCAN"];

interface Expected {
  /** What becomes of the answer. */
  readonly answer: "pass" | "drop" | "reset";
  readonly afterMs: number;
  readonly done: () => void;
}

/**
 * A proxy that reads Redis's protocol, so that each call can meet a fault of its own: requests and answers are lost,
 * delayed, doubled, or never sent on and refused as Redis would.
 */
export class RedisProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #faults: { readonly fault: StorageFault; readonly on: StorageOperation | undefined }[] = [];
  /** How many connections came. */
  accepted = 0;
  /** How many calls came through. */
  requests = 0;
  /** The names of all commands that came through, in order. */
  readonly seen: string[] = [];

  /** `target` is looked at for each connection. */
  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#server = createServer({ noDelay: true }, (client) => {
      this.accepted += 1;
      const link = new Link(client, connect({ ...target, noDelay: true }), (name, args) => this.#heard(name, args));
      this.#links.add(link);
      client.on("close", () => this.#links.delete(link));
    });
  }

  static async start(target: { readonly host: string; readonly port: number }): Promise<RedisProxy> {
    const proxy = new RedisProxy(target);
    await once(proxy.#server.listen(0, "127.0.0.1"), "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port; // on a TCP port it is no text
  }

  /** Calls that have no answer yet, on connections that are open. */
  get open(): number {
    return [...this.#links].reduce((sum, link) => sum + link.pending, 0);
  }

  next(fault: StorageFault, on?: StorageOperation): void {
    this.#faults.push({ fault, on });
  }

  cutWatches(): void {
    for (const link of this.#links) if (link.subscribed) link.reset();
  }

  cutAll(): void {
    for (const link of this.#links) link.reset();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.cutAll();
    await once(this.#server, "close");
  }

  #heard(name: string, args: readonly string[]): StorageFault | undefined {
    this.seen.push(name);
    if (!calls.includes(name)) return undefined;
    const operation = operationOf(name, args);
    if (operation !== undefined) this.requests += 1;
    const index = this.#faults.findIndex(({ on }) => on === undefined || on === operation);
    return index < 0 ? undefined : this.#faults.splice(index, 1)[0]?.fault;
  }
}

/** The second part of a list is no request of its own. */
function operationOf(name: string, args: readonly string[]): StorageOperation | undefined {
  if (name === "HMGET") return "read";
  if (name === "SSCAN") return "list";
  const [, , count = "0"] = args;
  if (args.length < 4 + Number(count) + 5) return undefined; // no write of ours
  const kinds = args.slice(3 + Number(count) + 5).filter((_arg, index) => index % 3 === 0);
  if (kinds.length === 0) return undefined;
  if (kinds.length > 1) return "transact";
  return kinds[0] === "create" || kinds[0] === "replace" || kinds[0] === "remove" ? kinds[0] : "transact";
}

/** One connection and its twin to the server. */
class Link {
  readonly client: Socket;
  readonly #server: Socket;
  readonly #heard: (name: string, args: readonly string[]) => StorageFault | undefined;
  readonly #expected: Expected[] = [];
  #up = Buffer.alloc(0);
  #down = Buffer.alloc(0);
  subscribed = false;
  pending = 0;

  constructor(
    client: Socket,
    server: Socket,
    heard: (name: string, args: readonly string[]) => StorageFault | undefined,
  ) {
    this.client = client;
    this.#server = server;
    this.#heard = heard;
    client.on("data", (bytes) => this.#takeUp(bytes)).on("error", () => {});
    server.on("data", (bytes) => this.#takeDown(bytes)).on("error", () => {});
    client.on("close", () => server.destroy());
    server.on("close", () => client.destroy());
  }

  reset(): void {
    this.client.destroy();
    this.#server.destroy();
  }

  #takeUp(bytes: Buffer): void {
    this.#up = Buffer.concat([this.#up, bytes]);
    for (let end = lengthOf(this.#up, 0); end > 0; end = lengthOf(this.#up, 0)) {
      const command = this.#up.subarray(0, end);
      this.#up = this.#up.subarray(end);
      this.#pass(command);
      if (this.client.destroyed) return;
    }
  }

  #pass(command: Buffer): void {
    const args = argumentsOf(command);
    const name = (args[0] ?? "").toUpperCase();
    if (name === "SUBSCRIBE") this.subscribed = true;
    const fault = this.#heard(name, args);
    this.pending += 1;
    const done = (): void => void (this.pending -= 1);
    const expect = (answer: Expected["answer"], afterMs = 0): void => {
      this.#expected.push({ answer, afterMs, done });
      this.#server.write(command);
    };
    if (fault === undefined) return expect("pass");
    switch (fault.kind) {
      case "requestLost":
        return this.reset();
      case "answerLost":
        return expect("reset");
      case "hang":
        return; // pending for ever
      case "hangAfter":
        return expect("drop");
      case "delay":
        return void setTimeout(() => expect("pass", fault.afterMs ?? 0), fault.beforeMs ?? 0);
      case "doubled":
        this.pending += 1;
        expect(fault.answer === 2 ? "drop" : "pass");
        return expect(fault.answer === 2 ? "pass" : "drop");
      default:
        return this.#refuse(fault.kind, done);
    }
  }

  #refuse(kind: string, done: () => void): void {
    const texts: Readonly<Record<string, string>> = {
      throttled: "LOADING Redis is loading the dataset in memory",
      busy: "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
      denied: "NOPERM this user has no permissions to run the 'eval' command",
    };
    done();
    this.client.write(`-${texts[kind] ?? `ERR the proxy knows no ${kind}`}\r\n`);
  }

  #takeDown(bytes: Buffer): void {
    if (this.subscribed) return void this.client.write(bytes);
    this.#down = Buffer.concat([this.#down, bytes]);
    for (let end = lengthOf(this.#down, 0); end > 0; end = lengthOf(this.#down, 0)) {
      const answer = this.#down.subarray(0, end);
      this.#down = this.#down.subarray(end);
      this.#answer(answer, this.#expected.shift());
    }
  }

  #answer(answer: Buffer, expected: Expected | undefined): void {
    if (expected === undefined) return void this.client.write(answer);
    if (expected.answer === "drop") return; // it stays pending for the client
    expected.done();
    if (expected.answer === "reset") return this.reset();
    if (expected.afterMs > 0) setTimeout(() => this.client.write(answer), expected.afterMs);
    else this.client.write(answer);
  }
}

/** How long the value at `at` is, or 0 if it is not complete: commands and answers have one format. */
function lengthOf(bytes: Buffer, at: number): number {
  const line = bytes.indexOf("\r\n", at);
  if (line < 0) return 0;
  const head = line + 2 - at;
  const kind = String.fromCharCode(bytes[at] ?? 0);
  const size = Number(bytes.toString("latin1", at + 1, line));
  if (kind === "$") {
    const whole = size < 0 ? head : head + size + 2;
    return bytes.length - at >= whole ? whole : 0;
  }
  if (kind !== "*") return head;
  let length = head;
  for (let index = 0; index < size; index += 1) {
    const part = lengthOf(bytes, at + length);
    if (part === 0) return 0;
    length += part;
  }
  return length;
}

/** The parts of a command; values may be cut, since only names are looked at. */
function argumentsOf(command: Buffer): readonly string[] {
  const args: string[] = [];
  for (let at = command.indexOf("\r\n") + 2; at < command.length;) {
    const line = command.indexOf("\r\n", at);
    const size = Number(command.toString("latin1", at + 1, line));
    args.push(command.toString("latin1", line + 2, line + 2 + Math.min(size, 100)));
    at = line + 2 + size + 2;
  }
  return args;
}
