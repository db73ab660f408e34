// Goal: whatever order of events, answers, losses and silence a controller sees, no plan writes blindly, renews without
// a newer signal, takes over too early, lets a term fall, or writes one pair twice. Method: random histories, folded as
// a controller folds them, and the invariants checked at each plan.
import fc from "fast-check";
import { expect, test } from "vitest";
import { isLater } from "../../src/kubernetes/micro-time.ts";
import type { GlobalWrite, Plan } from "../../src/controller/plan.ts";
import { releasedRenewTime } from "../../src/storage/lease-codec.ts";
import type { LeaseData } from "../../src/storage/lease-storage.ts";
import { at, record, Scene, spec } from "./scene.ts";

type Step = (scene: Scene, world: World) => void;

/** What is really stored, and what was ever written. */
class World {
  stored: LeaseData | undefined;
  generation = 0;
  readonly pairs = new Set<string>();
  highest = 0;
  signals = 0;
  readonly rows = new Set<number>();

  write(data: LeaseData | undefined): void {
    this.stored = data;
    this.generation += 1;
    this.highest = Math.max(this.highest, data?.leaseTransitions ?? 0);
  }

  show(scene: Scene): void {
    if (this.stored === undefined) scene.absent();
    else scene.stored(this.stored, `v${this.generation}`);
  }
}

const names = fc.constantFrom("ada", "bob", "cy");
const term = fc.oneof(
  fc.constant(undefined),
  fc.integer({ min: -1, max: 3 }).map((step) => step),
  fc.constant(5_000_000),
);

const signals: fc.Arbitrary<Step> = fc
  .record({ who: names, step: term, seconds: fc.constantFrom(1, 15, 60), found: fc.boolean(), deleting: fc.boolean() })
  .map(({ who, step, seconds, found }) => (scene, world) => {
    const leaseTransitions = step === undefined ? undefined : Math.max(scene.known.memory.highest.term + step, 0);
    const more = { leaseDurationSeconds: seconds, ...(leaseTransitions !== undefined && { leaseTransitions }) };
    scene.told(spec(who, at(++world.signals), more), { found: found && world.signals < 3 });
  });

const oldSignals: fc.Arbitrary<Step> = fc.record({ who: names, back: fc.nat(5) }).map(
  ({ who, back }) =>
    (scene, world) =>
      void scene.told(spec(who, at(Math.max(world.signals - back, 0)))),
);

const releases: fc.Arbitrary<Step> = fc
  .record({ who: names, old: fc.nat(2), says: fc.boolean() })
  .map(({ who, old, says }) => (scene) => {
    const leaseTransitions = Math.max(scene.known.memory.highest.term - old, 0);
    scene.told(spec(who, undefined, says ? { leaseTransitions } : {}));
  });

const hostile: fc.Arbitrary<Step> = fc
  .constantFrom({ holderIdentity: 7 }, { holderIdentity: "ada", renewTime: "now" }, {}, { leaseDurationSeconds: -1 })
  .map((leaseSpec) => (scene) => void scene.told(leaseSpec));

/** Another cluster's controller: renews, takes over (when it may, or early, as a Go one does), frees, deletes. */
const others: fc.Arbitrary<Step> = fc
  .constantFrom<Step>(
    (_scene, world) => {
      const term = (world.stored?.leaseTransitions ?? world.highest) + 1;
      world.write(record("far", at(1_000_000 + ++world.signals), { leaseTransitions: term }));
    },
    (_scene, world) => {
      const { leaseDurationSeconds: _none, ...go } = record("go", at(2_000_000 + ++world.signals));
      world.write({ ...go, leaseTransitions: (world.stored?.leaseTransitions ?? 0) + 1 });
    },
    (_scene, world) => {
      if (world.stored?.holderIdentity !== "far") return;
      world.write({ ...world.stored, renewTime: at(1_000_000 + ++world.signals) });
    },
    (_scene, world) => world.write(record("", releasedRenewTime, { leaseTransitions: world.highest + 1 })),
    (_scene, world) => world.write(undefined),
  )
  .chain((step) =>
    fc.boolean().map(
      (seen): Step =>
        (scene, world) => (step(scene, world), seen && world.show(scene)),
    ),
  );

const looks: fc.Arbitrary<Step> = fc.constantFrom<Step>(
  (scene, world) => world.show(scene),
  (scene) => void scene.fails(500, false),
  (scene) => void scene.fails(500, true),
  (scene) => void scene.unreadable(),
  (scene) => void scene.notBefore(1_000),
  (scene) => void scene.repeated(),
);

const passes: fc.Arbitrary<Step> = fc
  .oneof(fc.constantFrom(1, 1_000, 10_000, 15_000, 15_050, 60_050), fc.nat(70_000))
  .map((ms) => (scene) => void scene.passes(ms));

const deletes: fc.Arbitrary<Step> = fc.constant((scene, world) => {
  void scene.told(spec("ada", at(world.signals)), { deleting: true });
});

