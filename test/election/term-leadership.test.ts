// Goal: a term answers for this very instant, ends once and for all before it says so, and guards steps at both ends.
// Method: one term on a manual clock, with hooks that write down what they are told; time passes only where a line says
// so.
import { describe, expect, it } from "vitest";
import { ElectionClocks } from "../../src/election/election-clocks.ts";
import { TermLeadership } from "../../src/election/term-leadership.ts";
import { LeadershipLostError, StaleTermError } from "../../src/errors.ts";
import { ManualClock } from "../../src/testing/index.ts";

const validForMs = 10_000;

function begun() {
  const clock = new ManualClock({ monotonicMs: 500 });
  const clocks = new ElectionClocks(clock);
  const told: string[] = [];
  const fences: unknown[] = [];
  const start = { term: 7, identity: "me", validUntilMs: clocks.leaderMs() + validForMs };
  const term = new TermLeadership(start, clocks, {
    wake: () => told.push("wake"),
    stepsChanged: (running) => told.push(`${running} running`),
    guardRefused: () => told.push("refused"),
    fenced: (error) => fences.push(error),
    dispose: async () => void told.push("dispose"),
  });
  return { clock, clocks, term, told, fences };
}

/** What a promise rejected with. */
async function errorOf(promise: Promise<unknown>): Promise<LeadershipLostError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(LeadershipLostError);
  return error as LeadershipLostError; // cast: seen in the line above
}

describe("whether a term is held", () => {
  it("is computed at every look: held up to its last instant, and not in the next", () => {
    const { clock, term, told } = begun();
    expect([term.isHeld(), term.remainingMs(), term.term, term.identity]).toEqual([true, validForMs, 7, "me"]);
    clock.pause(9_999.5);
    expect([term.isHeld(), term.remainingMs()]).toEqual([true, 0.5]);
    expect(told).toEqual([]);
    clock.pause(0.5);
    expect([term.isHeld(), term.remainingMs()]).toEqual([false, 0]);
  });

  it("is answered after the term was closed and its signals aborted: a blocked loop cannot act late (#31)", async () => {
    for (const look of ["isHeld", "remainingMs", "assertHeld"] as const) {
      const { clock, term, told } = begun();
      let stepSignal: AbortSignal | undefined;
      const step = term.guard((_term, signal) => {
        stepSignal = signal;
        return new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      });
      clock.pause(60_000); // no timer fires
      expect(term.signal.aborted).toBe(false);
      try {
        term[look]();
      } catch {
        // assertHeld says so; what it throws is tested below
      }
      expect([term.closed, term.signal.aborted, stepSignal?.aborted]).toEqual([true, true, true]);
      expect(told).toContain("wake");
      expect(await errorOf(step)).toMatchObject({ phase: "outlasted", reason: "expired" });
    }
  });

  it("is false already inside of the listeners of its signal", () => {
    const { clock, term } = begun();
    const held: boolean[] = [];
    term.signal.addEventListener("abort", () => held.push(term.isHeld()));
    clock.pause(validForMs);
    term.isHeld();
    expect(held).toEqual([false]);
  });

  it("counts the time that the machine was suspended", () => {
    const { clock, term } = begun();
    clock.suspend(9_000);
    expect(term.remainingMs()).toBe(1_000);
    clock.suspend(1_000);
    expect(term.isHeld()).toBe(false);
  });

  it("is never true again, whatever comes later", () => {
    const { clock, clocks, term } = begun();
    clock.pause(validForMs);
    expect(term.isHeld()).toBe(false);
    const { reason } = term.signal;
    term.extend(clocks.leaderMs() + 60_000);
    term.settle();
    term.drain("resigned");
    term.close("stopped");
    expect([term.isHeld(), term.remainingMs(), term.signal.aborted]).toEqual([false, 0, true]);
    expect(term.signal.reason).toBe(reason);
  });

  it("lasts as long as the furthest confirmation reaches: an extension never shortens it", () => {
    const { clocks, term } = begun();
    term.extend(clocks.leaderMs() + 15_000);
    term.extend(clocks.leaderMs() + 2_000);
    expect(term.remainingMs()).toBe(15_000);
  });

  it("can be asserted", () => {
    const { term } = begun();
    term.assertHeld();
    term.close("taken");
    expect(() => term.assertHeld()).toThrow(LeadershipLostError);
    expect(() => term.assertHeld()).toThrow(expect.objectContaining({ reason: "taken", phase: "refused" }));
  });
});

