// Goal: pauses, tokens and alarms keep the pace that storages and people can bear. Method: each piece at its borders,
// with chance that the test sets.
import { describe, expect, it } from "vitest";
import { raise, settleAlarm } from "../../src/election/alarms.ts";
import { initialState } from "../../src/election/election-state.ts";
import { hintReadAtMs, spendHintToken } from "../../src/election/hint-tokens.ts";
import { beQuiet, drawRetryPause, pauseAfterFailure, waitMs } from "../../src/election/pauses.ts";
import { following, leading, now, nowMs, settings, settingsWith, term } from "./situations.ts";

describe("the wait before a silent record may be replaced", () => {
  it("is the holder's or one's own duration, whichever is longer, and the grace", () => {
    expect(waitMs(3_000, settings)).toBe(15_000);
    expect(waitMs(30_000, settings)).toBe(30_000);
    const grace = settingsWith({ holderGraceMs: 7_000 });
    expect(waitMs(3_000, grace)).toBe(22_000);
    expect(waitMs(30_000, grace)).toBe(37_000);
  });

  it("is one's own duration where nothing usable is stored", () => {
    for (const storedMs of [undefined, 0, -1_000]) expect(waitMs(storedMs, settings)).toBe(15_000);
  });
});

describe("the pause of a candidate", () => {
  it("is one retry period and up to 1.2 more", () => {
    const draw = (value: number): number => {
      return drawRetryPause({ settings, random: { next: () => value, uuid: () => "" } });
    };
    expect([draw(0), draw(0.5), draw(0.999_999)]).toEqual([2_000, 3_200, expect.closeTo(4_400, 1)]);
  });
});

describe("the pause after a failed renewal", () => {
  const pauseWith = (remainingMs: number, minWriteIntervalMs = 0): number => {
    const state = leading(0, (changed) => void (term(changed).validUntilMs = nowMs + remainingMs));
    return pauseAfterFailure(state, now, { ...settings, minWriteIntervalMs });
  };

  it("is a third of what remains, so that two more tries fit, but a retry period at most", () => {
    expect(pauseWith(3_000)).toBe(1_000);
    expect(pauseWith(6_000)).toBe(2_000);
    expect(pauseWith(10_000)).toBe(2_000);
  });

  it("is an eighth of a retry period at least, also when nothing remains", () => {
    for (const remainingMs of [600, 0, -5_000]) expect(pauseWith(remainingMs)).toBe(250);
  });

  it("is never less than the lock needs between two writes", () => {
    expect(pauseWith(600, 1_000)).toBe(1_000);
    expect(pauseWith(3_000, 1_500)).toBe(1_500);
  });

  it("is the least one for a release, which has no term any more", () => {
    expect(pauseAfterFailure(initialState("me", nowMs), now, settings)).toBe(250);
  });
});

describe("what a storage asks for", () => {
  it("is honoured, a minute at most, and never shortens what was asked before", () => {
    const state = following(() => {});
    beQuiet(state, now, 9_000);
    expect(state.quietUntilMs).toBe(nowMs + 9_000);
    beQuiet(state, now, 5_000);
    expect(state.quietUntilMs).toBe(nowMs + 9_000);
    beQuiet(state, now, 3_600_000);
    expect(state.quietUntilMs).toBe(nowMs + 60_000);
  });

  it("is nothing if it is nothing", () => {
    const state = following(() => {});
    beQuiet(state, now, 0);
    expect(state.quietUntilMs).toBe(-Infinity);
  });
});

describe("reads that hints ask for", () => {
  it("come in a burst of ten, then two a second", () => {
    const state = initialState("me", 0);
    const readsAtMs: number[] = [];
    for (let atMs = 0; readsAtMs.length < 14;) {
      atMs = hintReadAtMs(state, atMs);
      spendHintToken(state, atMs);
      readsAtMs.push(atMs);
    }
    expect(readsAtMs).toEqual([...Array.from({ length: 10 }, () => 0), 500, 1_000, 1_500, 2_000]);
  });

  it("earn their token while time passes, also between two looks", () => {
    const state = initialState("me", 0);
    for (let spent = 0; spent < 10; spent += 1) spendHintToken(state, 0);
    expect([hintReadAtMs(state, 0), hintReadAtMs(state, 400), hintReadAtMs(state, 500)]).toEqual([500, 500, 500]);
    expect(hintReadAtMs(state, 700)).toBe(700);
  });

  it("save up ten at most, however long it was quiet", () => {
    const state = initialState("me", 0);
    for (let spent = 0; spent < 10; spent += 1) spendHintToken(state, 3_600_000);
    expect(hintReadAtMs(state, 3_600_000)).toBe(3_600_500);
  });

  it("may be asked about without being spent", () => {
    const state = initialState("me", 0);
    for (let asked = 0; asked < 50; asked += 1) expect(hintReadAtMs(state, 0)).toBe(0);
  });
});

describe("an alarm", () => {
  it("is raised once for each cause, however often it is noticed", () => {
    const state = following(() => {});
    for (let times = 0; times < 3; times += 1) raise(state, "unreadableRecord", { cause: "v1", message: "first" });
    raise(state, "unreadableRecord", { cause: "v2", message: "second" });
    raise(state, "hostileDuration", { cause: "v2", message: "third" });
    expect(state.effects).toEqual([
      { kind: "alarm", alarm: "unreadableRecord", message: "first" },
      { kind: "alarm", alarm: "unreadableRecord", message: "second" },
      { kind: "alarm", alarm: "hostileDuration", message: "third" },
    ]);
  });

  it("is raised again after it was settled, and settling one leaves the others", () => {
    const state = following(() => {});
    raise(state, "unreadableRecord", { cause: "v1", message: "first" });
    raise(state, "termRegression", { cause: "v1", message: "other" });
    settleAlarm(state, "unreadableRecord");
    settleAlarm(state, "duplicateIdentity"); // was never raised
    raise(state, "unreadableRecord", { cause: "v1", message: "again" });
    raise(state, "termRegression", { cause: "v1", message: "not again" });
    expect(state.effects.map((effect) => effect.kind === "alarm" && effect.message)).toEqual([
      "first",
      "other",
      "again",
    ]);
  });
});
