// Goal: what client-go does wrong by itself on a shared Lease is known, is not of our making, and does no more harm
// than we say. Method: its elector, unmodified, beside ours on a real API server, in the traces of the list of its
// flaws; each test demands the flaw, so that it fails once client-go no longer has it, and that ours did nothing wrong.
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { atMs, type Candidate } from "../process/support/candidate-process.ts";
import { timing } from "../process/support/candidates.ts";
import { nowNs } from "../process/support/channel.ts";
import { overlaps } from "../process/support/history.ts";
import { firstStart, l2Ms } from "../process/support/scenario.ts";
import { describeOn } from "./support/found-server.ts";
import { findMixedPlace, graceMs, MixedFleet, type MixedPlace } from "./support/mixed-fleet.ts";

vi.setConfig({ maxConcurrency: 4 }); // they wait for leases to run out, and hardly compute

async function works(candidate: Candidate): Promise<void> {
  await candidate.until("step", { after: candidate.count("step"), where: ({ outcome }) => outcome === "accepted" });
}

/** On the machine's monotonic clock, like all that candidates tell. */
function nowMs(): number {
  return atMs({ atNs: String(nowNs()) });
}

/** Right after a renewal: the next one is half a second away, so that no request is under way. */
async function betweenRenewals(theirs: Candidate): Promise<void> {
  await theirs.until("applied", { after: theirs.count("applied") });
  await pause(50);
}

/** As long as the pauses between steps: whatever another one does each 100 ms then falls into a step of it. */
const stepMs = 100;

/** Its steps that began after that moment. */
function stepsSince(candidate: Candidate, sinceMs: number): readonly { readonly outcome: string }[] {
  return candidate.all("step").filter(({ beginNs }) => Number(beginNs) / 1e6 > sinceMs);
}