describe("while the clocks are suspect", () => {
  it("a term is not held, but not over either: the loop is woken, no signal falls", () => {
    const { clock, clocks, term, told } = begun();
    clock.stepWall(3_600_000);
    expect([term.isHeld(), term.remainingMs(), term.closed, term.signal.aborted]).toEqual([false, 0, false, false]);
    expect(told).toContain("wake");
    clocks.rebase();
    expect([term.isHeld(), term.remainingMs()]).toEqual([true, validForMs]);
  });

  it("a step waits for the renewal that settles it, and runs then", async () => {
    const { clock, clocks, term, told } = begun();
    clock.stepWall(3_600_000);
    let ran = false;
    const step = term.guard(async () => (ran = true));
    await clock.advance(1_000);
    expect([ran, told.includes("1 running")]).toEqual([false, false]);
    term.settle(); // woken without a confirmation: still suspect
    await clock.advance();
    expect(ran).toBe(false);
    clocks.rebase();
    term.settle();
    await expect(step).resolves.toBe(true);
    expect(told.filter((line) => line !== "wake")).toEqual(["1 running", "0 running"]);
  });

  it("all steps that wait go on together", async () => {
    const { clock, clocks, term, told } = begun();
    clock.stepWall(3_600_000);
    const steps = [term.guard(async () => 1), term.guard(async () => 2), term.guard(async () => 3)];
    await clock.advance(1_000);
    clocks.rebase();
    term.settle();
    expect(await Promise.all(steps)).toEqual([1, 2, 3]);
    expect(told.at(-1)).toBe("0 running");
  });

  it("a waiting step is refused if the term is lost, or runs out", async () => {
    const lost = begun();
    lost.clock.stepWall(3_600_000);
    const step = lost.term.guard(() => Promise.reject(new Error("it must not run")));
    lost.term.close("taken");
    expect(await errorOf(step)).toMatchObject({ reason: "taken", phase: "refused" });
    expect(lost.told).toContain("refused");
    const late = begun();
    late.clock.stepWall(3_600_000);
    const expired = late.term.guard(() => Promise.reject(new Error("it must not run")));
    await late.clock.advance(validForMs);
    expect(late.term.isHeld()).toBe(false); // as the loop finds it
    expect(await errorOf(expired)).toMatchObject({ reason: "expired", phase: "refused" });
  });

  it("a step that has ended waits as well, and tells its value only if the term was held", async () => {
    for (const settled of [true, false]) {
      const { clock, clocks, term } = begun();
      const step = term.guard(async () => {
        clock.stepWall(3_600_000);
        return "value";
      });
      let ended = false;
      void step.catch(() => {}).then(() => (ended = true));
      await clock.advance(1_000);
      expect(ended).toBe(false);
      if (settled) {
        clocks.rebase();
        term.settle();
        await expect(step).resolves.toBe("value");
      } else {
        term.close("expired");
        expect(await errorOf(step)).toMatchObject({ phase: "outlasted", reason: "expired", value: "value" });
      }
    }
  });
});

describe("a guarded step", () => {
  it("gets the term and a signal, and its value is passed on", async () => {
    const { term, told } = begun();
    const value = await term.guard(async (number, signal) => [number, signal.aborted, signal === term.signal]);
    expect(value).toEqual([7, false, false]);
    expect(told).toEqual(["1 running", "0 running"]);
  });

  it("is not run once the term is over", async () => {
    const { clock, term, told } = begun();
    clock.pause(validForMs);
    let ran = false;
    const error = await errorOf(term.guard(async () => (ran = true)));
    expect(error).toMatchObject({ code: "LEADERSHIP_LOST", reason: "expired", phase: "refused", value: undefined });
    expect([ran, told]).toEqual([false, ["wake", "refused"]]);
  });

  it("that outlasted the term says so, with what it resolved with", async () => {
    const { clock, term, told } = begun();
    const step = term.guard(async () => {
      clock.pause(validForMs);
      return { written: 3 };
    });
    expect(await errorOf(step)).toMatchObject({ reason: "expired", phase: "outlasted", value: { written: 3 } });
    expect(term.closed).toBe(true);
    expect(told.at(-1)).toBe("0 running");
  });

  it("that outlasted the term tells a value that is undefined, too", async () => {
    const { term } = begun();
    const error = await errorOf(term.guard(async () => term.close("erased")));
    expect(error).toMatchObject({ reason: "erased", phase: "outlasted" });
    expect("value" in error).toBe(true);
  });

  it("that fails tells its own error, also if the term is over by then", async () => {
    const { term, told, fences } = begun();
    for (const reason of [undefined, "taken"] as const) {
      const own = new Error("disk full");
      const step = term.guard(async () => {
        if (reason !== undefined) term.close(reason);
        throw own;
      });
      await expect(step).rejects.toBe(own);
    }
    expect(told).toEqual(["1 running", "0 running", "1 running", "0 running"]);
    expect(fences).toEqual([]);
  });

  it("that throws at once, without a promise, is counted just so", async () => {
    const { term, told } = begun();
    const step = term.guard(() => {
      throw new Error("at once");
    });
    await expect(step).rejects.toThrow("at once");
    expect(told).toEqual(["1 running", "0 running"]);
  });

  it("is counted among all that run", async () => {
    const { term, told } = begun();
    const first = Promise.withResolvers<void>();
    const second = Promise.withResolvers<void>();
    const both = [term.guard(() => first.promise), term.guard(() => second.promise)];
    second.resolve();
    await both[1];
    first.resolve();
    await both[0];
    expect(told).toEqual(["1 running", "2 running", "1 running", "0 running"]);
  });

  it("may demand time: it is refused if less remains, and the term goes on", async () => {
    const { clock, term, told } = begun();
    clock.pause(6_000);
    await expect(term.guard(async () => "enough", { needMs: 4_000 })).resolves.toBe("enough");
    const error = await errorOf(term.guard(async () => "too little", { needMs: 4_000.1 }));
    expect(error.phase).toBe("refused");
    expect(told).toEqual(["1 running", "0 running", "refused"]);
    expect([term.isHeld(), term.closed, term.signal.aborted]).toEqual([true, false, false]);
  });
});

