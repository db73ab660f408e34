// Goal: the work of a term is started once and stopped at most once, and every way in which user code may fail is told.
// Method: work that returns, throws, rejects or never ends, and a listener that writes down the order.
import { describe, expect, it } from "vitest";
import { callbackWork } from "../../src/election/callback-work.ts";
import { ElectionClocks } from "../../src/election/election-clocks.ts";
import { TermLeadership } from "../../src/election/term-leadership.ts";
import { TermRun, type CampaignWork, type WorkEnd } from "../../src/election/term-run.ts";
import { drainMicrotasks } from "../../src/system/microtasks.ts";
import { fakeLeadership, ManualClock } from "../../src/testing/index.ts";

const forEver = (): Promise<never> => new Promise(() => {});

function runOf(work: Partial<CampaignWork>) {
  const told: string[] = [];
  const clocks = new ElectionClocks(new ManualClock());
  const hooks = { wake() {}, stepsChanged() {}, guardRefused() {}, fenced() {}, dispose: async () => {} };
  const leadership = new TermLeadership({ term: 7, identity: "me", validUntilMs: 1_000 }, clocks, hooks);
  const whole: CampaignWork = { start: forEver, stopped() {}, newLeader() {}, onlyOneTerm: false, ...work };
  const run = new TermRun(leadership, whole, {
    workEnded: (which, end) => told.push(`ended: ${end}, ${which === run}, ${which.workEnded}`),
    workFailed: (which, error) => told.push(`failed: ${String(error)}, ${which === run}, ${which.workEnded}`),
    stopCallbackFailed: (error) => told.push(`stop failed: ${String(error)}`),
    changed: () => told.push(`changed: ${run.stopEnded}`),
  });
  return { run, told, leadership };
}

describe("the work", () => {
  it("starts once, with the term", () => {
    const terms: unknown[] = [];
    const { run, leadership } = runOf({
      start(term) {
        terms.push(term);
        return forEver();
      },
    });
    expect(run.started).toBe(false);
    run.start();
    run.start();
    expect([terms, run.started, run.workEnded]).toEqual([[leadership], true, false]);
  });

  it.each(["keep", "workReturned", "stopped"] as const)("tells how it ended: %s", async (end) => {
    const { run, told } = runOf({ start: async (): Promise<WorkEnd> => end });
    run.start();
    expect(told).toEqual([]); // never inside of the start
    await drainMicrotasks();
    expect(told).toEqual([`ended: ${end}, true, true`]);
  });

  it("that fails is told, thrown at once or later, and nothing is unhandled", async () => {
    const starts: readonly CampaignWork["start"][] = [
      () => Promise.reject(new Error("no")),
      () => {
        throw new Error("no");
      },
    ];
    for (const start of starts) {
      const { run, told } = runOf({ start });
      run.start();
      await drainMicrotasks();
      expect(told).toEqual(["failed: Error: no, true, true"]);
    }
  });

  it("that never started has nothing to end", () => {
    const { run } = runOf({});
    expect([run.workEnded, run.stopEnded, run.ended]).toEqual([true, true, true]);
    run.runningSteps = 1;
    expect(run.ended).toBe(false);
  });
});

describe("the stop callback", () => {
  it("is called once, with the first reason, and its end is told", async () => {
    const reasons: string[] = [];
    const { run, told } = runOf({ stopped: (reason) => void reasons.push(reason) });
    run.start();
    run.stop("taken");
    run.stop("expired");
    expect([reasons, run.stopEnded]).toEqual([["taken"], false]);
    await drainMicrotasks();
    expect(told).toEqual(["changed: true"]);
    run.stop("stopped");
    expect(reasons).toEqual(["taken"]);
  });

  it("is not called for work that never started (trace K14)", async () => {
    const { run, told } = runOf({ stopped: () => expect.unreachable() });
    run.stop("stopped");
    await drainMicrotasks();
    expect([told, run.stopEnded]).toEqual([[], true]);
  });

  it("that fails is told and has ended all the same", async () => {
    const failures: readonly CampaignWork["stopped"][] = [
      () => Promise.reject(new Error("no")),
      () => {
        throw new Error("no");
      },
    ];
    for (const stopped of failures) {
      const { run, told } = runOf({ stopped });
      run.start();
      run.stop("taken");
      await drainMicrotasks();
      expect(told).toEqual(["stop failed: Error: no", "changed: true"]);
    }
  });

  it("that never ends keeps the run from ending", async () => {
    const { run, told } = runOf({ start: async () => "keep", stopped: forEver });
    run.start();
    run.stop("taken");
    await drainMicrotasks();
    expect([run.workEnded, run.stopEnded, run.ended, told]).toEqual([true, false, false, ["ended: keep, true, true"]]);
  });
});

it("a run has ended when the work, its steps and the stop callback have", async () => {
  const work = Promise.withResolvers<WorkEnd>();
  const { run } = runOf({ start: () => work.promise });
  run.start();
  run.runningSteps = 1;
  run.stop("stopped");
  await drainMicrotasks();
  expect([run.workEnded, run.stopEnded, run.ended]).toEqual([false, true, false]);
  work.resolve("keep");
  await drainMicrotasks();
  expect([run.workEnded, run.ended]).toEqual([true, false]);
  run.runningSteps = 0;
  expect(run.ended).toBe(true);
});

describe("callbacks as work", () => {
  it("get what they need, and the rest of them may be missing", async () => {
    const calls: unknown[] = [];
    const leadership = fakeLeadership();
    const work = callbackWork(
      {
        onStartedLeading: (term) => void calls.push(term),
        onStoppedLeading: (reason) => void calls.push(reason),
        onNewLeader: (identity) => void calls.push(identity),
      },
      "keep",
    );
    await work.start(leadership);
    await work.stopped("taken");
    await work.newLeader("other");
    expect(calls).toEqual([leadership, "taken", "other"]);
    const bare = callbackWork({ onStartedLeading() {} }, "keep");
    expect([await bare.stopped("taken"), await bare.newLeader("other"), bare.onlyOneTerm]).toEqual([
      ...[undefined, undefined, false],
    ]);
  });

  it("keep the term or end it when the work returns, as the settings say", async () => {
    for (const [setting, end] of [
      ["keep", "keep"],
      ["resign", "workReturned"],
    ] as const) {
      expect(await callbackWork({ onStartedLeading: async () => {} }, setting).start(fakeLeadership())).toBe(end);
    }
  });

  it("that throw at once reject, and keep their `this`", async () => {
    class Worker {
      readonly name = "worker";
      onStartedLeading(): void {
        throw new Error(this.name);
      }
      onStoppedLeading(): Promise<void> {
        return Promise.reject(new Error(this.name));
      }
    }
    const work = callbackWork(new Worker(), "keep");
    await expect(work.start(fakeLeadership())).rejects.toThrow("worker");
    await expect(work.stopped("taken")).rejects.toThrow("worker");
  });
});
