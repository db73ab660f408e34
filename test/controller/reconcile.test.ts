// Goal: every row of the controller's table does what it says, and the first that matches wins. Method: situations in
// words, made of events and answers as a controller folds them, judged at one instant without clock, storage or API.
import { describe, expect, test } from "vitest";
import { releasedRenewTime } from "../../src/storage/lease-codec.ts";
import { noteLease } from "../../src/controller/lease-memory.ts";
import { at, record, Scene, settings, spec } from "./scene.ts";

/** `me` holds the lease, by a signal that this process saw. */
function led(): Scene {
  const scene = new Scene().told(spec("me", at(0), { leaseTransitions: 3 })).stored(record("me", at(0)));
  scene.settle();
  return scene;
}

const released = record("", releasedRenewTime, { leaseTransitions: 4, leaseDurationSeconds: 1 });

describe("a lease that goes", () => {
  test("reconcile 1: a MultiClusterLease that is gone is forgotten", () => {
    const scene = led();
    scene.view = undefined;
    expect(scene.plan()).toEqual({ row: 1, memory: undefined, events: [], alarms: [] });
  });

  test("reconcile 1: one that goes without our finalizer is forgotten, whoever holds the lease", () => {
    const plan = led()
      .told(spec("me", at(0)), { deleting: true, finalizer: false })
      .plan();
    expect(plan).toMatchObject({ row: 1, memory: undefined });
  });

  test("reconcile 2: nothing is held through it, so the finalizer goes and nothing is written", () => {
    const scene = new Scene().told(spec("me", at(0)), { deleting: true }).stored(record("other", at(0)));
    expect(scene.plan()).toMatchObject({ row: 2, finalizer: "remove" });
    expect(scene.plan().write).toBeUndefined();
    expect(scene.absent().plan()).toMatchObject({ row: 2, finalizer: "remove" });
    expect(scene.stored(released).plan()).toMatchObject({ row: 2, finalizer: "remove" });
  });

  test("reconcile 2, K-75: after the candidate's release the record is freed, then the finalizer goes", () => {
    const scene = led().told(spec("me", at(0), { leaseTransitions: 3 }), { deleting: true });
    scene.told(spec("me", undefined, { leaseTransitions: 3 }), { deleting: true });
    const plan = scene.plan();
    expect(plan).toMatchObject({ row: 2, write: { kind: "free", data: { holderIdentity: "", leaseTransitions: 4 } } });
    expect(plan.finalizer).toBeUndefined();
    expect(scene.carryOut(plan).plan()).toMatchObject({ row: 2, finalizer: "remove" });
  });

  test("reconcile 3, K-75: until the candidate has released, or its lease has run out, nothing is written", () => {
    const scene = led().told(spec("me", at(5_000), { leaseTransitions: 3 }), { deleting: true });
    const waiting = scene.plan();
    expect(waiting).toMatchObject({ row: 3, wakeAtMs: expect.any(Number) });
    expect([waiting.write, waiting.finalizer]).toEqual([undefined, undefined]);
    const plan = scene.passes(15_000).plan();
    expect(plan).toMatchObject({ row: 2, write: { kind: "free" } });
    expect(scene.carryOut(plan).plan().finalizer).toBe("remove");
  });

  test("reconcile 3: with the storage away for two waits the finalizer goes all the same, and an event says so", () => {
    const scene = led()
      .told(spec("me", at(0), { leaseTransitions: 3 }), { deleting: true })
      .fails();
    expect(scene.passes(29_999).plan()).toMatchObject({ row: 2, wakeAtMs: scene.nowMs + 1 });
    const plan = scene.passes(1).fails().plan();
    expect(plan).toMatchObject({ row: 3, finalizer: "remove", events: [{ reason: "LeftToExpire" }] });
    expect(plan.write).toBeUndefined();
  });

  test("reconcile 3: a storage that never answered holds up the deletion for two waits at the most", () => {
    const scene = new Scene().told(spec("me", at(0)), { deleting: true }).fails();
    expect(scene.passes(29_999).plan()).toMatchObject({ row: 3, wakeAtMs: scene.nowMs + 1 });
    expect(scene.passes(1).plan()).toMatchObject({ finalizer: "remove", events: [{ reason: "LeftToExpire" }] });
  });

  test("reconcile 3: so does a record that cannot be read", () => {
    const scene = new Scene().told(spec("me", at(0)), { deleting: true }).unreadable();
    expect(scene.plan().finalizer).toBeUndefined();
    expect(scene.passes(30_000).plan()).toMatchObject({ finalizer: "remove", events: [{ reason: "LeftToExpire" }] });
  });
});

