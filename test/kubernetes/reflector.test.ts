// Goal: a reflector keeps its sink like the server, with as few requests as the rows of the list W allow. Method: the
// fake API server on a manual clock; each row by its name, with the requests and the changes that it stands for.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AlreadyRunningError, ClosedError, StorageUnavailableError } from "../../src/errors.ts";
import type { WatchQuery } from "../../src/kubernetes/kubernetes-resources.ts";
import { ReflectedCluster } from "./reflected-cluster.ts";

let view: ReflectedCluster;

beforeEach(() => {
  view = new ReflectedCluster();
});

afterEach(async () => {
  await view.stop();
  expect(view.clock.timerCount, "timers that are left").toBe(0);
  expect(view.cluster.watchCount, "watches that are left").toBe(0);
});

const stream = "watch sendInitialEvents=true";
const at = (version: string): string => `watch resourceVersion=${version}`;

/** A view by pages, of two each; what was asked so far is forgotten. */
async function paged(names: readonly string[] = ["a", "b", "c", "d", "e"]): Promise<void> {
  view = new ReflectedCluster({ streamingLists: false, settings: { pageSize: 2 } });
  for (const name of names) view.put(name, 1);
  await view.start();
  view.client.forget();
}

/** No watch is open for the next 0.8 s; what was asked so far is forgotten. */
async function interrupted(): Promise<void> {
  await view.clock.advance(1_000);
  view.client.fail(new StorageUnavailableError("reset"), { on: "watch", times: 1 });
  view.cluster.endWatches();
  await view.clock.advance();
  view.client.forget();
}

/** What happens while no watch is open, and its history is forgotten. */
async function missed(changes: () => void): Promise<void> {
  await interrupted();
  changes();
  view.cluster.compact();
}

describe("the first list", () => {
  it("W-21 streams, is synced at its end bookmark only, and goes on as a watch", async () => {
    view.put("a", 1);
    view.put("b", 1);
    await view.start();
    expect(view.reflector.isSynced).toBe(true);
    view.put("a", 2);
    view.remove("b");
    view.put("c");
    await view.clock.advance();
    expect(view.shown).toEqual(["a=2", "c"]);
    expect(view.told).toEqual(["created a=1", "created b=1", "modified a=2", "deleted b=1", "created c"]);
    expect(view.asked).toEqual([stream]);
    expect(view.reflector.revision).toBe(view.cluster.resourceVersion);
  });

  it("W-20 W-21 #82 comes from the cache where streaming is refused, and nothing is lost before its watch", async () => {
    view = new ReflectedCluster({ streamingLists: false });
    view.put("a", 1);
    view.put("b", 1);
    const listed = view.cluster.resourceVersion;
    // While the list is told, and the watch is not open yet.
    view.whileTold = async () => {
      view.whileTold = undefined;
      view.put("a", 2);
      view.remove("b");
      await Promise.resolve();
    };
    await view.start();
    expect(view.asked).toEqual([stream, "list limit=500 resourceVersion=0", at(listed)]);
    expect(view.told).toEqual(["created a=1", "created b=1", "modified a=2", "deleted b=1"]);
    view.cluster.compact();
    view.cluster.endWatches();
    view.put("a", 3);
    view.cluster.compact();
    await view.clock.advance(1_000);
    expect(
      view.asked.filter((asked) => asked === stream),
      "it is not asked for again",
    ).toHaveLength(1);
    expect(view.shown).toEqual(["a=3"]);
  });

  it.each([400, 403, 422])("W-21 comes by pages after a %d, which nobody has to hear of twice", async (status) => {
    view.client.refuse(status, { on: "watch", times: 1 });
    await view.start();
    expect(view.asked.map((asked) => asked.split(" ")[0])).toEqual(["watch", "list", "watch"]);
    expect(view.reflector.isSynced).toBe(true);
    expect(view.reflector.counts.relists).toEqual({ first: 1, [status === 403 ? "forbidden" : "refused"]: 1 });
  });

  it("W-21 is repeated as streaming after a 429, when it was told to come back", async () => {
    view.client.refuse(429, { on: "watch", times: 1, retryAfterSeconds: 1 });
    await view.start();
    await view.clock.advance(999);
    expect(view.asked).toEqual([stream]);
    await view.clock.advance(1);
    expect(view.asked).toEqual([stream, stream]);
    expect(view.reflector.isSynced).toBe(true);
  });
});

