// Goal: what a reflector does on the wire: queries, kinds, malformed lines, sockets. Method: a scripted server on
// loopback behind the real client, and the fake API server over HTTP.
import type { ServerResponse } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { openKubernetesClient } from "../../src/kubernetes/kubernetes-client.ts";
import type { KubernetesClient, KubernetesResource } from "../../src/kubernetes/kubernetes-resources.ts";
import { fromCustomObjectsApi } from "../../src/kubernetes/custom-objects-api.ts";
import { listWatch } from "../../src/kubernetes/list-watch.ts";
import { Reflector } from "../../src/kubernetes/reflector.ts";
import type { ReflectorSettings } from "../../src/kubernetes/reflector-settings.ts";
import { ResourceTable, type TableBatch } from "../../src/kubernetes/resource-table.ts";
import { ManualClock } from "../../src/testing/index.ts";
import { pods } from "./reflected-cluster.ts";
import { ScriptedServer, sendJson, statusBody, type Arrived } from "./scripted-server.ts";

const ends: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function pod(name: string, version: number, more: object = {}): object {
  const metadata = { name, namespace: "jobs", uid: `u-${name}`, resourceVersion: String(version) };
  return { kind: "Pod", apiVersion: "v1", metadata, ...more };
}

const line = (type: string, object: object): string => `${JSON.stringify({ type, object })}\n`;

function bookmark(version: number, isEnd = false): string {
  const annotations = isEnd ? { "k8s.io/initial-events-end": "true" } : {};
  return line("BOOKMARK", { kind: "Pod", metadata: { resourceVersion: String(version), annotations } });
}

interface Following {
  readonly server: ScriptedServer;
  readonly reflector: Reflector;
  readonly table: ResourceTable<KubernetesResource>;
  readonly batches: TableBatch<KubernetesResource>[];
  readonly errors: [unknown, string][];
  stop(): Promise<void>;
}

/** A reflector of what a script answers. */
async function follow(
  answer: (request: Arrived, response: ServerResponse) => void,
  options: { settings?: ReflectorSettings; clock?: ManualClock; told?: () => void | Promise<void> } = {},
): Promise<Following> {
  const server = await ScriptedServer.start();
  server.answer = answer;
  const client = await openKubernetesClient({ kubeConfig: server.kubeConfig() });
  ends.push(
    () => server.stop(),
    () => client.close(),
  );
  return { server, ...started(client, options) };
}

