// Goal: one loop with one timer folds what happens, decides and acts, and a bug inside of it costs a term at the most.
// Method: campaigns over a fake lock with a manual clock, disturbed where the loop itself is the subject.
import { describe, expect, it } from "vitest";
import { Campaign } from "../../src/election/campaign.ts";
import type { Leadership } from "../../src/election/leadership.ts";
import { resolveSettings, type LeaderElectorOptions } from "../../src/election/settings.ts";
import type { CampaignWork, WorkEnd } from "../../src/election/term-run.ts";
import type { Clock } from "../../src/system/clock.ts";
import { FakeLock, ManualClock } from "../../src/testing/index.ts";

interface Setup {
  readonly options?: Partial<LeaderElectorOptions>;
  readonly lock?: ConstructorParameters<typeof FakeLock>[0];
  readonly work?: Partial<CampaignWork>;
}

const mostFailures = 300;

/** A campaign that has started; its work ends with its term. */
async function campaigning({ options = {}, lock: lockOptions = {}, work = {} }: Setup = {}) {
  const clock = new ManualClock();
  const lock = new FakeLock({ clock, identity: "me", ...lockOptions });
  const chance = { draw: 0, failure: undefined as Error | undefined, failures: 0 };
  const random = {
    next: () => {
      // A loop without a pause would never let a test fail: then it succeeds, and its counts show why.
      if (chance.failure === undefined || chance.failures >= mostFailures) return chance.draw;
      chance.failures += 1;
      throw chance.failure;
    },
    uuid: () => "",
  };
  const { settings, parts } = resolveSettings({ lock, clock, random, ...options });
  const story: string[] = [];
  const events: (readonly [string, unknown])[] = [];
  const troubles: string[] = [];
  const terms: Leadership[] = [];
  const campaign = new Campaign({
    ...{ settings, parts },
    work: {
      async start(leadership): Promise<WorkEnd> {
        terms.push(leadership);
        story.push(`start ${leadership.term}`);
        await new Promise((resolve) => leadership.signal.addEventListener("abort", resolve, { once: true }));
        return "keep";
      },
      stopped: (reason) => void story.push(`stop ${reason}`),
      newLeader: (identity) => void story.push(`new leader ${identity}`),
      onlyOneTerm: false,
      ...work,
    },
    emit: (name, event) => void events.push([name, event]),
    // cast: the tests throw errors
    trouble: (error, where) => void troubles.push(`${where}: ${(error as Error).message}`),
  });
  let settled = false;
  void campaign.settled.then(() => (settled = true));
  campaign.start();
  await clock.advance();
  const eventsOf = (name: string): unknown[] => events.flatMap(([told, event]) => (told === name ? [event] : []));
  /** Stops, and says how long that took. */
  const stop = async (withinMs = 15_100): Promise<number> => {
    campaign.stop();
    return clock.advanceUntil(() => settled, withinMs);
  };
  return { clock, lock, chance, campaign, story, events, eventsOf, troubles, terms, stop, isSettled: () => settled };
}

describe("a campaign", () => {
  it("tells the new leader before the work of its own term starts", async () => {
    const { story, stop } = await campaigning();
    expect(story).toEqual(["new leader me", "start 1"]);
    await stop();
    expect(story).toEqual(["new leader me", "start 1", "stop stopped"]);
  });

  it("has one timer of its own while nothing is under way", async () => {
    const leader = await campaigning();
    const standby = await campaigning({ lock: { heldBy: "other" } });
    for (const { clock, stop } of [leader, standby]) {
      for (let looks = 0; looks < 20; looks += 1) {
        await clock.advance(997);
        expect(clock.timerCount).toBe(1);
      }
      await stop();
      expect(clock.timerCount).toBe(0);
    }
  });

  it("settles once, however often it is stopped, and asks nothing afterwards", async () => {
    const { campaign, lock, clock, stop, isSettled } = await campaigning();
    campaign.stop();
    expect(await stop()).toBe(0);
    campaign.stop();
    await campaign.resign(undefined);
    const calls = lock.calls.length;
    await clock.advance(120_000);
    expect([lock.calls.length, isSettled(), campaign.finished, campaign.isLeader()]).toEqual([
      calls,
      true,
      true,
      false,
    ]);
  });

  it("is stopped while it follows without a write", async () => {
    const { lock, stop } = await campaigning({ lock: { heldBy: "other" } });
    expect(await stop()).toBe(0);
    expect(lock.calls).toEqual(["get"]);
  });

  it.each([
    ["the storage answers", (_lock: FakeLock) => {}],
    ["the storage hangs, so that the term runs out meanwhile", (lock: FakeLock) => lock.hang()],
  ])("settles in time although its work does not end, and says so: %s (L4)", async (_what, disturb) => {
    const work = { start: () => new Promise<WorkEnd>(() => {}) };
    const { lock, stop, story, troubles, eventsOf } = await campaigning({ work });
    disturb(lock);
    expect(await stop()).toBeLessThanOrEqual(15_100);
    expect(story.filter((line) => line.startsWith("stop"))).toEqual(["stop stopped"]);
    expect(eventsOf("stopped")).toEqual([{ term: 1, reason: "stopped" }]);
    expect(troubles.filter((line) => line.includes("did not end within 10000 ms"))).toHaveLength(1);
    expect(lock.record?.holderIdentity).toBe("me"); // never released beside its work
  });
});