describe("a list", () => {
  it("W-22 is asked for by 500, or as set; one that is cut leaves the old state, whole", async () => {
    await paged();
    await missed(() => {
      for (const name of ["a", "b", "c", "d", "e"]) view.put(name, 2);
    });
    const version = view.cluster.resourceVersion;
    view.client.refuse(500, { on: "list", skip: 1, times: 1 });
    await view.clock.advance(1_000);
    expect(view.shown).toEqual(["a=1", "b=1", "c=1", "d=1", "e=1"]);
    await view.clock.advance(5_000);
    expect(view.shown).toEqual(["a=2", "b=2", "c=2", "d=2", "e=2"]);
    const list = `list limit=2 resourceVersion=`;
    const asked = view.asked.filter((one) => one.startsWith("list"));
    expect(asked.map((one) => (one.startsWith(list) ? "begins" : one))).toEqual([
      ...["begins", `list limit=2 continue=${version}:2`],
      ...["begins", `list limit=2 continue=${version}:2`, `list limit=2 continue=${version}:4`],
    ]);
  });

  it("W-22 that is expired while paging starts over without pages, not with the offered token", async () => {
    await paged();
    await missed(() => view.put("a", 2));
    view.client.delay({ answerMs: 1 }, { on: "list" });
    await view.clock.advanceUntil(() => view.asked.some((one) => one.includes("resourceVersion=") && one[0] === "l"));
    view.put("b", 2); // the state of the first page is history
    view.cluster.compact();
    view.client.forget();
    await view.clock.advance(10);
    expect(view.asked.map((one) => one.replace(/=\d+/g, "=n"))).toEqual([
      "list limit=n continue=n:2",
      "list resourceVersion=n",
      "watch resourceVersion=n",
    ]);
    expect(view.shown).toEqual(["a=2", "b=2", "c=1", "d=1", "e=1"]);
  });

  it("W-23 W-24 changes everything in one batch: vanished, missed, changed, and created again", async () => {
    for (const name of ["kept", "changed", "gone", "again"]) view.put(name, 1);
    await view.start();
    const before = view.batches.length;
    await missed(() => {
      view.put("changed", 2);
      view.remove("gone");
      view.recreate("again", 1);
      view.put("new", 1);
    });
    view.whileTold = () => expect(view.shown, "readers see old or new").toContain("changed=2");
    await view.clock.advance(1_000);
    const [batch, ...more] = view.batches.slice(before);
    expect(more).toEqual([]);
    expect(batch?.changes.map(({ kind, identity }) => `${kind} ${identity.name}`).sort()).toEqual([
      ...["created again", "created new", "deleted again", "deleted gone", "modified changed"],
    ]);
    const again = batch?.changes.filter(({ identity }) => identity.name === "again");
    expect(again?.map(({ kind }) => kind)).toEqual(["deleted", "created"]);
    expect(new Set(again?.map(({ uid }) => uid)).size).toBe(2);
  });
});

