// Goal: the contract of a sink: which calls it gets, in which order, and none after the end. Method: a sink that writes
// down its calls, fed from a source whose answers a test gives one by one.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type {
  KubernetesResource,
  ListQuery,
  ResourcePage,
  WatchEvent,
  WatchOptions,
  WatchQuery,
} from "../../src/kubernetes/kubernetes-resources.ts";
import { Reflector } from "../../src/kubernetes/reflector.ts";
import type { KnownResource, ReflectorSink } from "../../src/kubernetes/reflector-sink.ts";
import { ResourceTable } from "../../src/kubernetes/resource-table.ts";
import { ManualClock } from "../../src/testing/index.ts";

let clock: ManualClock;
let calls: string[];
let errors: string[];
let known: Map<string, KnownResource>;
/** What a call of this name makes the reflector wait for. */
let waits: Map<string, () => void | Promise<void>>;
let lists: ((query: ListQuery) => Promise<ResourcePage>)[];
let watches: ((query: WatchQuery) => readonly (WatchEvent | Error)[])[];
let reflector: Reflector;
let over: AbortController;
let run: Promise<void> | undefined;

function call(text: string): void | Promise<void> {
  calls.push(text);
  return waits.get(text.split(" ")[0] ?? "")?.();
}

const sink: ReflectorSink<KubernetesResource> = {
  known: ({ name }) => known.get(name),
  apply: ({ kind, identity, uid, revision }) => call(`${kind} ${identity.name} ${uid} at ${revision}`),
  bookmark: (revision) => void call(`bookmark ${revision}`),
  replacement: () => {
    void call("replacement");
    return {
      put: (items) => call(`put ${items.map(({ metadata }) => metadata?.name).join(" ")}`),
      drop: ({ name }) => void call(`drop ${name}`),
      swap: ({ revision, restored }) => call(`swap ${revision}${restored ? " restored" : ""}`),
      discard: () => void call("discard"),
    };
  },
};

const source = {
  list: (query: ListQuery): Promise<ResourcePage> => lists.shift()?.(query) ?? new Promise(() => {}),
  async *watch(query: WatchQuery, { signal }: WatchOptions): AsyncGenerator<WatchEvent> {
    const lines = query.sendInitialEvents === true && lists.length > 0 ? [refused()] : (watches.shift()?.(query) ?? []);
    for (const line of lines) {
      if (line instanceof Error) throw line;
      yield line;
    }
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  },
};

/** What a streaming list that is refused leaves behind. */
const inVain = ["replacement", "discard"];

function refused(): Error {
  return Object.assign(new Error("no streams here"), { status: 422 });
}

function resource(name: string, version: number, uid = `u-${name}`): KubernetesResource {
  return { metadata: { name, uid, resourceVersion: String(version) } };
}

const bookmark = (version: number): WatchEvent => ({
  ...{ type: "BOOKMARK", object: { metadata: { resourceVersion: String(version) } } },
});
const end = (version: number): WatchEvent => ({
  type: "BOOKMARK",
  object: {
    metadata: { resourceVersion: String(version), annotations: { "k8s.io/initial-events-end": "true" } },
  },
});

function page(names: readonly string[], next?: string): ResourcePage {
  return { items: names.map((name) => resource(name, 1)), resourceVersion: "5", continue: next };
}

async function start(): Promise<void> {
  run = reflector.run({ signal: over.signal });
  await clock.advance();
}

beforeEach(() => {
  [clock, calls, errors, known, waits] = [new ManualClock(), [], [], new Map(), new Map()];
  [lists, watches, over, run] = [[], [], new AbortController(), undefined];
  // cast: all are
  const onError = (error: unknown, place: string): void => void errors.push(`${place}: ${(error as Error).message}`);
  reflector = new Reflector({ source, sink, clock, random: { next: () => 0, uuid: () => "" }, onError });
});

afterEach(async () => {
  over.abort();
  await run;
  expect(clock.timerCount).toBe(0);
});

