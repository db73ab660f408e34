// Goal: the watch of a Lease tells each change of the record with the record itself, and ends where it cannot be
// trusted any more. Method: a lock's hints over a fake cluster whose history, silence and errors the test decides.
import { beforeEach, describe, expect, it } from "vitest";
import { AccessDeniedError, StorageUnavailableError, UnsupportedError } from "../../src/errors.ts";
import type { WatchQuery } from "../../src/kubernetes/kubernetes-resources.ts";
import { LeaseLock } from "../../src/kubernetes/lease-lock.ts";
import type { LockHint } from "../../src/lock/resource-lock.ts";
import { FakeKubernetes, ManualClock, type FakeKubernetesClient } from "../../src/testing/index.ts";

const place = { namespace: "default", name: "billing" };
const ref = { group: "coordination.k8s.io", version: "v1", plural: "leases", ...place };

let clock: ManualClock;
let cluster: FakeKubernetes;
let client: FakeKubernetesClient;
let lock: LeaseLock;
let draw: number;

beforeEach(() => {
  clock = new ManualClock();
  cluster = new FakeKubernetes({ clock });
  client = cluster.connect();
  draw = 0;
  lock = new LeaseLock({ ...place, client, clock, random: { next: () => draw, uuid: () => "uuid" } });
});

function put(holderIdentity: string): string {
  const { metadata } = cluster.put(ref, { kind: "Lease", spec: { holderIdentity } });
  return `${metadata?.uid}/${metadata?.resourceVersion}`;
}

interface Followed {
  readonly hints: LockHint[];
  /** `""`: it goes on. */
  ended: string;
  error: unknown;
  stop(): void;
}

/** One watch, read until it ends. */
function follow(): Followed {
  const over = new AbortController();
  const followed: Followed = { hints: [], ended: "", error: undefined, stop: () => over.abort() };
  const read = async (): Promise<void> => {
    for await (const hint of lock.watch({ signal: over.signal })) followed.hints.push(hint);
    followed.ended = "quietly";
  };
  read().catch((error: unknown) => Object.assign(followed, { ended: "with an error", error }));
  return followed;
}

const queries = (): WatchQuery[] => client.log.flatMap(({ verb, query }) => (verb === "watch" && query ? [query] : []));
const holders = ({ hints }: Followed): unknown[] => hints.map(({ observed }) => observed?.record.holderIdentity);

describe("K-24: a watch", () => {
  it("asks for this Lease by name, for bookmarks, and for an end between 300 and 600 s", async () => {
    for (const value of [0, 0.999_999]) {
      draw = value;
      const watch = follow();
      await clock.advance();
      watch.stop();
      await clock.advance();
    }
    const asked = { fieldSelector: "metadata.name=billing", allowWatchBookmarks: true };
    expect(queries()).toEqual([
      { ...asked, timeoutSeconds: 300 },
      { ...asked, timeoutSeconds: 600 },
    ]);
  });

  it("opens without a version, so that the state comes first; each hint carries record and version", async () => {
    const first = put("a");
    const watch = follow();
    await clock.advance();
    const second = put("b");
    await clock.advance();
    expect(holders(watch)).toEqual(["a", "b"]);
    expect(watch.hints.map(({ observed }) => observed?.version)).toEqual([first, second]);
    expect(client.calls).toEqual(["watch leases"]);
  });

  it("of an absent Lease tells a bare hint once it must be open, so that somebody reads", async () => {
    const watch = follow();
    await clock.advance(999);
    expect(watch.hints).toEqual([]);
    await clock.advance(1);
    expect(watch.hints).toEqual([{}]);
    put("a");
    await clock.advance();
    expect(holders(watch)).toEqual([undefined, "a"]);
  });

  it("that the server ended goes on from the newest version that an event or a bookmark has told", async () => {
    put("a");
    const first = follow();
    await clock.advance();
    put("b");
    const changed = cluster.resourceVersion;
    await clock.advance();
    cluster.endWatches();
    await clock.advance();
    expect(first.ended).toBe("quietly");
    const second = follow();
    cluster.changeElsewhere();
    await clock.advance(60_000);
    const marked = cluster.resourceVersion;
    cluster.endWatches();
    await clock.advance();
    expect(second.hints).toEqual([{}]); // nothing new: a read makes it live
    follow();
    await clock.advance();
    expect(queries().map(({ resourceVersion }) => resourceVersion)).toEqual([undefined, changed, marked]);
  });

  it("never goes on from the Lease's own version: after a restart that is 410 at each open", async () => {
    put("a");
    cluster.changeElsewhere();
    follow();
    await clock.advance();
    cluster.compact();
    cluster.endWatches();
    await clock.advance();
    const again = follow();
    await clock.advance();
    expect(holders(again)).toEqual(["a"]);
    expect(queries().map(({ resourceVersion }) => resourceVersion)).toEqual([undefined, undefined]);
  });

  it("after a 410 opens without a version", async () => {
    put("a");
    follow();
    await clock.advance();
    put("b");
    await clock.advance();
    cluster.endWatches();
    cluster.changeElsewhere();
    cluster.compact();
    await clock.advance();
    const gone = follow();
    await clock.advance();
    expect(gone).toMatchObject({ hints: [], ended: "quietly" });
    const anew = follow();
    await clock.advance();
    expect(holders(anew)).toEqual(["b"]);
    expect(queries().at(-1)).not.toHaveProperty("resourceVersion");
  });

  it("that may have overtaken the answer of a write tells it all the same", async () => {
    client.delay({ answerMs: 50 }, { on: "create", times: 1 });
    const watch = follow();
    await clock.advance();
    const record = { holderIdentity: "a", acquireTime: "", renewTime: "", leaderTransitions: 1 };
    const creation = lock.create(record);
    await clock.advance();
    expect(holders(watch)).toEqual(["a"]);
    await clock.advance(50);
    expect(await creation).toEqual({ written: true, version: watch.hints[0]?.observed?.version });
  });
});

