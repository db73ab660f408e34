// Goal: the status says what is so, in upstream's words, and answers a spec only once its write has its outcome.
// Method: plans for situations in words; the status that they make is read back by the next plan.
import { describe, expect, test } from "vitest";
import { at, record, Scene, spec } from "./scene.ts";

const shownBy = (scene: Scene): readonly (string | undefined)[] =>
  ["BackendHealthy", "LockAcquiredInBackend", "LocalCandidateReady"].map((type) => scene.condition(type));

function led(): Scene {
  const scene = new Scene().told(spec("me", at(0), { leaseTransitions: 1 })).absent();
  scene.settle();
  return scene;
}

describe("the conditions", () => {
  test("K-81: held by a local candidate", () => {
    expect(shownBy(led())).toEqual(["True BackendHealthy", "True LockAcquired", "True SignalFresh"]);
  });

  test("K-81: a healthy standby cluster never shows BackendHealthy False, whatever becomes of its candidate", () => {
    const scene = new Scene().told(spec("me", at(0))).stored(record("other", at(0)));
    scene.settle();
    expect(shownBy(scene)).toEqual(["True BackendHealthy", "True LockAcquired", "True SignalFresh"]);
    scene
      .passes(10_000)
      .stored(record("other", at(1)))
      .settle();
    expect(shownBy(scene)).toEqual(["True BackendHealthy", "True LockAcquired", "False SignalExpired"]);
    scene.told(spec("me", undefined)).settle();
    expect(shownBy(scene)).toEqual(["True BackendHealthy", "True LockAcquired", "False CandidateReleased"]);
  });

  test("K-81: no record; free; run out", () => {
    const scene = new Scene().told({}).absent();
    scene.settle();
    expect(shownBy(scene)).toEqual(["True BackendHealthy", "False LockNotAcquired", "False NoCandidate"]);
    scene.stored(record("", "1970-01-01T00:00:00.000000Z")).settle();
    expect(scene.condition("LockAcquiredInBackend")).toBe("False LockReleased");
    scene
      .stored(record("other", at(0)))
      .passes(14_999)
      .settle();
    expect(scene.condition("LockAcquiredInBackend")).toBe("True LockAcquired");
    scene.passes(1).settle();
    expect(scene.condition("LockAcquiredInBackend")).toBe("False LeaseExpired");
    expect(scene.status.globalHolderIdentity).toBe("other");
  });

  test("K-81: a storage that has not answered for a second is not contacted", () => {
    const scene = new Scene();
    scene.known = { ...scene.known, memory: { ...scene.known.memory, knownSinceMs: scene.nowMs } };
    scene.told(spec("me", at(0)));
    expect(scene.plan()).toMatchObject({ row: 0, wakeAtMs: scene.nowMs + 1_000 });
    expect(scene.plan().status).toBeUndefined();
    scene.passes(1_000).settle();
    expect(scene.condition("BackendHealthy")).toBe("Unknown NotContacted");
    expect(scene.status.observedGeneration).toBeUndefined();
  });

  test("K-81: lastTransitionTime moves with the status only, and each condition carries its generation", () => {
    const scene = led();
    const [before] = scene.status.conditions;
    scene
      .passes(5_000)
      .told(spec("me", at(5_000), { leaseTransitions: 1 }))
      .settle();
    const [after] = scene.status.conditions;
    expect(before?.lastTransitionTime).toMatch(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/);
    expect(after).toEqual({ ...before, observedGeneration: 2 });
    scene.fails().settle();
    expect(scene.status.conditions[0]?.lastTransitionTime).not.toBe(before?.lastTransitionTime);
  });

  test("conditions of others stay", () => {
    const theirs = {
      type: "Theirs",
      status: "True",
      reason: "X",
      message: "",
      lastTransitionTime: "2026-11-21T12:00:00Z",
    };
    const scene = new Scene().told({}, { status: { conditions: [theirs] } }).absent();
    scene.settle();
    expect(scene.status.conditions.map(({ type }) => type)).toContain("Theirs");
  });

  test("K-65: a restart shows nothing else until it knows better", () => {
    const scene = new Scene()
      .told(spec("me", at(0)), { found: true, status: led().status })
      .stored(record("me", at(0), { leaseTransitions: 1 }));
    expect(scene.plan().status?.patch["conditions"] ?? []).toEqual([]);
    scene.passes(10_000).settle();
    expect(scene.condition("LocalCandidateReady")).toBe("False SignalExpired");
  });
});

