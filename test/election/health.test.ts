// Goal: a health check fails exactly when a restart would help, and names the lock then. Method: a campaign as the
// check sees it, at the border of each condition; the rows of client-go are part of the conformance.
import { describe, expect, it } from "vitest";
import type { Campaign } from "../../src/election/campaign.ts";
import { beginTerm } from "../../src/election/election-state.ts";
import { checkHealth, HealthAdaptor } from "../../src/election/health.ts";
import { campaignParts } from "./campaign-parts.ts";
import { confirm, record, seen, sentWrite } from "./situations.ts";

/** A campaign that leads, and whose last write was sent at 50 s, which is now. */
function checking() {
  const { clock, context, state, lock } = campaignParts();
  confirm(state, { ...sentWrite(0), sentAtMs: 50_000 });
  state.term = beginTerm(7, 50_000, 60_000);
  const campaign = { state, clocks: context.clocks, overrun: false };
  const check = (toleranceMs = 0): void => {
    const question = { toleranceMs, settings: context.settings, lock };
    checkHealth(campaign as unknown as Campaign, question); // cast: all that is looked at
  };
  return { clock, state, campaign, check };
}

describe("a leader", () => {
  it("is healthy for a lease after the send of its last confirmed write, and for the tolerance", () => {
    const { clock, check } = checking();
    clock.pause(15_000);
    check();
    clock.pause(1);
    expect(() => check()).toThrow("failed election to renew leadership on lease fake/lock: 15001 ms ago");
    check(1);
    clock.pause(20_000);
    expect(() => check(20_000)).toThrow(/fake\/lock/);
    check(20_001);
  });

  it("counts the time that the machine was suspended", () => {
    const { clock, check } = checking();
    clock.suspend(16_000);
    expect(() => check()).toThrow(/renew leadership/);
  });
});

describe("whoever does not lead", () => {
  it("is healthy, however old its last write is, and whatever it sees", () => {
    const { clock, state, check } = checking();
    state.term = undefined;
    clock.pause(3_600_000);
    check();
    state.seen = seen(record("other"), 3_600_000);
    check();
    state.seen = { kind: "unreadable" };
    check();
  });

  it("is not, if work of an ended term still runs", () => {
    const { state, campaign, check } = checking();
    state.term = undefined;
    campaign.overrun = true;
    expect(() => check(3_600_000)).toThrow("work of an ended term still runs: lease fake/lock");
  });

  it("is not, if the record went back", () => {
    const { state, check } = checking();
    state.term = undefined;
    state.termWentBack = true;
    expect(() => check(3_600_000)).toThrow("the term of the record went back: lease fake/lock");
  });
});

describe("the adaptor", () => {
  it("is fine until an elector is attached, and asks the one that was attached last", () => {
    const adaptor = new HealthAdaptor(700);
    adaptor.check();
    const asked: (number | undefined)[] = [];
    adaptor.setElector({ check: (toleranceMs) => void asked.push(toleranceMs) });
    adaptor.check();
    const failing = (): never => {
      throw new Error("lease fake/lock");
    };
    adaptor.setElector({ check: failing });
    expect(() => adaptor.check()).toThrow("lease fake/lock");
    expect([adaptor.name, asked]).toEqual(["leaderElection", [700]]);
  });

  it("tolerates nothing by default", () => {
    const adaptor = new HealthAdaptor();
    const asked: (number | undefined)[] = [];
    adaptor.setElector({ check: (toleranceMs) => void asked.push(toleranceMs) });
    adaptor.check();
    expect(asked).toEqual([0]);
  });
});
