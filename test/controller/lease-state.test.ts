// Goal: what a controller knows of a lease never goes back by an answer that comes late, and an outage is asked after
// at its pace (K-66, K-78). Method: events and news by hand, on a manual clock.
import { beforeEach, describe, expect, test } from "vitest";
import { ControllerMetrics } from "../../src/controller/controller-metrics.ts";
import { ForeignStatus } from "../../src/controller/foreign-status.ts";
import { LeaseState } from "../../src/controller/lease-state.ts";
import { StorageUnavailableError } from "../../src/errors.ts";
import type { KubernetesResource } from "../../src/kubernetes/kubernetes-resources.ts";
import { defaultGroup } from "../../src/kubernetes/multi-cluster-lease.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { at, record, settings, spec } from "./scene.ts";

let clock: ManualClock;
let state: LeaseState;

beforeEach(() => {
  clock = new ManualClock();
  const storage = new MemoryStorage({ clock });
  const metrics = new ControllerMetrics();
  state = new LeaseState({ clock, random: new SeededRandom(1), settings, group: defaultGroup, metrics, storage });
});

function resource(
  version: number,
  leaseSpec: object,
  more: { uid?: string; generation?: number; status?: object } = {},
): KubernetesResource {
  const { uid = "u1", generation = version, status } = more;
  const metadata = { name: "billing", namespace: "default", uid, generation, resourceVersion: String(version) };
  return { metadata, spec: leaseSpec, ...(status !== undefined && { status }) };
}

const identities = (): readonly string[] => state.known.memory.candidates.map(({ identity }) => identity);

describe("events of a MultiClusterLease", () => {
  test("K-66: a late event counts as a signal, and does not take the view back", () => {
    state.see(resource(9, spec("bob", at(2))), false);
    expect(state.see(resource(5, spec("ada", at(1))), false)).toBe(true);
    expect([identities(), state.view?.resourceVersion]).toEqual([["bob", "ada"], "9"]);
  });

  test("an older signal of the same candidate does not replace its newer one", () => {
    state.see(resource(9, spec("ada", at(2))), false);
    state.see(resource(5, spec("ada", at(1))), false);
    expect(state.known.memory.candidates).toMatchObject([{ identity: "ada", renewTime: at(2) }]);
  });

  test("versions are compared as numbers", () => {
    state.see(resource(99, spec("ada", at(1))), false);
    state.see(resource(100, spec("ada", at(2))), false);
    expect(state.view?.resourceVersion).toBe("100");
  });

  test("an object that was created again is another one; what the storage showed stays known", () => {
    state.see(resource(5, spec("ada", at(1))), false);
    state.receive({ kind: "record", lease: { data: record("ada", at(1)), generation: "g1" } });
    state.see(resource(9, spec("bob", at(2)), { uid: "u2", generation: 1 }), false);
    expect(identities()).toEqual(["bob"]);
    expect(state.known.memory.highest).toEqual({ term: 3, holder: "ada" });
    expect(state.see(resource(7, spec("ada", at(3))), false)).toBe(false);
    expect([identities(), state.view?.uid]).toEqual([["bob"], "u2"]);
  });

  test("what tells nothing new is no news: the same again, an edit of labels", () => {
    expect(state.see(resource(5, spec("ada", at(1))), false)).toBe(true);
    expect(state.see(resource(5, spec("ada", at(1))), false)).toBe(false);
    expect(state.see(resource(6, spec("ada", at(1)), { generation: 5 }), false)).toBe(false);
    expect(state.view?.resourceVersion).toBe("6");
  });
});

describe("news of the storage", () => {
  const pauses = (): number => state.known.global.notBeforeMs - clock.monotonicMs();

  test("K-78: pauses after failures grow from a quarter of a second to five, and end with the first answer", () => {
    const seen: number[] = [];
    for (let failures = 0; failures < 8; failures += 1) {
      state.receive({ kind: "failed", error: new StorageUnavailableError("away"), unknown: false });
      seen.push(pauses());
      clock.pause(pauses());
    }
    const least = [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000];
    for (const [index, ms] of least.entries()) {
      expect(seen[index]).toBeGreaterThanOrEqual(ms);
      expect(seen[index]).toBeLessThan(1.1 * ms);
    }
    state.receive({ kind: "absent" });
    expect(state.known.global.away).toBeUndefined();
    state.receive({ kind: "failed", error: new StorageUnavailableError("away"), unknown: false });
    expect(pauses()).toBeLessThan(300);
  });

  test("K-67: the first lost race is decided again at once, the second after a pause", () => {
    state.receive({ kind: "lost" });
    expect([state.known.global.stale, pauses() > 0]).toEqual([true, false]);
    state.receive({ kind: "record", lease: { data: record("ada", at(1)), generation: "g1" } });
    state.receive({ kind: "lost" });
    expect(pauses()).toBeGreaterThanOrEqual(250);
  });

  test("K-67: after an unknown write nothing is believed until it is read", () => {
    state.receive({ kind: "record", lease: { data: record("ada", at(1)), generation: "g1" } });
    state.receive({ kind: "failed", error: new Error("late"), unknown: true });
    expect(state.known.global).toMatchObject({ stale: true });
    expect(state.known.global.away).toBeUndefined();
  });

  test("a record that comes with a hint is taken only if it is newer beyond doubt", () => {
    const lease = (data: ReturnType<typeof record>, generation: string) => ({ data, generation });
    state.receive({ kind: "record", lease: lease(record("ada", at(5)), "g5") });
    expect(state.isNewer(lease(record("ada", at(5)), "g5"))).toBe(false);
    expect(state.isNewer(lease(record("ada", at(4)), "g4"))).toBe(false);
    expect(state.isNewer(lease(record("ada", at(6)), "g6"))).toBe(true);
    expect(state.isNewer(lease(record("bob", at(6)), "g6"))).toBe(false);
    expect(state.isNewer(lease(record("bob", at(1), { leaseTransitions: 4 }), "g7"))).toBe(true);
    state.distrust();
    expect(state.isNewer(lease(record("ada", at(6)), "g6"))).toBe(false);
  });
});

test("K-80: one late write of a former leader is no second controller, two are", () => {
  const foreign = new ForeignStatus();
  const shown = (holder: string): LeaseState["view"] => {
    state.see(resource(1, {}, { status: { globalHolderIdentity: holder }, uid: holder }), false);
    return state.view;
  };
  foreign.start(shown("a"));
  expect([foreign.isForeign(shown("a")), foreign.isForeign(shown("b"))]).toEqual([false, false]);
  foreign.start(shown("b"));
  expect(foreign.isForeign(shown("c"))).toBe(false);
  foreign.wrote(shown("d"));
  expect([foreign.isForeign(shown("d")), foreign.isForeign(shown("e")), foreign.isForeign(shown("f"))]).toEqual([
    false,
    true,
    false,
  ]);
});
