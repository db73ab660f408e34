// Goal: a standby costs one small request per poll, and one write a second is enough for an election. Method: watches
// and electors over the double, by a manual clock that moves only while no request is under way; requests are counted.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import { StorageLock } from "../../src/lock/storage-lock.ts";
import { GCSStorage } from "../../src/storage/gcs.ts";
import type { Hint } from "../../src/storage/versioned-storage.ts";
import { ManualClock, SeededRandom } from "../../src/testing/index.ts";
import { doubleBucket, GcsDouble } from "./support/gcs-double.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

let clock: ManualClock;
let double: GcsDouble;
let sent = 0;

beforeEach(async () => {
  clock = new ManualClock();
  double = await GcsDouble.start({ clock, token: "token" });
  sent = 0;
});
afterEach(() => double[Symbol.asyncDispose]());

/** A connection whose requests are counted before they are sent. */
function connect(seed: number): GCSStorage {
  const client = double.client();
  const getRequestHeaders = (): Promise<object> => {
    sent += 1;
    return client.authClient.getRequestHeaders();
  };
  const parts = { clock, random: new SeededRandom(seed) };
  return new GCSStorage({ client: { ...client, authClient: { getRequestHeaders } }, bucket: doubleBucket, ...parts });
}

/** Until every request was answered, and nobody sends another one. */
async function settled(): Promise<void> {
  for (let quiet = 0; quiet < 4;) {
    await new Promise(setImmediate);
    quiet = double.answered === sent ? quiet + 1 : 0;
  }
}

async function advance(ms: number): Promise<void> {
  for (let doneMs = 0; doneMs < ms; doneMs += 50) {
    await clock.advance(50);
    await settled();
  }
}

describe("a watch", () => {
  /** Reads hints until it is told to end. */
  function follow(storage: GCSStorage): { readonly hints: Hint[]; end(): Promise<unknown> } {
    const controller = new AbortController();
    const hints: Hint[] = [];
    let failure: unknown;
    const reading = (async () => {
      for await (const hint of storage.watch?.("a", controller) ?? []) hints.push(hint);
    })().catch((error: unknown) => (failure = error));
    const end = async (): Promise<unknown> => {
      controller.abort();
      await reading;
      return failure;
    };
    return { hints, end };
  }

  test("costs one conditional request per poll, and no body while nothing changes", async () => {
    const storage = connect(1);
    await storage.create("a", new Uint8Array(10_000));
    double.seen.length = 0;
    const watch = follow(storage);
    await settled();
    await advance(60_000);
    const [first, ...polls] = double.seen;
    expect(first).toMatchObject({ kind: "look", status: 200 });
    expect(polls.length).toBeGreaterThanOrEqual(27);
    expect(polls.length).toBeLessThanOrEqual(34); // every 2 s, with a tenth of jitter
    const unconditional = polls.filter(({ query }) => !query.has("ifGenerationNotMatch"));
    expect(unconditional.length).toBe(2); // one in fifteen: see the next test
    expect(polls.every(({ kind }) => kind === "look")).toBe(true);
    const unchanged = polls.filter(({ status }) => status === 304);
    expect(unchanged.length).toBe(polls.length - unconditional.length);
    expect(unchanged.every(({ bodyBytes }) => bodyBytes === 0)).toBe(true);
    expect(unconditional.every(({ bodyBytes }) => bodyBytes < 50)).toBe(true); // a generation, never the value
    expect(watch.hints).toHaveLength(1);
    const found = await storage.read("a");
    await storage.replace("a", bytes("two"), found?.version ?? fail());
    await advance(2_200);
    expect(watch.hints).toHaveLength(2);
    expect(await watch.end()).toBeUndefined();
  });

  test("sees within a minute that the object is gone, also where absence answers a condition by 304", async () => {
    double.switches.absentIsUnchanged = true;
    const storage = connect(2);
    double.put("a", bytes("one"));
    const watch = follow(storage);
    await settled();
    double.objects.clear();
    await advance(40_000);
    expect(watch.hints).toHaveLength(2);
    expect(await watch.end()).toBeUndefined();
  });

  test("throws what waiting cannot cure, and lives through the rest", async () => {
    const storage = connect(3);
    double.switches.unavailable = "before";
    double.switches.page = { status: 503, html: "<html>" };
    const watch = follow(storage);
    await settled();
    await advance(5_000);
    delete double.switches.page;
    await advance(10_000);
    expect(watch.hints).toHaveLength(1);
    double.switches.denied = ["storage.objects.get"];
    await advance(3_000);
    expect(await watch.end()).toMatchObject({ code: "ACCESS_DENIED", operation: "watch" });
  });
});

describe("one write a second for each object", () => {
  const timing = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 };

  function candidate(seed: number) {
    const storage = connect(seed);
    const random = new SeededRandom(100 + seed);
    const lock = new StorageLock({ storage, namespace: "default", name: "demo", label: `c${seed}`, random, clock });
    const terms: number[] = [];
    const stop = new AbortController();
    const elector = new LeaderElector({
      ...{ lock, clock, random, ...timing },
      callbacks: {
        onStartedLeading: async (leadership) => {
          terms.push(leadership.term);
          await new Promise((resolve) => leadership.signal.addEventListener("abort", resolve));
        },
      },
    });
    return { elector, terms, stop, ended: elector.run({ signal: stop.signal }) };
  }

  test("#67: six candidates for two minutes: one leader, writes a second apart, nobody starves it", async () => {
    double.switches.minWriteIntervalMs = 1000;
    const candidates = [1, 2, 3, 4, 5, 6].map(candidate);
    await settled();
    await advance(60_000);
    const [first, ...others] = candidates.toSorted((a, b) => b.terms.length - a.terms.length);
    expect(first?.terms).toEqual([1]);
    expect(others.every(({ terms }) => terms.length === 0)).toBe(true);
    first?.stop.abort(); // its release frees the lease: five standbys want it at once
    await advance(60_000);
    const second = others.filter(({ terms }) => terms.length > 0);
    expect(second.map(({ terms }) => terms)).toHaveLength(1);
    expect(second[0]?.terms).toHaveLength(1); // not deposed by those that came too late
    const written = double.seen.filter(
      ({ kind, status }) => status === 200 && (kind === "create" || kind === "replace"),
    );
    const gapsMs = written.slice(1).map(({ atMs }, index) => atMs - (written[index]?.atMs ?? 0));
    expect(Math.min(...gapsMs)).toBeGreaterThanOrEqual(1000);
    expect(written.length).toBeGreaterThan(20); // both renewed all the time
    for (const { stop } of candidates) stop.abort();
    await settled();
    await advance(15_000);
    await Promise.all(candidates.map(({ ended }) => ended));
  });
});

function fail(): never {
  throw new Error("it is absent");
}
