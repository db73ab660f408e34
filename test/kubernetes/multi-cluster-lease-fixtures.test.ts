// Goal: what the Go originals really wrote means to our lock what it was, and ours writes their types and precision.
// Method: their recorded objects and bucket writes are replayed; what was not recorded comes from their double.
import { describe, expect, it } from "vitest";
import { confirmationOf, type SentSignal, type Verdict } from "../../src/kubernetes/confirmation.ts";
import type { KubernetesResource } from "../../src/kubernetes/kubernetes-resources.ts";
import { compareWireTimes, parseWireTime, type WireTime } from "../../src/kubernetes/micro-time.ts";
import { renewTimePattern } from "../../src/kubernetes/multi-cluster-lease.ts";
import { MultiClusterLeaseLock } from "../../src/kubernetes/multi-cluster-lease-lock.ts";
import { isGoStatus, shownLease, type ShownLease } from "../../src/kubernetes/shown-lease.ts";
import { FakeKubernetes, ManualClock } from "../../src/testing/index.ts";
import { recordedLeases, recordedObjects } from "./recorded-leases.ts";
import { GoController, type GoBucket } from "./go-controller.ts";
import { leaseRef } from "./scripted-controller.ts";

const clusters = ["cluster-1", "cluster-2"] as const;

function look(resource: KubernetesResource): ShownLease {
  const shown = shownLease(resource);
  if (shown === undefined) throw new Error("a recorded object lacks its uid or generation");
  return shown;
}

function timeOf(text: string): WireTime {
  const time = parseWireTime(text);
  if (time === undefined) throw new Error(`${text} is no time`);
  return time;
}

/** One recorded signal of a Go lock as ours would have sent it, with all that was seen of it until the next one. */
interface Replayed {
  readonly signal: SentSignal;
  readonly looks: readonly ShownLease[];
}

function replayed(source: (typeof clusters)[number]): readonly Replayed[] {
  const looks = recordedObjects(source).map(look);
  const first = looks.filter(
    (shown, index) => shown.signal.holder !== "" && shown.generation !== looks[index - 1]?.generation,
  );
  return first.flatMap((shown) => {
    if (shown.deleting) return []; // it raised the generation, and is no signal
    const { uid, generation, signal, status } = shown;
    const after = looks.slice(looks.indexOf(shown));
    const next = after.findIndex((other) => other.uid !== uid || other.generation > generation);
    const sent: SentSignal = {
      ...{ identity: signal.holder, number: 1, renewTime: signal.renewTime, uid, generation },
      term: status?.globalLeaseTransitions ?? 1,
      stampBefore: status?.globalRenewTime,
      isLater: () => false,
    };
    return [{ signal: sent, looks: next === -1 ? after : after.slice(0, next) }];
  });
}

function verdictsOf({ signal, looks }: Replayed): readonly Verdict[] {
  return looks.map((shown) => confirmationOf(signal, shown));
}

