// Goal: the three faces of an elector keep their promises at their own edges: who may call what when, what is told to
// whom, and what is left behind. Method: electors over a fake lock with a manual clock; the election itself is tested
// elsewhere.
import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import type { Leadership, StopReason } from "../../src/election/leadership.ts";
import type { LeaderElectorOptions } from "../../src/election/settings.ts";
import {
  AccessDeniedError,
  AlreadyRunningError,
  InvalidSettingsError,
  StorageUnavailableError,
} from "../../src/errors.ts";
import type { Logger } from "../../src/system/logger.ts";
import { FakeLock, ManualClock } from "../../src/testing/index.ts";

interface Made {
  readonly clock: ManualClock;
  readonly lock: FakeLock;
  readonly elector: LeaderElector;
  readonly terms: Leadership[];
  readonly stops: StopReason[];
  readonly errors: string[];
}

/** An elector whose work ends with its term. */
function made(
  options: Partial<LeaderElectorOptions> = {},
  lockOptions: ConstructorParameters<typeof FakeLock>[0] = {},
): Made {
  const clock = new ManualClock();
  const lock = new FakeLock({ clock, identity: "me", ...lockOptions });
  const terms: Leadership[] = [];
  const stops: StopReason[] = [];
  const errors: string[] = [];
  const elector = new LeaderElector({
    ...{ lock, clock, random: { next: () => 0, uuid: () => "" } },
    // cast: the tests throw errors
    onError: (error, where) => void errors.push(`${where}: ${(error as Error).message}`),
    callbacks: {
      onStartedLeading(leadership) {
        terms.push(leadership);
        return untilAborted(leadership);
      },
      onStoppedLeading: (reason) => void stops.push(reason),
    },
    ...options,
  });
  return { clock, lock, elector, terms, stops, errors };
}

function untilAborted({ signal }: Leadership): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Moves time until the promise has settled. */
async function settledBy<T>(clock: ManualClock, promise: PromiseLike<T>, withinMs = 60_000): Promise<T> {
  let settled = false;
  const note = (): void => {
    settled = true;
  };
  promise.then(note, note);
  await clock.advanceUntil(() => settled, withinMs);
  return promise;
}

async function ended(terms: AsyncIterator<Leadership>): Promise<void> {
  expect(await terms.return?.()).toEqual({ done: true, value: undefined });
}

/** An elector that leads by `run`. */
async function leading(...options: Parameters<typeof made>): Promise<Made & { running: Promise<void> }> {
  const parts = made(...options);
  const running = parts.elector.run();
  await parts.clock.advance();
  expect(parts.elector.isLeader()).toBe(true);
  return { ...parts, running };
}

const abortListeners = ({ signal }: AbortController): number => getEventListeners(signal, "abort").length;

describe("an elector that does not campaign", () => {
  it("knows its name, its identity and its tolerances, and that it does not lead", () => {
    const { elector, lock } = made({ name: "invoices" });
    expect([elector.name, elector.identity, elector.state, elector.isLeader(), elector.leader]).toEqual([
      ...["invoices", "me", "idle", false, undefined],
    ]);
    expect(elector.tolerances.clockRate).toBeCloseTo(0.2);
    expect(lock.calls).toEqual([]);
    expect(made().elector.name).toBe("fake/lock");
  });

  it("is healthy, and has nothing to resign", async () => {
    const { elector } = made();
    elector.check();
    await elector.resign();
    expect(elector.state).toBe("idle");
  });

  it("refuses wrong settings when it is made", () => {
    expect(() => made({ leaseDurationMs: 1 })).toThrow(InvalidSettingsError);
  });
});

