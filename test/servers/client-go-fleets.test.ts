// Goal: candidates of ours and of client-go take turns on one Lease, and nothing that ours do makes two of them act at
// once. Method: real processes of both on a real API server, killed, frozen, asked to end and cut off; what their work
// did to one journal is judged by true time, on the one monotonic clock that the processes of a machine share.
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import type { Leadership } from "../../src/election/leadership.ts";
import { MultiLock } from "../../src/lock/multi-lock.ts";
import type { ResourceLock } from "../../src/lock/resource-lock.ts";
import { atMs, type Candidate } from "../process/support/candidate-process.ts";
import { timing } from "../process/support/candidates.ts";
import { nowNs } from "../process/support/channel.ts";
import { firstStart, l2Ms } from "../process/support/scenario.ts";
import { describeOn } from "./support/found-server.ts";
import { findMixedPlace, graceMs, MixedFleet, type MixedPlace } from "./support/mixed-fleet.ts";

vi.setConfig({ maxConcurrency: 4 }); // they wait for leases to run out, and hardly compute

/** What a busy machine adds to what has to be waited for. */
const busyMs = 1_500;
/** client-go looks each 1 to 2.2 retry periods. */
const theirLookMs = 2.2 * timing.retryPeriodMs + busyMs;
const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = timing;

/** On the machine's monotonic clock, like all that candidates tell. */
function nowMs(): number {
  return atMs({ atNs: String(nowNs()) });
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, "abort");
}

async function works(candidate: Candidate): Promise<void> {
  await candidate.until("step", { after: candidate.count("step"), where: ({ outcome }) => outcome === "accepted" });
}

/** How long `candidate` was under way to its `count`-th term since then. */
async function ledAfterMs(candidate: Candidate, sinceMs: number): Promise<number> {
  await firstStart([candidate]);
  return atMs(candidate.all("started").at(-1) ?? { atNs: "0" }) - sinceMs;
}