describe("K-52: the recorded Go controllers", () => {
  it("are known as such by every status that names a holder", () => {
    const statuses = clusters.flatMap(recordedObjects).map((object) => look(object).status);
    const named = statuses.filter((status) => status !== undefined && status.globalHolderIdentity !== "");
    expect(named.length).toBeGreaterThan(100);
    for (const status of named) expect(status && isGoStatus(status)).toBe(true);
  });

  it.each(clusters)(
    "%s: what confirms a signal is backed by a write to the bucket that is newer than the stamp before",
    (source) => {
      const bodies = recordedLeases().flatMap(({ body }) => (body === undefined ? [] : [JSON.parse(body)]));
      const signals = replayed(source);
      let confirmed = 0;
      for (const one of signals) {
        const verdict = verdictsOf(one).find(({ is }) => is !== "wait");
        if (verdict?.is !== "confirmed") continue;
        confirmed += 1;
        const { identity, stampBefore } = one.signal;
        const backing = bodies.filter(
          ({ holderIdentity, renewTime }) =>
            holderIdentity === identity &&
            (stampBefore === undefined || compareWireTimes(timeOf(renewTime), timeOf(stampBefore)) > 0),
        );
        expect(backing.length, one.signal.renewTime).toBeGreaterThan(0);
        expect(verdict).toMatchObject({ row: 7, term: backing[0]?.leaseTransitions });
      }
      expect(confirmed).toBeGreaterThan(10);
    },
  );

  it("acquire: the first signal of candidate-a is confirmed by the first status, in term 1", () => {
    const [first] = replayed("cluster-1");
    expect(first?.signal).toMatchObject({ identity: "candidate-a", generation: 1 });
    const verdicts = first === undefined ? [] : verdictsOf(first);
    expect(verdicts.slice(0, 3).map(({ row }) => row)).toEqual([4, 4, 7]);
    expect(verdicts[2]).toEqual({ row: 7, is: "confirmed", term: 1 });
  });

  it("renew: nearly every signal of a leader is confirmed, and none is lost", () => {
    const own = replayed("cluster-1").filter(({ signal, looks }) => {
      const status = looks[0]?.status;
      return signal.identity === "candidate-a" && status?.globalHolderIdentity === "candidate-a";
    });
    const verdicts = own.map((one) => verdictsOf(one).find(({ is }) => is !== "wait")?.is ?? "wait");
    expect(own.length).toBeGreaterThan(8);
    expect(new Set(verdicts)).toEqual(new Set(["confirmed"]));
  });

  it("held: the first signal of candidate-b is lost to candidate-a", () => {
    const [first] = replayed("cluster-2");
    const verdict = first && verdictsOf(first).find(({ is }) => is !== "wait");
    expect(verdict).toEqual({ row: 5, is: "lost", holder: "candidate-a" });
  });

  it("stale candidate: a holder beside an error is not confirmed, and a new holder is a loss", () => {
    const stale = recordedObjects("cluster-2")
      .map(look)
      .filter(({ status }) => status?.conditions.some(({ reason }) => reason === "BackendError"));
    const rows = new Set<string>();
    for (const shown of stale) {
      const { holder } = shown.signal;
      const sent = { identity: holder, number: 1, renewTime: shown.signal.renewTime, term: 2, uid: shown.uid };
      const signal = { ...sent, generation: shown.generation, stampBefore: undefined, isLater: () => false };
      const verdict = confirmationOf(signal, shown);
      expect(verdict.is).not.toBe("confirmed");
      rows.add(`${verdict.row} ${shown.status?.globalHolderIdentity === holder ? "mine" : "another's"}`);
    }
    expect([...rows].sort()).toEqual(expect.arrayContaining(["5 another's", "8 mine"]));
  });

  it("deletion: the object under way to its end is lost", () => {
    const dying = recordedObjects("cluster-1")
      .map(look)
      .find(({ deleting }) => deleting);
    const [first] = replayed("cluster-1");
    if (dying === undefined || first === undefined) throw new Error("the recording holds no deletion");
    expect(confirmationOf({ ...first.signal, generation: dying.generation - 1 }, dying)).toEqual({
      row: 1,
      is: "lost",
    });
  });
});