describe("what cannot be acted on", () => {
  test("reconcile 4, K-90: a spec out of bounds writes nothing, is told once, and steals nothing", () => {
    const scene = new Scene().told(spec("me", "yesterday", { leaseDurationSeconds: 0 })).stored(record("other", at(0)));
    const plan = scene.passes(60_000).plan();
    expect(plan.row).toBe(4);
    expect(plan.write).toBeUndefined();
    expect(plan.events.map(({ reason }) => reason)).toContain("SpecInvalid");
    scene.carryOut(plan);
    expect(scene.condition("LocalCandidateReady")).toBe("False SpecInvalid");
    expect(scene.plan().events).toEqual([]);
  });

  test("reconcile 4, K-77: a term more than a million above the stored one is refused, with an event", () => {
    const scene = new Scene().told(spec("me", at(0), { leaseTransitions: 1_000_004 })).stored(released);
    expect(scene.plan()).toMatchObject({ row: 12, write: { data: { leaseTransitions: 1_000_004 } } });
    const plan = scene.told(spec("me", at(1), { leaseTransitions: 1_000_005 })).plan();
    expect(plan).toMatchObject({ row: 4 });
    expect([plan.write, plan.events.map(({ reason }) => reason)]).toEqual([undefined, ["SpecInvalid"]]);
  });

  test("reconcile 4, K-77: nor is it taken for another candidate's turn", () => {
    const scene = new Scene().told(spec("greedy", at(0), { leaseTransitions: 2_000_000_000 })).stored(released);
    const plan = scene.told(spec("me", at(1))).plan();
    expect(plan.write?.data).toMatchObject({ holderIdentity: "me", leaseTransitions: 5 });
  });

  test("reconcile 4, K-90: an unreadable record is held by nobody known and is never taken over", () => {
    const scene = new Scene().told(spec("me", at(0))).unreadable("it is an array");
    const plan = scene
      .passes(3_600_000)
      .told(spec("me", at(1)))
      .plan();
    expect(plan).toMatchObject({ row: 4, alarms: [{ kind: "unreadableRecord" }] });
    expect(plan.write).toBeUndefined();
    scene.carryOut(plan);
    expect(scene.condition("BackendHealthy")).toBe("False RecordUnreadable");
    expect(scene.condition("LockAcquiredInBackend")).toBe("Unknown BackendError");
  });

  test("K-90: a stored term near the end of int32, and a holder of 1 025 characters, are unreadable", () => {
    const scene = new Scene().told(spec("me", at(0)));
    expect(scene.stored(record("x", at(0), { leaseTransitions: 2 ** 31 - 1 })).plan().row).toBe(4);
    expect(scene.stored(record("x".repeat(1_025), at(0))).plan().row).toBe(4);
    expect(scene.stored(record("x".repeat(1_024), at(0))).plan().row).toBe(13);
  });

  test("reconcile 5: a write is due and the finalizer is missing, so it comes first", () => {
    const scene = new Scene().told(spec("me", at(0)), { finalizer: false }).absent();
    const plan = scene.plan();
    expect(plan).toMatchObject({ row: 5, finalizer: "add" });
    expect([plan.write, plan.status]).toEqual([undefined, undefined]);
    expect(scene.carryOut(plan).plan()).toMatchObject({ row: 11, write: { kind: "create" } });
  });

  test("reconcile 5, K-38: who took it away finds it back before the next renewal", () => {
    const scene = led()
      .passes(5_000)
      .told(spec("me", at(5_000), { leaseTransitions: 3 }), { finalizer: false });
    expect(scene.settle().map(({ row }) => row)).toEqual([5, 8, 8, 8]);
  });
});