describe("how long a takeover took", () => {
  it("is counted from when the lease was seen absent, free, or run out", async () => {
    const absent = await campaigning();
    expect(absent.eventsOf("elected")).toEqual([{ term: 1, takeoverMs: 0 }]);
    const slow = await campaigning({ options: { onMissing: "wait" } });
    await slow.clock.advance(16_000);
    expect(slow.eventsOf("elected")).toEqual([{ term: 1, takeoverMs: 15_000 }]);
    const free = await campaigning({ lock: { heldBy: "other" } });
    free.lock.grant();
    free.lock.delay({ answerMs: 300 }, { on: "write", times: 1 });
    await free.clock.advance(5_000);
    expect(free.eventsOf("elected")).toEqual([{ term: 2, takeoverMs: 300 }]);
    const expired = await campaigning({ lock: { heldBy: "other" } });
    expired.lock.delay({ answerMs: 200 }, { on: "write", times: 1 });
    await expired.clock.advance(20_000);
    expect(expired.eventsOf("elected")).toEqual([{ term: 2, takeoverMs: 200 }]);
    for (const { stop } of [absent, slow, free, expired]) await stop();
  });
});

describe("a term that a check has closed", () => {
  it("is not revived by an answer that is folded later", async () => {
    const { clock, lock, terms, story, eventsOf, stop } = await campaigning();
    await clock.advance(5_000);
    lock.delay({ answerMs: 9_000 });
    await clock.advance(5_000); // a renewal of 10 s is under way
    const [term] = terms;
    clock.pause(5_000); // the process stands past the end of the validity
    expect(term?.isHeld()).toBe(false);
    await clock.advance(10_000);
    expect([term?.isHeld(), term?.signal.aborted]).toEqual([false, true]);
    expect(story).toContain("stop expired");
    expect(eventsOf("stopped")).toEqual([{ term: 1, reason: "expired" }]);
    lock.heal();
    await stop();
  });
});

describe("clocks that become suspect", () => {
  it("are told once, lead to one renewal at once, and are trusted again when that is confirmed", async () => {
    const { clock, lock, terms, eventsOf, stop } = await campaigning();
    lock.delay({ answerMs: 100 });
    clock.stepWall(3_600_000);
    const [term] = terms;
    for (let looks = 0; looks < 10; looks += 1) expect(term?.isHeld()).toBe(false);
    const before = lock.calls.length;
    await clock.advance(99);
    expect(lock.calls.slice(before)).toEqual(["update"]);
    expect(term?.isHeld()).toBe(false);
    await clock.advance(1);
    expect([term?.isHeld(), term?.signal.aborted]).toEqual([true, false]);
    expect(eventsOf("suspect")).toEqual([{ term: 1 }]);
    await stop();
  });
});