describe("a sink", () => {
  it("W-23 gets pages as they come, one swap, changes, and each new revision", async () => {
    lists = [() => Promise.resolve(page(["a", "b"], "more")), () => Promise.resolve(page(["c"]))];
    watches = [
      () => [
        ...[{ type: "ADDED", object: resource("d", 6) } as const, bookmark(6), bookmark(8), bookmark(8), bookmark(7)],
        { type: "DELETED", object: resource("unknown", 9) },
      ],
    ];
    await start();
    expect(calls).toEqual([...inVain, "replacement", "put a b", "put c", "swap 5", "created d u-d at 6", "bookmark 8"]);
    expect(reflector.revision).toBe("9");
  });

  it("W-22 W-23 keeps its state when a list breaks off: it is told to discard the new one, once", async () => {
    lists = [
      () => Promise.resolve(page(["a"], "more")),
      () => Promise.reject(new Error("cut")),
      () => Promise.resolve(page(["b"])),
    ];
    await start();
    expect(calls).toEqual([...inVain, "replacement", "put a", "discard"]);
    await clock.advance(800);
    expect(calls.slice(5)).toEqual(["replacement", "put b", "swap 5"]);
  });

  it("W-22 is not fed for ever by a server that tells the same page again and again", async () => {
    lists = Array.from({ length: 3 }, () => () => Promise.resolve(page(["a"], "more")));
    lists[2] = () => Promise.resolve(page(["a"]));
    await start();
    expect(calls).toEqual([...inVain, "replacement", "put a", "put a", "discard"]);
    expect(errors).toContain("list: the list told the same page twice");
    await clock.advance(800);
    expect(calls.at(-1)).toBe("swap 5");
  });

  it("W-33 is fed although a client never answers, and heeds no deadline: after one and a half of these", async () => {
    lists = [() => new Promise(() => {}), () => Promise.resolve(page(["a"]))];
    await start();
    await clock.advance(44_999);
    expect(calls).toEqual([...inVain, "replacement"]);
    await clock.advance(1);
    expect(calls).toEqual([...inVain, "replacement", "discard"]);
    await clock.advance(800);
    expect(calls.at(-1)).toBe("swap 5");
  });

  it("W-33 that fails at any call gets the whole state again, after a pause", async () => {
    const fail = (): void => {
      throw new TypeError("in the sink");
    };
    for (const name of ["replacement", "put", "swap"]) {
      waits.set(name, () => {
        waits.delete(name);
        fail();
      });
    }
    watches = Array.from({ length: 4 }, () => () => [{ type: "ADDED", object: resource("a", 1) }, end(5)]);
    await start();
    await clock.advance(10_000);
    expect(calls).toEqual([
      ...["replacement", "replacement", "put a", "discard", "replacement", "put a", "swap 5"],
      ...["replacement", "put a", "swap 5"],
    ]);
    expect(errors).toEqual(Array.from({ length: 3 }, () => "sink: in the sink"));
    expect(reflector.isSynced).toBe(true);
  });

  it("W-38 hears nothing after the end: not the creation that follows a deletion, not the discard of a swap", async () => {
    known.set("a", { uid: "old", version: "3" });
    let release = (): void => {};
    waits.set("deleted", () => new Promise<void>((resolve) => (release = resolve)));
    watches = [() => [end(5), { type: "ADDED", object: resource("a", 6, "new") }]];
    await start();
    expect(calls).toEqual(["replacement", "swap 5", "deleted a old at 6"]);
    over.abort();
    await run;
    release();
    await clock.advance(1_000);
    expect(calls).toHaveLength(3);
    expect(reflector.revision, "it was not told whole").toBe("5");
  });

  it("W-34 is told that the server was set back", async () => {
    watches = [
      () => [end(50), Object.assign(new Error("gone"), { status: 410 })],
      () => [Object.assign(new Error("ahead"), { status: 504, reason: "ResourceVersionTooLarge" })],
      (query) => [end(query.resourceVersion === undefined ? 7 : 99)],
    ];
    await start();
    await clock.advance(10_000);
    expect(calls.filter((text) => text.startsWith("swap"))).toEqual(["swap 50", "swap 7 restored"]);
    expect([reflector.revision, reflector.counts.restored]).toEqual(["7", 1]);
  });

  it("B10 lets the event loop turn while a list streams that is always ahead of its reader", async () => {
    const count = 50_000;
    async function* watch(_query: WatchQuery, { signal }: WatchOptions): AsyncGenerator<WatchEvent> {
      for (let each = 0; each < count; each += 1) yield { type: "ADDED", object: resource(`r${each}`, each) };
      yield end(count);
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    }
    const table = new ResourceTable<KubernetesResource>(() => {});
    const streaming = new Reflector({ source: { ...source, watch }, sink: table });
    let turns = 0;
    const turn = (): void => void (streaming.isSynced || ((turns += 1), setImmediate(turn)));
    setImmediate(turn);
    const following = streaming.run({ signal: over.signal });
    await streaming.waitFor(String(count));
    expect(table.size).toBe(count);
    expect(turns, "it has taken a tenth of a second at the least").toBeGreaterThan(3);
    over.abort();
    await following;
  });
});