describe("a release", () => {
  const byTerm = (leaseTransitions: number): Scene => led().told(spec("me", undefined, { leaseTransitions }));

  test("reconcile 6: the holder's newest event has no renew time and says the record's term: free", () => {
    const plan = byTerm(3).plan();
    const data = { holderIdentity: "", renewTime: releasedRenewTime, leaseTransitions: 4, leaseDurationSeconds: 1 };
    expect(plan).toMatchObject({ row: 6, write: { kind: "free", expected: "g1", data } });
  });

  test("reconcile 6, M4, #74: the release of an earlier term of today's leader frees nothing", () => {
    expect(byTerm(2).plan()).toMatchObject({ row: 7 });
    expect(byTerm(2).plan().write).toBeUndefined();
  });

  test("reconcile 6: a release that says no term counts, too: upstream's definition drops it", () => {
    expect(led().told(spec("me", undefined)).plan()).toMatchObject({ row: 6, write: { kind: "free" } });
  });

  test("reconcile 6: the release of somebody who does not hold the lease frees nothing", () => {
    const scene = led().told(spec("other", undefined, { leaseTransitions: 3 }));
    expect(scene.plan().write).toBeUndefined();
  });

  test("reconcile 6: a freed record keeps the fields that nobody here knows", () => {
    const unknownFields = { note: "keep" };
    const scene = new Scene().told(spec("me", undefined)).stored(record("me", at(0), { unknownFields }));
    expect(scene.plan().write?.data.unknownFields).toEqual(unknownFields);
  });

  test("K-98 is later: the release of a Go lock, which names nobody, changes nothing", () => {
    const scene = led().told({ holderIdentity: "", leaseDurationSeconds: 1, renewTime: at(100) });
    expect(scene.plan().write).toBeUndefined();
  });
});

describe("a lease that nobody here asks for", () => {
  test("reconcile 7: no fresh candidate, so the record is observed and shown", () => {
    const scene = new Scene().told({}).stored(record("other", at(0)));
    const [plan] = scene.settle();
    expect(plan).toMatchObject({ row: 7, wakeAtMs: scene.nowMs + 15_000 });
    expect(scene.status).toMatchObject({
      ...{ observedGeneration: 1, globalHolderIdentity: "other", globalRenewTime: at(0), globalAcquireTime: at(0) },
      ...{ globalLeaseDurationSeconds: 15, globalLeaseTransitions: 3 },
    });
    expect(scene.condition("LocalCandidateReady")).toBe("False NoCandidate");
  });

  test("reconcile 7: after a candidate's last signal its lock is renewed no more", () => {
    const scene = led();
    for (let second = 0; second < 120; second += 1) {
      expect(scene.passes(1_000).plan().write).toBeUndefined();
      scene.settle();
    }
    expect(scene.condition("LocalCandidateReady")).toBe("False SignalExpired");
    expect(scene.condition("LockAcquiredInBackend")).toBe("False LeaseExpired");
  });
});

