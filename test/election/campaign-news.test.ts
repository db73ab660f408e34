// Goal: what was folded is told once, in its order, to everybody who has to hear it, and callbacks that fail are told
// too. Method: effects put into a state by hand, and a listener that writes down what it hears.
import { describe, expect, it } from "vitest";
import { CampaignNews } from "../../src/election/campaign-news.ts";
import { beginTerm, type ElectionState } from "../../src/election/election-state.ts";
import { silentLogger } from "../../src/system/logger.ts";
import { drainMicrotasks } from "../../src/system/microtasks.ts";
import { campaignParts } from "./campaign-parts.ts";
import { sentWrite } from "./situations.ts";

function newsOf(newLeader: (identity: string) => void | Promise<void> = () => {}) {
  const lines: unknown[] = [];
  const logger = { ...silentLogger, warn: (...line: unknown[]) => void lines.push(line) };
  const parts = campaignParts({ logger });
  const heard: string[] = [];
  const news = new CampaignNews(parts.context, {
    renewed: (validUntilMs) => heard.push(`renewed until ${validUntilMs}`),
    newLeader: (identity) => {
      heard.push(`new leader ${identity}`);
      return newLeader(identity);
    },
    reopenWatch: () => heard.push("reopen"),
  });
  const tell = (...effects: ElectionState["effects"]): void => {
    parts.state.effects.push(...effects);
    news.tell(parts.context.clocks.readings());
  };
  return Object.assign(parts, { news, heard, lines, tell });
}

describe("news", () => {
  it("are told in their order, once", () => {
    const { tell, events, heard, state, news, context } = newsOf();
    tell(
      { kind: "alarm", alarm: "termRegression", message: "went back" },
      { kind: "newLeader", identity: "other", term: 4 },
      { kind: "reopenWatch" },
    );
    news.tell(context.clocks.readings());
    expect(events).toEqual([
      ["alarm", { kind: "termRegression", message: "went back" }],
      ["newLeader", { identity: "other", term: 4 }],
    ]);
    expect(heard).toEqual(["new leader other", "reopen"]);
    expect(state.effects).toEqual([]);
  });

  it("that come while news are told are told after them", () => {
    const parts = newsOf((identity) => {
      if (identity === "first") parts.state.effects.push({ kind: "newLeader", identity: "nested", term: 3 });
    });
    parts.tell({ kind: "newLeader", identity: "first", term: 1 }, { kind: "newLeader", identity: "second", term: 2 });
    expect(parts.heard).toEqual(["new leader first", "new leader second", "new leader nested"]);
  });
});

describe("an alarm", () => {
  it("is logged as a field: foreign text is never the format of a line (#58)", () => {
    const { tell, lines } = newsOf();
    tell({ kind: "alarm", alarm: "hostileDuration", message: "%s has stored 9 years" });
    expect(lines).toEqual([
      ["alarm", { name: "fake/lock", alarm: "hostileDuration", message: "%s has stored 9 years" }],
    ]);
  });
});

describe("a renewal", () => {
  it("tells how long it took and what remains, and settles the clocks", async () => {
    const { tell, clock, context, state, eventsOf, heard } = newsOf();
    state.term = beginTerm(7, 50_000, 60_000);
    const write = { ...sentWrite(0), sentAtMs: 50_000 };
    await clock.advance(400);
    clock.stepWall(3_600_000);
    context.look();
    expect(context.clocks.suspect).toBe(true);
    tell({ kind: "renewed", write, slow: true });
    expect(heard).toEqual(["renewed until 60000"]);
    expect(eventsOf("renewed")).toEqual([{ term: 7, ms: 400, remainingMs: 9_600, slow: true }]);
    expect(context.clocks.suspect).toBe(false);
  });

  it("that was sent before the clocks became suspect settles nothing", () => {
    const { tell, clock, context, state, eventsOf } = newsOf();
    state.term = { ...beginTerm(7, 50_000, 60_000), suspectSeq: 3 };
    clock.stepWall(3_600_000);
    context.look();
    tell({ kind: "renewed", write: sentWrite(0), slow: false });
    expect(context.clocks.suspect).toBe(true);
    expect(eventsOf("renewed")).toHaveLength(1);
  });

  it("that comes too late tells that nothing remains", async () => {
    const { tell, clock, state, eventsOf } = newsOf();
    state.term = beginTerm(7, 50_000, 60_000);
    await clock.advance(20_000);
    tell({ kind: "renewed", write: { ...sentWrite(0), sentAtMs: 50_000 }, slow: true });
    expect(eventsOf("renewed")).toEqual([{ term: 7, ms: 20_000, remainingMs: 0, slow: true }]);
  });

  it("without a term is no news", () => {
    const { tell, heard, events } = newsOf();
    tell({ kind: "renewed", write: sentWrite(0), slow: false });
    expect([heard, events]).toEqual([[], []]);
  });
});

describe("a callback for new leaders", () => {
  it("that throws, at once or later, is told, and the rest of the news too", async () => {
    const failures = [
      () => {
        throw new Error("no");
      },
      () => Promise.reject(new Error("no")),
    ];
    for (const fail of failures) {
      const { tell, troubles, heard } = newsOf(fail);
      tell({ kind: "newLeader", identity: "other", term: 4 }, { kind: "reopenWatch" });
      await drainMicrotasks();
      expect(troubles).toEqual(["onNewLeader: no"]);
      expect(heard).toEqual(["new leader other", "reopen"]);
    }
  });

  it("that never ends holds nothing up", () => {
    const { tell, heard } = newsOf(() => new Promise(() => {}));
    tell({ kind: "newLeader", identity: "other", term: 4 }, { kind: "newLeader", identity: "third", term: 5 });
    expect(heard).toEqual(["new leader other", "new leader third"]);
  });
});
