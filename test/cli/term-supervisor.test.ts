// Goal: who ends the group is decided as the table of the contract says, and the exit code follows. Method: a term
// and a group of processes made of paper, on a manual clock; what the supervisor orders is noted with its time.
import { describe, expect, it } from "vitest";
import type { GroupEnd } from "../../src/cli/guarded-group.ts";
import { type TermEnd, TermSupervisor } from "../../src/cli/term-supervisor.ts";
import type { StopReason } from "../../src/election/leadership.ts";
import { type Instant, msBetween } from "../../src/system/machine-clock.ts";
import { type FakeLeadership, fakeLeadership } from "../../src/testing/fake-leadership.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

/** A group that does what a case says. */
class PaperGroup {
  readonly orders: string[] = [];
  end: GroupEnd = { termed: false, silent: false };
  left = 0;
  readonly ready: Promise<void>;
  readonly guardianGone: Promise<GroupEnd>;
  onKill = (): void => this.go();
  #go: () => void = () => {};
  readonly #clock: ManualClock;

  constructor(clock: ManualClock, ready: Promise<void> = Promise.resolve()) {
    this.#clock = clock;
    this.ready = ready;
    this.guardianGone = new Promise((resolve) => (this.#go = () => resolve(this.end)));
  }

  go(end: Partial<GroupEnd> = {}): void {
    this.end = { ...this.end, ...end };
    this.#go();
  }
  start({ until, killAfterMs }: { until: Instant; killAfterMs: number }): void {
    this.#note(`start ${this.#left(until)} ${killAfterMs}`);
  }
  extend(until: Instant): void {
    this.#note(`until ${this.#left(until)}`);
  }
  signal(...signals: string[]): void {
    this.#note(signals.join(" "));
  }
  kill(): void {
    this.#note("kill");
    this.onKill();
  }
  isGone(): boolean {
    return this.left === 0;
  }
  #left(until: Instant): number {
    return msBetween({ monotonicMs: this.#clock.monotonicMs() }, until);
  }
  #note(order: string): void {
    this.orders.push(`${this.#clock.monotonicMs()} ${order}`);
  }
}

interface Stage {
  readonly clock: ManualClock;
  readonly group: PaperGroup;
  readonly leadership: FakeLeadership;
  readonly supervisor: TermSupervisor;
  /** A confirmed renewal. */
  renew(): void;
  /** The end of the term's supervision. */
  readonly ended: Promise<TermEnd>;
}

async function stage(ready?: Promise<void>): Promise<Stage> {
  const clock = new ManualClock();
  const group = new PaperGroup(clock, ready);
  const leadership = fakeLeadership({ term: 7, remainingMs: 2000 });
  const listeners = new Set<() => void>();
  const supervisor = new TermSupervisor({
    ...{ clock, group, leadership, killAfterMs: 400, graceMs: 1000, goneMs: 2000 },
    command: { file: "work", args: [], env: {} },
    machineClock: { now: () => ({ monotonicMs: clock.monotonicMs() }) },
    onRenewed: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  });
  const ended = new Promise<TermEnd>((resolve, reject) => {
    leadership
      .guard(async (_term, lost) => resolve(await supervisor.run(lost)))
      .catch((error: unknown) => {
        if (leadership.isHeld()) reject(new Error("the term is held", { cause: error }));
      });
  });
  await clock.advance(0);
  return { clock, group, leadership, supervisor, ended, renew: () => listeners.forEach((listener) => listener()) };
}

const ended = (code: number | null, inTime = true, signal: "SIGSEGV" | null = null): Partial<GroupEnd> => ({
  ended: { is: "ended", code, signal, inTime },
});

describe("the command", () => {
  it("is started with what is left of the term, and told each confirmed validity", async () => {
    const { clock, group, renew, ended: end } = await stage();
    await clock.advance(1000);
    renew();
    group.go(ended(0));
    await end;
    expect(group.orders).toEqual(["0 start 2000 400", "1000 until 2000"]);
    expect(clock.timerCount, "no timer is left").toBe(0);
  });

  it("is not started once the term is over or drains", async () => {
    for (const reason of ["drain", "end"] as const) {
      let makeReady = (): void => {};
      const { group, leadership, ended: end } = await stage(new Promise((resolve) => (makeReady = resolve)));
      leadership[reason]();
      makeReady();
      expect(await end).toMatchObject({ how: "notStarted", told: false, gone: true });
      expect(group.orders).toEqual(["0 kill"]);
    }
  });

  it.each([
    [{ code: 0, signal: null }, 0],
    [{ code: 77, signal: null }, 77],
    [{ code: null, signal: "SIGSEGV" as const }, 139],
  ])("that ended in time gives its own code: %j", async ({ code, signal }, exitCode) => {
    const { group, ended: end } = await stage();
    group.go(ended(code, true, signal));
    expect(await end).toEqual({ how: "ended", exitCode, told: false, gone: true });
  });

  it("that ended in time gives its own code also if the term is lost when that is read", async () => {
    const { group, leadership, ended: end } = await stage();
    leadership.end("expired");
    group.go({ ...ended(5), termed: true });
    expect(await end).toMatchObject({ how: "ended", exitCode: 5 });
  });

  it("that ended too late counts as lost", async () => {
    const { group, ended: end } = await stage();
    group.go({ ...ended(0, false), termed: true });
    expect(await end).toMatchObject({ how: "lost", exitCode: 124 });
  });

  it.each([
    ["ENOENT", 127],
    ["EACCES", 126],
    ["ENOEXEC", 126],
  ])("that cannot be run (%s) gives %d", async (code, exitCode) => {
    const { group, ended: end } = await stage();
    group.go({ failed: { is: "failed", code, message: `spawn work ${code}` } });
    expect(await end).toMatchObject({ how: "ended", exitCode, message: `spawn work ${code}` });
  });
});

describe("a loss", () => {
  it.each<StopReason>(["taken", "erased", "fenced"])("because it was %s kills at once", async (reason) => {
    const { clock, group, leadership, ended: end } = await stage();
    await clock.advance(300);
    leadership.end(reason);
    expect(await end).toMatchObject({ how: "lost", exitCode: 124, told: false });
    expect(group.orders).toEqual(["0 start 2000 400", "300 kill"]);
  });

  it("by expiry leaves --kill-after: the guardian tells, the supervisor kills at that instant", async () => {
    const { clock, group, leadership, ended: end } = await stage();
    await clock.advance(2000);
    leadership.end("expired");
    await clock.advance(399);
    expect(group.orders).toEqual(["0 start 2000 400"]);
    await clock.advance(1);
    expect(await end).toMatchObject({ how: "lost", exitCode: 124 });
    expect(group.orders).toEqual(["0 start 2000 400", "2400 kill"]);
  });

  it("that the guardian told of is one, whatever a late answer confirms", async () => {
    const { clock, group, renew, ended: end } = await stage();
    await clock.advance(1999);
    group.end = { ...group.end, termed: true };
    renew();
    await clock.advance(401);
    expect(await end).toMatchObject({ how: "lost", exitCode: 124 });
    expect(group.orders, "nothing was extended").toEqual(["0 start 2000 400", "2400 kill"]);
  });

  it("during a drain kills at once", async () => {
    const { clock, group, leadership, ended: end } = await stage();
    leadership.drain("resigned");
    await clock.advance(100);
    leadership.end("expired");
    expect(await end).toMatchObject({ how: "lost", exitCode: 124, told: true });
    expect(group.orders).toEqual(["0 start 2000 400", "0 SIGTERM SIGCONT", "100 kill"]);
  });
});

describe("an end on purpose", () => {
  it("has the guardian tell the command, and renews on", async () => {
    const { clock, group, leadership, renew, ended: end } = await stage();
    leadership.drain("stopped");
    await clock.advance(500);
    renew();
    group.go(ended(9));
    expect(await end).toEqual({ how: "ended", exitCode: 9, told: true, gone: true });
    expect(group.orders).toEqual(["0 start 2000 400", "0 SIGTERM SIGCONT", "500 until 2000"]);
  });

  it("kills after --grace: 137", async () => {
    const { clock, group, leadership, ended: end } = await stage();
    leadership.drain("stopped");
    await clock.advance(1000);
    expect(await end).toMatchObject({ how: "killed", exitCode: 137, told: true });
    expect(group.orders.at(-1)).toBe("1000 kill");
  });

  it("kills at once at a second signal: 137", async () => {
    const { group, leadership, supervisor, ended: end } = await stage();
    leadership.drain("stopped");
    supervisor.killNow();
    expect(await end).toMatchObject({ how: "killed", exitCode: 137 });
    expect(group.orders).toContain("0 kill");
  });
});

describe("a guardian", () => {
  it("that is gone without a word is a failure: killed, 125", async () => {
    const { clock, group, ended: end } = await stage();
    group.left = 2;
    group.onKill = () => (group.left -= 1);
    group.go();
    await clock.advance(20);
    expect(await end).toMatchObject({
      how: "guardianLost",
      exitCode: 125,
      gone: true,
      message: "the guardian is gone",
    });
    expect(group.orders.filter((order) => order.endsWith("kill"))).toHaveLength(2);
  });

  it("that is silent is a failure: 125", async () => {
    const { group, ended: end } = await stage();
    group.go({ silent: true });
    expect(await end).toMatchObject({ how: "guardianLost", exitCode: 125, message: "the guardian answered no more" });
  });

  it("that cannot start is a failure: 125", async () => {
    const failed = Promise.reject(new Error("spawn EAGAIN"));
    const { ended: end } = await stage(failed);
    expect(await end).toMatchObject({ how: "guardianLost", exitCode: 125, message: "spawn EAGAIN" });
  });
});

describe("a group that does not go", () => {
  it("is killed again and again, and reported as not gone after two seconds", async () => {
    const { clock, group, ended: end } = await stage();
    group.left = 1;
    group.onKill = () => {};
    group.go(ended(0));
    await clock.advance(2100);
    expect(await end).toMatchObject({ gone: false });
    const kills = group.orders.filter((order) => order.endsWith("kill")).length;
    expect(kills).toBeGreaterThan(20);
    expect(kills, "paced").toBeLessThan(60);
  });
});
