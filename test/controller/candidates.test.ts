// Goal: the controller acts for candidates that signal now, and for nobody whose signal it cannot date. Method: tables
// of signals as events bring them, asked at one instant.
import { describe, expect, test } from "vitest";
import {
  mostCandidates,
  noteSignal,
  pickCandidate,
  type Candidate,
  type Signal,
} from "../../src/controller/candidates.ts";
import { noteLease } from "../../src/controller/lease-memory.ts";
import type { LeaseView } from "../../src/controller/lease-view.ts";
import { at, record, Scene, spec } from "./scene.ts";

const question = {
  nowMs: 0,
  holder: "",
  storedRenewTime: undefined,
  storedTerm: 0,
  highestTerm: 0,
  spent: [],
  isSettled: () => true,
  defaultLeaseMs: 15_000,
};

function noted(table: readonly Candidate[], signal: Signal, nowMs: number): readonly Candidate[] {
  return noteSignal(table, signal, {
    nowMs,
    wallMs: 0,
    generation: 1,
    generations: [],
    found: false,
    defaultLeaseMs: 15_000,
  });
}

describe("which signal is fresh", () => {
  test("K-65: for the renew deadline after this process saw it change, else for the lease duration", () => {
    const short = noted([], { identity: "a", renewTime: at(0), renewDeadlineMs: 10_000, leaseDurationMs: 15_000 }, 0);
    const plain = noted([], { identity: "a", renewTime: at(0), leaseDurationMs: 12_000 }, 0);
    const bare = noted([], { identity: "a", renewTime: at(0) }, 0);
    const until = (table: readonly Candidate[]): readonly boolean[] =>
      [9_999, 10_000, 11_999, 12_000, 14_999, 15_000].map(
        (nowMs) => pickCandidate(table, { ...question, nowMs }) !== undefined,
      );
    expect(until(short)).toEqual([true, false, false, false, false, false]);
    expect(until(plain)).toEqual([true, true, true, false, false, false]);
    expect(until(bare)).toEqual([true, true, true, true, true, false]);
  });

  test("K-65, #78: a clock of a pod that is years off alters nothing", () => {
    for (const years of [-30, 30]) {
      const scene = new Scene().told(spec("me", at(years * 31_536_000_000))).absent();
      expect(scene.plan()).toMatchObject({ row: 11, write: { kind: "create" } });
      scene.settle();
      expect(scene.passes(10_000).plan().row).toBe(7);
    }
  });

  test("K-65: a signal found at the start counts only for the holder, and only if it is later than the stored one", () => {
    const found = (holder: string, storedMs: number): Scene =>
      new Scene().told(spec("me", at(5_000)), { found: true }).stored(record(holder, at(storedMs)));
    expect(found("me", 0).plan()).toMatchObject({ row: 8, write: { kind: "renew", data: { renewTime: at(5_000) } } });
    expect(found("me", 5_000).plan()).toMatchObject({ row: 7 });
    expect(found("other", 0).passes(15_000).plan()).toMatchObject({ row: 7 });
    expect(found("", 0).plan()).toMatchObject({ row: 7 });
    expect(
      found("", 0)
        .told(spec("me", at(5_001)))
        .plan(),
    ).toMatchObject({ row: 12 });
  });

  test("K-65: an event that comes late is as old as the first of a later generation, so it wakes nobody", () => {
    const scene = new Scene().told(spec("old", at(0))).absent();
    const late = new Scene().absent();
    const receipt = { wallMs: 0, found: false, settings: scene.settings };
    const { view: oldView } = scene;
    const { view: newView } = scene.told(spec("", undefined));
    if (oldView === undefined || newView === undefined) throw new Error("nothing was told");
    const noted = (view: LeaseView): void => {
      late.known = noteLease(late.known, view, { ...receipt, nowMs: late.nowMs });
      late.view = newView;
    };
    noted(newView);
    late.passes(9_000).absent();
    noted(oldView);
    const [candidate] = late.known.memory.candidates;
    expect(candidate).toMatchObject({ identity: "old", changedMs: late.nowMs - 9_000 });
    expect(late.plan()).toMatchObject({ row: 11, write: { kind: "create" } });
    expect(late.passes(1_000).plan()).toMatchObject({ row: 7 });
  });

  test("K-64, #74: a replica that takes over writes no stored signal again", () => {
    const scene = new Scene().told(spec("me", at(0)), { found: true }).stored(record("me", at(0)));
    expect(scene.plan().write).toBeUndefined();
    expect(scene.passes(2_000).repeated().plan().write).toBeUndefined();
  });

  test("K-79, #78: an edit of labels repeats the signal, which keeps no candidate alive", () => {
    const scene = new Scene().told(spec("me", at(0))).absent();
    scene.settle();
    for (let edits = 0; edits < 100; edits += 1) {
      expect(scene.passes(100).repeated().plan().write).toBeUndefined();
    }
    expect(scene.plan().row).toBe(7);
  });

  test("a change of the durations alone is no signal, but counts from then on", () => {
    const first = noted([], { identity: "a", renewTime: at(0), leaseDurationMs: 15_000 }, 0);
    const second = noted(first, { identity: "a", renewTime: at(0), leaseDurationMs: 60_000 }, 9_000);
    expect(second).toMatchObject([{ changedMs: 0, leaseDurationMs: 60_000 }]);
  });
});

