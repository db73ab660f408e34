// Goal: an iterator over terms begins one campaign, gives each term once, and ends in every phase by return, throw,
// loss or stop. Method: a campaign in the hand of the test, which tells terms and settles when it is told to.
import { describe, expect, it } from "vitest";
import type { Campaign } from "../../src/election/campaign.ts";
import { TermQueue } from "../../src/election/term-queue.ts";
import type { CampaignWork } from "../../src/election/term-run.ts";
import { Deferred } from "../../src/system/deferred.ts";
import { drainMicrotasks } from "../../src/system/microtasks.ts";
import { fakeLeadership } from "../../src/testing/index.ts";

function iterating() {
  const settled = new Deferred<void>();
  const told: string[] = [];
  // cast: all that is used
  const campaign = { settled: settled.promise, stop: () => told.push("stop") } as unknown as Campaign;
  let work: CampaignWork | undefined;
  const terms = new TermQueue((given) => {
    told.push("begin");
    work = given;
    return campaign;
  });
  /** A term begins; how its body ended is told. */
  const lead = (term: number): void => {
    if (work === undefined) throw new Error("no campaign has begun");
    void work.start(fakeLeadership({ term })).then((end) => told.push(`body of ${term}: ${end}`));
  };
  return { terms, told, lead, settle: () => settled.resolve() };
}

const done = { done: true, value: undefined };

describe("the terms of a campaign", () => {
  it("begin with the first pass, and not before", async () => {
    const { terms, told } = iterating();
    expect(terms[Symbol.asyncIterator]()).toBe(terms);
    expect(told).toEqual([]);
    void terms.next();
    void terms.next();
    await drainMicrotasks();
    expect(told).toEqual(["begin"]);
  });

  it("are one for each pass, and the next pass ends the body before", async () => {
    const { terms, told, lead } = iterating();
    const first = terms.next();
    lead(1);
    expect(await first).toMatchObject({ done: false, value: { term: 1 } });
    await drainMicrotasks();
    expect(told).toEqual(["begin"]);
    const second = terms.next();
    await drainMicrotasks();
    expect(told).toEqual(["begin", "body of 1: workReturned"]);
    lead(2);
    expect(await second).toMatchObject({ done: false, value: { term: 2 } });
    expect(told).toHaveLength(2);
  });

  it("end when the campaign has settled: before a term, during one, and after", async () => {
    const before = iterating();
    const waiting = before.terms.next();
    before.settle();
    expect(await waiting).toEqual(done);
    expect(await before.terms.next()).toEqual(done);
    const during = iterating();
    void during.terms.next();
    during.lead(1);
    during.settle();
    await drainMicrotasks();
    expect(await during.terms.next()).toEqual(done);
    expect(during.told).toEqual(["begin"]);
  });

  it("are asked for twice at once without leaving anybody waiting", async () => {
    const { terms, settle } = iterating();
    const both = [terms.next(), terms.next()];
    settle();
    expect(await Promise.all(both)).toEqual([done, done]);
  });

  it("end at once where the campaign was not to begin: a stop had been asked for", async () => {
    const terms = new TermQueue(() => undefined);
    expect(await terms.next()).toEqual(done);
    expect(await terms.next()).toEqual(done);
    expect(await terms.return()).toEqual(done);
  });

  it("tell the first pass why a campaign cannot begin, and are over then", async () => {
    const terms = new TermQueue(() => {
      throw new Error("campaigns already");
    });
    await expect(terms.next()).rejects.toThrow("campaigns already");
    expect(await terms.next()).toEqual(done);
    expect(await terms.return()).toEqual(done);
  });
});

describe("return", () => {
  it("before the first pass begins nothing, now and later", async () => {
    const { terms, told } = iterating();
    expect(await terms.return()).toEqual(done);
    expect(await terms.next()).toEqual(done);
    expect(told).toEqual([]);
  });

  it("while a pass waits stops the campaign, and ends that pass, not before it has settled", async () => {
    const { terms, told, settle } = iterating();
    const pass = terms.next();
    const returned = terms.return();
    let over = 0;
    for (const each of [pass, returned]) void each.then(() => (over += 1));
    await drainMicrotasks();
    expect([told, over]).toEqual([["begin", "stop"], 0]);
    settle();
    expect([await pass, await returned]).toEqual([done, done]);
  });

  it("inside a body ends it as stopped, and waits for the release", async () => {
    const { terms, told, lead, settle } = iterating();
    void terms.next();
    lead(1);
    const returned = terms.return();
    await drainMicrotasks();
    expect(told).toEqual(["begin", "stop", "body of 1: stopped"]);
    settle();
    expect(await returned).toEqual(done);
    expect(await terms.next()).toEqual(done);
  });

  it("may be called again, and after the end", async () => {
    const { terms, lead, settle } = iterating();
    void terms.next();
    lead(1);
    const both = [terms.return(), terms.return()];
    settle();
    expect(await Promise.all(both)).toEqual([done, done]);
    expect(await terms.return()).toEqual(done);
  });
});

describe("throw", () => {
  it("ends everything as return does, and throws the same error", async () => {
    const { terms, told, lead, settle } = iterating();
    void terms.next();
    lead(1);
    const error = new Error("of the caller");
    const thrown = terms.throw(error);
    await drainMicrotasks();
    expect(told).toEqual(["begin", "stop", "body of 1: stopped"]);
    settle();
    await expect(thrown).rejects.toBe(error);
    expect(await terms.next()).toEqual(done);
  });

  it("before the first pass begins nothing", async () => {
    const { terms, told } = iterating();
    await expect(terms.throw(new Error("early"))).rejects.toThrow("early");
    expect(told).toEqual([]);
  });
});

it("the loop of a language ends it by itself: break, throw and the end of the campaign", async () => {
  for (const leave of ["break", "throw", "end"] as const) {
    const { terms, told, lead, settle } = iterating();
    const bodies: number[] = [];
    const loop = (async () => {
      for await (const { term } of terms) {
        bodies.push(term);
        if (leave === "throw") throw new Error("of the body");
        if (leave === "break") break;
      }
    })();
    const outcome = loop.then(
      () => "over",
      (error: Error) => error.message,
    );
    await drainMicrotasks();
    lead(1);
    await drainMicrotasks();
    settle();
    expect(await outcome).toBe(leave === "throw" ? "of the body" : "over");
    expect(bodies).toEqual([1]);
    const end = leave === "end" ? ["body of 1: workReturned"] : ["stop", "body of 1: stopped"];
    expect(told).toEqual(["begin", ...end]);
  }
});
