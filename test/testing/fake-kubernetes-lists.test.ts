// Goal: the fake API server lists and streams as kube-apiserver 1.36 does, so that what is tested on it holds there.
// Method: bare requests to a connection, and over HTTP; the same questions were asked of a real server.
import { beforeEach, describe, expect, it } from "vitest";
import type { KubernetesResource, WatchEvent, WatchQuery } from "../../src/kubernetes/kubernetes-resources.ts";
import { FakeKubernetes, ManualClock, type FakeKubernetesClient } from "../../src/testing/index.ts";

const kind = { group: "", version: "v1", plural: "configmaps", namespace: "jobs" } as const;
const streaming: WatchQuery = {
  ...{ sendInitialEvents: true, resourceVersionMatch: "NotOlderThan", allowWatchBookmarks: true },
};

let clock: ManualClock;
let cluster: FakeKubernetes;
let client: FakeKubernetesClient;

beforeEach(() => {
  clock = new ManualClock();
  cluster = new FakeKubernetes({ clock });
  client = cluster.connect();
});

function put(name: string, value = 1): string {
  const stored = cluster.put({ ...kind, name }, { kind: "ConfigMap", apiVersion: "v1", data: { value } });
  return stored.metadata?.resourceVersion ?? "";
}

/** `ADDED a 7`; `end 7` for the bookmark that ends a streaming list. */
function textOf({ type, object }: WatchEvent): string {
  const { name, resourceVersion, annotations } = object.metadata ?? {};
  if (type === "ERROR") return `${type} ${String(object["code"])} ${String(object["reason"])}`;
  const isEnd = annotations?.["k8s.io/initial-events-end"] === "true";
  return [isEnd ? "end" : type, ...(name === undefined ? [] : [name]), resourceVersion].join(" ");
}

/** What a watch has told after so long; it may have failed. */
async function told(query: WatchQuery, afterMs = 0, between: () => void = () => {}): Promise<string[]> {
  const over = new AbortController();
  const seen: string[] = [];
  const read = async (): Promise<void> => {
    for await (const event of client.watch(kind, query, { signal: over.signal })) seen.push(textOf(event));
  };
  const reading = read().catch((error: unknown) => seen.push(String(Reflect.get(Object(error), "status"))));
  await clock.advance();
  between();
  await clock.advance(afterMs);
  over.abort();
  await reading;
  return seen;
}

const namesOf = (items: readonly KubernetesResource[]): unknown[] => items.map(({ metadata }) => metadata?.name);

describe("a streaming list", () => {
  it("tells the state, its end, and then each change", async () => {
    const [a, b] = [put("a"), put("b")];
    const change = (): void => void put("a", 2);
    expect(await told(streaming, 0, change)).toEqual([`ADDED a ${a}`, `ADDED b ${b}`, `end ${b}`, `MODIFIED a 4`]);
  });

  it("has no end without bookmarks, and is not older than the version that it names", async () => {
    const a = put("a");
    expect(await told({ ...streaming, allowWatchBookmarks: false })).toEqual([`ADDED a ${a}`]);
    expect(await told({ ...streaming, resourceVersion: a })).toEqual([`ADDED a ${a}`, `end ${a}`]);
  });

  it("of a version ahead is refused after 3 s, as an event", async () => {
    const query = { ...streaming, resourceVersion: "1000" };
    expect(await told(query, 2_999)).toEqual([]);
    expect(await told(query, 3_000)).toEqual(["ERROR 504 Timeout"]);
  });

  it("is refused without its match, and by a server that has none; a match without it, too", async () => {
    expect(await told({ sendInitialEvents: true })).toEqual(["422"]);
    expect(await told({ ...streaming, resourceVersionMatch: "Exact" })).toEqual(["422"]);
    expect(await told({ resourceVersionMatch: "NotOlderThan" })).toEqual(["422"]);
    client = new FakeKubernetes({ clock, streamingLists: false }).connect();
    expect(await told(streaming)).toEqual(["422"]);
  });

  it("is served over HTTP as well", async () => {
    put("a");
    await using server = await cluster.listen();
    const query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    const answer = await fetch(`${server.url}/api/v1/namespaces/jobs/configmaps?${query}`);
    const reader = answer.body?.getReader() ?? expect.fail("no body");
    let text = "";
    while (!text.includes("initial-events-end")) text += Buffer.from((await reader.read()).value ?? "").toString();
    await reader.cancel();
    expect(text.split("\n").filter((line) => line !== "")).toHaveLength(2);
  });
});

