// Goal: K-1 to K-6, K-9 to K-11: what openKubernetesClient promises of bodies, connections, credentials, deadlines,
// bounds, secrets and its end. Method: real KubeConfigs of client-node against a TLS server on loopback that is
// scripted for each case; deadlines pass on a clock that the test moves.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { errorCode } from "../../src/errors.ts";
import { openKubernetesClient } from "../../src/kubernetes/kubernetes-client.ts";
import { KubernetesPools } from "../../src/kubernetes/kubernetes-pools.ts";
import { maxResourceBytes } from "../../src/kubernetes/kubernetes-answers.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { FaultProxy } from "../process/fault-proxy.ts";
import { makeCertificates } from "./certificates.ts";
import { billing, lease, leases, ScriptedServer, sendJson, statusBody } from "./scripted-server.ts";

const certificates = makeCertificates();
const folder = mkdtempSync(join(tmpdir(), "tenure-kubernetes-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** What a promise rejects with. */
async function trouble(promise: Promise<unknown>): Promise<Record<string, unknown>> {
  return await promise.then(
    (value) => expect.unreachable(`resolved with ${inspect(value)}`),
    (error: Record<string, unknown>) => error,
  );
}

describe("bodies", () => {
  it("K-1 passes unknown fields, labels, times and integers beyond 2^53 unchanged from read to replace", async () => {
    await using server = await ScriptedServer.start(certificates);
    const spec = `{"renewTime":"2026-01-01T00:00:00.123456Z","invented":{"by":["the",null]},"big":9007199254740993}`;
    const text = JSON.stringify(lease({}, { labels: { "a/b": "c" }, annotations: { note: "é\u2028" } }));
    const raw = text.replace('"spec":{}', `"spec":${spec}`);
    server.answer = (_request, response) => response.writeHead(200).end(raw);
    await using client = await openKubernetesClient({ kubeConfig: server.kubeConfig() });
    const found = await client.read(billing);
    expect(await client.replace(billing, found ?? {})).toMatchObject({ written: true });
    expect(server.requests[1]?.body).toBe(raw);
  });
});

describe("connections", () => {
  it("K-2 makes one TLS handshake for 200 requests in a row, and another one for watches", async () => {
    await using server = await ScriptedServer.start(certificates);
    await using client = await openKubernetesClient({ kubeConfig: server.kubeConfig() });
    for (let count = 0; count < 200; count += 1) await client.read(billing);
    expect([server.requests.length, server.handshakes]).toEqual([200, 1]);
    server.answer = (_request, response) => response.writeHead(200).end();
    for (let count = 0; count < 5; count += 1) {
      for await (const _event of client.watch(leases, {}, { signal: new AbortController().signal })) break;
    }
    expect(server.handshakes).toBe(2);
  });

  it("K-2 keeps idle connections for 75 s, which is less than the server does, and used ones for longer", async () => {
    await using server = await ScriptedServer.start();
    const pools = new KubernetesPools(false);
    const none = { ca: undefined, cert: undefined, key: undefined, pfx: undefined, passphrase: undefined };
    const tls = { ...none, servername: undefined, rejectUnauthorized: undefined };
    const credentials = { headers: {}, tls, agent: undefined };
    const agent = pools.agentFor("request", credentials, false);
    expect(pools.agentFor("watch", credentials, false)).not.toBe(agent);
    const sockets = (): Socket[] => Object.values(agent.freeSockets).flatMap((free) => free ?? []);
    const answered = (): Promise<unknown> =>
      new Promise((resolve) =>
        get({ agent, port: server.port }, (answer) => answer.resume().on("end", resolve)).on("error", resolve),
      );
    await answered();
    await until(() => sockets().length === 1);
    const [socket] = sockets();
    expect(socket?.timeout).toBe(75_000);
    server.answer = () => socket?.emit("timeout"); // as if a watch were silent for so long
    const pending = answered();
    await until(() => server.requests.length === 2);
    expect(socket?.destroyed).toBe(false);
    server.answer = (_request, response) => sendJson(response, 200, lease());
    await answered(); // over another connection
    await until(() => sockets().length === 1);
    const [other] = sockets();
    other?.emit("timeout");
    expect([other === socket, other?.destroyed]).toEqual([false, true]);
    await server.stop();
    expect(await pending).toMatchObject({ code: "ECONNRESET" });
    pools.close();
  });

  it("K-3 makes a new connection when the CA was rotated, and when the client certificate was", async () => {
    await using server = await ScriptedServer.start(certificates, { requestCert: true, rejectUnauthorized: false });
    const [caFile, certFile, keyFile] = ["ca", "cert", "key"].map((name) => join(folder, `rotated-${name}.pem`));
    const write = (made: typeof certificates): void => {
      writeFileSync(caFile ?? "", made.ca);
      writeFileSync(certFile ?? "", made.client.cert);
      writeFileSync(keyFile ?? "", made.client.key);
    };
    write(certificates);
    const kubeConfig = server.kubeConfig({ certFile, keyFile }, { caFile, caData: undefined });
    await using client = await openKubernetesClient({ kubeConfig });
    await client.read(billing);
    await client.read(billing);
    expect(server.handshakes).toBe(1);
    const other = makeCertificates();
    writeFileSync(certFile ?? "", other.client.cert);
    writeFileSync(keyFile ?? "", other.client.key);
    await client.read(billing);
    expect(server.handshakes).toBe(2);
    await server.stop();
    await server.listen(other);
    expect(errorCode(await trouble(client.read(billing)))).toBe("STORAGE_UNAVAILABLE"); // the old CA does not know it
    write(other);
    expect(await client.read(billing)).toMatchObject(lease());
  });
});

describe("credentials", () => {
  it("K-3 asks KubeConfig before each request, and a refused token of a file is read anew", async () => {
    await using server = await ScriptedServer.start(certificates);
    const tokenFile = join(folder, "token");
    writeFileSync(tokenFile, "old\n");
    const authProvider = { name: "tokenFile", config: { tokenFile } };
    const kubeConfig = server.kubeConfig({ token: undefined, authProvider });
    let asked = 0;
    const counted = {
      getCurrentCluster: () => kubeConfig.getCurrentCluster(),
      authenticators: Reflect.get(kubeConfig, "authenticators") as unknown,
      applyToHTTPSOptions: (options: object) => ((asked += 1), kubeConfig.applyToHTTPSOptions(options)),
    };
    await using client = await openKubernetesClient({ kubeConfig: counted });
    await client.read(billing);
    writeFileSync(tokenFile, "new\n");
    server.answer = ({ headers }, response) =>
      headers.authorization === "Bearer new"
        ? sendJson(response, 200, lease())
        : sendJson(response, 401, statusBody(401, "Unauthorized"));
    expect(await client.read(billing)).toMatchObject(lease());
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([
      "Bearer old",
      "Bearer old",
      "Bearer new",
    ]);
    expect(asked).toBe(3);
  });

  it("K-3 a refused token of a program without expiry is asked for again", async () => {
    await using server = await ScriptedServer.start(certificates);
    const credential = { apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential" };
    const counter = join(folder, "counter");
    writeFileSync(counter, "");
    const script = `const fs = require("fs"); fs.appendFileSync(${JSON.stringify(counter)}, "x");
      const token = "t" + fs.readFileSync(${JSON.stringify(counter)}, "utf8").length;
      console.log(JSON.stringify({ ...${JSON.stringify(credential)}, status: { token } }));`;
    const kubeConfig = server.kubeConfig({
      token: undefined,
      exec: { command: process.execPath, args: ["-e", script] },
    });
    server.answer = ({ headers }, response) =>
      headers.authorization === "Bearer t2"
        ? sendJson(response, 200, lease())
        : sendJson(response, 401, statusBody(401, "Unauthorized"));
    await using client = await openKubernetesClient({ kubeConfig });
    const write = await trouble(client.replace(billing, lease())); // sent once: the next call has the new token
    expect([write["code"], write["applied"], server.requests.length]).toEqual(["ACCESS_DENIED", "no", 1]);
    expect(await client.replace(billing, lease())).toMatchObject({ written: true });
  });

  it("K-9 sends basic credentials, impersonation and a client certificate as KubeConfig has them", async () => {
    await using server = await ScriptedServer.start(certificates, { requestCert: true });
    const { cert, key } = certificates.client;
    const user = {
      token: undefined,
      username: "ann",
      password: "pä:ss",
      impersonateUser: "bob",
      certData: Buffer.from(cert).toString("base64"),
      keyData: Buffer.from(key).toString("base64"),
    };
    let subject: unknown;
    server.answer = ({ socket }, response) => {
      subject = Reflect.get(socket, "getPeerCertificate").call(socket).subject.CN;
      sendJson(response, 200, lease());
    };
    await using client = await openKubernetesClient({ kubeConfig: server.kubeConfig(user) });
    await client.read(billing);
    expect(server.requests[0]?.headers).toMatchObject({
      authorization: `Basic ${Buffer.from("ann:pä:ss").toString("base64")}`,
      "impersonate-user": "bob",
    });
    expect(subject).toBe("client");
  });

  it("K-9 trusts a server by its tls-server-name, and by no other", async () => {
    const named = makeCertificates("api.example.test");
    await using server = await ScriptedServer.start(named);
    const kubeConfig = server.kubeConfig({}, { tlsServerName: "api.example.test" });
    await using client = await openKubernetesClient({ kubeConfig });
    expect(await client.read(billing)).toMatchObject(lease());
    await using wrong = await openKubernetesClient({ kubeConfig: server.kubeConfig() });
    const error = await trouble(wrong.replace(billing, lease()));
    expect([error["code"], error["applied"]]).toEqual(["STORAGE_UNAVAILABLE", "no"]);
    expect(String(error["message"])).toContain("ERR_TLS_CERT_ALTNAME_INVALID");
    expect(server.requests).toHaveLength(1);
  });

  it("K-9 goes through a proxy over one kept connection, and follows a rotated CA there, too", async () => {
    await using server = await ScriptedServer.start(certificates);
    await using proxy = await startProxy();
    const caFile = join(folder, "proxied-ca.pem");
    writeFileSync(caFile, certificates.ca);
    const cluster = { proxyUrl: proxy.url, caFile, caData: undefined };
    await using client = await openKubernetesClient({ kubeConfig: server.kubeConfig({}, cluster) });
    for (let count = 0; count < 20; count += 1) await client.read(billing);
    expect([server.handshakes, proxy.tunnels()]).toEqual([1, 1]);
    const other = makeCertificates();
    writeFileSync(caFile, other.ca);
    await server.stop();
    await server.listen(other);
    expect(await client.read(billing)).toMatchObject(lease());
  });

  it("K-9 refuses plain http beyond loopback, and programs for credentials where they are not allowed", async () => {
    await using server = await ScriptedServer.start();
    const remote = server.kubeConfig({}, { server: "http://10.0.0.1:8080", skipTLSVerify: false });
    expect(errorCode(await trouble(openKubernetesClient({ kubeConfig: remote })))).toBe("INVALID_SETTINGS");
    const trusting = server.kubeConfig({}, { server: "http://10.0.0.1:8080", skipTLSVerify: true });
    await (await openKubernetesClient({ kubeConfig: trusting })).close();
    const local = await openKubernetesClient({ kubeConfig: server.kubeConfig({}, { skipTLSVerify: false }) });
    const error = await trouble(local.read(billing));
    expect([error["code"], server.requests.length]).toEqual(["INVALID_SETTINGS", 0]);
    expect(String(error["message"])).toContain("insecure-skip-tls-verify: true");
    const kubeConfig = server.kubeConfig({ exec: { command: "rm" } });
    const refused = await trouble(openKubernetesClient({ kubeConfig, allowExecCredentials: false }));
    expect(String(refused["message"])).toContain("--allow-exec-credentials");
    await (await openKubernetesClient({ kubeConfig })).close();
  });
});

describe("deadlines", () => {
  it("K-4 #16 a black hole: the call ends at its deadline, its socket is destroyed, the next one gets a new one", async () => {
    await using server = await ScriptedServer.start(certificates);
    await using proxy = await new FaultProxy({ port: server.port }).inject({});
    const kubeConfig = server.kubeConfig({}, { server: `https://127.0.0.1:${proxy.port}` });
    const clock = new ManualClock();
    await using client = await openKubernetesClient({ kubeConfig, clock });
    await Promise.all([client.read(billing), client.read(billing), client.read(billing)]);
    expect(proxy.connections.open).toBe(3);
    await proxy.inject({ up: { swallow: true }, down: { swallow: true } });
    const pending = trouble(client.replace(billing, lease(), { timeoutMs: 4_000 }));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await clock.advance(3_999);
    expect(await Promise.race([pending, Promise.resolve("waiting")])).toBe("waiting");
    await clock.advance(1);
    const error = await pending;
    expect([error["code"], error["applied"]]).toEqual(["OUTCOME_UNKNOWN", "unknown"]);
    expect(error["cause"]).toMatchObject({ name: "TimeoutError" });
    await until(() => proxy.connections.open === 0); // the idle ones were cut off, too
    await proxy.inject({});
    expect(await client.read(billing)).toMatchObject(lease());
    expect(proxy.connections.accepted).toBe(4);
  });

  it("K-4 #16 a write whose connection never came about had no effect", async () => {
    await using server = await ScriptedServer.start(certificates);
    await using proxy = await new FaultProxy({ port: server.port }).inject({ accept: "hang" });
    const kubeConfig = server.kubeConfig({}, { server: `https://127.0.0.1:${proxy.port}` });
    const clock = new ManualClock();
    await using client = await openKubernetesClient({ kubeConfig, clock });
    const pending = trouble(client.replace(billing, lease()));
    await until(() => proxy.connections.accepted === 1);
    await clock.advance(10_000);
    const error = await pending;
    expect([error["code"], error["applied"]]).toEqual(["STORAGE_UNAVAILABLE", "no"]);
    await proxy.inject({}); // what hung goes on: it is only an end
    await until(() => proxy.connections.open === 0);
    expect(server.requests).toEqual([]);
  });

  it("K-4 #20 a body of 1 byte a second is cut at the deadline, and its socket destroyed", async () => {
    await using server = await ScriptedServer.start(certificates);
    const clock = new ManualClock();
    await using client = await openKubernetesClient({ kubeConfig: server.kubeConfig(), clock });
    server.answer = (_request, response) => {
      response.writeHead(200, { "content-length": "5000" });
      response.write("{");
      clock.setTimer(clock.monotonicMs() + 1_000, () => response.write(" "));
    };
    const pending = [trouble(client.read(billing)), trouble(client.replace(billing, lease()))];
    await until(() => server.requests.length === 2);
    await clock.advance(10_000);
    const [read, write] = await Promise.all(pending);
    expect([read?.["code"], write?.["code"]]).toEqual(["STORAGE_UNAVAILABLE", "OUTCOME_UNKNOWN"]);
    await until(() => server.sockets.size === 0);
  });

  it("K-4 #21 a server restarted behind a kept socket gets the next request on a new one", async () => {
    await using server = await ScriptedServer.start(certificates);
    await using client = await openKubernetesClient({ kubeConfig: server.kubeConfig() });
    await Promise.all([client.read(billing), client.read(billing), client.read(billing)]);
    await server.stop();
    await server.listen();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await client.replace(billing, lease())).toMatchObject({ written: true });
  });

  it("K-4 #17 reset, refused and unknown names: reads are repeated, a write says whether it may have happened", async () => {
    await using server = await ScriptedServer.start(certificates);
    await using client = await openKubernetesClient({ kubeConfig: server.kubeConfig() });
    let resets = 0;
    server.answer = ({ socket }, response) => {
      if ((resets += 1) <= 2) socket.destroy();
      else sendJson(response, 200, lease());
    };
    expect(await client.read(billing)).toMatchObject(lease());
    expect(resets).toBe(3);
    resets = 0;
    const reset = await trouble(client.replace(billing, lease()));
    expect([reset["code"], reset["applied"], resets]).toEqual(["OUTCOME_UNKNOWN", "unknown", 1]);
    const anew = await trouble(client.replace(billing, lease())); // over a connection that was made for it
    expect([anew["code"], anew["applied"], resets]).toEqual(["OUTCOME_UNKNOWN", "unknown", 2]);
    await server.stop();
    const refused = await trouble(client.replace(billing, lease()));
    expect([refused["code"], refused["applied"]]).toEqual(["STORAGE_UNAVAILABLE", "no"]);
    expect(String(refused["message"])).toContain("ECONNREFUSED");
    const elsewhere = server.kubeConfig({}, { server: "https://no-such-host.invalid" });
    await using lost = await openKubernetesClient({ kubeConfig: elsewhere });
    const unnamed = await trouble(lost.replace(billing, lease()));
    expect([unnamed["code"], unnamed["applied"]]).toEqual(["STORAGE_UNAVAILABLE", "no"]);
    await server.listen();
  });

  it("K-4 an abort rejects with its own reason and destroys the socket", async () => {
    await using server = await ScriptedServer.start(certificates);
    await using client = await openKubernetesClient({ kubeConfig: server.kubeConfig() });
    server.answer = () => {};
    const controller = new AbortController();
    const pending = client.replace(billing, lease(), { signal: controller.signal });
    await until(() => server.requests.length === 1);
    controller.abort("enough");
    await expect(pending).rejects.toBe("enough");
    await until(() => server.sockets.size === 0);
  });
});

describe("bounds and repetition", () => {
  it("K-5 refuses while reading what is larger than a resource may be", async () => {
    await using server = await ScriptedServer.start(certificates);
    await using client = await openKubernetesClient({ kubeConfig: server.kubeConfig() });
    let written = 0;
    server.answer = (_request, response) => {
      response.writeHead(200);
      const more = (): void => {
        while (!response.destroyed && written < 64 * 2 ** 20) {
          written += 2 ** 16;
          if (!response.write("x".repeat(2 ** 16))) return void response.once("drain", more);
        }
      };
      more();
    };
    expect(errorCode(await trouble(client.read(billing)))).toBe("CORRUPT_DATA");
    await until(() => server.sockets.size === 0);
    expect(written).toBeLessThan(16 * 2 ** 20); // what fits into the buffers of two sockets, no more
    expect(errorCode(await trouble(client.replace(billing, lease())))).toBe("OUTCOME_UNKNOWN");
    const sent = server.requests.length;
    const large = lease({ text: "x".repeat(maxResourceBytes) });
    expect(errorCode(await trouble(client.replace(billing, large)))).toBe("VALUE_TOO_LARGE");
    expect(server.requests).toHaveLength(sent);
  });

  it("K-6 sends a write once, whatever the answer, and repeats only reads and lists that may pass", async () => {
    await using server = await ScriptedServer.start(certificates);
    await using client = await openKubernetesClient({ kubeConfig: server.kubeConfig() });
    const counts = new Map<number, Record<string, number>>();
    for (const status of [200, 302, 400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 502, 503, 504]) {
      server.answer = (_request, response) => response.writeHead(status).end("no json");
      const sent: Record<string, number> = {};
      const count = async (name: string, call: () => Promise<unknown>): Promise<void> => {
        const before = server.requests.length;
        await call().catch(() => "counted");
        sent[name] = server.requests.length - before;
      };
      await count("create", () => client.create(leases, lease()));
      await count("replace", () => client.replace(billing, lease()));
      await count("patch", () => client.patch(billing, { spec: {} }));
      await count("read", () => client.read(billing));
      await count("list", () => client.list(leases, {}));
      counts.set(status, sent);
    }
    const once = { create: 1, replace: 1, patch: 1 };
    for (const status of [200, 302, 409, 429, 500, 502, 503, 504]) {
      expect(counts.get(status), String(status)).toEqual({ ...once, read: 3, list: 3 });
    }
    for (const status of [400, 403, 404, 410, 413, 422]) {
      expect(counts.get(status), String(status)).toEqual({ ...once, read: 1, list: 1 });
    }
    expect(counts.get(401)).toEqual({ ...once, read: 2, list: 2 });
  });

  it("K-5 K-18 refuses a replacement that has no uid or no version, for it could create", async () => {
    await using server = await ScriptedServer.start(certificates);
    await using client = await openKubernetesClient({ kubeConfig: server.kubeConfig() });
    for (const metadata of [{ uid: "" }, { uid: undefined }, { resourceVersion: undefined }]) {
      expect(errorCode(await trouble(client.replace(billing, lease({}, metadata))))).toBe("INVALID_SETTINGS");
    }
    for (const name of ["", "..", "a/b", "a%2fb", "a b"]) {
      expect(errorCode(await trouble(client.read({ ...billing, name })))).toBe("INVALID_KEY");
    }
    expect(server.requests).toEqual([]);
  });
});

describe("secrets and the end", () => {
  it("K-10 #63 no error and no inspection shows a header, body, token or query", async () => {
    await using server = await ScriptedServer.start(certificates);
    const kubeConfig = server.kubeConfig({ token: "s3cret-token" });
    await using client = await openKubernetesClient({ kubeConfig });
    const errors: unknown[] = [];
    const body = { ...statusBody(0, "s3cret reason", { name: "other" }), message: "s3cret-message" };
    for (const status of [200, 400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 503, 0]) {
      server.answer = ({ socket }, response) =>
        status === 0 ? void socket.destroy() : sendJson(response, status, body, { "x-hidden": "s3cret-header" });
      const spec = { note: "s3cret-body" };
      errors.push(await trouble(client.read(billing)), await trouble(client.replace(billing, lease(spec))));
      errors.push(await trouble(client.create(leases, lease(spec))), await trouble(client.patch(billing, { spec })));
      errors.push(await trouble(client.list(leases, { labelSelector: "s3cret-query" })));
      const watch = client.watch(leases, { labelSelector: "s3cret-query" }, { signal: new AbortController().signal });
      errors.push(await trouble((async () => await watch[Symbol.asyncIterator]().next())()));
    }
    const exec = { command: process.execPath, args: ["-e", "console.error('s3cret-program'); process.exit(1)"] };
    await using denied = await openKubernetesClient({ kubeConfig: server.kubeConfig({ token: undefined, exec }) });
    errors.push(await trouble(denied.replace(billing, lease())));
    expect(errors.at(-1)).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
    expect(errors).toHaveLength(13 * 6 + 1);
    for (const error of [...errors, client]) {
      expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("s3cret");
      expect(JSON.stringify(error)).not.toContain("s3cret");
    }
    for (const error of errors) expect(String(error)).toMatch(/cannot \w+ leases "jobs(\/billing)?" in https:\/\/127/);
  });

  it("K-11 after close() sockets are gone, calls throw CLOSED, and a watch under way ends with that", async () => {
    await using server = await ScriptedServer.start(certificates);
    const client = await openKubernetesClient({ kubeConfig: server.kubeConfig() });
    await client.read(billing);
    server.answer = (_request, response) => response.writeHead(200).flushHeaders();
    const watch = client.watch(leases, {}, { signal: new AbortController().signal })[Symbol.asyncIterator]();
    const [event, write] = [trouble(watch.next()), trouble(client.replace(billing, lease()))];
    await until(() => server.requests.length === 3);
    await client.close();
    await client.close();
    expect([errorCode(await event), errorCode(await write)]).toEqual(["CLOSED", "CLOSED"]);
    expect((await write)["applied"]).toBe("unknown");
    const late = await trouble(client.replace(billing, lease()));
    expect([late["code"], late["applied"]]).toEqual(["CLOSED", "no"]);
    await until(() => server.sockets.size === 0);
  });

  it("K-11 idle sockets and an aborted watch do not keep a process alive", async () => {
    await using server = await ScriptedServer.start();
    server.answer = ({ url }, response) =>
      url.includes("watch=true") ? response.writeHead(200).flushHeaders() : sendJson(response, 200, lease());
    const source = new URL("../../src/kubernetes/kubernetes-client.ts", import.meta.url).href;
    const script = `import { openKubernetesClient } from ${JSON.stringify(source)};
      const kubeConfig = {
        getCurrentCluster: () => ({ server: ${JSON.stringify(server.url)} }),
        applyToHTTPSOptions: async () => {},
      };
      const client = await openKubernetesClient({ kubeConfig });
      const ref = ${JSON.stringify(billing)};
      await client.read(ref);
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 20);
      for await (const event of client.watch(ref, {}, { signal: controller.signal })) console.log(event);
      console.log("done");`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    let output = "";
    child.stdout.on("data", (text) => (output += String(text)));
    expect(await ended).toBe(0); // nothing closed the client
    expect(output).toBe("done\n");
  });
});

/** A proxy for CONNECT that counts its tunnels. */
async function startProxy(): Promise<AsyncDisposable & { readonly url: string; tunnels(): number }> {
  const { createServer: createHttp } = await import("node:http");
  const { connect } = await import("node:net");
  let tunnels = 0;
  const proxy = createHttp().on("connect", (request, socket) => {
    tunnels += 1;
    const [host = "", port = ""] = (request.url ?? "").split(":");
    const server = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      server.pipe(socket).pipe(server);
    });
    server.on("error", () => socket.destroy());
    socket.on("error", () => server.destroy()).on("close", () => server.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    tunnels: () => tunnels,
    [Symbol.asyncDispose]: async () => {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}
