// Goal: terms() and acquire() keep the promises of run: one body per term, a release at each end, nothing left pending.
// Method: real electors over a lock in memory; each face is ended in each phase, by each means, and the calls are
// compared.
import { getEventListeners } from "node:events";
import { expect } from "vitest";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import type { Leadership } from "../../src/election/leadership.ts";
import type { LeaderElectorOptions } from "../../src/election/settings.ts";
import { AccessDeniedError, AlreadyRunningError } from "../../src/errors.ts";
import type { DisturbedLock } from "../../src/testing/disturbed-lock.ts";
import { assertPace } from "../../src/testing/elector-pace.ts";
import { untilAborted } from "../../src/testing/elector-stage.ts";
import { defaults, scenario as plainScenario, type Scene } from "./scene.ts";

interface Subject {
  readonly elector: LeaderElector;
  readonly lock: DisturbedLock;
  readonly errors: unknown[];
}

async function subject({ stage, clock }: Scene, options: Partial<LeaderElectorOptions> = {}): Promise<Subject> {
  const lock = await stage.lock({ watched: "through" });
  const errors: unknown[] = [];
  const elector = new LeaderElector({
    ...{ ...defaults, lock, clock, herdJitterMs: 0, onError: (error) => void errors.push(error) },
    ...options,
  });
  subjects.push({ elector, lock, errors });
  return { elector, lock, errors };
}

/** A scenario that also ends with every subject's pace. */
function scenario(title: string, play: (scene: Scene) => Promise<void>): void {
  plainScenario(title, async (scene) => {
    const first = subjects.length;
    await play(scene);
    expect(subjects.length).toBeGreaterThan(first);
    for (const { lock } of subjects.slice(first)) {
      assertPace(lock.log, { retryPeriodMs: 2_000, renewIntervalMs: 5_000, terms: 3 });
    }
  });
}

const subjects: Subject[] = [];

/** What became of a promise, without waiting for it. */
function watched<T>(promise: PromiseLike<T>): { value?: T; error?: unknown; settled: boolean } {
  const end: { value?: T; error?: unknown; settled: boolean } = { settled: false };
  promise.then(
    (value) => Object.assign(end, { value, settled: true }),
    (error: unknown) => Object.assign(end, { error, settled: true }),
  );
  return end;
}

const loop = async (elector: LeaderElector, body: (term: Leadership) => Promise<"break" | "next">): Promise<void> => {
  for await (const term of elector.terms()) if ((await body(term)) === "break") break;
};

scenario("a loop over terms that breaks at once releases, and ends the campaign", async (scene) => {
  const me = await subject(scene);
  const stops: string[] = [];
  me.elector.on("stopped", ({ reason }) => stops.push(reason));
  const ended = watched(loop(me.elector, async () => "break"));
  await scene.clock.advance();
  expect(ended.settled).toBe(true);
  expect(me.lock.calls).toEqual(["get", "create", "update"]);
  expect(stops).toEqual(["stopped"]);
  expect(await scene.stage.holder()).toBe("");
  expect(me.elector.state).toBe("stopped");
});

scenario("the next pass releases the term, holds back, and brings a larger one", async (scene) => {
  const me = await subject(scene);
  const terms: number[] = [];
  const stops: string[] = [];
  me.elector.on("stopped", ({ reason }) => stops.push(reason));
  const ended = watched(loop(me.elector, async ({ term }) => (terms.push(term) < 3 ? "next" : "break")));
  await scene.clock.advance(1);
  expect(terms).toEqual([1]);
  expect(await scene.stage.holder()).toBe("");
  await scene.clock.advance(1_998);
  expect(terms).toEqual([1]);
  await scene.clock.advance(10_000);
  expect(terms).toEqual([1, 2, 3]);
  expect(stops).toEqual(["workReturned", "workReturned", "stopped"]);
  expect(ended.settled).toBe(true);
});

scenario("a loop that breaks after a loss, or while it drains, ends without a further term", async (scene) => {
  for (const end of ["loss", "resign"] as const) {
    const me = await subject(scene);
    let passes = 0;
    const ended = watched(
      loop(me.elector, async (term) => {
        passes += 1;
        await untilAborted(term);
        return "break";
      }),
    );
    await scene.clock.advance();
    expect(me.elector.isLeader()).toBe(true);
    if (end === "loss") await scene.stage.put(scene.stage.record({ leaderTransitions: 2 }));
    else void me.elector.resign();
    await scene.clock.advanceUntil(() => ended.settled, 15_100);
    expect(passes).toBe(1);
    expect(await scene.stage.holder()).toBe(end === "loss" ? "bing" : "");
    await scene.stage.put(undefined);
  }
});