const histories = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: signals },
    { weight: 1, arbitrary: oldSignals },
    { weight: 1, arbitrary: releases },
    { weight: 1, arbitrary: hostile },
    { weight: 2, arbitrary: others },
    { weight: 4, arbitrary: looks },
    { weight: 5, arbitrary: passes },
    { weight: 1, arbitrary: deletes },
  ),
  { minLength: 1, maxLength: 30 },
);

/** The version in hand, against what the plan says. */
function checkWrite(scene: Scene, world: World, write: GlobalWrite): void {
  const { record: seen, stale, notBeforeMs } = scene.known.global;
  expect(stale).toBe(false);
  expect(scene.nowMs).toBeGreaterThanOrEqual(notBeforeMs);
  expect(scene.view?.finalizer).toBe(true);
  if (write.kind === "create") {
    expect([seen.kind, write.expected]).toEqual(["absent", undefined]);
  } else {
    if (seen.kind !== "record") throw new Error(`${write.kind} over ${seen.kind}`);
    expect(write.expected).toBe(seen.generation);
    checkOver(scene, write, seen);
  }
  const { highest } = scene.known.memory;
  const { holderIdentity, renewTime, leaseTransitions } = write.data;
  expect(leaseTransitions).toBeGreaterThanOrEqual(highest.term);
  const goesOn = write.kind === "renew" || (write.kind === "newTerm" && highest.holder === holderIdentity);
  if (!goesOn) expect(leaseTransitions).toBeGreaterThan(highest.term);
  if (write.kind === "free") return;
  const pair = JSON.stringify([holderIdentity, renewTime]);
  expect(world.pairs.has(pair), `${pair} again`).toBe(false);
}

function checkOver(
  scene: Scene,
  { kind, data }: GlobalWrite,
  seen: { readonly data: LeaseData; readonly receivedMs: number },
): void {
  const before = seen.data;
  const isOurs = before.leaseDurationSeconds !== undefined;
  if (kind === "renew" || kind === "newTerm") {
    expect(data.holderIdentity).toBe(before.holderIdentity);
    if (isOurs) expect(isLater(data.renewTime, before.renewTime)).toBe(true);
  }
  if (kind === "renew") expect(data.leaseTransitions).toBe(before.leaseTransitions);
  if (kind !== "takeOver" || before.holderIdentity === "") return;
  const waitMs = Math.max(before.leaseDurationSeconds ?? 15, data.leaseDurationSeconds ?? 0) * 1_000;
  expect(scene.nowMs - seen.receivedMs).toBeGreaterThanOrEqual(waitMs);
}

function checkPlan(scene: Scene, world: World, plan: Plan): void {
  world.rows.add(plan.row);
  if (plan.wakeAtMs !== undefined) expect(plan.wakeAtMs).toBeGreaterThan(scene.nowMs);
  if (plan.write !== undefined) {
    expect(plan.finalizer).toBeUndefined();
    checkWrite(scene, world, plan.write);
  }
  const observed = plan.status?.status.observedGeneration ?? 0;
  expect(observed).toBeLessThanOrEqual(scene.view?.generation ?? 0);
}

/** Carries a plan out: the write applies if nobody came between, else the race is lost. */
function carryOut(scene: Scene, world: World, plan: Plan): "gone" | "goes on" {
  if (plan.memory === undefined || plan.finalizer === "remove") return "gone";
  const { write, ...rest } = plan;
  if (write === undefined) return (scene.carryOut(plan), "goes on");
  const current = world.stored === undefined ? undefined : `v${world.generation}`;
  if (current !== write.expected) {
    scene.carryOut(rest).stale();
    world.show(scene); // a lost race is followed by a read
    return "goes on";
  }
  world.write(write.data);
  world.pairs.add(JSON.stringify([write.data.holderIdentity, write.data.renewTime]));
  scene.carryOut(plan);
  world.show(scene);
  return "goes on";
}

test("K-61: no plan writes without naming a version or renews without a newer signal, and terms never fall", () => {
  const rows = new Set<number>();
  const judged = fc.property(histories, (steps) => {
    const scene = new Scene().told({});
    const world = new World();
    world.show(scene);
    for (const step of steps) {
      step(scene, world);
      for (let turn = 0; turn < 4; turn += 1) {
        const plan = scene.plan();
        checkPlan(scene, world, plan);
        if (carryOut(scene, world, plan) === "gone") return addAll(rows, world.rows);
      }
    }
    return addAll(rows, world.rows);
  });
  fc.assert(judged, { numRuns: 1_200 });
  // A property that never gets there says nothing.
  expect([...rows].sort((one, other) => one - other)).toEqual([0, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13]);
});

test("plans come to an end: the same view is planned for once more at the most after each outcome", () => {
  const judged = fc.property(histories, (steps) => {
    const scene = new Scene().told({});
    const world = new World();
    for (const step of steps) step(scene, world);
    expect(scene.settle().length).toBeLessThan(6);
  });
  fc.assert(judged, { numRuns: 400 });
});

function addAll(rows: Set<number>, more: ReadonlySet<number>): void {
  for (const row of more) rows.add(row);
}