describe("a stop before a campaign", () => {
  it("makes the next one settle at once, and only that one", async () => {
    const { elector, lock, clock } = made();
    await elector.stop();
    await elector.run();
    expect(lock.calls).toEqual([]);
    const running = elector.run();
    await clock.advance();
    expect(elector.isLeader()).toBe(true);
    await settledBy(clock, elector.stop());
    await running;
  });

  it("makes `terms` end and `acquire` reject at once", async () => {
    const { elector, lock } = made();
    await elector.stop();
    expect(await elector.terms().next()).toEqual({ done: true, value: undefined });
    await elector.stop();
    await expect(elector.acquire()).rejects.toMatchObject({ name: "AbortError" });
    expect(lock.calls).toEqual([]);
  });

  it("after a campaign does not count for the next one", async () => {
    const { elector, clock, running } = await leading();
    await settledBy(clock, elector.stop());
    await running;
    await elector.stop();
    const again = elector.run();
    await clock.advance();
    expect(elector.isLeader()).toBe(true);
    await settledBy(clock, elector.stop());
    await again;
  });
});

describe("a signal that has fallen before", () => {
  it("asks the lock nothing", async () => {
    const { elector, lock } = made();
    const signal = AbortSignal.abort(new Error("before"));
    await elector.run({ signal });
    await expect(elector.acquire({ signal })).rejects.toThrow("before");
    expect(await elector.terms({ signal }).next()).toEqual({ done: true, value: undefined });
    expect(lock.calls).toEqual([]);
    expect(elector.state).toBe("idle");
  });
});

describe("who may campaign", () => {
  it("is no elector that campaigns already, by any face", async () => {
    const { elector, clock, running } = await leading();
    await expect(elector.run()).rejects.toBeInstanceOf(AlreadyRunningError);
    await expect(elector.acquire()).rejects.toBeInstanceOf(AlreadyRunningError);
    const terms = elector.terms();
    await expect(terms.next()).rejects.toBeInstanceOf(AlreadyRunningError);
    expect(await terms.next()).toEqual({ done: true, value: undefined });
    expect(elector.isLeader()).toBe(true);
    await settledBy(clock, elector.stop());
    await running;
  });

  it("is no second elector with the same lock object, not even after the first has ended", async () => {
    const first = await leading();
    const second = new LeaderElector({ lock: first.lock, clock: first.clock, callbacks: { onStartedLeading() {} } });
    await expect(second.run()).rejects.toThrow(/serves another elector/);
    await settledBy(first.clock, first.elector.stop());
    await first.running;
    await expect(second.run()).rejects.toBeInstanceOf(AlreadyRunningError);
  });

  it("needs callbacks for `run`, and for nothing else", async () => {
    const clock = new ManualClock();
    const elector = new LeaderElector({ lock: new FakeLock({ clock }), clock });
    await expect(elector.run()).rejects.toBeInstanceOf(InvalidSettingsError);
    const leadership = await settledBy(clock, elector.acquire());
    expect(leadership.isHeld()).toBe(true);
    await settledBy(clock, leadership[Symbol.asyncDispose]());
  });
});

describe("the state of an elector", () => {
  it("goes from idle through following, leading and draining to stopped", async () => {
    const { elector, clock, lock } = made({}, { heldBy: "other" });
    const states = [elector.state];
    const note = (): void => void (elector.state !== states.at(-1) && states.push(elector.state));
    for (const name of ["elected", "draining", "stopped", "newLeader"] as const) elector.on(name, note);
    const running = elector.run();
    await clock.advance();
    note();
    expect(elector.leader).toBe("other");
    lock.grant();
    await clock.advance(5_000);
    note();
    expect(elector.leader).toBe("me");
    await settledBy(clock, elector.stop());
    await running;
    note();
    expect(states).toEqual(["idle", "following", "leading", "draining", "stopped"]);
    expect([elector.isLeader(), elector.leader]).toEqual([false, "me"]);
  });
});

