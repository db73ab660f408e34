// Goal: `acquire` gives exactly one term, or says why there is none, and disposing of it waits for the release. Method:
// a campaign in the hand of the test, which starts the term, fails or settles.
import { describe, expect, it } from "vitest";
import { AcquiredTerm } from "../../src/election/acquired-term.ts";
import type { Campaign } from "../../src/election/campaign.ts";
import { StorageUnavailableError, TenureError, type TenureErrorCode } from "../../src/errors.ts";
import { Deferred } from "../../src/system/deferred.ts";
import { drainMicrotasks } from "../../src/system/microtasks.ts";
import { fakeLeadership } from "../../src/testing/index.ts";

function acquiring(signal?: AbortSignal) {
  const settled = new Deferred<void>();
  const campaign = { settled: settled.promise } as unknown as Campaign; // cast: all that is used
  const term = new AcquiredTerm();
  const acquired = term.acquired(campaign, signal);
  acquired.catch(() => {}); // each test looks at it in its own time
  return { term, acquired, settle: () => settled.resolve() };
}

describe("an acquired term", () => {
  it("is the one that begins, and the campaign has no second one", async () => {
    const { term, acquired } = acquiring();
    const leadership = fakeLeadership();
    void term.start(leadership);
    expect(await acquired).toBe(leadership);
    expect(term.onlyOneTerm).toBe(true);
  });

  it("ends when it is disposed of, which waits until it is released", async () => {
    const { term, settle } = acquiring();
    const ended = term.start(fakeLeadership());
    let disposed = false;
    const disposal = term.dispose().then(() => (disposed = true));
    expect(await ended).toBe("workReturned");
    await drainMicrotasks();
    expect(disposed).toBe(false);
    settle();
    await disposal;
    await term.dispose(); // twice is no harm
  });

  it("once it was had is not taken back by the end of the campaign", async () => {
    const { term, acquired, settle } = acquiring();
    const leadership = fakeLeadership();
    void term.start(leadership);
    settle();
    await drainMicrotasks();
    expect(await acquired).toBe(leadership);
  });
});

it("a term that is held is not given up for one refused renewal: it stays valid, and the next may succeed", () => {
  const { term } = acquiring();
  void term.start(fakeLeadership());
  expect(term.hopeless(new TenureError("ACCESS_DENIED", "text"))).toBe(false);
});

describe("without a term", () => {
  it("rejects with the reason of the abort, untouched", async () => {
    const controller = new AbortController();
    const { acquired, settle } = acquiring(controller.signal);
    const reason = new Error("no time");
    controller.abort(reason);
    settle();
    await expect(acquired).rejects.toBe(reason);
  });

  it("rejects with an AbortError if the campaign was stopped, or was never to begin", async () => {
    const { acquired, settle } = acquiring(new AbortController().signal);
    settle();
    await expect(acquired).rejects.toMatchObject({ name: "AbortError" });
    await expect(new AcquiredTerm().acquired(undefined, undefined)).rejects.toMatchObject({ name: "AbortError" });
  });

  it.each<TenureErrorCode>([
    ...(["ACCESS_DENIED", "UNSAFE_STORAGE", "UNSUPPORTED", "INVALID_SETTINGS", "INVALID_KEY"] as const),
    ...(["PACKAGE_MISSING", "CLOSED"] as const),
  ])("rejects at once with what waiting cannot help: %s", async (code) => {
    const { term, acquired } = acquiring();
    const error = new TenureError(code, "text");
    expect(term.hopeless(error)).toBe(true);
    await expect(acquired).rejects.toBe(error);
  });

  it("waits on after what may pass", () => {
    const { term } = acquiring();
    const passing = (
      ["STORAGE_UNAVAILABLE", "OUTCOME_UNKNOWN", "CONDITIONAL_UPDATE_FAILED", "CORRUPT_DATA"] as const
    ).map((code) => new TenureError(code, "text"));
    for (const error of [...passing, new StorageUnavailableError("away"), new Error("text"), undefined]) {
      expect(term.hopeless(error)).toBe(false);
    }
  });

  it("hears nothing of holders and stops: it has no callbacks", () => {
    const { term } = acquiring();
    expect([term.stopped(), term.newLeader()]).toEqual([undefined, undefined]);
  });
});