describe("the holder goes on", () => {
  test("reconcile 8: a signal later than the stored one renews, on the version in hand, with the term kept", () => {
    const scene = led()
      .passes(5_000)
      .told(spec("me", at(5_000), { leaseTransitions: 3 }));
    const plan = scene.plan();
    const data = { holderIdentity: "me", renewTime: at(5_000), leaseTransitions: 3, acquireTime: at(0) };
    expect(plan).toMatchObject({ row: 8, write: { kind: "renew", expected: "g1", data } });
    expect(plan.status).toBeUndefined();
  });

  test("reconcile 8, K-64: the same signal renews once, however often it is planned for", () => {
    const scene = led()
      .passes(5_000)
      .told(spec("me", at(5_000), { leaseTransitions: 3 }));
    expect(scene.settle().map(({ write, status }) => [write?.kind, status !== undefined])).toEqual([
      ["renew", false],
      [undefined, true],
      [undefined, false],
    ]);
    expect(scene.status).toMatchObject({ observedGeneration: 2, globalRenewTime: at(5_000) });
    expect(scene.passes(2_000).repeated().plan().write).toBeUndefined();
  });

  test("reconcile 8: a signal that says no term renews", () => {
    expect(
      led()
        .told(spec("me", at(5_000)))
        .plan(),
    ).toMatchObject({ row: 8, write: { kind: "renew" } });
  });

  test("reconcile 8, K-80: over a Go controller's record each signal is written once, whatever its clock says", () => {
    const { leaseDurationSeconds: _none, acquireTime: _nor, ...go } = record("me", at(3_600_000));
    const scene = new Scene().told(spec("me", at(0))).stored({ ...go, renewTime: "2026-11-21T13:00:00.175864915Z" });
    const plan = scene.plan();
    expect(plan).toMatchObject({
      row: 8,
      write: { kind: "renew", data: { renewTime: at(0), leaseDurationSeconds: 15 } },
    });
    scene.carryOut(plan).stored({ ...go, renewTime: "2026-11-21T13:00:02.175864915Z" }); // a Go controller wrote again
    expect(scene.plan().write).toBeUndefined();
    expect(scene.told(spec("me", at(2_000))).plan()).toMatchObject({ row: 8, write: { kind: "renew" } });
  });

  test("reconcile 9: a larger term begins at once, over its own record", () => {
    const plan = led()
      .told(spec("me", at(5_000), { leaseTransitions: 4 }))
      .plan();
    const data = { leaseTransitions: 4, acquireTime: at(5_000), renewTime: at(5_000) };
    expect(plan).toMatchObject({ row: 9, write: { kind: "newTerm", expected: "g1", data } });
  });

  test("reconcile 9: a late signal of an earlier term is ignored", () => {
    const plan = led()
      .told(spec("me", at(5_000), { leaseTransitions: 2 }))
      .plan();
    expect(plan).toMatchObject({ row: 9 });
    expect(plan.write).toBeUndefined();
  });
});

