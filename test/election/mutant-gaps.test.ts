// Goal: what `npm run mutants` found that no other test saw. Method: as in the tests beside it, real electors over a
// lock in memory, or events folded into a state; each test is named by a mutant that it must catch.
import { expect, it } from "vitest";
import type { LockOutcome } from "../../src/lock/resource-lock.ts";
import { Deferred } from "../../src/system/deferred.ts";
import { printable } from "../../src/system/logger.ts";
import { Folding } from "./folding.ts";
import { callsSince, scenario, startsAndStops } from "./scene.ts";
import { confirm, following, record, sentWrite } from "./situations.ts";

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