describe("several candidates on one MultiClusterLease", () => {
  test("K-66: the one that has been fresh for longest goes first, however late its last signal came", () => {
    let table = noted([], { identity: "a", renewTime: at(0) }, 0);
    table = noted(table, { identity: "b", renewTime: at(1) }, 1);
    table = noted(table, { identity: "a", renewTime: at(5_000) }, 5_000);
    expect(pickCandidate(table, { ...question, nowMs: 5_000 })?.identity).toBe("a");
    expect(pickCandidate(table, { ...question, nowMs: 5_000, holder: "b" })?.identity).toBe("b");
  });

  test("K-66: who was silent for too long starts anew behind those who wait", () => {
    let table = noted([], { identity: "a", renewTime: at(0) }, 0);
    table = noted(table, { identity: "b", renewTime: at(14_000) }, 14_000);
    table = noted(table, { identity: "a", renewTime: at(16_000) }, 16_000);
    expect(pickCandidate(table, { ...question, nowMs: 16_000 })?.identity).toBe("b");
  });

  test("K-66, #73: each signal event counts, so two pods that overwrite each other are both served", () => {
    const scene = new Scene().told(spec("a", at(0), { leaseTransitions: 1 })).absent();
    scene.told(spec("b", at(1), { leaseTransitions: 1 })).settle();
    expect(scene.status.globalHolderIdentity).toBe("a");
    expect(scene.status.observedGeneration).toBe(2);
    for (let turn = 1; turn < 20; turn += 1) {
      scene.passes(2_500).told(spec("a", at(turn * 2_500), { leaseTransitions: 1 }));
      scene
        .passes(10)
        .told(spec("b", at(turn * 2_500 + 10), { leaseTransitions: 2 }))
        .settle();
      expect(scene.status).toMatchObject({ globalHolderIdentity: "a", globalRenewTime: at(turn * 2_500) });
    }
    scene
      .passes(15_050)
      .told(spec("b", at(65_000), { leaseTransitions: 2 }))
      .settle();
    expect(scene.status.globalHolderIdentity).toBe("b");
  });

  test("K-66: at most 64 are remembered, the oldest signals go", () => {
    let table: readonly Candidate[] = [];
    for (let number = 0; number < 70; number += 1)
      table = noted(table, { identity: `c${number}`, renewTime: at(number) }, number);
    expect(table).toHaveLength(mostCandidates);
    expect(table[0]?.identity).toBe("c6");
  });

  test("nobody is no candidate", () => {
    expect(noted([], { identity: "", renewTime: at(0) }, 0)).toEqual([]);
  });
});