describe("a voluntary end", () => {
  it("asks the work to stop, and lets steps finish and begin until the term is closed", async () => {
    const { term } = begun();
    let stepSignal: AbortSignal | undefined;
    const long = Promise.withResolvers<string>();
    const step = term.guard((_term, signal) => {
      stepSignal = signal;
      return long.promise;
    });
    term.drain("resigned");
    expect([term.signal.aborted, stepSignal?.aborted, term.isHeld()]).toEqual([true, false, true]);
    expect(term.signal.reason).toMatchObject({ code: "LEADERSHIP_LOST", reason: "resigned" });
    await expect(term.guard(async () => "flushed")).resolves.toBe("flushed");
    long.resolve("finished");
    await expect(step).resolves.toBe("finished");
    term.close("resigned");
    expect([stepSignal?.aborted, term.isHeld()]).toEqual([true, false]);
  });

  it("keeps the reason that the work was told first", () => {
    const { term } = begun();
    term.drain("resigned");
    const { reason } = term.signal;
    term.drain("stopped");
    term.close("taken");
    expect(term.signal.reason).toBe(reason);
    expect(() => term.assertHeld()).toThrow(expect.objectContaining({ reason: "taken" }));
  });

  it("does not keep a term alive: it expires while it drains", () => {
    const { clock, term } = begun();
    term.drain("stopped");
    clock.pause(validForMs);
    expect(term.isHeld()).toBe(false);
  });
});

describe("a loss", () => {
  it("closes with its reason, and the first reason stays", async () => {
    const { term } = begun();
    term.close("taken");
    term.close("expired");
    expect(term.signal.reason).toMatchObject({ reason: "taken" });
    expect(await errorOf(term.guard(async () => 1))).toMatchObject({ reason: "taken" });
  });

  it("aborts both signals, the step's too", async () => {
    const { term } = begun();
    const aborted: string[] = [];
    term.signal.addEventListener("abort", () => aborted.push("work"));
    const step = term.guard((_term, signal) => {
      signal.addEventListener("abort", () => aborted.push("step"));
      term.close("fenced");
      return Promise.resolve();
    });
    expect(await errorOf(step)).toMatchObject({ phase: "outlasted", reason: "fenced" });
    expect(aborted.toSorted()).toEqual(["step", "work"]);
  });
});

describe("a guarded resource that has accepted a larger term", () => {
  it("is told to the loop, and the step's error is passed on", async () => {
    const { term, fences } = begun();
    const stale = new StaleTermError("term 9 was accepted", { acceptedTerm: 9 });
    await expect(term.guard(() => Promise.reject(stale))).rejects.toBe(stale);
    expect(fences).toEqual([stale]);
  });

  it("is known by the code, since another copy of the package may have thrown", async () => {
    const { term, fences } = begun();
    const stale = Object.assign(new Error("text"), { code: "STALE_TERM", acceptedTerm: 9 });
    await expect(term.guard(() => Promise.reject(stale))).rejects.toBe(stale);
    expect(fences).toEqual([stale]);
  });
});

it("disposing of a term is left to whoever runs it", async () => {
  const { term, told } = begun();
  await term[Symbol.asyncDispose]();
  expect(told).toEqual(["dispose"]);
  expect(term.isHeld()).toBe(true);
});
