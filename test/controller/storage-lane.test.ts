// Goal: no late answer of the storage shows what was there before one's own write; calls never pile up (K-67, K-78).
// Method: a lane over a storage whose answers a test gives by hand.
import { beforeEach, describe, expect, test } from "vitest";
import { ControllerMetrics } from "../../src/controller/controller-metrics.ts";
import type { GlobalWrite } from "../../src/controller/plan.ts";
import { StorageLane, type StorageNews } from "../../src/controller/storage-lane.ts";
import { WorkSlots } from "../../src/controller/work-slots.ts";
import {
  AlreadyExistsError,
  ConditionalUpdateFailedError,
  CorruptDataError,
  LeadershipLostError,
  NotFoundError,
  StorageUnavailableError,
  UnknownOutcomeError,
} from "../../src/errors.ts";
import type { LeaseData, LeaseObject, LeaseStorage } from "../../src/storage/lease-storage.ts";
import { Deferred } from "../../src/system/deferred.ts";
import { drainMicrotasks } from "../../src/system/microtasks.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { at, record } from "./scene.ts";

const data: LeaseData = record("ada", at(0));
const renewal: GlobalWrite = { kind: "renew", expected: "g1", data, answers: 1 };
const creation: GlobalWrite = { kind: "create", data, answers: 1 };
const guard = <T>(step: () => Promise<T>): Promise<T> => step();

let clock: ManualClock;
let reads: Deferred<LeaseObject>[];
let writes: Deferred<LeaseObject>[];
let heard: StorageNews[];
let lane: StorageLane;

beforeEach(() => {
  clock = new ManualClock();
  [reads, writes, heard] = [[], [], []];
  const next = (calls: Deferred<LeaseObject>[]) => (): Promise<LeaseObject> => {
    const call = new Deferred<LeaseObject>();
    calls.push(call);
    return call.promise;
  };
  const storage: LeaseStorage = {
    ...{ readLease: next(reads), createLease: next(writes), writeLease: next(writes) },
    deleteLease: () => Promise.reject(new Error("nobody deletes")),
  };
  const slots = { writes: new WorkSlots(32), looks: new WorkSlots(32), requests: new WorkSlots(32) };
  const parts = { storage, clock, callTimeoutMs: 5_000, slots, metrics: new ControllerMetrics() };
  lane = new StorageLane("leases/default/billing", parts, (news) => void heard.push(news));
});

const kinds = (): readonly string[] => heard.map(({ kind }) => kind);

describe("looks and writes", () => {
  test("K-67: what a look brings that was sent before a write's answer is dropped", async () => {
    lane.look();
    lane.write(renewal, guard);
    await drainMicrotasks();
    writes[0]?.resolve({ data, generation: "g2" });
    await drainMicrotasks();
    reads[0]?.resolve({ data: record("old", at(-1)), generation: "g0" });
    await drainMicrotasks();
    expect(kinds()).toEqual(["written"]);
  });

  test("a look that was sent after the answer counts", async () => {
    lane.write(renewal, guard);
    await drainMicrotasks();
    writes[0]?.resolve({ data, generation: "g2" });
    await drainMicrotasks();
    lane.look();
    await drainMicrotasks();
    reads[0]?.resolve({ data, generation: "g2" });
    await drainMicrotasks();
    expect(kinds()).toEqual(["written", "record"]);
  });

  test("who asks during a look gets one more, and no third", async () => {
    for (let asks = 0; asks < 5; asks += 1) {
      lane.look();
      await drainMicrotasks();
    }
    expect(reads).toHaveLength(1);
    reads[0]?.resolve({ data, generation: "g1" });
    await drainMicrotasks();
    expect(reads).toHaveLength(2);
    reads[1]?.resolve({ data, generation: "g1" });
    await drainMicrotasks();
    expect([reads.length, lane.isLooking]).toEqual([2, false]);
  });

  test("K-78: after a failure nobody looks again by himself", async () => {
    lane.look();
    await drainMicrotasks();
    lane.look();
    reads[0]?.reject(new StorageUnavailableError("away"));
    await drainMicrotasks();
    expect([kinds(), reads.length]).toEqual([["failed"], 1]);
  });

  test("one write is under way at the most, and a look does not wait for it", async () => {
    lane.write(renewal, guard);
    lane.write(renewal, guard);
    lane.look();
    await drainMicrotasks();
    expect([writes.length, reads.length, lane.isWriting]).toEqual([1, 1, true]);
  });
});

describe("what answers mean", () => {
  const answers: readonly (readonly [string, unknown, Partial<StorageNews>])[] = [
    ["another generation is a lost race", new ConditionalUpdateFailedError("moved"), { kind: "lost" }],
    ["a record that is there is a lost race", new AlreadyExistsError("there"), { kind: "lost" }],
    ["a lost answer is unknown", new UnknownOutcomeError("late"), { kind: "failed", unknown: true }],
    ["what is none of ours is unknown", new Error("odd"), { kind: "failed", unknown: true }],
    [
      "a proved failure is not",
      new StorageUnavailableError("away", { applied: "no" }),
      { kind: "failed", unknown: false },
    ],
    [
      "K-69: 429 is told with its time",
      new StorageUnavailableError("slow", { applied: "no", retryAfterMs: 700 }),
      { kind: "throttled", retryAfterMs: 700 },
    ],
    [
      "a term that is over refuses",
      new LeadershipLostError("over", { reason: "expired", phase: "refused" }),
      { kind: "refused" },
    ],
    [
      "a term that ended meanwhile leaves it unknown",
      new LeadershipLostError("over", { reason: "expired", phase: "outlasted" }),
      { kind: "failed", unknown: true },
    ],
  ];
  test.each(answers)("of a write: %s", async (_what, error, news) => {
    lane.write(creation, guard);
    await drainMicrotasks();
    writes[0]?.reject(error);
    await drainMicrotasks();
    expect(heard).toMatchObject([news]);
  });

  test("of a write: a success without a generation is unknown", async () => {
    lane.write(renewal, guard);
    await drainMicrotasks();
    writes[0]?.resolve({ data, generation: "" });
    await drainMicrotasks();
    expect(heard).toMatchObject([{ kind: "failed", unknown: true }]);
  });

  test("of a read: absent, unreadable, away", async () => {
    for (const error of [
      new NotFoundError("none"),
      new CorruptDataError("torn"),
      new StorageUnavailableError("away"),
    ]) {
      lane.look();
      await drainMicrotasks();
      reads.at(-1)?.reject(error);
      await drainMicrotasks();
    }
    expect(heard).toMatchObject([
      { kind: "absent" },
      { kind: "unreadable", problem: "torn" },
      { kind: "failed", unknown: false },
    ]);
  });

  test("a storage that never answers, and keeps no deadline, is given up", async () => {
    lane.look();
    await clock.advance(7_500);
    expect(heard).toMatchObject([{ kind: "failed", unknown: false }]);
    lane.write(renewal, guard);
    await clock.advance(7_500);
    expect(heard.slice(1)).toMatchObject([{ kind: "failed", unknown: true }]);
  });
});