describe("listeners", () => {
  it("hear every event of their name until they are taken off, or the next one only", async () => {
    const { elector, clock } = made();
    const heard: string[] = [];
    elector.on("elected", ({ term }) => heard.push(`on ${term}`));
    const off = elector.on("elected", () => heard.push("taken off"));
    elector.once("attempt", ({ op }) => heard.push(`once ${op}`));
    const offOnce = elector.once("elected", () => heard.push("taken off, too"));
    off();
    offOnce();
    off();
    const running = elector.run();
    await clock.advance();
    expect(heard).toEqual(["once read", "on 1"]);
    await settledBy(clock, elector.stop());
    await running;
  });

  it("may be added twice, and each is taken off by itself", async () => {
    const { elector, clock } = made();
    let heard = 0;
    const listener = (): void => void (heard += 1);
    const off = elector.on("elected", listener);
    elector.on("elected", listener);
    off();
    const running = elector.run();
    await clock.advance();
    expect(heard).toBe(1);
    await settledBy(clock, elector.stop());
    await running;
  });

  it("that throw break nothing: others hear the event, and the error has a place of its name", async () => {
    const { elector, clock, errors, lock } = made();
    const heard: unknown[] = [];
    elector.on("elected", () => {
      throw new Error("of a listener");
    });
    elector.on("elected", ({ term }) => heard.push(term));
    elector.on("error", ({ where }) => heard.push(where));
    const running = elector.run();
    await clock.advance();
    expect(heard).toEqual(["elected", 1]);
    expect(errors).toEqual(["elected: of a listener"]);
    expect(lock.calls).toEqual(["get", "create"]);
    await settledBy(clock, elector.stop());
    await running;
  });

  it("of errors that throw themselves are not told about that", async () => {
    const { elector, clock, lock, errors } = made();
    elector.on("error", () => {
      throw new Error("of an error listener");
    });
    lock.fail(new StorageUnavailableError("away"), { times: 1 });
    const running = elector.run();
    await clock.advance(10_000);
    expect(errors).toEqual(["read: away"]);
    expect(elector.isLeader()).toBe(true);
    await settledBy(clock, elector.stop());
    await running;
  });
});

describe("what nobody may break", () => {
  const loud = (change: Partial<Logger>): Logger => ({ debug() {}, info() {}, warn() {}, error() {}, ...change });

  it("an onError that throws is told to the log", async () => {
    const lines: string[] = [];
    const { elector, clock, lock } = made({
      onError: () => {
        throw new Error("of onError");
      },
      logger: loud({ error: (line) => void lines.push(line) }),
    });
    lock.fail(new StorageUnavailableError("away"), { times: 1 });
    const running = elector.run();
    await clock.advance(10_000);
    expect(lines).toEqual(["onError threw"]);
    expect(elector.isLeader()).toBe(true);
    await settledBy(clock, elector.stop());
    await running;
  });

  it("callbacks that throw are told with their names, and the election goes on", async () => {
    const fail = (): never => {
      throw new Error("no");
    };
    const callbacks = { onStartedLeading: fail, onStoppedLeading: fail, onNewLeader: fail };
    const { elector, clock, errors } = made({ callbacks });
    const running = elector.run();
    await clock.advance();
    expect(errors).toEqual(["onNewLeader: no", "work: no", "onStoppedLeading: no"]);
    await clock.advance(1_000);
    expect(errors.filter((line) => line === "work: no")).toHaveLength(2);
    await settledBy(clock, elector.stop());
    await running;
  });

  it.each(["debug", "info", "warn", "error"] as const)("a logger whose %s throws", async (level) => {
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on("unhandledRejection", note);
    const broken = (): never => {
      throw new Error("the disk is full");
    };
    const { elector, clock, lock } = made({ logger: loud({ [level]: broken }) });
    lock.fail(new StorageUnavailableError("away"), { times: 2 });
    const running = elector.run();
    await clock.advance(20_000);
    expect(elector.isLeader()).toBe(true);
    await settledBy(clock, elector.stop());
    await running;
    process.off("unhandledRejection", note);
    expect(unhandled).toEqual([]);
  });
});