describe("a watch", () => {
  it("W-25 asks for bookmarks; one advances the revision and who waits for it, and nothing else", async () => {
    await view.start();
    const told = view.batches.length;
    view.cluster.changeElsewhere();
    const version = view.cluster.resourceVersion;
    let reached = false;
    const waiting = view.reflector.waitFor(version).then(() => (reached = true));
    await view.clock.advance(59_999);
    expect(reached).toBe(false);
    await view.clock.advance(1);
    await waiting;
    expect([view.reflector.revision, view.batches.length]).toEqual([version, told]);
    expect(view.reflector.lastEventMs).toBe(view.clock.monotonicMs());
    expect(view.client.log.map(({ query }) => query)).toMatchObject([{ allowWatchBookmarks: true }]);
  });

  it("W-26 is to end after 300 to 600 s; then the next one begins where it was, at once and without a list", async () => {
    await view.start();
    const seconds = (): unknown[] => view.client.log.map(({ query }) => (query as WatchQuery).timeoutSeconds);
    expect(seconds()).toEqual([300]);
    view.draw = 0.999_999;
    view.put("a");
    await view.clock.advance(300_000);
    expect(view.asked).toEqual([stream, at(view.cluster.resourceVersion)]);
    expect(seconds()).toEqual([300, 600]);
    expect(view.errors).toEqual([]);
  });

  it("W-27 #81 whose history is gone is followed by a list not older than what was seen", async () => {
    view.put("a", 1);
    await view.start();
    const seen = view.reflector.revision;
    await missed(() => view.put("a", 2));
    await view.clock.advance(1_000);
    expect(view.asked).toEqual([at(seen ?? ""), `${stream} resourceVersion=${seen}`]);
    expect(view.shown).toEqual(["a=2"]);
    expect(
      view.errors.map(([, error]) => error),
      "nobody hears of it",
    ).toMatchObject([{ message: "reset" }]);
    expect(view.reflector.counts.relists).toEqual({ first: 1, expired: 1 });
  });

  it("W-27 #81 that is expired again and again is no endless loop: consistent lists, with pauses", async () => {
    await paged(["a"]);
    view.client.refuse(410, { on: "watch" });
    view.cluster.endWatches();
    await view.clock.advance(600_000);
    const lists = view.asked.filter((one) => one.startsWith("list"));
    expect(lists.slice(0, 3).map((one) => one.includes("resourceVersion"))).toEqual([true, false, false]);
    expect(lists.length).toBeLessThan(30);
    view.client.heal();
    view.put("a", 2);
    await view.clock.advance(60_000);
    expect(view.shown).toEqual(["a=2"]);
  });

  it("W-29 that is told to wait waits as told, and goes on from the same revision without a list", async () => {
    await view.start();
    view.put("a");
    await view.clock.advance();
    view.client.refuse(429, { on: "watch", times: 2, retryAfterSeconds: 7 });
    view.client.forget();
    view.cluster.endWatches();
    await view.clock.advance(2_000); // it was shorter than a second
    view.client.forget();
    const startMs = view.clock.monotonicMs();
    await view.clock.advanceUntil(() => view.client.log.length === 2);
    expect(view.client.log.map(({ atMs }) => Math.round((atMs - startMs) / 1_000))).toEqual([5, 12]);
    expect(new Set(view.asked)).toEqual(new Set([at(view.cluster.resourceVersion)]));
  });

  it("W-29 that is told to wait for days comes back after five minutes all the same", async () => {
    await view.start();
    await view.clock.advance(1_000);
    view.client.refuse(429, { on: "watch", times: 1, retryAfterSeconds: 999_999 });
    view.cluster.endWatches();
    await view.clock.advance(299_999);
    expect(view.cluster.watchCount).toBe(0);
    await view.clock.advance(1);
    expect(view.cluster.watchCount).toBe(1);
  });

  it.each<[string, (failing: ReflectedCluster) => void]>([
    ["500", ({ client }) => client.refuse(500, { on: "watch", times: 3 })],
    ["a reset", ({ client }) => client.fail(new StorageUnavailableError("reset"), { on: "watch", times: 3 })],
    ["an error of anybody", ({ client }) => client.fail(new TypeError("no"), { on: "watch", times: 3 })],
    ["a right that is gone", ({ client }) => client.refuse(403, { on: "watch", times: 3 })],
    ["credentials that are refused", ({ client }) => client.refuse(401, { on: "watch", times: 3 })],
  ])("W-29 W-33 comes back after %s, by longer and longer pauses, from the same revision", async (_what, fail) => {
    await view.start();
    fail(view);
    const revision = view.reflector.revision ?? "";
    view.cluster.endWatches(new StorageUnavailableError("cut"));
    await view.clock.advance();
    view.client.forget();
    view.put("a");
    const startMs = view.clock.monotonicMs();
    await view.clock.advanceUntil(() => view.shown.length === 1);
    expect(view.asked).toEqual(Array.from({ length: 4 }, () => at(revision)));
    expect(view.client.log.map(({ atMs }) => atMs - startMs)).toEqual([800, 2_400, 5_600, 12_000]);
    expect(view.errors).toHaveLength(4);
    expect(view.reflector.lastError).toBe(view.errors[3]?.[1]);
  });

  it("W-31 that ends within a second without anything new has failed: no storm of requests", async () => {
    await view.start();
    for (let round = 0; round < 200; round += 1) {
      view.cluster.endWatches();
      await view.clock.advance(500);
    }
    expect(view.client.log.length).toBeLessThan(12);
    expect(view.reflector.counts.watches.short).toBeGreaterThan(3);
  });

  it("W-32 is dead after 120 s without a byte: closed, and opened again where it was; dead again: a list", async () => {
    await view.start();
    const revision = view.reflector.revision ?? "";
    view.cluster.muteWatches();
    await view.clock.advance(119_999);
    expect(view.asked).toEqual([stream]);
    await view.clock.advance(1);
    expect(view.asked).toEqual([stream, at(revision)]);
    expect(view.cluster.watchCount).toBe(1);
    await view.clock.advance(60_000);
    view.cluster.muteWatches(); // it was heard once: no list follows
    await view.clock.advance(120_000);
    view.cluster.muteWatches();
    expect(view.asked).toEqual([stream, at(revision), at(revision)]);
    await view.clock.advance(120_000);
    expect(view.asked).toEqual([stream, at(revision), at(revision), stream]);
    expect(view.reflector.counts).toMatchObject({ relists: { first: 1, silent: 1 }, watches: { silent: 2 } });
    expect(view.errors.every(([place]) => place === "watch")).toBe(true);
  });
});