scenario("after a loss the next term waits for the body", async (scene) => {
  const me = await subject(scene);
  const terms: Leadership[] = [];
  let finish = (): void => {};
  const ended = watched(
    loop(me.elector, async (term) => {
      terms.push(term);
      if (terms.length === 2) return "break";
      await new Promise<void>((resolve) => (finish = resolve));
      return "next";
    }),
  );
  await scene.clock.advance();
  await scene.stage.put(scene.stage.record({ leaderTransitions: 2, leaseDurationSeconds: 1 }));
  await scene.clock.advance(60_000);
  expect(terms[0]?.signal.aborted).toBe(true);
  expect(terms.length, "a second term beside the running body").toBe(1);
  finish();
  await scene.clock.advanceUntil(() => ended.settled, 30_000);
  expect(terms.map(({ term }) => term)).toEqual([1, 3]);
});

scenario("a throw out of the loop releases, and reaches the caller", async (scene) => {
  const me = await subject(scene);
  const failure = new Error("injected");
  const body = async (): Promise<"break"> => {
    throw failure;
  };
  const ended = watched(loop(me.elector, body));
  await scene.clock.advance();
  expect(ended.error).toBe(failure);
  expect(await scene.stage.holder()).toBe("");
});

scenario("return() while next() is pending ends both, also where the storage hangs", async (scene) => {
  for (const trouble of ["following", "hanging", "acquiring"] as const) {
    if (trouble === "following") await scene.stage.put(scene.stage.record());
    const me = await subject(scene);
    if (trouble === "hanging") me.lock.hang();
    if (trouble === "acquiring") me.lock.delay({ answerMs: 500 }, { on: "write", times: 1 });
    const terms = me.elector.terms();
    const next = watched(terms.next());
    await scene.clock.advance(100);
    expect(next.settled).toBe(false);
    const returned = watched(terms.return?.() ?? Promise.reject(new Error("no return")));
    await scene.clock.advanceUntil(() => returned.settled, 15_100);
    expect(next.value).toEqual({ done: true, value: undefined });
    expect(returned.value).toEqual({ done: true, value: undefined });
    expect(await watchedNow(terms.next(), scene)).toEqual({ done: true, value: undefined });
    expect(await scene.stage.holder()).toBe({ following: "bing", hanging: undefined, acquiring: "" }[trouble]);
    await scene.stage.put(undefined);
  }
});

scenario("return() while the last term is released, or while it holds back, ends both", async (scene) => {
  for (const phase of ["releasing", "holding back"] as const) {
    const me = await subject(scene);
    const terms = me.elector.terms();
    const first = await watchedNow(terms.next(), scene);
    expect(first?.value?.isHeld()).toBe(true);
    me.lock.delay({ requestMs: 500 }, { on: "update", times: 1 });
    const next = watched(terms.next());
    await scene.clock.advance(phase === "releasing" ? 100 : 1_000);
    expect(await scene.stage.holder()).toBe(phase === "releasing" ? me.lock.identity : "");
    const returned = watched(terms.return?.() ?? Promise.reject(new Error("no return")));
    await scene.clock.advanceUntil(() => returned.settled, 15_100);
    expect(next.value).toEqual({ done: true, value: undefined });
    expect(me.lock.calls).toEqual(["get", "create", "update"]);
    expect(await scene.stage.holder()).toBe("");
    await scene.stage.put(undefined);
  }
});

async function watchedNow<T>(promise: Promise<T>, { clock }: Scene): Promise<T | undefined> {
  const end = watched(promise);
  await clock.advance();
  return end.value;
}