describe("a stop from inside of what is told", () => {
  const events = ["attempt", "newLeader", "elected", "renewed", "suspect", "draining", "stopped", "drained"] as const;

  it.each(events)("as a listener of %s ends the campaign as any other does", async (name) => {
    const { elector, clock, lock, terms, stops, errors } = made();
    elector.on(name, () => void elector.stop());
    const running = elector.run();
    await clock.advance(1_000);
    clock.stepWall(3_600_000); // suspect
    await clock.advance(11_000); // renewed
    if (elector.isLeader()) void elector.resign(); // draining, stopped, drained
    await settledBy(clock, running, 15_100);
    expect(lock.record?.holderIdentity ?? "").toBe("");
    expect(stops.length).toBe(terms.length);
    expect([errors, clock.timerCount, elector.isLeader()]).toEqual([[], 0, false]);
  });

  it("as the callback of a new leader, before one's own work has started, starts none", async () => {
    const stops: StopReason[] = [];
    const parts: Made = made({
      callbacks: {
        onNewLeader: () => void parts.elector.stop(),
        onStartedLeading: () => expect.unreachable("the campaign was stopped before"),
        onStoppedLeading: (reason) => void stops.push(reason),
      },
    });
    await settledBy(parts.clock, parts.elector.run(), 1_000);
    expect([parts.lock.record?.holderIdentity, stops, parts.errors]).toEqual(["", [], []]);
  });

  it("as a listener of the term's signal, and as the stop callback", async () => {
    const parts: Made = made({
      callbacks: {
        onStartedLeading({ signal }) {
          signal.addEventListener("abort", () => void parts.elector.stop());
          return new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
        },
        onStoppedLeading: () => void parts.elector.stop(),
      },
    });
    const running = parts.elector.run();
    await parts.clock.advance(2_000);
    parts.lock.takeAway();
    await settledBy(parts.clock, running, 20_000);
    expect([parts.elector.state, parts.errors]).toEqual(["stopped", []]);
  });
});

describe("run", () => {
  it("resolves after the release, and leaves neither timer nor listener", async () => {
    const { elector, clock, lock, stops } = made();
    const controller = new AbortController();
    const running = elector.run({ signal: controller.signal });
    await clock.advance(12_000);
    expect(abortListeners(controller)).toBe(1);
    controller.abort();
    await settledBy(clock, running);
    expect(stops).toEqual(["stopped"]);
    expect(lock.record?.holderIdentity).toBe("");
    expect([clock.timerCount, abortListeners(controller), elector.state]).toEqual([0, 0, "stopped"]);
    const calls = lock.calls.length;
    await clock.advance(120_000);
    expect(lock.calls).toHaveLength(calls);
  });

  it("resolves after its first term with recampaign: false, however that ended", async () => {
    const { elector, clock, lock, running, stops } = await leading({ recampaign: false });
    lock.takeAway();
    await settledBy(clock, running);
    expect([stops, elector.state]).toEqual([["taken"], "stopped"]);
  });

  it("keeps the term when the work returns, or ends it, as it was told", async () => {
    const callbacks = { onStartedLeading() {} };
    const keep = made({ callbacks });
    void keep.elector.run();
    await keep.clock.advance(30_000);
    expect(keep.elector.isLeader()).toBe(true);
    const resign = made({ callbacks, whenWorkReturns: "resign", recampaign: false });
    await settledBy(resign.clock, resign.elector.run());
    expect(resign.lock.record?.holderIdentity).toBe("");
    await settledBy(keep.clock, keep.elector.stop());
  });

  it("may be stopped from inside the work, which does not wait for it", async () => {
    const { elector, clock, stops } = made({
      callbacks: {
        onStartedLeading: () => void elector.stop(),
        onStoppedLeading: (reason) => void stops.push(reason),
      },
    });
    await settledBy(clock, elector.run(), 100);
    expect(stops).toEqual(["stopped"]);
  });

  it("ends a term whose leadership is disposed of", async () => {
    const { elector, clock, stops } = made({
      recampaign: false,
      callbacks: {
        async onStartedLeading(leadership) {
          await leadership[Symbol.asyncDispose]();
        },
        onStoppedLeading: (reason) => void stops.push(reason),
      },
    });
    await settledBy(clock, elector.run());
    expect(stops).toEqual(["workReturned"]);
  });
});