describeOn(findMixedPlace(), (start) => {
  let place: MixedPlace | undefined;
  beforeAll(async () => void (place = await start()));
  afterAll(async () => place?.[Symbol.asyncDispose]());

  /** One fleet with its own Lease. What happened has to be right in the end, whatever it was. */
  function scenario(
    title: string,
    play: (fleet: MixedFleet) => Promise<void>,
    options: { readonly fenced?: boolean; readonly preCreated?: boolean } = {},
  ): void {
    test.concurrent(title, async () => {
      if (place === undefined) throw new Error("there is no server");
      await using fleet = await MixedFleet.open(place, options);
      await play(fleet);
      expect(await fleet.problems()).toEqual([]);
    });
  }

  scenario("#54: crash: theirs take over after our lease, ours after theirs and the grace (K-29)", async (fleet) => {
    const first = await fleet.ours("ours1");
    await works(first);
    const theirs = await fleet.theirs("theirs1");
    await theirs.until("newLeader");
    const second = await fleet.ours("ours2");
    await second.until("watchLive");
    let killedMs = nowMs();
    first.signal("SIGKILL");
    const theirTookMs = await ledAfterMs(theirs, killedMs);
    // client-go counts from when it saw the record last; the last renewal may have been a second before.
    expect(theirTookMs).toBeGreaterThan(leaseDurationMs - 1_100);
    expect(theirTookMs).toBeLessThan(leaseDurationMs + theirLookMs + busyMs);
    await works(theirs);
    killedMs = nowMs();
    theirs.signal("SIGKILL");
    const ourTookMs = await ledAfterMs(second, killedMs);
    expect(ourTookMs).toBeGreaterThan(leaseDurationMs + graceMs - retryPeriodMs - 500);
    expect(ourTookMs).toBeLessThan(leaseDurationMs + graceMs + 2 * busyMs);
    await works(second);
    expect(await fleet.termsSeen(3)).toEqual(["ours1 1", "theirs1 2", "ours2 3"]);
  });

  scenario(
    "#54: release: ours take over at once from theirs, and theirs from ours at their look (K-29)",
    async (fleet) => {
      const theirs = await fleet.theirs("theirs1");
      await works(theirs);
      const ours = await fleet.ours("ours1");
      await Promise.all([ours.until("watchLive"), ours.until("newLeader")]);
      theirs.signal("SIGTERM");
      await firstStart([ours]);
      const [theirRelease] = theirs.all("applied").filter(({ op }) => op === "release");
      const [elected] = ours.all("elected");
      expect(atMs(elected ?? { atNs: "0" }) - atMs(theirRelease ?? { atNs: "0" })).toBeLessThan(l2Ms);
      expect(await theirs.exited).toEqual({ code: 0, signal: null });
      const next = await fleet.theirs("theirs2");
      await next.until("newLeader");
      await works(ours);
      ours.signal("SIGTERM");
      await firstStart([next]);
      const [ourRelease] = ours.all("applied").filter(({ op }) => op === "release");
      const tookMs = atMs(next.all("started")[0] ?? { atNs: "0" }) - atMs(ourRelease ?? { atNs: "0" });
      expect(tookMs).toBeLessThan(theirLookMs);
      expect(await ours.exited).toEqual({ code: 0, signal: null });
      await works(next);
      expect(await fleet.termsSeen(3)).toEqual(["theirs1 0", "ours1 1", "theirs2 2"]);
    },
  );

  scenario(
    "#26: a frozen leader of ours, beside theirs that took over, does nothing when it goes on (K-29)",
    async (fleet) => {
      const ours = await fleet.ours("ours1");
      await works(ours);
      const theirs = await fleet.theirs("theirs1");
      await theirs.until("newLeader");
      ours.signal("SIGSTOP");
      await firstStart([theirs]);
      await works(theirs);
      await pause(renewDeadlineMs);
      const before = fleet.candidates.journal.of(ours).length;
      ours.signal("SIGCONT");
      const gap = await ours.until("gap", { where: ({ ms }) => ms > leaseDurationMs });
      expect(gap.ambiguous || (!gap.held && gap.aborted), JSON.stringify(gap)).toBe(true);
      expect((await ours.until("stopped")).term).toBe(1);
      await ours.until("newLeader", { where: ({ identity }) => identity.startsWith("theirs1") });
      await works(theirs);
      expect(fleet.candidates.journal.of(ours).length).toBe(before);
      expect(await fleet.termsSeen(2)).toEqual(["ours1 1", "theirs1 2"]);
    },
  );

  scenario("K-29: a frozen leader of theirs, beside ours that took over, costs ours no term", async (fleet) => {
    const theirs = await fleet.theirs("theirs1");
    await works(theirs);
    const ours = await fleet.ours("ours1");
    await Promise.all([ours.until("watchLive"), ours.until("newLeader")]);
    theirs.signal("SIGSTOP");
    await firstStart([ours]);
    await works(ours);
    const before = fleet.candidates.journal.of(theirs).length;
    theirs.signal("SIGCONT");
    await theirs.until("settled"); // at the latest when its renewal gives up
    await works(ours);
    // Whatever it tried meanwhile (see client-go-flaws), the fence let nothing of it through.
    expect(fleet.candidates.journal.of(theirs).length).toBe(before);
    expect(ours.count("stopped")).toBe(0);
    expect(await fleet.termsSeen(2)).toEqual(["theirs1 0", "ours1 1"]);
  });

  scenario(
    "K-29: ours that hears nothing any more stops before theirs may act, without any fence",
    async (fleet) => {
      const way = await fleet.way();
      const ours = await fleet.ours("ours1", { behind: way });
      await works(ours);
      const theirs = await fleet.theirs("theirs1", { stepMs: 100 });
      await theirs.until("newLeader");
      await ours.until("renewed", { after: ours.count("renewed") });
      await way.inject({ up: { swallow: true }, down: { swallow: true } });
      const stopped = await ours.until("stopped");
      expect(stopped.reason).toBe("expired");
      expect(atMs(await theirs.until("started"))).toBeGreaterThan(atMs(stopped));
      await works(theirs);
      await way.inject({});
    },
    { fenced: false },
  );

  scenario(
    "K-20, K-29: both take turns with a Lease that is there, and without the right to create one",
    async (fleet) => {
      const ours = await fleet.ours("ours1");
      await works(ours);
      const theirs = await fleet.theirs("theirs1");
      await theirs.until("newLeader");
      ours.signal("SIGTERM");
      await firstStart([theirs]);
      await works(theirs);
      const next = await fleet.ours("ours2");
      await Promise.all([next.until("watchLive"), next.until("newLeader")]);
      theirs.signal("SIGTERM");
      await firstStart([next]);
      await works(next);
      expect(await fleet.termsSeen(3)).toEqual(["ours1 1", "theirs1 2", "ours2 3"]);
      expect([ours, next].flatMap((each) => each.all("trouble"))).toEqual([]);
    },
    { preCreated: true },
  );

  test.concurrent(
    "K-32: a fleet of client-go is moved to another Lease in three roll-outs, by a MultiLock",
    async ({ expect: expectHere }) => {
      if (place === undefined) throw new Error("there is no server");
      await using fleet = await MixedFleet.open(place);
      const [stopBoth, stopNew] = [new AbortController(), new AbortController()];
      const campaign = (
        lock: ResourceLock,
        { signal }: AbortController,
      ): { elector: LeaderElector; ended: Promise<void> } => {
        const callbacks = { onStartedLeading: ({ signal: over }: Leadership) => untilAborted(over) };
        const elector = new LeaderElector({ ...timing, holderGraceMs: graceMs, lock, callbacks });
        return { elector, ended: elector.run({ signal }) };
      };
      // The first roll-out is where they are.
      const theirs = await fleet.theirs("theirs1");
      await works(theirs);
      const both = campaign(new MultiLock(await fleet.lock(), await fleet.lock("lease-2")), stopBoth);
      await pause(renewDeadlineMs);
      expect(both.elector.isLeader()).toBe(false);
      theirs.signal("SIGTERM");
      await expectHere.poll(() => both.elector.isLeader(), { timeout: 10_000 }).toBe(true);
      await theirs.exited;
      // A pod of the first roll-out and one of the third stand by for one of the second.
      const late = await fleet.theirs("theirs2");
      const next = campaign(await fleet.lock("lease-2"), stopNew);
      await pause(leaseDurationMs + 1_000);
      expect([late.count("started"), next.elector.isLeader(), both.elector.isLeader()]).toEqual([0, false, true]);
      late.signal("SIGTERM");
      await late.exited;
      stopBoth.abort();
      await both.ended;
      await expectHere.poll(() => next.elector.isLeader(), { timeout: 10_000 }).toBe(true);
      const [from, to] = [await (await fleet.lock()).get(), await (await fleet.lock("lease-2")).get()];
      expect([from?.record.holderIdentity, to?.record.holderIdentity]).toEqual(["", next.elector.leader]);
      expect(to?.record.leaderTransitions).toBeGreaterThan(from?.record.leaderTransitions ?? Infinity);
      stopNew.abort();
      await next.ended;
    },
  );

  scenario("#54: two of each take turns for ten turns, over every kind of end", async (fleet) => {
    const running = new Map<Candidate, "ours" | "theirs">();
    let started = 0;
    const join = async (side: "ours" | "theirs"): Promise<void> => {
      const label = `${side}${(started += 1)}`;
      running.set(await (side === "ours" ? fleet.ours(label) : fleet.theirs(label)), side);
    };
    for (const side of ["ours", "theirs", "ours", "theirs"] as const) await join(side);
    const { accepted } = fleet.candidates.journal;
    const leader = async (but?: Candidate): Promise<Candidate> => {
      for (let count = accepted.length; ; await pause(20)) {
        const actors = accepted.slice(count).map(({ actor }) => actor);
        const found = [...running.keys()].find((each) => each !== but && actors.at(-1) === each.actor);
        if (found !== undefined) return found;
        count = Math.max(0, accepted.length - 1);
      }
    };
    const led = { ours: 0, theirs: 0 };
    for (const end of ["TERM", "KILL", "STOP", "TERM", "TERM", "KILL", "KILL", "STOP", "TERM", "STOP"] as const) {
      const leading = await leader();
      const side = running.get(leading) ?? "ours";
      led[side] += 1;
      leading.signal(`SIG${end}`);
      if (end !== "STOP" || side === "theirs") {
        running.delete(leading);
        await join(side); // client-go's programs end when they have lost, and are started again
      }
      await leader(leading);
      if (end !== "STOP") continue;
      leading.signal("SIGCONT");
      // Until it has given up: it would take a lease that is free meanwhile, in the same run (client-go K6).
      if (side === "theirs") await leading.exited;
    }
    expect(led.ours + led.theirs).toBe(10);
    expect(Math.min(led.ours, led.theirs), JSON.stringify(fleet.terms)).toBeGreaterThan(1);
    const transitions = fleet.history.map(({ leaderTransitions }) => leaderTransitions);
    expect(transitions).toEqual(transitions.toSorted((one, other) => one - other));
    expect(new Set(fleet.terms.map((each) => each.split(" ")[1])).size).toBe(fleet.terms.length);
  });
});
