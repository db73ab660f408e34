// Goal: a deadline that two processes share is the same for both, and either clock can reach it. Method: instants made
// by hand for the arithmetic, and a second process that reads the same clocks.
import { execFileSync } from "node:child_process";
import { uptime } from "node:os";
import { describe, expect, it } from "vitest";
import { instantAfter, msBetween, systemMachineClock } from "../../src/system/machine-clock.ts";

describe("a shared deadline", () => {
  it("is reached when the monotonic clock has reached it", () => {
    const until = instantAfter({ monotonicMs: 1000, bootMs: 5000 }, 200);
    expect(msBetween({ monotonicMs: 1199, bootMs: 5199 }, until)).toBe(1);
    expect(msBetween({ monotonicMs: 1200, bootMs: 5200 }, until)).toBe(0);
  });

  it("is reached when the machine was suspended, while the monotonic clock stood", () => {
    const until = instantAfter({ monotonicMs: 1000, bootMs: 5000 }, 200);
    expect(msBetween({ monotonicMs: 1010, bootMs: 9000 }, until)).toBeLessThan(0);
  });

  it("is not reached early by the coarse steps of the boot clock", () => {
    const until = instantAfter({ monotonicMs: 1000, bootMs: 5000 }, 200);
    expect(msBetween({ monotonicMs: 1190, bootMs: 5210 }, until)).toBeGreaterThan(0);
  });

  it("goes by the monotonic clock alone where there is no boot clock", () => {
    expect(instantAfter({ monotonicMs: 1000 }, 200)).toEqual({ monotonicMs: 1200 });
    expect(msBetween({ monotonicMs: 1150, bootMs: 9000 }, { monotonicMs: 1200 })).toBe(50);
  });

  it("is read alike by another process of this machine", () => {
    const before = systemMachineClock.now();
    const script = "process.stdout.write(String(Number(process.hrtime.bigint()) / 1e6))";
    const inBetween = Number(execFileSync(process.execPath, ["-e", script], { encoding: "utf8" }));
    const after = systemMachineClock.now();
    expect(inBetween).toBeGreaterThan(before.monotonicMs);
    expect(inBetween).toBeLessThan(after.monotonicMs);
  });

  it("uses the boot clock on Linux only", () => {
    const { bootMs } = systemMachineClock.now();
    if (process.platform === "linux") expect(Math.abs((bootMs ?? 0) - uptime() * 1000)).toBeLessThan(1000);
    else expect(bootMs).toBeUndefined();
  });
});