describe("a watch", () => {
  it("is told as live and as lost, with its error, and makes up for itself by reads", async () => {
    const { clock, lock, eventsOf, troubles, stop } = await campaigning({ lock: { heldBy: "other", watch: "bare" } });
    expect(eventsOf("watchLive")).toHaveLength(1);
    lock.breakWatch(new Error("connection reset"));
    await clock.advance();
    expect([eventsOf("watchLost").length, troubles]).toEqual([1, ["watch: connection reset"]]);
    await clock.advance(1_000);
    expect(eventsOf("watchLive")).toHaveLength(2);
    lock.breakWatch();
    await clock.advance();
    expect([eventsOf("watchLost").length, troubles.length]).toEqual([2, 1]);
    await stop();
    expect(eventsOf("watchLost")).toHaveLength(2); // an end on purpose is no loss
  });
});

describe("a bug", () => {
  it("while something is folded ends the term at once as expired, and the work hears nothing else of it", async () => {
    const { clock, lock, chance, terms, story, events, troubles, campaign, stop } = await campaigning();
    chance.failure = new Error("no entropy");
    lock.fail(new Error("reset"), { times: 1 });
    lock.hint();
    await clock.advance(6_000); // a renewal whose end is unknown is looked after by a read, which draws
    expect(campaign.isLeader()).toBe(false);
    expect(terms[0]?.signal.reason).toMatchObject({ reason: "expired" });
    expect(story).toEqual(["new leader me", "start 1", "stop expired"]);
    expect(events).toContainEqual(["alarm", { kind: "invariant", message: "no entropy" }]);
    expect(troubles).toContain("election: no entropy");
    expect(chance.failures).toBeLessThan(5);
    chance.failure = undefined;
    await clock.advance(60_000);
    expect(story.filter((line) => line.startsWith("start"))).toEqual(["start 1", "start 2"]);
    await stop();
  });

  it("while it campaigns lets it campaign again after a lease, and does not flood the storage", async () => {
    const { clock, lock, chance, campaign, story, stop } = await campaigning({ lock: { heldBy: "other" } });
    chance.failure = new Error("no entropy");
    await clock.advance(120_000);
    expect(lock.calls.length).toBeLessThan(15);
    expect(chance.failures).toBeLessThan(15);
    chance.failure = undefined;
    await clock.advance(60_000);
    expect(campaign.isLeader()).toBe(true);
    expect(story.filter((line) => line.startsWith("start"))).toEqual(["start 2"]);
    await stop();
  });

  it("while the floor is asked does not keep it from asking again", async () => {
    let asked = 0;
    const { clock, lock, chance, story, stop } = await campaigning({
      lock: { watch: "bare" },
      options: { termFloor: () => ((asked += 1) === 1 ? new Promise<number>(() => {}) : Promise.resolve(6)) },
    });
    chance.failure = new Error("no entropy");
    lock.hint();
    await clock.advance(1_000); // the read that follows draws
    chance.failure = undefined;
    await clock.advance(60_000);
    expect(asked).toBe(2);
    expect(story.filter((line) => line.startsWith("start"))).toEqual(["start 7"]);
    await stop();
  });

  it("does not keep a campaign from being stopped in time", async () => {
    const { clock, chance, stop } = await campaigning({ lock: { heldBy: "other" } });
    chance.failure = new Error("no entropy");
    await clock.advance(3_000);
    expect(await stop()).toBeLessThanOrEqual(15_100);
    const leader = await campaigning();
    leader.chance.failure = new Error("no entropy");
    expect(await leader.stop()).toBeLessThanOrEqual(15_100);
    expect(chance.failures + leader.chance.failures).toBeLessThan(15);
  });

  it("in the clock is no rejection that nobody handles", async () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on("unhandledRejection", note);
    const base = new ManualClock();
    let isBroken = false;
    const clock: Clock = {
      monotonicMs: () => base.monotonicMs(),
      bootMs: () => base.bootMs(),
      wallMs: () => (isBroken ? Number.NaN : base.wallMs()),
      setTimer: (untilMs, run) => base.setTimer(untilMs, run),
    };
    const { terms, lock, stop, clock: lockClock } = await campaigning({ options: { clock } });
    await base.advance();
    isBroken = true;
    await base.advance(12_000);
    await lockClock.advance();
    expect(terms[0]?.isHeld()).toBe(false);
    isBroken = false;
    expect(unhandled).toEqual([]);
    process.off("unhandledRejection", note);
    lock.heal();
    void stop;
  });
});