describe("resign", () => {
  it("resolves once the lease is released, with a preference for who is named", async () => {
    const { elector, clock, lock, stops, running } = await leading();
    await settledBy(clock, elector.resign({ to: "other" }), 1_000);
    expect(lock.record).toMatchObject({ holderIdentity: "", preferredHolder: "other", leaderTransitions: 1 });
    expect([stops, elector.isLeader(), elector.state]).toEqual([["resigned"], false, "following"]);
    await settledBy(clock, elector.stop());
    await running;
  });

  it("resolves at once without a term", async () => {
    const { elector, clock } = made({}, { heldBy: "other" });
    const running = elector.run();
    await clock.advance();
    await elector.resign();
    expect(elector.state).toBe("following");
    await settledBy(clock, elector.stop());
    await running;
  });

  it("twice, or beside a stop, is one end", async () => {
    const { elector, clock, stops, running } = await leading();
    await settledBy(clock, Promise.all([elector.resign(), elector.resign(), elector.stop()]));
    await running;
    expect(stops).toEqual(["resigned"]);
    expect(elector.state).toBe("stopped");
  });

  it("resolves when the storage does not answer: the lease runs out", async () => {
    const { elector, clock, lock, running } = await leading();
    lock.hang();
    await settledBy(clock, elector.resign(), 15_100);
    expect(elector.isLeader()).toBe(false);
    await settledBy(clock, elector.stop(), 15_100);
    await running;
  });
});

describe("acquire", () => {
  it("holds one term until it is disposed of, and can be called again", async () => {
    const { elector, clock, lock } = made();
    for (const term of [1, 2]) {
      const leadership = await settledBy(clock, elector.acquire());
      expect([leadership.term, leadership.isHeld(), elector.isLeader()]).toEqual([term, true, true]);
      await clock.advance(30_000);
      expect(leadership.isHeld()).toBe(true);
      await settledBy(clock, leadership[Symbol.asyncDispose](), 1_000);
      expect([leadership.isHeld(), leadership.signal.aborted, lock.record?.holderIdentity]).toEqual([false, true, ""]);
      expect([elector.state, clock.timerCount]).toEqual(["stopped", 0]);
    }
  });

  it("has no second term after a loss", async () => {
    const { elector, clock, lock } = made();
    const leadership = await settledBy(clock, elector.acquire());
    lock.takeAway();
    await clock.advance(10_000);
    expect(leadership.signal.reason).toMatchObject({ reason: "taken" });
    lock.grant();
    await clock.advance(120_000);
    expect([elector.isLeader(), lock.record?.holderIdentity]).toEqual([false, ""]);
    await settledBy(clock, leadership[Symbol.asyncDispose](), 15_100);
  });

  it("rejects with the reason of the abort while it waits, and asks nothing more", async () => {
    const { elector, clock, lock } = made({}, { heldBy: "other" });
    const controller = new AbortController();
    const acquired = elector.acquire({ signal: controller.signal });
    await clock.advance(5_000);
    const reason = new Error("no time");
    controller.abort(reason);
    await expect(settledBy(clock, acquired, 1_000)).rejects.toBe(reason);
    const calls = lock.calls.length;
    await clock.advance(60_000);
    expect([lock.calls.length, clock.timerCount, abortListeners(controller)]).toEqual([calls, 0, 0]);
  });

  it("releases a win that comes after the abort (#30)", async () => {
    const { elector, clock, lock } = made();
    const controller = new AbortController();
    lock.delay({ answerMs: 1_000 }, { on: "write" });
    const acquired = elector.acquire({ signal: controller.signal });
    acquired.catch(() => {}); // looked at below
    await clock.advance(500);
    expect(lock.record?.holderIdentity).toBe("me");
    controller.abort(new Error("no time"));
    await expect(settledBy(clock, acquired, 15_100)).rejects.toThrow("no time");
    expect(lock.record?.holderIdentity).toBe("");
  });

  it("rejects at once with what waiting cannot help, and with nothing else", async () => {
    const denied = made();
    denied.lock.fail(new AccessDeniedError("no right to read"));
    await expect(settledBy(denied.clock, denied.elector.acquire(), 15_100)).rejects.toThrow("no right to read");
    expect(denied.elector.state).toBe("stopped");
    const away = made();
    away.lock.fail(new StorageUnavailableError("away"));
    const acquired = away.elector.acquire();
    await away.clock.advance(60_000);
    away.lock.heal();
    expect((await settledBy(away.clock, acquired)).isHeld()).toBe(true);
  });

  it("waits on where only the watch is refused: nothing relies on it", async () => {
    const { elector, clock, lock, errors } = made({}, { heldBy: "other", watch: "records" });
    const acquired = elector.acquire();
    await clock.advance(100);
    lock.breakWatch(new AccessDeniedError("no right to watch"));
    expect((await settledBy(clock, acquired)).isHeld()).toBe(true);
    expect(errors).toEqual(["watch: no right to watch"]);
  });
});