describe("a server that was set back", () => {
  it("W-28 W-32 W-34 is silent for a watch ahead of it; two silences later all is compared anew", async () => {
    const early = view.put("a", 1);
    await view.start();
    view.put("a", 2);
    view.put("b", 1);
    await view.clock.advance(2_000);
    view.cluster.restore(early);
    await view.clock.advance(1_000);
    expect(view.shown, "nobody has noticed").toEqual(["a=2", "b=1"]);
    await view.clock.advance(240_000);
    expect(view.shown).toEqual(["a=1"]);
    expect(view.reflector.revision).toBe(early);
    expect(view.batches.at(-1)?.list).toEqual({ isFirst: false, restored: true });
    expect(view.reflector.counts.restored).toBe(1);
    view.put("a", 3);
    await view.clock.advance();
    expect(view.shown).toEqual(["a=3"]);
  });

  it.each([true, false])(
    "W-28 W-34 that says so gets a consistent list after the told pause (streaming: %s)",
    async (s) => {
      view = new ReflectedCluster({ streamingLists: s });
      const early = view.put("a", 1);
      await view.start();
      view.put("a", 2);
      await view.clock.advance(2_000);
      const seen = view.reflector.revision ?? "";
      await interrupted();
      view.cluster.restore(early);
      view.client.refuse(410, { on: "watch", times: 1 });
      await view.clock.advance(10_000);
      expect(view.shown).toEqual(["a=1"]);
      const [, relist, consistent, ...watches] = view.client.log;
      expect(relist?.query).toMatchObject({ resourceVersion: seen, resourceVersionMatch: "NotOlderThan" });
      expect(consistent?.query).not.toHaveProperty("resourceVersion");
      const pauseMs = (consistent?.atMs ?? 0) - (relist?.atMs ?? 0);
      expect(pauseMs, "it waits for the version 3 s, and tells 1 s").toBe(s ? 4_000 : 1_000);
      expect(watches.map(({ verb }) => verb)).toEqual(s ? [] : ["watch"]);
      expect(view.reflector.counts.restored).toBe(1);
    },
  );

  it("W-34 W-35 the same versions of other resources are told as modified, equal ones are not told", async () => {
    view.put("same", 1);
    const early = view.put("other", 1);
    await view.start();
    view.put("other", 2);
    await view.clock.advance(2_000);
    const before = view.batches.length;
    const ahead = { status: 504, reason: "ResourceVersionTooLarge" };
    view.client.fail(Object.assign(new StorageUnavailableError("not yet"), ahead), { on: "watch", times: 1 });
    view.cluster.restore(early);
    view.put("other", "2b"); // under the version that the other one had
    await view.clock.advance(5_000);
    const told = view.batches.slice(before).flatMap(({ changes }) => changes);
    expect(told.map(({ kind, identity }) => `${kind} ${identity.name}`)).toEqual(["modified other"]);
    expect(view.shown).toEqual(['other="2b"', "same=1"]);
    expect(view.reflector.counts.restored, "nobody can tell").toBe(0);
  });
});

