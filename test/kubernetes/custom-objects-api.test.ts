// Goal: K-7, K-13: a client over an injected API object answers as our own does, whatever that object is. Method: the
// real CustomObjectsApi and Watch of client-node against a scripted server, and a fake of six methods; the type of both
// is checked by passing them without a cast.
import { CustomObjectsApi, Watch } from "@kubernetes/client-node";
import { describe, expect, it } from "vitest";
import { errorCode } from "../../src/errors.ts";
import { fromCustomObjectsApi, type CustomObjectsApiLike } from "../../src/kubernetes/custom-objects-api.ts";
import type { KubernetesClient, WatchEvent } from "../../src/kubernetes/kubernetes-resources.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { billing, lease, leases, ScriptedServer, sendJson, statusBody } from "./scripted-server.ts";

const path = "/apis/coordination.k8s.io/v1/namespaces/jobs/leases";

function injected(server: ScriptedServer, clock?: ManualClock): KubernetesClient {
  const kubeConfig = server.kubeConfig();
  const watch = new Watch(kubeConfig);
  return fromCustomObjectsApi(kubeConfig.makeApiClient(CustomObjectsApi), watch, { ...(clock && { clock }) });
}

async function trouble(promise: Promise<unknown>): Promise<Record<string, unknown>> {
  return await promise.then(
    () => expect.unreachable("resolved"),
    (error: Record<string, unknown>) => error,
  );
}

/** In memory, and without a thought for versions. */
class SixMethods {
  readonly asked: unknown[] = [];
  answer: () => unknown = () => lease();

  async getNamespacedCustomObject(request: object): Promise<unknown> {
    return await this.#take("get", request);
  }
  async createNamespacedCustomObject(request: object): Promise<unknown> {
    return await this.#take("create", request);
  }
  async replaceNamespacedCustomObject(request: object): Promise<unknown> {
    return await this.#take("replace", request);
  }
  async patchNamespacedCustomObject(request: object): Promise<unknown> {
    return await this.#take("patch", request);
  }
  async patchNamespacedCustomObjectStatus(request: object): Promise<unknown> {
    return await this.#take("status", request);
  }
  async listNamespacedCustomObject(request: object): Promise<unknown> {
    return await this.#take("list", request);
  }
  #take(method: string, request: object): Promise<unknown> {
    this.asked.push([method, request]);
    return Promise.resolve().then(() => this.answer());
  }
}

