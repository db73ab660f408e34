// Goal: what `npm run mutants` found that no other test saw. Method: as in the tests beside it, real electors over a
// lock in memory, or events folded into a state; each test is named by a mutant that it must catch.
import { expect, it } from "vitest";
import { decide } from "../../src/election/decide.ts";
import { LockTraffic } from "../../src/election/lock-traffic.ts";
import { TermKeeper } from "../../src/election/term-keeper.ts";
import type { LockOutcome } from "../../src/lock/resource-lock.ts";
import { Deferred } from "../../src/system/deferred.ts";
import { printable } from "../../src/system/logger.ts";
import { campaignParts } from "./campaign-parts.ts";
import { Folding } from "./folding.ts";
import { callsSince, scenario, startsAndStops } from "./scene.ts";
import { confirm, following, leading, now, record, sentWrite, settings, term } from "./situations.ts";

scenario("a second write in doubt postpones no renewal", async ({ clock, run }) => {
  const me = await run();
  me.lock.delay({ requestMs: 4_000 }, { on: "update" });
  await clock.advance(10_500); // the renewal of 5 s arrives at 9 s, the second one of 7 s loses its race
  expect(callsSince(me, 1)).toEqual(["update@5000", "get@7000", "update@7000", "update@10000"]);
});

scenario("a term that a check has closed is not revived by an answer that is folded just after", async (scene) => {
  const { clock, run } = scene;
  const me = await run();
  const send = me.lock.update.bind(me.lock);
  const answer = new Deferred<LockOutcome>();
  let written: Promise<LockOutcome> | undefined;
  me.lock.update = (...call) => {
    written = send(...call);
    return answer.promise;
  };
  me.lock.hang({ on: "get" });
  await clock.advance(9_999);
  const outcome = await written;
  expect(outcome).toMatchObject({ written: true });
  me.lock.update = send;
  clock.pause(1);
  answer.resolve(outcome ?? { written: false });
  queueMicrotask(() => expect(me.term.isHeld()).toBe(false)); // after the answer has come, before it is folded
  await clock.advance();
  me.lock.heal();
  await clock.advance(30_000);
  expect(startsAndStops(me)).toEqual(["start 1", "stop expired", "start 2"]);
});

it("an acquisition that a late renewal has dropped is not awaited", () => {
  const folding = new Folding(following((state) => confirm(state, sentWrite(20_000))));
  const renewal = folding.send("renew");
  folding.send("acquire", { leaderTransitions: 8 }); // on the same version
  folding.confirm(renewal);
  expect(folding.state.acquiring).toBeUndefined();
});

it("a restored record of one's own is looked at like any other, once it is in hand", () => {
  const folding = new Folding(
    following((state) => {
      confirm(state, sentWrite(60_000));
      state.mustReadSinceSeq = state.seq;
    }),
  );
  folding.draw = 0.5;
  const restored = record("me", { renewTime: "2025" });
  folding.read(restored, "v9");
  folding.atMs += 1_000;
  folding.read(restored, "v9");
  expect(folding.state.seen).toMatchObject({ record: restored, lastReceiptMs: folding.atMs });
  expect(folding.state.readPauseUntilMs).toBe(-Infinity);
});

scenario("a step that waits while the clocks are suspect ends with its term", async ({ clock, run }) => {
  const me = await run();
  me.lock.hang();
  clock.stepWall(3_600_000);
  const ends: unknown[] = [];
  void me.term.guard(async () => "run").catch((error: unknown) => ends.push(error));
  await clock.advance(9_999);
  expect(ends).toEqual([]);
  await clock.advance(1);
  expect(ends).toMatchObject([{ code: "LEADERSHIP_LOST", reason: "expired", phase: "refused" }]);
});

it("characters that turn the direction of text are escaped in logs (#58)", () => {
  expect(printable("a\u202eb\u2066c")).toBe("a\\u202eb\\u2066c");
});

it("after a demotion that threw, the work of the term still counts as running", async () => {
  const { context, clock, state, troubles } = campaignParts();
  const work = { start: () => new Promise<never>(() => {}), stopped() {}, newLeader() {}, onlyOneTerm: false };
  const keeper = new TermKeeper(context, work, () => {});
  new LockTraffic(context).create(1);
  await clock.advance();
  keeper.begin(1);
  keeper.startWork();
  const emit = (): never => {
    throw new Error("a second bug");
  };
  Object.assign(context, { emit });
  keeper.abandon();
  expect(troubles).toEqual(["election: a second bug"]);
  expect(state).toMatchObject({ term: undefined, phase: "following", workRunning: true });
  expect(keeper.run?.leadership.isHeld()).toBe(false);
});

it("a record of my term that was read before my newest write was confirmed is a challenge, and no loss", () => {
  const folding = new Folding(leading(1_000));
  const before = folding.sendRead();
  folding.confirm(folding.send("renew"));
  folding.read(record("half of it"), "v9", before);
  expect(term(folding.state)).toMatchObject({ loss: undefined, challenged: true });
  folding.read(record("half of it"), "v9");
  expect(term(folding.state)).toMatchObject({ loss: "taken" });
});

scenario("round trips measured in an outage spread no takeover after it", async ({ clock, run, stage }) => {
  await stage.put(stage.record());
  const me = await run({ watched: false }, ({ lock, random }) => {
    random.value = 0.5; // looks 3.2 s after each answer, and takes over half a round trip after it
    lock.delay({ answerMs: 4_000 }, { on: "get", times: 2 });
  });
  await clock.advance(15_000);
  await stage.put(stage.record({ holderIdentity: "", leaseDurationSeconds: 1 }));
  await clock.advance(5_000);
  expect(callsSince(me, 0)).toEqual(["get@0", "get@7200", "get@14400", "get@17600", "update@17600"]);
});

it("a lease that is not honoured is waited for no longer than any other, once its record is deleted", () => {
  const folding = new Folding(following(() => {}));
  folding.read(record("other", { leaseDurationSeconds: 1_000_000_000 }));
  folding.readNothing();
  expect(folding.state.lastWaitMs).toBe(settings.maxHonouredLeaseMs);
});

it("suspect clocks send no third renewal while two are under way (decide G8)", () => {
  const state = leading(1_000, (leader) => {
    leader.sent.add(sentWrite(500));
    leader.sent.add(sentWrite(400));
    leader.seq = 1_000_000; // after both of them
    term(leader).suspectSeq = leader.seq;
  });
  expect(decide(state, now, settings).do).toBe("wait");
});
