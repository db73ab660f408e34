// Goal: each fault of the proxy does what its name says, and nothing else, or the rows that run through it prove
// nothing. Method: plain clients and an echoing server over real sockets on loopback, one fault at a time.
import { once } from "node:events";
import { createServer as createHttpServer, get, type IncomingMessage } from "node:http";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { FaultProxy, type Faults } from "./fault-proxy.ts";

const stack = { current: new AsyncDisposableStack() };
afterEach(async () => {
  await stack.current.disposeAsync();
  stack.current = new AsyncDisposableStack();
});

/** What a server has heard. */
interface Heard {
  text: string;
  ended: number;
  readonly sockets: Set<Socket>;
}

/** A server that sends back what it gets, and what it heard; and a proxy before it. */
async function echo(faults: Faults = {}): Promise<{ proxy: FaultProxy; heard: Heard }> {
  const heard: Heard = { text: "", ended: 0, sockets: new Set() };
  const server = createServer((socket) => {
    heard.sockets.add(socket);
    socket.setNoDelay(true).on("error", () => {});
    socket.on("data", (bytes) => {
      heard.text += String(bytes);
      socket.write(bytes);
    });
    socket.on("end", () => (heard.ended += 1));
  });
  const proxy = await before(server, faults);
  stack.current.defer(() => heard.sockets.forEach((socket) => socket.destroy()));
  return { proxy, heard };
}

async function before(server: Server, faults: Faults): Promise<FaultProxy> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  stack.current.defer(async () => {
    server.close();
    await once(server, "close");
  });
  const { port } = server.address() as AddressInfo; // on a TCP port it is no text
  return stack.current.use(await new FaultProxy({ port, random: { next: () => 0.5, uuid: String } }).inject(faults));
}

/** What a client has got so far, piece by piece, with its times; and how it ended. */
class Client {
  readonly socket: Socket;
  readonly pieces: { readonly text: string; readonly atMs: number }[] = [];
  end = "open";

  constructor({ port }: FaultProxy) {
    this.socket = connect({ host: "127.0.0.1", port, noDelay: true });
    stack.current.defer(() => void this.socket.destroy());
    this.socket.on("data", (bytes) => this.pieces.push({ text: String(bytes), atMs: performance.now() }));
    this.socket.on("end", () => (this.end = "ended"));
    this.socket.on("error", (error) => (this.end = String(Reflect.get(error, "code"))));
  }

  get text(): string {
    return this.pieces.map(({ text }) => text).join("");
  }

  async says(text: string): Promise<void> {
    await new Promise((resolve) => this.socket.write(text, resolve));
  }

  /** Waits until so much has come back. */
  async has(text: string): Promise<void> {
    await expect.poll(() => this.text, { interval: 2, timeout: 5_000 }).toBe(text);
  }

  async ends(how: string): Promise<void> {
    await expect.poll(() => this.end, { interval: 2, timeout: 5_000 }).toBe(how);
  }
}

test("without faults it is a wire, both ways, to the end of each direction", async () => {
  const { proxy, heard } = await echo();
  const client = new Client(proxy);
  await client.says("a");
  await client.has("a");
  const much = "0123456789".repeat(100_000);
  await client.says(much);
  await client.has(`a${much}`);
  client.socket.end("z");
  await client.ends("ended");
  expect(client.text).toBe(`a${much}z`);
  expect(heard.ended).toBe(1);
  await expect.poll(() => proxy.connections).toEqual({ accepted: 1, open: 0 });
});

test("latency and jitter delay each piece, keep the order, and do not queue one delay behind another", async () => {
  const { proxy } = await echo({ up: { latencyMs: 60, jitterMs: 40 } });
  const client = new Client(proxy);
  const startMs = performance.now();
  for (const text of ["1", "2", "3", "4", "5"]) {
    await client.says(text);
    await pause(5);
  }
  await client.has("12345");
  const delays = client.pieces.map(({ atMs }) => atMs - startMs);
  expect(delays[0]).toBeGreaterThanOrEqual(79); // 60, and half of 40
  expect(delays.at(-1)).toBeLessThan(5 * 80);
});

test("what is under way arrives, whatever became of the other side meanwhile", async () => {
  const { proxy, heard } = await echo({ up: { latencyMs: 60 }, down: { latencyMs: 60 } });
  const client = new Client(proxy);
  client.socket.end("a");
  await client.ends("ended");
  expect(client.text).toBe("a");
  for (const end of ["destroy", "resetAndDestroy"] as const) {
    const gone = new Client(proxy);
    await once(gone.socket, "connect");
    await gone.says(end);
    await pause(20); // read by the proxy: a reset takes along what nobody has read
    gone.socket[end]();
  }
  await expect.poll(() => heard.text).toBe("adestroyresetAndDestroy");
  await expect.poll(() => [...heard.sockets].every(({ destroyed }) => destroyed)).toBe(true);
  await expect.poll(() => proxy.connections.open).toBe(0);
});

test("swallowed upwards, nothing reaches the server, and nobody is told", async () => {
  const { proxy, heard } = await echo({ up: { swallow: true } });
  const client = new Client(proxy);
  await client.says("lost");
  client.socket.end();
  await pause(50);
  expect([heard.text, heard.ended, client.text, client.end]).toEqual(["", 0, "", "open"]);
});