describe("a client over an injected API object", () => {
  it("K-7 takes CustomObjectsApi and Watch of client-node, and a fake of six methods, without a cast", () => {
    const api: CustomObjectsApiLike = new SixMethods();
    const make = (real: CustomObjectsApi, watch: Watch): KubernetesClient => fromCustomObjectsApi(real, watch);
    expect(fromCustomObjectsApi(api).description).toBe("an injected Kubernetes client");
    expect(make).toHaveLength(2);
  });

  it("K-7 sends through client-node what our own client sends, a merge patch among it", async () => {
    await using server = await ScriptedServer.start();
    await using client = injected(server);
    const odd = lease({ invented: { a: [null] }, renewTime: "2026-01-01T00:00:00.000001Z" });
    server.answer = (_request, response) => sendJson(response, 200, odd);
    expect(await client.read(billing)).toEqual(odd);
    expect(await client.create(leases, odd)).toEqual({ written: true, resource: odd });
    expect(await client.replace(billing, odd)).toEqual({ written: true, resource: odd });
    await client.patch(billing, { spec: { a: 1 } });
    await client.patch(billing, { status: {} }, { subresource: "status" });
    const page = { metadata: { resourceVersion: "3", continue: "more" }, items: [odd] };
    server.answer = (_request, response) => sendJson(response, 200, page);
    expect(await client.list(leases, { limit: 5, continue: "t", labelSelector: "a=b" })).toEqual({
      items: [odd],
      resourceVersion: "3",
      continue: "more",
    });
    expect(server.requests.map(({ method, url }) => `${method} ${url.split("?")[0]}`)).toEqual([
      `GET ${path}/billing`,
      `POST ${path}`,
      `PUT ${path}/billing`,
      `PATCH ${path}/billing`,
      `PATCH ${path}/billing/status`,
      `GET ${path}`,
    ]);
    const sent = server.requests.map(({ headers, body }) => [headers["content-type"], body]);
    expect(sent.slice(2, 5)).toEqual([
      ["application/json", JSON.stringify(odd)],
      ["application/merge-patch+json", '{"spec":{"a":1}}'],
      ["application/merge-patch+json", '{"status":{}}'],
    ]);
    const query = new URL(server.requests[5]?.url ?? "", server.url).searchParams;
    expect(Object.fromEntries(query)).toEqual({ limit: "5", continue: "t", labelSelector: "a=b" });
  });

  it("K-7 K-4 a deadline and an abort end the request of client-node, too", async () => {
    await using server = await ScriptedServer.start();
    const clock = new ManualClock();
    await using client = injected(server, clock);
    server.answer = () => {};
    const pending = trouble(client.replace(billing, lease()));
    while (server.requests.length < 1) await new Promise((resolve) => setTimeout(resolve, 2));
    await clock.advance(10_000);
    expect(await pending).toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
    const controller = new AbortController();
    const aborted = client.read(billing, { signal: controller.signal });
    while (server.requests.length < 2) await new Promise((resolve) => setTimeout(resolve, 2));
    controller.abort("enough");
    await expect(aborted).rejects.toBe("enough");
    while (server.sockets.size > 0) await new Promise((resolve) => setTimeout(resolve, 2));
  });

  it("K-13 reads client-node's errors: a number as code, a body that nobody parsed, none for 401", async () => {
    await using server = await ScriptedServer.start();
    await using client = injected(server);
    const here = { name: "billing", kind: "leases" };
    const refuse = (status: number, body: unknown): void => {
      server.answer = (_request, response) => sendJson(response, status, body);
    };
    refuse(409, statusBody(409, "Conflict", here));
    expect(await client.replace(billing, lease())).toEqual({ written: false });
    refuse(409, statusBody(409, "AlreadyExists", here));
    expect(await client.create(leases, lease())).toEqual({ written: false });
    refuse(404, statusBody(404, "NotFound", here));
    expect(await client.read(billing)).toBeUndefined();
    refuse(401, { ...statusBody(401, "Unauthorized"), message: "s3cret" });
    const denied = await trouble(client.replace(billing, lease()));
    expect([denied["code"], denied["applied"]]).toEqual(["ACCESS_DENIED", "no"]);
    expect(JSON.stringify(denied) + String(denied["message"])).not.toContain("s3cret");
    server.answer = (_request, response) => response.writeHead(429, { "retry-after": "3" }).end("slow down");
    expect(await trouble(client.replace(billing, lease()))).toMatchObject({
      code: "STORAGE_UNAVAILABLE",
      retryAfterMs: 3_000,
    });
    server.answer = ({ socket }) => void socket.destroy();
    expect(await trouble(client.replace(billing, lease()))).toMatchObject({
      code: "OUTCOME_UNKNOWN",
      applied: "unknown",
    });
    await server.stop();
    expect(await trouble(client.replace(billing, lease()))).toMatchObject({
      code: "STORAGE_UNAVAILABLE",
      applied: "no",
    });
    await server.listen();
  });

  it("K-13 takes an error of code 20, or a reason that looks like an answer, for no answer", async () => {
    const api = new SixMethods();
    await using client = fromCustomObjectsApi(api);
    api.answer = () => {
      throw new DOMException("aborted", "AbortError");
    };
    expect(await trouble(client.replace(billing, lease()))).toMatchObject({ code: "OUTCOME_UNKNOWN" });
    const controller = new AbortController();
    const reason = Object.assign(new Error("mine"), { code: 409, body: JSON.stringify(statusBody(409, "Conflict")) });
    api.answer = () => {
      controller.abort(reason);
      throw reason;
    };
    expect(await trouble(client.replace(billing, lease(), { signal: controller.signal }))).toBe(reason);
  });

  it("K-6 K-7 calls the six methods once for a write, and refuses what it cannot reach before that", async () => {
    const api = new SixMethods();
    await using client = fromCustomObjectsApi(api);
    await client.patch(billing, { spec: 1 }, { subresource: "status" });
    expect(api.asked).toEqual([["status", { ...billing, body: { spec: 1 } }]]);
    api.answer = () => {
      throw Object.assign(new Error("HTTP-Code: 503"), { code: 503, body: "" });
    };
    expect(errorCode(await trouble(client.replace(billing, lease())))).toBe("OUTCOME_UNKNOWN");
    expect(api.asked).toHaveLength(2);
    const core = { ...billing, group: "" };
    expect(await trouble(client.read(core))).toMatchObject({ code: "UNSUPPORTED" });
    expect(await trouble(client.read({ ...billing, name: ".." }))).toMatchObject({ code: "INVALID_KEY" });
    expect(await trouble(client.replace(billing, lease({}, { uid: "" })))).toMatchObject({ code: "INVALID_SETTINGS" });
    expect(() => client.watch(leases, {}, { signal: new AbortController().signal })).toThrow(/no watch was passed/);
    expect(api.asked).toHaveLength(2);
    await client.close();
    expect(await trouble(client.read(billing))).toMatchObject({ code: "CLOSED" });
  });
});