describe("a list", () => {
  it("is of one state, however many pages it has, and whatever changes between them", async () => {
    for (const name of ["a", "b", "c"]) put(name);
    const first = await client.list(kind, { limit: 2 });
    put("c", 2);
    cluster.remove({ ...kind, name: "c" });
    put("d");
    const second = await client.list(kind, { limit: 2, continue: first.continue ?? "" });
    expect([...namesOf(first.items), ...namesOf(second.items)]).toEqual(["a", "b", "c"]);
    expect([second.resourceVersion, second.continue]).toEqual([first.resourceVersion, undefined]);
    expect(second.items[0]?.["data"]).toEqual({ value: 1 });
  });

  it("whose state is forgotten while it is paged is refused, and an inconsistent way on is offered", async () => {
    for (const name of ["a", "b", "c"]) put(name);
    const { continue: token = "" } = await client.list(kind, { limit: 2 });
    put("d");
    cluster.compact();
    await expect(client.list(kind, { limit: 2, continue: token })).rejects.toMatchObject({ status: 410 });
    await using server = await cluster.listen();
    const answer = await fetch(`${server.url}/api/v1/namespaces/jobs/configmaps?limit=2&continue=${token}`);
    expect([answer.status, await answer.json()]).toMatchObject([410, { metadata: { continue: "5:2" } }]);
  });

  it("from the cache has one page; of a version ahead it is told when to come back", async () => {
    for (const name of ["a", "b", "c"]) put(name);
    const { items, continue: token } = await client.list(kind, { limit: 2, resourceVersion: "0" });
    expect([namesOf(items), token]).toEqual([["a", "b", "c"], undefined]);
    const ahead = { resourceVersion: "1000", resourceVersionMatch: "NotOlderThan" } as const;
    await expect(client.list(kind, ahead)).rejects.toMatchObject({
      ...{ status: 504, reason: "ResourceVersionTooLarge", retryAfterMs: 1_000 },
    });
  });

  it("of an exact version is of that time", async () => {
    const version = put("a", 1);
    put("a", 2);
    put("b");
    const { items } = await client.list(kind, { resourceVersion: version, resourceVersionMatch: "Exact" });
    expect(items.map(({ data }) => data)).toEqual([{ value: 1 }]);
  });
});

describe("a server that is set back", () => {
  it("has the state of then, and counts on from there; a watch ahead of it is silent until it is past that", async () => {
    const early = put("a", 1);
    put("a", 2);
    const late = put("b");
    cluster.restore(early);
    expect(cluster.resourceVersion).toBe(early);
    expect(namesOf((await client.list(kind, {})).items)).toEqual(["a"]);
    expect(cluster.stored({ ...kind, name: "a" })?.["data"]).toEqual({ value: 1 });
    const query = { resourceVersion: late, allowWatchBookmarks: true };
    expect(await told(query, 60_000, () => void put("c"))).toEqual([]);
    const passing = (): void => ["d", "e"].forEach((name) => put(name));
    expect(await told(query, 60_000, passing)).toEqual(["ADDED e 5", "BOOKMARK 5"]);
  });

  it("ends its watches", async () => {
    const early = put("a", 1);
    const over = new AbortController();
    const events = client.watch(kind, {}, { signal: over.signal });
    await events.next();
    put("a", 2);
    const next = events.next();
    cluster.restore(early);
    await next;
    expect(await events.next()).toEqual({ done: true, value: undefined });
  });
});