test("swallowed downwards, the server has it all, and the client nothing; healed, new answers arrive", async () => {
  const { proxy, heard } = await echo();
  const client = new Client(proxy);
  await client.says("a");
  await client.has("a");
  await proxy.inject({ down: { swallow: true } });
  await client.says("b");
  await expect.poll(() => heard.text).toBe("ab");
  await pause(20);
  expect([client.text, client.end]).toEqual(["a", "open"]);
  await proxy.inject({});
  await client.says("c");
  await client.has("ac");
});

test("a reset ends what is open, on both sides, and new connections if told so", async () => {
  const { proxy, heard } = await echo();
  const [client, other] = [new Client(proxy), new Client(proxy)];
  await Promise.all([client.says("a"), other.says("a")]);
  await Promise.all([client.has("a"), other.has("a")]);
  proxy.resetAll();
  await Promise.all([client.ends("ECONNRESET"), other.ends("ECONNRESET")]);
  await expect.poll(() => [...heard.sockets].every(({ destroyed }) => destroyed)).toBe(true);
  await proxy.inject({ accept: "reset" });
  await new Client(proxy).ends("ECONNRESET");
  expect(heard.text).toBe("aa");
  expect(proxy.connections.accepted).toBe(3);
});

test("refused, new connections fail, old ones live on; healed, it listens on the same port", async () => {
  const { proxy } = await echo();
  const old = new Client(proxy);
  await old.says("a");
  await old.has("a");
  const { port } = proxy;
  await proxy.inject({ accept: "refuse" });
  await new Client(proxy).ends("ECONNREFUSED");
  await old.says("b");
  await old.has("ab");
  await proxy.inject({});
  expect(proxy.port).toBe(port);
  const next = new Client(proxy);
  await next.says("c");
  await next.has("c");
});

test("a connection that hangs is accepted and silent, and goes on when that is over", async () => {
  const { proxy, heard } = await echo({ accept: "hang" });
  const client = new Client(proxy);
  await once(client.socket, "connect");
  await client.says("a");
  await pause(50);
  expect([heard.text, client.text, client.end]).toEqual(["", "", "open"]);
  await proxy.inject({});
  await client.has("a");
});

test("slices arrive as pieces of their own", async () => {
  const { proxy } = await echo({ down: { sliceBytes: 3 } });
  const client = new Client(proxy);
  await client.says("0123456789");
  await client.has("0123456789");
  expect(client.pieces.length).toBeGreaterThan(1);
  expect(client.pieces.at(0)?.text).toBe("012");
});

test("a bandwidth is kept, and nothing is lost on it", async () => {
  const { proxy } = await echo({ down: { bytesPerSecond: 100_000 } });
  const client = new Client(proxy);
  const much = "0123456789".repeat(2_000);
  const startMs = performance.now();
  await client.says(much);
  await client.has(much);
  expect(performance.now() - startMs).toBeGreaterThan(150); // 20 kB at 100 kB/s, less the first piece
});

test("cut after some bytes, the receiver has exactly these, and the sender is reset", async () => {
  const { proxy } = await echo({ down: { cutAfterBytes: 6 } });
  const client = new Client(proxy);
  await client.says("0123");
  await client.has("0123");
  await client.says("4567");
  await client.ends("ended");
  expect(client.text).toBe("012345");
  await expect.poll(() => proxy.connections.open).toBe(0);
  await proxy.inject({ up: { cutAfterBytes: 2 } });
  const sender = new Client(proxy);
  await sender.says("abcd");
  await sender.ends("ECONNRESET");
  expect(sender.text).toBe("");
});

test("a slow body comes byte by byte behind a head that comes at once", async () => {
  const server = createHttpServer((_, response) => response.writeHead(200, { "content-length": 8 }).end("01234567"));
  const proxy = await before(server, { down: { slowBodyMs: 15 } });
  const startMs = performance.now();
  const request = get({ host: "127.0.0.1", port: proxy.port, agent: false });
  const [response] = (await once(request, "response")) as [IncomingMessage]; // as node:http declares the event
  const headMs = performance.now() - startMs;
  let body = "";
  for await (const bytes of response) body += String(bytes);
  expect(body).toBe("01234567");
  expect(performance.now() - startMs).toBeGreaterThan(headMs + 7 * 12);
});

test("a server that is not there is told as a reset, and a proxy that ends leaves nothing open", async () => {
  const gone = createServer();
  await once(gone.listen(0, "127.0.0.1"), "listening");
  const { port } = gone.address() as AddressInfo; // on a TCP port it is no text
  gone.close();
  await once(gone, "close");
  const proxy = await new FaultProxy({ port }).inject({});
  await new Client(proxy).ends("ECONNRESET");
  await proxy.inject({ accept: "hang" });
  const client = new Client(proxy);
  await once(client.socket, "connect");
  await expect.poll(() => proxy.connections.open).toBe(1);
  await proxy[Symbol.asyncDispose]();
  await client.ends("ECONNRESET");
  expect(proxy.connections.open).toBe(0);
  await new Client(proxy).ends("ECONNREFUSED");
});