scenario("an aborted signal ends the iteration after a release, and leaves no listener behind", async (scene) => {
  const me = await subject(scene);
  const controller = new AbortController();
  const { signal } = controller;
  const terms = me.elector.terms({ signal });
  const first = await watchedNow(terms.next(), scene);
  expect(first?.value?.term).toBe(1);
  const second = watched(terms.next());
  await scene.clock.advance(1);
  expect(second.settled).toBe(false);
  controller.abort();
  await scene.clock.advanceUntil(() => second.settled, 15_100);
  expect(second.value).toEqual({ done: true, value: undefined });
  expect(await scene.stage.holder()).toBe("");
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

scenario("each face that ends without its signal leaves no listener on it", async (scene) => {
  const { signal } = new AbortController();
  const me = await subject(scene, { callbacks: { onStartedLeading: untilAborted } });
  const settle = async (end: Promise<unknown>): Promise<void> => {
    const ended = watched(end);
    await scene.clock.advanceUntil(() => ended.settled, 15_100);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  };
  const running = me.elector.run({ signal });
  await scene.clock.advance();
  expect(getEventListeners(signal, "abort").length).toBe(1);
  void me.elector.stop();
  await settle(running);
  const terms = me.elector.terms({ signal });
  await watchedNow(terms.next(), scene);
  expect(getEventListeners(signal, "abort").length).toBe(1);
  await settle(terms.return?.() ?? Promise.reject(new Error("no return")));
  const term = await watchedNow(me.elector.acquire({ signal }), scene);
  expect(getEventListeners(signal, "abort").length).toBe(1);
  await settle(Promise.resolve(term?.[Symbol.asyncDispose]()));
});

scenario("recampaign: false ends the iteration after one term", async (scene) => {
  const me = await subject(scene, { recampaign: false });
  let passes = 0;
  const ended = watched(loop(me.elector, async () => ((passes += 1) > 5 ? "break" : "next")));
  await scene.clock.advance(30_000);
  expect(ended.settled).toBe(true);
  expect(passes).toBe(1);
  expect(await scene.stage.holder()).toBe("");
});

scenario("acquire resolves with a held term, and its disposal closes and releases", async (scene) => {
  const me = await subject(scene);
  const stops: string[] = [];
  me.elector.on("stopped", ({ reason }) => stops.push(reason));
  const term = await watchedNow(me.elector.acquire(), scene);
  expect(term?.isHeld()).toBe(true);
  expect(term?.term).toBe(1);
  await scene.clock.advance(30_000);
  expect(term?.isHeld()).toBe(true);
  const disposed = watched(term?.[Symbol.asyncDispose]() ?? Promise.reject(new Error("no term")));
  await scene.clock.advance();
  expect(disposed.settled).toBe(true);
  expect(term?.isHeld()).toBe(false);
  expect(term?.signal.aborted).toBe(true);
  expect(stops).toEqual(["workReturned"]);
  expect(await scene.stage.holder()).toBe("");
  const calls = me.lock.log.length;
  await term?.[Symbol.asyncDispose]();
  await scene.clock.advance(60_000);
  expect(me.lock.log.length, "a second disposal does nothing").toBe(calls);
});

scenario("an elector acquires again after a disposal, with a larger term", async (scene) => {
  const me = await subject(scene);
  const first = await watchedNow(me.elector.acquire(), scene);
  const running = me.elector.acquire();
  await expect(running).rejects.toBeInstanceOf(AlreadyRunningError);
  const disposed = watched(first?.[Symbol.asyncDispose]() ?? Promise.resolve());
  await scene.clock.advance();
  expect(disposed.settled).toBe(true);
  const second = await watchedNow(me.elector.acquire(), scene);
  expect(second?.term).toBe(2);
  void second?.[Symbol.asyncDispose]();
  await scene.clock.advance();
});

scenario("acquire with an aborted signal rejects with its reason, and asks the lock nothing", async (scene) => {
  const me = await subject(scene);
  const reason = new Error("not today");
  await expect(me.elector.acquire({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(me.lock.calls).toEqual([]);
});

scenario("an abort while acquire waits rejects with its reason, and leaves no listener behind", async (scene) => {
  await scene.stage.put(scene.stage.record());
  const me = await subject(scene);
  const controller = new AbortController();
  const pending = watched(me.elector.acquire({ signal: controller.signal }));
  await scene.clock.advance(3_000);
  expect(pending.settled).toBe(false);
  const reason = new Error("not today");
  controller.abort(reason);
  await scene.clock.advanceUntil(() => pending.settled, 5_100);
  expect(pending.error).toBe(reason);
  expect(await scene.stage.holder()).toBe("bing");
  expect(getEventListeners(controller.signal, "abort")).toEqual([]);
});

scenario("an abort without a reason of its own rejects with an AbortError", async (scene) => {
  await scene.stage.put(scene.stage.record());
  const me = await subject(scene);
  const controller = new AbortController();
  const pending = watched(me.elector.acquire({ signal: controller.signal }));
  controller.abort();
  await scene.clock.advanceUntil(() => pending.settled, 5_100);
  expect(pending.error).toMatchObject({ name: "AbortError" });
});

scenario("a stop while acquire waits rejects with an AbortError", async (scene) => {
  await scene.stage.put(scene.stage.record());
  const me = await subject(scene);
  const stopped = watched(me.elector.acquire());
  await scene.clock.advance();
  void me.elector.stop();
  await scene.clock.advanceUntil(() => stopped.settled, 5_100);
  expect(stopped.error).toMatchObject({ name: "AbortError" });
});

scenario("a win that comes after the abort is released", async (scene) => {
  const me = await subject(scene);
  me.lock.delay({ answerMs: 2_000 }, { on: "create" });
  const controller = new AbortController();
  const pending = watched(me.elector.acquire({ signal: controller.signal }));
  await scene.clock.advance(500);
  controller.abort();
  await scene.clock.advanceUntil(() => pending.settled, 5_100);
  expect(pending.error).toBe(controller.signal.reason);
  expect(await scene.stage.holder()).toBe("");
  expect(me.lock.calls).toEqual(["get", "create", "update"]);
  expect(me.elector.isLeader()).toBe(false);
});

scenario("acquire rejects at once where access is denied: waiting cannot help", async (scene) => {
  for (const on of ["get", "write"] as const) {
    const me = await subject(scene);
    const denied = new AccessDeniedError("injected", { applied: "no" });
    me.lock.fail(denied, { on });
    const pending = watched(me.elector.acquire());
    await scene.clock.advance(10);
    expect(pending.error).toBe(denied);
    await scene.clock.advance(15_100);
    const calls = me.lock.log.length;
    await scene.clock.advance(60_000);
    expect(me.lock.log.length, "it goes on asking").toBe(calls);
    expect(calls).toBeLessThanOrEqual(2);
  }
});

scenario("a loss ends an acquired term, and brings no second one", async (scene) => {
  const me = await subject(scene);
  const term = await watchedNow(me.elector.acquire(), scene);
  await scene.stage.put(scene.stage.record({ leaderTransitions: 2, leaseDurationSeconds: 1 }));
  await scene.clock.advance(5_000);
  expect(term?.signal.aborted).toBe(true);
  expect(term?.isHeld()).toBe(false);
  await scene.clock.advance(60_000);
  expect(await scene.stage.holder()).toBe("bing");
  const disposed = watched(term?.[Symbol.asyncDispose]() ?? Promise.resolve());
  await scene.clock.advance(15_100);
  expect(disposed.settled).toBe(true);
  expect(await scene.stage.holder()).toBe("bing");
});

scenario("resign releases an acquired term once its holder is done with it", async (scene) => {
  const me = await subject(scene);
  const term = await watchedNow(me.elector.acquire(), scene);
  const resigned = watched(me.elector.resign());
  await scene.clock.advance(1_000);
  expect(term?.signal.aborted).toBe(true);
  expect(resigned.settled).toBe(false);
  void term?.[Symbol.asyncDispose]();
  await scene.clock.advance();
  expect(resigned.settled).toBe(true);
  expect(await scene.stage.holder()).toBe("");
});

scenario("a disposal in a partition settles within the drain and the release", async (scene) => {
  const me = await subject(scene);
  const term = await watchedNow(me.elector.acquire(), scene);
  me.lock.hang();
  const disposed = watched(term?.[Symbol.asyncDispose]() ?? Promise.resolve());
  expect(disposed.settled).toBe(false);
  await scene.clock.advance();
  expect(term?.isHeld()).toBe(false);
  await scene.clock.advanceUntil(() => disposed.settled, 15_100);
});

scenario("a block that throws disposes of its term, and its error reaches the caller", async (scene) => {
  const me = await subject(scene);
  const failure = new Error("injected");
  let held: boolean | undefined;
  const block = async (): Promise<void> => {
    await using term = await me.elector.acquire();
    held = term.isHeld();
    throw failure;
  };
  const ended = watched(block());
  await scene.clock.advance();
  expect(held).toBe(true);
  expect(ended.error).toBe(failure);
  expect(me.lock.calls).toEqual(["get", "create", "update"]);
  expect(await scene.stage.holder()).toBe("");
});