describe("a lease that is free for the taking, or not", () => {
  test("reconcile 10: a term of the past is not given again; the status tells which one is the highest", () => {
    const scene = new Scene().told(spec("me", at(0), { leaseTransitions: 4 })).stored(released);
    const [plan] = scene.settle();
    expect(plan).toMatchObject({ row: 10 });
    expect(plan?.write).toBeUndefined();
    expect(scene.status).toMatchObject({ observedGeneration: 1, globalHolderIdentity: "", globalLeaseTransitions: 4 });
  });

  test("reconcile 10: of two that wait, the one that asks for the past holds up nobody", () => {
    const scene = new Scene()
      .told(spec("late", at(0), { leaseTransitions: 1 }))
      .stored(released)
      .passes(100);
    const plan = scene.told(spec("me", at(1), { leaseTransitions: 5 })).plan();
    expect(plan).toMatchObject({ row: 12, write: { data: { holderIdentity: "me" } } });
  });

  test("reconcile 11: an absent record is created, with the term asked for, else with 1", () => {
    const scene = new Scene().told(spec("me", at(0), { leaseTransitions: 7 })).absent();
    const data = { holderIdentity: "me", renewTime: at(0), acquireTime: at(0), leaseTransitions: 7 };
    expect(scene.plan()).toMatchObject({ row: 11, write: { kind: "create", data } });
    expect(scene.plan().write?.expected).toBeUndefined();
    expect(
      new Scene()
        .told(spec("me", at(0)))
        .absent()
        .plan().write?.data.leaseTransitions,
    ).toBe(1);
  });

  test("reconcile 11: a record that is gone after a holder was seen is waited for, from the first absence on", () => {
    const scene = new Scene().told(spec("me", at(0))).stored(record("other", at(0), { leaseDurationSeconds: 20 }));
    scene
      .passes(10_000)
      .absent()
      .told(spec("me", at(10_000)));
    expect(scene.plan().row).toBe(13);
    for (let looks = 0; looks < 4; looks += 1) {
      expect(scene.plan().write).toBeUndefined();
      scene.passes(5_000).absent();
    }
    scene.told(spec("me", at(30_000)));
    expect(scene.plan()).toMatchObject({ row: 11, write: { kind: "create", data: { leaseTransitions: 4 } } });
  });

  test("reconcile 11, K-76: an absence with a gap between two looks starts again", () => {
    const scene = new Scene().told(spec("me", at(0))).stored(record("other", at(0)));
    scene
      .passes(1_000)
      .absent()
      .passes(15_000)
      .absent()
      .told(spec("me", at(16_000)));
    expect(scene.plan()).toMatchObject({ row: 13 });
    for (let looks = 0; looks < 3; looks += 1) {
      expect(scene.plan().write).toBeUndefined();
      scene.passes(5_000).absent();
    }
    expect(scene.told(spec("me", at(31_000))).plan()).toMatchObject({ row: 11, write: { kind: "create" } });
  });

  test("reconcile 11, K-76: the status remembers holder and term across a restart", () => {
    const status = {
      ...{ globalHolderIdentity: "other", globalRenewTime: at(0), globalLeaseDurationSeconds: 30 },
      globalLeaseTransitions: 41,
    };
    const scene = new Scene()
      .told(spec("me", at(0)), { status, found: true })
      .absent()
      .told(spec("me", at(1)));
    expect(scene.plan()).toMatchObject({ row: 13 });
    for (let looks = 0; looks < 6; looks += 1) scene.passes(5_000).absent();
    scene.told(spec("me", at(30_000)));
    expect(scene.plan()).toMatchObject({ row: 11, write: { data: { leaseTransitions: 42 } } });
  });

  test("reconcile 11, K-76: nor does a restart forget whom to wait for when the status has shown the absence", () => {
    const before = new Scene().told(spec("me", at(0))).stored(record("other", at(0), { leaseDurationSeconds: 30 }));
    before.settle();
    before.absent().settle();
    expect(before.status).toMatchObject({ globalHolderIdentity: "", globalLeaseDurationSeconds: 30 });
    const { status } = before;
    const after = new Scene().told(spec("me", at(0)), { status, found: true });
    after.absent().told(spec("me", at(1)));
    expect(after.plan().row).toBe(13);
    for (let looks = 0; looks < 6; looks += 1) {
      expect(after.plan().write).toBeUndefined();
      after.passes(5_000).absent();
    }
    expect(after.told(spec("me", at(2))).plan()).toMatchObject({ row: 11, write: { kind: "create" } });
    before
      .passes(15_000)
      .stored(record("", at(0)))
      .settle();
    expect(before.status.globalLeaseDurationSeconds).toBeUndefined();
  });

  test("reconcile 12: a free record is taken over at once", () => {
    const preferred = { ...released, preferredHolder: "other", unknownFields: { note: "keep" } };
    const plan = new Scene()
      .told(spec("me", at(0), { leaseTransitions: 5 }))
      .stored(preferred)
      .plan();
    const data = {
      holderIdentity: "me",
      renewTime: at(0),
      acquireTime: at(0),
      leaseTransitions: 5,
      leaseDurationSeconds: 15,
    };
    expect(plan).toMatchObject({ row: 12, write: { kind: "takeOver", expected: "g1", data } });
    expect(plan.write?.data).not.toHaveProperty("preferredHolder");
    expect(plan.write?.data.unknownFields).toEqual({ note: "keep" });
  });

  test("reconcile 12: without an ask the term is one more than was ever seen", () => {
    expect(
      new Scene()
        .told(spec("me", at(0)))
        .stored(released)
        .plan().write?.data.leaseTransitions,
    ).toBe(5);
  });

  test("reconcile 12, 13, K-62: another's lease is taken over when its pair was received its wait ago, not earlier", () => {
    const scene = new Scene().told(spec("me", at(0))).stored(record("other", at(3_600_000)));
    expect(scene.plan()).toMatchObject({ row: 13, wakeAtMs: expect.any(Number) });
    scene
      .passes(10_000)
      .told(spec("me", at(10_000)))
      .passes(4_999);
    expect(scene.plan()).toMatchObject({ row: 13, wakeAtMs: scene.nowMs + 1 });
    expect(scene.passes(1).plan()).toMatchObject({
      row: 12,
      write: { kind: "takeOver", event: { reason: "LeaseExpired" } },
    });
  });

  test("reconcile 13: those who wait for one expiry spread over 50 ms", () => {
    const scene = new Scene();
    scene.share = 0.999;
    scene
      .stored(record("other", at(0)))
      .passes(14_000)
      .told(spec("me", at(0)));
    expect(scene.passes(1_049).plan()).toMatchObject({ row: 13, wakeAtMs: scene.nowMs + 0.95 });
    expect(scene.passes(1).plan()).toMatchObject({ row: 12, write: { kind: "takeOver" } });
  });

  test("reconcile 13, K-62: each renewal that is seen starts the wait again; a new version alone does not", () => {
    const scene = new Scene().told(spec("me", at(0))).stored(record("other", at(0)));
    scene.passes(8_000).stored(record("other", at(0)), "another version");
    scene.passes(6_999).told(spec("me", at(14_000)));
    expect(scene.plan().write).toBeUndefined();
    expect(
      scene
        .stored(record("other", at(1)))
        .passes(14_000)
        .told(spec("me", at(28_000)))
        .plan().row,
    ).toBe(13);
  });

  test("reconcile 13, K-63: a spec of one second waits for the holder's sixty", () => {
    const scene = new Scene().stored(record("other", at(0), { leaseDurationSeconds: 60 })).passes(59_000);
    scene.told(spec("me", at(0), { leaseDurationSeconds: 1, renewDeadlineSeconds: 1 }));
    expect(scene.plan().row).toBe(13);
    scene.passes(1_000).told(spec("me", at(1_000), { leaseDurationSeconds: 1, renewDeadlineSeconds: 1 }));
    expect(scene.plan().row).toBe(12);
  });

  test("reconcile 13, K-63: a challenger's own duration counts where it is the longer one, and so does the grace", () => {
    const scene = new Scene();
    scene.settings = { ...settings, holderGraceMs: 7_000 };
    scene
      .stored(record("other", at(0)))
      .passes(30_000)
      .told(spec("me", at(0), { leaseDurationSeconds: 40 }));
    expect(scene.plan().row).toBe(13);
    scene.passes(16_999).told(spec("me", at(1), { leaseDurationSeconds: 40 }));
    expect(scene.plan().row).toBe(13);
    expect(scene.passes(1).plan().row).toBe(12);
  });

  test("reconcile 13, K-63: for a Go record the set duration stands in", () => {
    const { leaseDurationSeconds: _none, ...go } = record("other", at(0));
    const scene = new Scene();
    scene.settings = { ...settings, goLeaseDurationMs: 40_000 };
    scene
      .stored(go)
      .passes(39_999)
      .told(spec("me", at(0)));
    expect(scene.plan().row).toBe(13);
    expect(scene.passes(1).plan().row).toBe(12);
  });

  test("reconcile 13, K-63: a stored lease of more than an hour is never taken over, and raises an alarm", () => {
    const scene = new Scene().stored(record("other", at(0), { leaseDurationSeconds: 3_601 })).passes(86_400_000);
    const plan = scene.told(spec("me", at(0))).plan();
    expect(plan).toMatchObject({ row: 13, alarms: [{ kind: "longLease" }] });
    expect(plan.write).toBeUndefined();
  });
});