describe("a storage that is away", () => {
  test("K-74: the holder stays, then nobody knows; it is never called expired", () => {
    const scene = led().passes(1_000).fails();
    scene.settle();
    expect(shownBy(scene)).toEqual(["False BackendError", "True LockAcquired", "True SignalFresh"]);
    expect(scene.passes(13_999).plan().wakeAtMs).toBe(scene.nowMs + 1);
    scene.passes(1).settle();
    expect(shownBy(scene)).toEqual(["False BackendError", "Unknown BackendError", "False SignalExpired"]);
    expect(scene.status.globalHolderIdentity).toBe("me");
  });

  test("K-74: so it is where this process never read the record", () => {
    const status = led().status;
    const scene = new Scene().told(spec("me", at(0)), { status, found: true }).fails();
    scene.settle();
    expect(shownBy(scene).slice(0, 2)).toEqual(["False BackendError", "True LockAcquired"]);
    scene.passes(15_000).settle();
    expect(shownBy(scene).slice(0, 2)).toEqual(["False BackendError", "Unknown BackendError"]);
    expect(scene.status.globalHolderIdentity).toBe("me");
  });

  test("K-73: a signal that cannot be written is not answered, but BackendHealthy is about its generation", () => {
    const scene = led()
      .passes(5_000)
      .fails()
      .told(spec("me", at(5_000), { leaseTransitions: 1 }));
    scene.settle();
    expect(scene.status.observedGeneration).toBe(1);
    expect(scene.status.conditions[0]).toMatchObject({
      type: "BackendHealthy",
      status: "False",
      observedGeneration: 2,
    });
  });

  test("K-78: its message is that of the first failure, so that an outage costs few status writes", () => {
    const scene = led().fails();
    scene.settle();
    for (let attempts = 0; attempts < 9; attempts += 1) {
      scene.passes(1_000).fails();
      expect(scene.plan().status).toBeUndefined();
    }
  });
});

describe("what is shown", () => {
  test("globalRenewTime has six digits also for a Go controller's record, and another duration stands in", () => {
    const {
      leaseDurationSeconds: _none,
      acquireTime: _nor,
      ...go
    } = record("go", "2026-11-21T18:00:00.123456789+09:00");
    const scene = new Scene().told({}).stored(go);
    scene.settle();
    expect(scene.status).toMatchObject({
      globalRenewTime: "2026-11-21T09:00:00.123456Z",
      globalLeaseDurationSeconds: 15,
    });
  });

  test("the duration that is shown includes the grace, rounded up", () => {
    const scene = new Scene();
    scene.settings = { ...scene.settings, holderGraceMs: 7_100 };
    scene
      .told({})
      .stored(record("other", at(0)))
      .settle();
    expect(scene.status.globalLeaseDurationSeconds).toBe(23);
  });

  test("a release takes holder, duration and acquire time away, and the term grows", () => {
    const scene = led().told(spec("me", undefined, { leaseTransitions: 1 }));
    scene.settle();
    expect(scene.status).toMatchObject({ globalHolderIdentity: "", globalLeaseTransitions: 2, observedGeneration: 2 });
    expect(scene.status.globalLeaseDurationSeconds).toBeUndefined();
    expect(scene.status.globalAcquireTime).toBeUndefined();
  });

  test("K-82: each change is told once", () => {
    const told: string[] = [];
    const scene = new Scene().told(spec("me", at(0), { leaseTransitions: 1 })).absent();
    const settle = (): void =>
      void told.push(...scene.settle().flatMap(({ events }) => events.map(({ reason }) => reason)));
    settle();
    settle();
    scene.passes(5_000).told(spec("me", at(5_000), { leaseTransitions: 1 }));
    settle();
    scene.told(spec("me", undefined, { leaseTransitions: 1 }));
    settle();
    scene.stored(record("other", at(1), { leaseTransitions: 3 }));
    settle();
    scene.fails();
    settle();
    scene.stored(record("other", at(1), { leaseTransitions: 3 })).passes(15_000);
    settle();
    scene.told({ holderIdentity: "me", renewTime: "soon" });
    settle();
    expect(told).toEqual([
      "LeaderChanged",
      "LockReleased",
      "LeaderChanged",
      "StorageUnhealthy",
      "LeaseExpired",
      "SpecInvalid",
    ]);
  });

  test("messages escape what was written by others", () => {
    const scene = new Scene().told({}).stored(record("evil\u001b[31m", at(0)));
    scene.settle();
    expect(JSON.stringify(scene.status.conditions)).not.toContain("\u001b");
    expect(scene.status.conditions[1]?.message).toContain("\\u001b[31m");
  });
});