describe("the end of a run", () => {
  it("W-38 before its start is nothing", async () => {
    const over = AbortSignal.abort(new Error("before"));
    await view.reflector.run({ signal: over });
    expect(view.client.log).toEqual([]);
  });

  it.each<[string, (stopped: ReflectedCluster) => Promise<void> | void]>([
    ["the opening of a streaming list", ({ client }) => client.hang({ on: "watch" })],
    ["a list", ({ client }) => (client.refuse(422, { on: "watch", times: 1 }), client.hang({ on: "list" }))],
    ["a swap", (stopped) => void (stopped.whileTold = () => new Promise<void>(() => {}))],
    ["a pause", ({ client }) => client.refuse(500, { on: "watch" })],
    ["a told pause", ({ client }) => client.refuse(429, { on: "watch", retryAfterSeconds: 60 })],
    ["a watch", () => {}],
    [
      "a change",
      async (stopped) => {
        await stopped.start();
        stopped.whileTold = () => new Promise<void>(() => {});
        stopped.put("b");
      },
    ],
  ])("W-38 during %s comes at once: no request, no call and no timer after it", async (_what, arrange) => {
    view.put("a");
    await arrange(view);
    if (view.client.log.length === 0) await view.start();
    await view.clock.advance();
    const startMs = view.clock.monotonicMs();
    await view.abort();
    expect(view.clock.monotonicMs() - startMs).toBe(0);
    const [requests, batches, errors] = [view.client.log.length, view.batches.length, view.errors.length];
    view.put("a", 2);
    await view.clock.advance(600_000);
    expect([view.client.log.length, view.batches.length, view.errors.length]).toEqual([requests, batches, errors]);
  });

  it("W-38 a later run begins with a list not older than what was seen, and tells nothing twice", async () => {
    view.put("a", 1);
    await view.start();
    await view.stop();
    const seen = view.reflector.revision;
    view.client.forget();
    view.put("a", 2);
    await view.start();
    expect(view.asked).toEqual([`${stream} resourceVersion=${seen}`]);
    expect(view.told).toEqual(["created a=1", "modified a=2"]);
  });

  it("is needed before another reflector may feed the sink", async () => {
    await view.start();
    const over = new AbortController();
    await expect(view.reflector.run({ signal: over.signal })).rejects.toThrow(AlreadyRunningError);
  });
});