describeOn(findMixedPlace(), (start) => {
  let place: MixedPlace | undefined;
  beforeAll(async () => void (place = await start()));
  afterAll(async () => place?.[Symbol.asyncDispose]());

  interface Contest {
    readonly fenced?: boolean;
    readonly graceMs?: number;
  }

  async function open(options: Contest = {}): Promise<MixedFleet> {
    if (place === undefined) throw new Error("there is no server");
    return MixedFleet.open(place, options);
  }

  /** Theirs leads, ours knows it and watches. */
  async function theirsAndOurs(fleet: MixedFleet, theirs: Candidate): Promise<Candidate> {
    await works(theirs);
    const ours = await fleet.ours("ours1");
    await Promise.all([ours.until("watchLive"), ours.until("newLeader")]);
    return ours;
  }

  for (const fenced of [true, false]) {
    const what = fenced ? "a fence refuses it" : "without a fence it acts beside its successor";
    test.concurrent(`client-go K15, K5: frozen and gone on, it acts until its renewal gives up: ${what}`, async () => {
      await using fleet = await open({ fenced });
      const theirs = await fleet.theirs("theirs1", { stepMs });
      const ours = await theirsAndOurs(fleet, theirs);
      await betweenRenewals(theirs);
      theirs.signal("SIGSTOP");
      await firstStart([ours]);
      await works(ours);
      const goesOnMs = nowMs();
      theirs.signal("SIGCONT");
      await theirs.until("settled");
      await works(ours);
      const late = stepsSince(theirs, goesOnMs);
      expect(late.length).toBeGreaterThan(3);
      const [signalled] = theirs.all("signalled");
      const actedMs = atMs(signalled ?? { atNs: "0" }) - goesOnMs;
      expect(actedMs).toBeLessThan(timing.renewDeadlineMs + 1_000 + 500);
      expect(new Set(late.map(({ outcome }) => outcome))).toEqual(new Set([fenced ? "rejected" : "accepted"]));
      expect(overlaps(fleet.candidates.journal.accepted).length > 0).toBe(!fenced);
      expect(fleet.ourFaults()).toEqual([]);
      expect(ours.count("stopped")).toBe(0);
      if (fenced) expect(await fleet.problems()).toEqual([]);
    });

    const released = fenced ? "a fence refuses its last step" : "without a fence its last step is beside its successor";
    test.concurrent(`client-go K8, E3: it releases while its work still runs: ${released}`, async () => {
      await using fleet = await open({ fenced });
      const theirs = await fleet.theirs("theirs1", { stepMs: 1_500 });
      const ours = await theirsAndOurs(fleet, theirs);
      await theirs.until("step", { after: theirs.count("step") }); // the next one begins about now
      await pause(200);
      theirs.signal("SIGTERM");
      await firstStart([ours]);
      await theirs.until("settled");
      await works(ours);
      const [release] = theirs.all("applied").filter(({ op }) => op === "release");
      const [elected] = ours.all("elected");
      expect(atMs(elected ?? { atNs: "0" }) - atMs(release ?? { atNs: "0" })).toBeLessThan(l2Ms);
      const last = theirs.all("step").at(-1);
      expect(Number(last?.beginNs) / 1e6).toBeLessThan(atMs(release ?? { atNs: "0" }));
      expect(atMs(last ?? { atNs: "0" })).toBeGreaterThan(atMs(elected ?? { atNs: "0" }));
      expect(last?.outcome).toBe(fenced ? "rejected" : "accepted");
      expect(overlaps(fleet.candidates.journal.accepted).length > 0).toBe(!fenced);
      expect(fleet.ourFaults()).toEqual([]);
      if (fenced) expect(await fleet.problems()).toEqual([]);
    });
  }

  test.concurrent(
    "client-go K7: its late release blanks the record of ours, which leads again with a larger term",
    async () => {
      await using fleet = await open();
      const way = await fleet.way();
      const theirs = await fleet.theirs("theirs1", { behind: way });
      const ours = await theirsAndOurs(fleet, theirs);
      await betweenRenewals(theirs);
      theirs.signal("SIGSTOP");
      await way.inject({ up: { latencyMs: 500 } }); // or a renewal might tell it about ours before it releases
      const { term } = await firstStart([ours]);
      await works(ours);
      theirs.signal("SIGTERM");
      theirs.signal("SIGCONT");
      await theirs.until("signalled");
      await pause(200);
      await way.inject({}); // its release has asked for the record by now: that of ours, which it then blanks
      const release = await theirs.until("applied", { where: ({ op }) => op === "release" });
      expect(release.record).toMatchObject({ holderIdentity: "", leaderTransitions: term });
      // Known loss: ours hears it by its watch, ends that term, and leads again.
      const stopped = await ours.until("stopped");
      expect(stopped).toMatchObject({ term, reason: "erased" });
      expect(atMs(stopped) - atMs(release)).toBeLessThan(l2Ms);
      expect((await ours.until("started", { after: 1 })).term).toBe(term + 1);
      await works(ours);
      expect(await fleet.problems()).toEqual([]);
    },
  );

  test.concurrent(
    "client-go K11: it creates a deleted Lease at once and with no transitions: a fence refuses it",
    async () => {
      await using fleet = await open();
      const ours = await fleet.ours("ours1");
      await works(ours);
      const theirs = await fleet.theirs("theirs1");
      await theirs.until("newLeader");
      ours.signal("SIGSTOP"); // or it would create the Lease again itself, within milliseconds
      await fleet.removeLease();
      const created = await theirs.until("applied");
      expect(created.record.holderIdentity).toMatch(/^theirs1_/);
      expect(created.record.leaderTransitions).toBe(0);
      ours.signal("SIGCONT");
      expect(["taken", "expired"]).toContain((await ours.until("stopped")).reason);
      await ours.until("alarm", { where: ({ kind }) => kind === "termRegression" });
      await theirs.until("step", { after: 5 });
      expect(new Set(theirs.all("step").map(({ outcome }) => outcome))).toEqual(new Set(["rejected"]));
      theirs.signal("SIGKILL");
      const { term } = await firstStart([ours]);
      expect(term).toBe(2); // above all that ours ever saw
      await works(ours);
      expect(await fleet.problems()).toEqual([]);
    },
  );

  test.concurrent(
    "client-go K6: it leads again without a word to its work, whose term a fence refuses from then on",
    async () => {
      await using fleet = await open();
      const theirs = await fleet.theirs("theirs1");
      const ours = await theirsAndOurs(fleet, theirs);
      await betweenRenewals(theirs);
      theirs.signal("SIGSTOP");
      const { term } = await firstStart([ours]);
      await works(ours);
      theirs.signal("SIGCONT");
      ours.signal("SIGTERM"); // the lease is free before its renewal has given up
      const again = await theirs.until("applied", { where: ({ op }) => op === "acquire", after: 1 });
      expect(again.record.leaderTransitions).toBe(term + 1);
      const before = theirs.count("step");
      await theirs.until("step", { after: before + 5 });
      expect([theirs.count("started"), theirs.count("onStoppedLeading")]).toEqual([1, 0]);
      expect(
        new Set(
          theirs
            .all("step")
            .slice(before)
            .map(({ outcome }) => outcome),
        ),
      ).toEqual(new Set(["rejected"]));
      // It holds the lease and does nothing: whoever waits for the work waits for its end.
      theirs.signal("SIGTERM");
      const next = await fleet.ours("ours2");
      await works(next);
      expect(await fleet.problems()).toEqual([]);
    },
  );

  for (const grace of [graceMs, 0]) {
    const what = grace > 0 ? "holderGraceMs waits for that" : "without holderGraceMs ours acts beside it";
    test.concurrent(`client-go K1, K2: it acts for P + V after an answer that came late: ${what}`, async () => {
      await using fleet = await open({ fenced: false, graceMs: grace });
      const way = await fleet.way();
      const theirs = await fleet.theirs("theirs1", { behind: way, stepMs });
      const ours = await theirsAndOurs(fleet, theirs);
      await way.inject({ down: { latencyMs: 800 } }); // less than its request timeout: it renews well
      await theirs.until("applied", { after: theirs.count("applied") + 1 });
      const writes = fleet.history.length;
      while (fleet.history.length === writes) await pause(5);
      await pause(400); // a watch may tell a write before its answer does
      // Applied, and its answer is under way: it still comes. Then nothing more does.
      await way.inject({ up: { swallow: true }, down: { swallow: true } });
      await Promise.all([firstStart([ours]), theirs.until("signalled")]);
      await works(ours);
      const found = overlaps(fleet.candidates.journal.accepted);
      expect(found.length > 0, found.join("\n")).toBe(grace === 0);
      expect(fleet.ourFaults()).toEqual([]);
    });
  }
});