describe("K-25: a hint comes only when the record or its existence changed", () => {
  it("an annotation that is edited 100 times a second gives none, and no request", async () => {
    put("a");
    const watch = follow();
    await clock.advance();
    for (let edits = 0; edits < 1_000; edits += 1) {
      cluster.annotate(ref, { edit: String(edits) });
      await clock.advance(10);
    }
    expect(watch.hints).toHaveLength(1);
    expect(client.calls).toEqual(["watch leases"]);
    put("b");
    await clock.advance();
    expect(watch.hints).toHaveLength(2);
  });

  it("deletion is a bare hint, and creation with an equal record is one with the record", async () => {
    put("a");
    const watch = follow();
    await clock.advance();
    cluster.remove(ref);
    await clock.advance();
    put("a");
    await clock.advance();
    expect(holders(watch)).toEqual(["a", undefined, "a"]);
  });

  it("a Lease of another uid is one, whatever its record, also where its deletion was not told", async () => {
    put("a");
    const watch = follow();
    await clock.advance();
    const { metadata, ...rest } = cluster.stored(ref) ?? {};
    cluster.tellWatches({ type: "MODIFIED", object: { ...rest, metadata: { ...metadata, uid: "another" } } });
    await clock.advance();
    expect(watch.hints).toHaveLength(2);
    expect(watch.hints[1]?.observed?.version).toMatch(/^another\//);
  });

  it("what cannot be read is a bare hint: the read tells what is wrong", async () => {
    put("a");
    const watch = follow();
    await clock.advance();
    cluster.put(ref, { spec: { leaseTransitions: -1 } });
    await clock.advance();
    expect(watch.hints.at(-1)).toEqual({});
  });

  it("another Lease, told by a client that knows no selectors, gives none", async () => {
    put("a");
    const watch = follow();
    await clock.advance();
    cluster.tellWatches({ type: "MODIFIED", object: { metadata: { name: "other", uid: "u", resourceVersion: "9" } } });
    await clock.advance();
    expect(watch.hints).toHaveLength(1);
  });
});

describe("K-26: the hints end", () => {
  it("with the signal, without an error, and nothing is left behind", async () => {
    put("a");
    const watch = follow();
    await clock.advance();
    watch.stop();
    await clock.advance();
    expect(watch).toMatchObject({ ended: "quietly" });
    expect(cluster.watchCount).toBe(0);
    expect(clock.timerCount).toBe(0);
  });

  it("when the server ends the watch", async () => {
    put("a");
    const watch = follow();
    await clock.advance(300_000);
    expect(watch.ended).toBe("quietly");
  });

  it("with an ERROR event, and with an error of the connection, such as a line that is too long", async () => {
    put("a");
    const first = follow();
    await clock.advance();
    cluster.tellWatches({ type: "ERROR", object: { kind: "Status", code: 500, reason: "InternalError" } });
    await clock.advance();
    expect(first.error).toBeInstanceOf(StorageUnavailableError);
    const second = follow();
    await clock.advance();
    const tooLong = new StorageUnavailableError("a line is too long");
    cluster.endWatches(tooLong);
    await clock.advance();
    expect(second.error).toBe(tooLong);
    follow();
    await clock.advance();
    expect(queries().map(({ resourceVersion }) => resourceVersion)).toEqual([undefined, undefined, undefined]);
  });

  it("after 120 s of silence; a bookmark each minute is none", async () => {
    draw = 0.999; // the server would end it only after ten minutes
    put("a");
    const watch = follow();
    await clock.advance(240_000);
    expect(watch.ended).toBe("");
    cluster.muteWatches();
    await clock.advance(119_999);
    expect(watch.ended).toBe("");
    await clock.advance(1);
    expect(watch.error).toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    follow();
    await clock.advance();
    expect(queries().at(-1)).not.toHaveProperty("resourceVersion"); // the server may have been restored behind it
  });

  it("with 403: once with an error, then quietly, and not asked again for ten minutes", async () => {
    put("a");
    client.refuse(403, { on: "watch" });
    const first = follow();
    await clock.advance();
    expect(first.error).toBeInstanceOf(AccessDeniedError);
    const second = follow();
    await clock.advance(599_999);
    expect(queries()).toHaveLength(1);
    await clock.advance(1);
    expect(second).toMatchObject({ ended: "quietly", error: undefined });
    expect(queries()).toHaveLength(2);
    client.heal();
    const third = follow();
    await clock.advance(600_000);
    expect(holders(third)).toEqual(["a"]);
  });

  it("of a client that cannot watch: once with an error, and not asked again for ten minutes", async () => {
    client.fail(new UnsupportedError("no watch was given"), { on: "watch" });
    const first = follow();
    await clock.advance();
    expect(first.error).toBeInstanceOf(UnsupportedError);
    const second = follow();
    await clock.advance(600_000);
    expect(second).toMatchObject({ ended: "quietly", error: undefined });
    expect(queries()).toHaveLength(2);
  });

  it("without an error when the opening itself is answered with 410", async () => {
    client.refuse(410, { on: "watch", times: 1 });
    const first = follow();
    await clock.advance();
    expect(first).toMatchObject({ ended: "quietly", error: undefined });
  });

  it("with 403, and the pause after it ends with the signal", async () => {
    client.refuse(403, { on: "watch" });
    follow();
    await clock.advance();
    const second = follow();
    second.stop();
    await clock.advance();
    expect(second.ended).toBe("quietly");
    expect(clock.timerCount).toBe(0);
  });
});