describe("waiting for a revision", () => {
  it("W-39 resolves at once if it is reached, also across a new connection and a list", async () => {
    await view.start();
    await view.reflector.waitFor(view.cluster.resourceVersion);
    await missed(() => view.put("a"));
    const waiting = view.reflector.waitFor(view.cluster.resourceVersion);
    await view.clock.advance(1_000);
    await waiting;
    expect(view.shown).toEqual(["a"]);
  });

  it("W-39 rejects when the run ends, when its signal falls, and at its deadline", async () => {
    await view.start();
    const over = new AbortController();
    const [stopped, aborted, late] = [
      view.reflector.waitFor("1000"),
      view.reflector.waitFor("1000", { signal: over.signal }),
      view.reflector.waitFor("1000", { timeoutMs: 1_000 }),
    ].map((waiting) => waiting.catch((error: unknown) => error));
    over.abort("enough");
    expect(await aborted).toBe("enough");
    await view.clock.advance(1_000);
    expect(await late).toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    await view.stop();
    expect(await stopped).toBeInstanceOf(ClosedError);
  });

  it("W-40 a revision without an order is reached by the first list that begins after the call", async () => {
    await view.start();
    let reached = false;
    const waiting = view.reflector.waitFor("opaque").then(() => (reached = true));
    view.put("a");
    await view.clock.advance(60_000);
    expect(reached).toBe(false);
    await missed(() => {});
    view.client.refuse(410, { on: "watch", times: 1 });
    await view.clock.advance(10_000);
    await waiting;
    expect(reached).toBe(true);
  });
});

describe("a slow sink", () => {
  it("W-41 slows reading, and is reported once it is 10 s behind", async () => {
    await view.start();
    let release = (): void => {};
    view.whileTold = () => new Promise<void>((resolve) => (release = resolve));
    for (let value = 1; value <= 3; value += 1) view.put("a", value);
    await view.clock.advance(9_999);
    expect([view.told, view.errors]).toEqual([["created a=1"], []]);
    await view.clock.advance(1);
    expect(view.errors).toMatchObject([["sink", { message: "the sink is 10000 ms behind" }]]);
    release();
    await view.clock.advance(20_000);
    expect(view.told).toEqual(["created a=1", "modified a=2"]);
    expect(view.errors).toHaveLength(1);
    view.whileTold = undefined;
    release();
    await view.clock.advance(120_000);
    expect(view.told).toHaveLength(3);
    view.put("a", 4);
    await view.clock.advance();
    expect(view.errors).toHaveLength(1);
    view.whileTold = () => new Promise<void>(() => {});
    view.put("a", 5);
    await view.clock.advance(10_000);
    expect(view.errors, "it was on time in between").toHaveLength(2);
  });

  it("W-38 W-41 that was slow when its run ended is not reported any more", async () => {
    await view.start();
    view.whileTold = () => {
      view.clock.pause(11_000);
      void view.abort();
    };
    view.put("a");
    await view.clock.advance();
    expect([view.told, view.errors]).toEqual([["created a"], []]);
  });

  it("W-33 that throws is told everything anew", async () => {
    await view.start();
    view.whileTold = () => {
      view.whileTold = undefined;
      throw new TypeError("in the sink");
    };
    view.put("a", 1);
    await view.clock.advance(1_000);
    expect(view.errors).toMatchObject([["sink", { message: "in the sink" }]]);
    expect(view.reflector.counts.relists).toEqual({ first: 1, sink: 1 });
    view.put("a", 2);
    await view.clock.advance();
    expect(view.shown).toEqual(["a=2"]);
  });
});

describe("requests", () => {
  it.each([true, false])(
    "W-43 a quiet hour takes one list and at most 12 more (streaming: %s)",
    async (streamingLists) => {
      view = new ReflectedCluster({ streamingLists });
      await view.start();
      view.client.forget();
      await view.clock.advance(3_600_000);
      expect(view.asked.length).toBeLessThanOrEqual(12);
      expect(new Set(view.asked)).toEqual(new Set([at(view.cluster.resourceVersion)]));
    },
  );

  it.each([true, false])(
    "W-43 a server that is away is asked at most twice a minute (streaming: %s)",
    async (streamingLists) => {
      view = new ReflectedCluster({ streamingLists });
      if (!streamingLists) view.client.refuse(422, { on: "watch", times: 1 });
      view.client.fail(new StorageUnavailableError("refused"), { on: "any" });
      view.client.fail(new StorageUnavailableError("refused"), { on: "watch" });
      await view.start();
      await view.clock.advance(60_000);
      view.client.forget();
      for (let minute = 0; minute < 30; minute += 1) {
        await view.clock.advance(60_000);
        expect(view.client.log.length).toBeLessThanOrEqual(2);
        view.client.forget();
      }
    },
  );
});