describe("the watch of an injected client", () => {
  const line = (type: string, version: string): string =>
    `${JSON.stringify({ type, object: lease({}, { resourceVersion: version }) })}\n`;

  it("K-7 tells the events of client-node's Watch, and ends when the server ends it", async () => {
    await using server = await ScriptedServer.start();
    await using client = injected(server);
    server.answer = (_request, response) => void response.writeHead(200).end(line("ADDED", "1") + line("DELETED", "2"));
    const events: WatchEvent[] = [];
    const query = { fieldSelector: "metadata.name=billing", allowWatchBookmarks: true, timeoutSeconds: 300 };
    for await (const event of client.watch(leases, query, { signal: new AbortController().signal })) events.push(event);
    expect(events.map(({ type }) => type)).toEqual(["ADDED", "DELETED"]);
    const url = new URL(server.requests[0]?.url ?? "", server.url);
    expect(url.pathname).toBe(path);
    expect(Object.fromEntries(url.searchParams)).toEqual({
      watch: "true",
      fieldSelector: "metadata.name=billing",
      allowWatchBookmarks: "true",
      timeoutSeconds: "300",
    });
  });

  it("K-7 K-13 throws what answers the opening, aborts at the signal, and is CLOSED with its client", async () => {
    await using server = await ScriptedServer.start();
    const client = injected(server);
    const next = async (signal: AbortSignal): Promise<unknown> =>
      await client.watch(leases, {}, { signal })[Symbol.asyncIterator]().next();
    server.answer = (_request, response) => sendJson(response, 403, statusBody(403, "Forbidden"));
    expect(await trouble(next(new AbortController().signal))).toMatchObject({ code: "ACCESS_DENIED" });
    server.answer = (_request, response) => response.writeHead(200).flushHeaders();
    const controller = new AbortController();
    const silent = next(controller.signal);
    while (server.requests.length < 2) await new Promise((resolve) => setTimeout(resolve, 2));
    controller.abort();
    expect(await silent).toEqual({ done: true, value: undefined });
    const closed = trouble(next(new AbortController().signal));
    while (server.requests.length < 3) await new Promise((resolve) => setTimeout(resolve, 2));
    await client.close();
    expect(await closed).toMatchObject({ code: "CLOSED" });
    const [, ...watches] = server.requests.map(({ socket }) => socket);
    while (!watches.every(({ destroyed }) => destroyed)) await new Promise((resolve) => setTimeout(resolve, 2));
  });

  it("K-5 K-7 a reader that stays far behind loses its watch instead of all memory", async () => {
    let aborted = 0;
    const watch = {
      watch: (_path: string, _query: object, tell: (type: string, object: unknown) => void): Promise<object> => {
        for (let count = 0; count < 10_001; count += 1) tell("MODIFIED", lease());
        return Promise.resolve({ abort: () => (aborted += 1) });
      },
    };
    await using client = fromCustomObjectsApi(new SixMethods(), watch);
    const drain = async (): Promise<void> => {
      const events = client.watch(leases, {}, { signal: new AbortController().signal });
      for await (const { type } of events) expect(type).toBe("MODIFIED");
    };
    expect(String((await trouble(drain()))["message"])).toContain("its reader is too slow");
    expect(aborted).toBe(1);
  });
});