describe("K-52: what was not recorded, by their double", () => {
  const ref = leaseRef();
  const me = "a_1";
  const [early, T] = ["2026-01-01T00:00:00.100000Z", "2026-01-01T00:00:05.100000Z"];

  interface Stage {
    readonly cluster: FakeKubernetes;
    readonly clock: ManualClock;
    readonly bucket: GoBucket;
    readonly over: AbortController;
  }

  /** I hold the lease by a first signal, and have sent a second one. */
  async function stage(prepare: (stage: Stage) => void, spec: object = {}): Promise<Verdict> {
    const clock = new ManualClock();
    const cluster = new FakeKubernetes({ clock });
    const [bucket, over] = [{ record: undefined, trouble: undefined }, new AbortController()];
    new GoController({ client: cluster.connect(), ref, clock, bucket, signal: over.signal });
    const client = cluster.connect();
    const first = { holderIdentity: me, renewTime: early, leaseDurationSeconds: 15, retryPeriodSeconds: 2 };
    await client.create(ref, { metadata: { name: ref.name }, spec: first });
    await clock.advance(5_100);
    const all = { cluster, clock, bucket, over };
    prepare(all);
    const answer = await client.patch(ref, { spec: { renewTime: T, ...spec } });
    const shown = answer.written ? look(answer.resource) : undefined;
    if (shown === undefined) throw new Error("the signal lost a race");
    await clock.advance(1_000);
    over.abort();
    const { uid, generation, status } = shown;
    const signal = { identity: me, number: 1, renewTime: T, term: 1, uid, generation, isLater: () => false };
    return confirmationOf({ ...signal, stampBefore: status?.globalRenewTime }, look(cluster.stored(ref) ?? {}));
  }

  it("renewed: confirmed", async () => {
    expect(await stage(() => {})).toEqual({ row: 7, is: "confirmed", term: 1 });
  });

  it("storage error: the generation stays behind, and the storage is named", async () => {
    const verdict = await stage(({ bucket }) => void (bucket.trouble = "503"));
    expect(verdict).toMatchObject({ row: 4, is: "wait", silence: "GLOBAL_STORAGE_UNHEALTHY" });
  });

  it("no renew time: the holder is gone from the status, which takes the lease from nobody but me", async () => {
    const verdict = await stage(() => {}, { renewTime: null });
    expect(verdict).toMatchObject({ row: 5, is: "lost", holder: "" });
  });

  it("peer overwrote: lost to the peer", async () => {
    const verdict = await stage(({ bucket, clock }) => {
      bucket.record = { holderIdentity: "b_2", renewMs: clock.wallMs(), leaseTransitions: 2 };
    });
    expect(verdict).toEqual({ row: 5, is: "lost", holder: "b_2" });
  });

  it("stale candidate, by a clock that is far ahead: not confirmed, and the storage is named", async () => {
    const verdict = await stage(({ bucket, cluster, clock, over }) => {
      over.abort();
      const signal = new AbortController().signal;
      new GoController({ client: cluster.connect(), ref, clock, bucket, signal, aheadMs: 100_000 });
    });
    expect(verdict).toMatchObject({ row: 8, is: "wait", silence: "GLOBAL_STORAGE_UNHEALTHY" });
  });

  it("wiped status: nothing is known", async () => {
    const verdict = await stage(({ over, cluster }) => {
      over.abort();
      cluster.put(ref, { ...cluster.stored(ref), status: {} });
    });
    expect(verdict).toMatchObject({ row: 4, is: "wait", silence: "CONTROLLER_SILENT" });
  });
});

describe("K-53: what our lock writes, beside what a Go lock wrote", () => {
  it("has its fields, of its types and its precision, and at most two more", async () => {
    const clock = new ManualClock();
    const cluster = new FakeKubernetes({ clock });
    const place = { namespace: "default", name: "billing", label: "a" };
    const lock = new MultiClusterLeaseLock({ ...place, client: cluster.connect(), clock, events: "off" });
    const renewTime = "2026-11-21T09:28:33.142778Z";
    const times = { acquireTime: renewTime, renewTime };
    const record = { holderIdentity: lock.identity, leaseDurationSeconds: 15, ...times, leaderTransitions: 1 };
    const unanswered = lock.create(record, { timeoutMs: 1 }).catch(() => {}); // what counts is what it wrote
    await clock.advance(10);
    await unanswered;
    const ours = cluster.stored(leaseRef()) ?? {};
    const [theirs = {}] = recordedObjects("cluster-1");
    expect([ours.apiVersion, ours.kind]).toEqual([theirs.apiVersion, theirs.kind]);
    const [own, their] = [Object.entries(Object(ours["spec"])), Object.entries(Object(theirs["spec"]))];
    expect(own.map(([name]) => name)).toEqual(expect.arrayContaining(their.map(([name]) => name)));
    expect(
      own
        .map(([name]) => name)
        .filter((name) => !their.some(([known]) => known === name))
        .sort(),
    ).toEqual([...["leaseTransitions", "renewDeadlineSeconds"]]);
    for (const [name, value] of their) expect(typeof Object(ours["spec"])[name], name).toBe(typeof value);
    const pattern = new RegExp(renewTimePattern);
    for (const { spec } of [ours, theirs]) expect(Object(spec).renewTime).toMatch(pattern);
    expect(Object(ours["spec"])).toMatchObject({ leaseDurationSeconds: 15, retryPeriodSeconds: 2 });
    expect(ours).not.toHaveProperty("status");
  });
});