describe("terms", () => {
  it("gives one term for each pass, and holds back between them", async () => {
    const { elector, clock, lock } = made();
    const terms = elector.terms();
    const first = await settledBy(clock, terms.next());
    expect(first.value?.term).toBe(1);
    const next = terms.next();
    await clock.advance();
    expect([first.value?.isHeld(), lock.record?.holderIdentity]).toEqual([false, ""]);
    await clock.advance(1_999);
    expect(elector.isLeader()).toBe(false);
    expect((await settledBy(clock, next, 1_000)).value?.term).toBe(2);
    await settledBy(clock, ended(terms));
  });

  it("release the lease when the loop is left, by break or by a throw, and pass the error on", async () => {
    for (const leave of ["break", "throw"] as const) {
      const { elector, clock, lock } = made();
      const loop = (async () => {
        for await (const { term } of elector.terms()) {
          expect(term).toBe(1);
          if (leave === "throw") throw new Error("of the body");
          break;
        }
      })();
      const settled = settledBy(clock, loop);
      if (leave === "throw") await expect(settled).rejects.toThrow("of the body");
      else await settled;
      expect([lock.record?.holderIdentity, elector.state, clock.timerCount]).toEqual(["", "stopped", 0]);
    }
  });

  it("end by the abort of their signal, after the body", async () => {
    const { elector, clock, lock } = made();
    const controller = new AbortController();
    const seen: number[] = [];
    const loop = (async () => {
      for await (const leadership of elector.terms({ signal: controller.signal })) {
        seen.push(leadership.term);
        await untilAborted(leadership);
      }
    })();
    await clock.advance(3_000);
    controller.abort();
    await settledBy(clock, loop, 15_100);
    expect([seen, lock.record?.holderIdentity, abortListeners(controller)]).toEqual([[1], "", 0]);
  });

  it("end after the first with recampaign: false", async () => {
    const { elector, clock } = made({ recampaign: false });
    const seen: number[] = [];
    const loop = (async () => {
      for await (const { term } of elector.terms()) seen.push(term);
    })();
    await settledBy(clock, loop);
    expect(seen).toEqual([1]);
  });

  it("after a loss wait for the body before the next one begins", async () => {
    const { elector, clock, lock } = made();
    const terms = elector.terms();
    const first = await settledBy(clock, terms.next());
    lock.takeAway();
    await clock.advance(6_000);
    expect(first.value?.signal.aborted).toBe(true);
    lock.grant();
    await clock.advance(60_000);
    expect(lock.record?.holderIdentity).toBe("");
    expect((await settledBy(clock, terms.next())).value?.term).toBe(3);
    await settledBy(clock, ended(terms));
  });
});