function started(
  client: Pick<KubernetesClient, "list" | "watch">,
  {
    settings = {},
    clock,
    told,
  }: { settings?: ReflectorSettings; clock?: ManualClock; told?: () => void | Promise<void> },
): Omit<Following, "server"> {
  const batches: TableBatch<KubernetesResource>[] = [];
  const errors: [unknown, string][] = [];
  const table = new ResourceTable<KubernetesResource>((batch) => {
    batches.push(batch);
    return told?.();
  });
  const reflector = new Reflector({
    ...{ source: listWatch(client, pods, { labelSelector: "app=web" }), sink: table, settings },
    ...(clock && { clock }),
    onError: (error, where) => errors.push([error, where]),
  });
  const over = new AbortController();
  const run = reflector.run({ signal: over.signal });
  const stop = async (): Promise<void> => {
    over.abort();
    await run;
  };
  ends.push(stop);
  return { reflector, table, batches, errors, stop };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

const names = ({ table }: { table: ResourceTable<KubernetesResource> }): unknown[] =>
  table.list().map(({ metadata }) => metadata?.name);

function queryOf({ url }: Arrived): Record<string, string> {
  return Object.fromEntries(new URL(url, "http://server").searchParams);
}

describe("on the wire", () => {
  it("W-21 a streaming list is one request; wrong kinds and new types are counted, and skipped", async () => {
    const view = await follow((_request, response) => {
      response.write(line("ADDED", { kind: "Status", metadata: { name: "early" } }));
      response.write(bookmark(4)); // now its kind is known
      response.write(line("ADDED", pod("a", 2)));
      response.write(line("ADDED", { ...pod("node", 3), kind: "Node" }));
      response.write(line("ADDED", { kind: "Status", metadata: { name: "status" } }));
      response.write(line("LATER", pod("later", 4)));
      response.write(line("ADDED", { kind: "Pod", metadata: {} }));
      response.write(bookmark(5, true));
    });
    await until(() => view.reflector.isSynced);
    expect(names(view)).toEqual(["a"]);
    expect(view.server.requests.map(queryOf)).toEqual([
      {
        ...{ watch: "true", sendInitialEvents: "true", resourceVersionMatch: "NotOlderThan", labelSelector: "app=web" },
        ...{ allowWatchBookmarks: "true", timeoutSeconds: expect.stringMatching(/^[345]\d\d$|^600$/) },
      },
    ]);
    expect(view.reflector.counts.skipped).toEqual({ kind: 3, type: 1, nameless: 1 });
    expect(view.errors).toEqual([]);
  });

  it("W-21 what is changed and deleted before the end of the state is right in it, and told once", async () => {
    const view = await follow((_request, response) => {
      for (const [type, name, version] of [
        ...[["ADDED", "a", 2] as const, ["ADDED", "b", 3] as const, ["MODIFIED", "a", 5] as const],
        ...[["DELETED", "b", 6] as const, ["ADDED", "c", 7] as const, ["DELETED", "c", 8] as const],
      ]) {
        response.write(line(type, pod(name, version)));
      }
      response.write(line("ADDED", pod("b", 9)) + bookmark(9, true) + line("MODIFIED", pod("a", 10)));
    });
    await until(() => view.batches.length === 2);
    const told = view.batches.map(({ changes }) =>
      changes.map((one) => `${one.kind} ${one.identity.name} ${one.version}`),
    );
    expect(told).toEqual([["created a 5", "created b 9"], ["modified a 10"]]);
  });

  it("W-36 items of a list carry no kind: the list's own counts, and they are told with it", async () => {
    const view = await follow((request, response) => {
      const { watch, sendInitialEvents, limit } = queryOf(request);
      if (sendInitialEvents === "true") return sendJson(response, 422, statusBody(422, "Invalid"));
      if (watch === "true") return void response.write(line("ADDED", { ...pod("b", 8), kind: "Node" }));
      expect(limit).toBe("500");
      const items = [{ ...pod("a", 2), kind: undefined, apiVersion: undefined }];
      sendJson(response, 200, { kind: "PodList", apiVersion: "v1", metadata: { resourceVersion: "7" }, items });
    });
    await until(() => view.reflector.counts.skipped.kind === 1);
    expect(view.table.list()).toEqual([pod("a", 2)]);
  });

  it("W-43 a list that fails is one request: the client does not repeat it by itself", async () => {
    const view = await follow((request, response) => {
      const code = queryOf(request)["watch"] === "true" ? 403 : 500;
      sendJson(response, code, statusBody(code, "x"));
    });
    await until(() => view.errors.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(view.server.requests.map((request) => queryOf(request)["watch"])).toEqual(["true", undefined]);
  });

  it("W-36 a malformed line ends its connection, is told, and the next one goes on where it was", async () => {
    let watches = 0;
    const view = await follow((_request, response) => {
      watches += 1;
      if (watches === 1)
        return (response.write(bookmark(5, true)), void response.write(`${line("ADDED", pod("a", 6))}{no\n`));
      response.write(line("ADDED", pod("b", 7)));
    });
    await until(() => names(view).length === 2);
    expect(view.server.requests.map((request) => queryOf(request)["resourceVersion"])).toEqual([undefined, "6"]);
    expect(view.reflector.counts.watches).toEqual({ listed: 1, malformed: 1 });
    expect(view.errors).toMatchObject([[{ code: "STORAGE_UNAVAILABLE" }, "watch"]]);
  });

  it("W-29 a 429 as text is waited for as told, with Retry-After, and W-28 a message tells that it is ahead", async () => {
    const answers: ((response: ServerResponse) => void)[] = [
      (response) => void response.end(bookmark(5, true) + line("ADDED", pod("a", 6))),
      (response) => void response.writeHead(429, { "retry-after": "1" }).end("Too many requests\n"),
      (response) =>
        sendJson(response, 504, { ...statusBody(504, "Timeout"), message: "Too large resource version: 6" }),
      (response) => void response.write(line("ADDED", pod("b", 3)) + bookmark(4, true)),
    ];
    const view = await follow((_request, response) => answers.shift()?.(response));
    const startMs = performance.now();
    await until(() => view.reflector.counts.restored === 1);
    expect(performance.now() - startMs).toBeGreaterThan(1_000);
    expect(view.reflector.counts).toMatchObject({ relists: { first: 1, ahead: 1 }, watches: { throttled: 1 } });
    expect([names(view), view.reflector.revision]).toEqual([["b"], "4"]);
  });

  it("W-22 a page above its bound is followed by a consistent list by pages", async () => {
    const item = { ...pod("a", 2), padding: "x".repeat(2 ** 20) };
    const view = await follow((request, response) => {
      const { watch, sendInitialEvents, resourceVersion } = queryOf(request);
      if (sendInitialEvents === "true") return sendJson(response, 403, statusBody(403, "Forbidden"));
      if (watch === "true") return response.writeHead(200).flushHeaders();
      const items = Array.from({ length: resourceVersion === "0" ? 65 : 1 }, () => item);
      sendJson(response, 200, { kind: "PodList", metadata: { resourceVersion: "7" }, items });
    });
    await until(() => view.reflector.isSynced);
    const lists = view.server.requests.map(queryOf).filter(({ watch }) => watch === undefined);
    expect(lists).toEqual([
      { labelSelector: "app=web", limit: "500", resourceVersion: "0" },
      { labelSelector: "app=web", limit: "500" },
    ]);
    expect(names(view)).toEqual(["a"]);
  });

  it("W-32 the socket of a watch that is silent is destroyed", async () => {
    const clock = new ManualClock();
    const view = await follow((_request, response) => void response.write(bookmark(5, true)), { clock });
    await until(() => view.reflector.isSynced);
    const [first] = view.server.requests;
    await clock.advance(120_000);
    await until(() => first?.socket.destroyed === true && view.server.requests.length === 2);
    expect(view.server.requests.map(queryOf)[1]).toMatchObject({ resourceVersion: "5" });
    await view.stop();
    await until(() => view.server.sockets.size === 0);
    expect(clock.timerCount).toBe(0);
  });

  it("W-38 a stop destroys the socket of a list, or of a watch, at once", async () => {
    for (const start of [(): string => "", (): string => bookmark(5, true)]) {
      const view = await follow((_request, response) => {
        response.writeHead(200).flushHeaders();
        response.write(start());
      });
      await until(() => view.server.requests.length === 1);
      const startMs = performance.now();
      await view.stop();
      await until(() => view.server.sockets.size === 0);
      expect(performance.now() - startMs).toBeLessThan(100);
      expect(view.server.requests).toHaveLength(1);
    }
  });

  it("W-41 a slow sink slows the server, and what is not told yet is not kept", async () => {
    let written = 0;
    let tell = (): void => {};
    const told = (): Promise<void> => new Promise((resolve) => (tell = resolve));
    const view = await follow(
      (_request, response) => {
        response.write(bookmark(5, true));
        let version = 6;
        const more = (): void => {
          while (!response.destroyed && written < 64 * 2 ** 20) {
            const text = line("MODIFIED", { ...pod("a", version++), padding: "x".repeat(2 ** 16) });
            written += text.length;
            if (!response.write(text)) return void response.once("drain", more);
          }
        };
        more();
      },
      { told },
    );
    await until(() => view.batches.length === 1);
    for (let change = 0; change < 20; change += 1) {
      tell();
      await until(() => view.batches.length === change + 2);
    }
    let before = -1;
    while (before !== written) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(written).toBeLessThan(32 * 2 ** 20);
    expect(view.reflector.revision).toBe(String(5 + 19));
  });
});

describe("an injected client", () => {
  it("W-21 whose watch tells faster than anybody can read is asked for pages, after two attempts", async () => {
    let streams = 0;
    const kind = { group: "example.com", version: "v1", plural: "pods", namespace: "jobs" };
    const list = (): Promise<unknown> =>
      Promise.resolve({ kind: "PodList", metadata: { resourceVersion: "7" }, items: [pod("a", 2)] });
    const api = { listNamespacedCustomObject: list } as never; // cast: the one method of it that is asked
    const client = fromCustomObjectsApi(api, {
      watch(_path, query, onEvent) {
        if (query["sendInitialEvents"] !== true) return Promise.resolve({ abort: () => {} });
        streams += 1;
        for (let each = 0; each <= 10_000; each += 1) onEvent("ADDED", pod(`p${each}`, each));
        return Promise.resolve({ abort: () => {} });
      },
    });
    const clock = new ManualClock();
    const view = started(
      { list: (_kind, ...rest) => client.list(kind, ...rest), watch: (_kind, ...rest) => client.watch(kind, ...rest) },
      { clock },
    );
    await clock.advanceUntil(() => view.reflector.isSynced);
    expect([streams, names(view)]).toEqual([2, ["a"]]);
    expect(view.errors).toMatchObject([
      [{ reason: "MalformedLine" }, "list"],
      [{ reason: "MalformedLine" }, "list"],
    ]);
    await view.stop();
  });

  it("K-7 W-21 streams by its own watch, and counts what is of a new type", async () => {
    const asked: object[] = [];
    const kind = { group: "example.com", version: "v1", plural: "pods", namespace: "jobs" };
    const client = fromCustomObjectsApi({} as never, {
      watch(_path, query, onEvent) {
        asked.push(query);
        onEvent("ADDED", pod("a", 2));
        onEvent("LATER", pod("b", 3));
        onEvent("BOOKMARK", JSON.parse(bookmark(5, true)).object);
        return Promise.resolve({ abort: () => {} });
      },
    });
    const source = { list: client.list.bind(client), watch: client.watch.bind(client) };
    const table = new ResourceTable<KubernetesResource>(() => {});
    const over = new AbortController();
    const reflector = new Reflector({ source: listWatch(source, kind), sink: table });
    const run = reflector.run({ signal: over.signal });
    await until(() => reflector.isSynced);
    over.abort();
    await run;
    expect(asked).toMatchObject([{ sendInitialEvents: true, resourceVersionMatch: "NotOlderThan" }]);
    expect([names({ table }), reflector.counts.skipped]).toEqual([["a"], { type: 1 }]);
  });
});