describe("a storage that has to be read first", () => {
  test("K-67: nothing is written upon what a lost race has made doubtful", () => {
    const scene = led()
      .told(spec("me", at(5_000), { leaseTransitions: 3 }))
      .stale();
    const plan = scene.plan();
    expect(plan.row).toBe(0);
    expect([plan.write, plan.status]).toEqual([undefined, undefined]);
  });

  test("K-73: the spec counts as answered only once its write has its outcome", () => {
    const scene = led()
      .passes(5_000)
      .told(spec("me", at(5_000), { leaseTransitions: 3 }))
      .notBefore(700);
    const waiting = scene.plan();
    expect(waiting).toMatchObject({ row: 8, wakeAtMs: scene.nowMs + 700 });
    expect([waiting.write, waiting.status]).toEqual([undefined, undefined]);
    scene.passes(700).settle();
    expect(scene.status.observedGeneration).toBe(2);
  });

  test("K-69: signals coalesce to the newest while the storage's pace holds a write up", () => {
    const scene = led().notBefore(1_000);
    for (const ms of [100, 200, 300]) scene.passes(100).told(spec("me", at(ms), { leaseTransitions: 3 }));
    expect(scene.plan().write).toBeUndefined();
    expect(scene.passes(700).plan().write?.data.renewTime).toBe(at(300));
  });

  test("K-69: a release goes before a renewal", () => {
    const scene = led()
      .notBefore(1_000)
      .told(spec("me", at(100), { leaseTransitions: 3 }));
    scene.told(spec("me", undefined, { leaseTransitions: 3 })).passes(1_000);
    expect(scene.plan()).toMatchObject({ row: 6, write: { kind: "free" } });
  });
});

describe("times and terms", () => {
  test("K-66: the holder goes first, although another has overwritten its signal", () => {
    const scene = led()
      .passes(5_000)
      .told(spec("me", at(5_000), { leaseTransitions: 3 }));
    scene.told(spec("other", at(5_001), { leaseTransitions: 4 }));
    expect(scene.plan()).toMatchObject({ row: 8, write: { data: { holderIdentity: "me", renewTime: at(5_000) } } });
    scene.settle();
    expect(scene.status).toMatchObject({ observedGeneration: 3, globalHolderIdentity: "me" });
  });

  test("K-72: a second look comes after the retry period, clamped to 1 to 30 s, within a tenth", () => {
    const wakes = [0, 2, 60].map((retryPeriodSeconds) => {
      const scene = led().told(spec("me", at(1), { retryPeriodSeconds, renewDeadlineSeconds: 3_600 }));
      scene.stored(record("me", at(1), { leaseDurationSeconds: 3_600 })).settle();
      return (scene.plan().wakeAtMs ?? 0) - scene.nowMs;
    });
    expect(wakes).toEqual([900, 1_800, 27_000]); // at a draw of 0
  });

  test("K-61: a record that went back raises an alarm; the next term lies above the highest that was seen", () => {
    const scene = led().stored(record("gone", at(-10), { leaseTransitions: 1 }));
    expect(scene.plan()).toMatchObject({ alarms: [{ kind: "termRegression" }] });
    expect(
      scene
        .told(spec("me", at(1)))
        .passes(15_000)
        .told(spec("me", at(15_001)))
        .plan(),
    ).toMatchObject({
      row: 12,
      write: { data: { leaseTransitions: 4 } },
    });
  });

  test("K-61: a holder under a record that went back is not renewed in its old term", () => {
    const scene = led().stored(record("me", at(-9_000), { leaseTransitions: 2 }));
    expect(scene.told(spec("me", at(1), { leaseTransitions: 2 })).plan()).toMatchObject({ row: 10 });
    expect(scene.told(spec("me", at(2), { leaseTransitions: 3 })).plan()).toMatchObject({
      row: 9,
      write: { data: { leaseTransitions: 3 } },
    });
  });

  test("K-68: with Go writers in sight a signal two seconds off the wall clock raises an alarm", () => {
    const { leaseDurationSeconds: _none, ...go } = record("other", at(0));
    const off = (ms: number): readonly string[] => {
      const scene = new Scene().stored(go);
      return scene
        .told(spec("me", at(scene.nowMs + ms)))
        .plan()
        .alarms.map(({ kind }) => kind);
    };
    expect([off(0), off(1_900), off(-2_100), off(2_100)]).toEqual([[], [], ["clockOffset"], ["clockOffset"]]);
  });

  test("K-64: a signal that the storage has shown is not written again, however much came after it", () => {
    const scene = new Scene().stored(record("me~2", at(0)));
    for (let term = 4; term < 20; term += 1) {
      const [holder, time] = [`other-${term}`, at(1_000 * term)];
      scene.passes(1_000).stored(record(holder, time, { leaseTransitions: term }));
    }
    scene.stored(record("", at(0), { leaseTransitions: 20 })).told(spec("me~2", at(0)));
    expect(scene.plan().write).toBeUndefined();
    expect(scene.told(spec("me", at(-5_000))).plan().write).toBeUndefined();
    expect(scene.told(spec("me~3", at(20_000))).plan()).toMatchObject({ row: 12 });
  });

  test("K-64: whoever asks for no term begins one only by a look at the resource that is newer than its signal", () => {
    const scene = new Scene()
      .looked()
      .passes(1)
      .told(spec("me", at(0)))
      .absent();
    expect(scene.firstPlan()).toMatchObject({ row: 11, look: true });
    expect(scene.firstPlan().write).toBeUndefined();
    expect(scene.looked().passes(1_000).absent().firstPlan()).toMatchObject({ row: 11, write: { kind: "create" } });
    expect(scene.passes(1).firstPlan()).toMatchObject({ row: 11, look: true });
    expect(scene.notBefore(500).firstPlan().look).toBeUndefined();
    const asks = new Scene().told(spec("me", at(0), { leaseTransitions: 1 })).absent();
    expect(asks.firstPlan()).toMatchObject({ row: 11, write: { kind: "create" } });
  });

  test("K-64: while an event is missing after its signal, which may be its release, nobody is acted for", () => {
    const scene = new Scene().told(spec("me", at(0))).absent();
    const missed = scene.view;
    scene.told(spec("me", undefined));
    const late = new Scene().absent();
    const [receipt, view] = [{ nowMs: late.nowMs, wallMs: 0, found: false, settings: late.settings }, scene.view];
    if (missed === undefined || view === undefined) throw new Error("nothing was told");
    late.view = { ...view, generation: 3, signal: { identity: "other", renewTime: at(1) } };
    late.known = noteLease(noteLease(late.known, missed, receipt), late.view, receipt);
    expect(late.plan()).toMatchObject({ row: 11, write: { data: { holderIdentity: "other" } } });
    late.known = noteLease(late.known, view, receipt);
    expect(late.passes(15_000).plan().write).toBeUndefined();
  });

  test("K-64: a name whose clock went back is served again once no late event can repeat what it had stored", () => {
    const scene = new Scene().stored(record("me", at(3_600_000))).passes(599_999);
    scene.stored(record("", at(0), { leaseTransitions: 20 }));
    expect(scene.told(spec("me", at(0))).plan().write).toBeUndefined();
    expect(
      scene
        .passes(1)
        .told(spec("me", at(1_000)))
        .plan(),
    ).toMatchObject({ row: 12 });
  });

  test("K-64: a signal that was written once is written no more, also over a record that has become free", () => {
    const scene = led().stored(released);
    const plan = scene.plan();
    expect(plan.write).toBeUndefined();
    expect(scene.told(spec("me", at(1))).plan()).toMatchObject({ row: 12, write: { kind: "takeOver" } });
  });

  test("K-85: a pair counts as received with the status that showed it, so a new leader waits no second time", () => {
    const shown = { globalHolderIdentity: "other", globalRenewTime: at(0), globalLeaseDurationSeconds: 15 };
    const scene = new Scene()
      .told(spec("me", at(0)), { status: shown })
      .passes(14_000)
      .told(spec("me", at(1)));
    scene.passes(1_000).stored(record("other", at(0)));
    expect(scene.plan()).toMatchObject({ row: 12, write: { kind: "takeOver" } });
  });
});
