// Goal: revisions have an order only where they are decimal numbers, of any length, and who waits for one hears of it
// in time. Method: pairs of revisions, and views that move by hand.
import { describe, expect, it } from "vitest";
import { isReached, RevisionWaiters } from "../../src/resources/revision-waiters.ts";
import { compareRevisions } from "../../src/resources/revision.ts";

describe("two revisions", () => {
  it.each([
    ["1", "1", 0],
    ["opaque", "opaque", 0],
    ["9", "10", -1],
    ["10", "9", 1],
    ["9007199254740993", "9007199254740992", 1],
    ["123456789012345678901234567890", "99", 1],
    ["0", "7", -1],
    ["a", "b", undefined],
    ["7", "a", undefined],
    ["07", "8", undefined],
    ["-1", "8", undefined],
    ["", "8", undefined],
  ])("%j and %j: %j", (first, second, order) => {
    const compared = compareRevisions(first, second);
    expect(compared === undefined ? undefined : Math.sign(compared)).toBe(order);
  });

  it("reach what is equal or older; without an order only what is equal", () => {
    expect([isReached("9", "10"), isReached("10", "9"), isReached("a", "a"), isReached("a", "b")]).toEqual([
      ...[true, false, true, false],
    ]);
  });
});

describe("who waits for a revision", () => {
  it("W-25 W-39 hears of the first that is as new; others wait on", async () => {
    const waiters = new RevisionWaiters();
    const heard: string[] = [];
    for (const revision of ["5", "7"]) void waiters.wait(revision).then(() => heard.push(revision));
    waiters.reach("4");
    waiters.reach("6");
    await Promise.resolve();
    await new Promise(setImmediate);
    expect(heard).toEqual(["5"]);
    waiters.reach("100");
    await new Promise(setImmediate);
    expect(heard).toEqual(["5", "7"]);
  });

  it("W-40 without an order hears of itself, and of the first list that began after the call", async () => {
    const waiters = new RevisionWaiters();
    const heard: string[] = [];
    const before = waiters.begin();
    for (const revision of ["x", "y"]) void waiters.wait(revision).then(() => heard.push(revision));
    waiters.reach("y");
    waiters.listed(before, "z"); // it had begun before the call
    await new Promise(setImmediate);
    expect(heard).toEqual(["y"]);
    waiters.listed(waiters.begin(), "z");
    await new Promise(setImmediate);
    expect(heard).toEqual(["y", "x"]);
  });

  it("W-39 rejects at the abort, before it too, and when nothing more will come", async () => {
    const waiters = new RevisionWaiters();
    const over = new AbortController();
    const [aborted, failed] = [waiters.wait("1", over.signal), waiters.wait("1")].map((waiting) =>
      waiting.catch((error: unknown) => error),
    );
    over.abort("enough");
    waiters.fail("stopped");
    expect(await Promise.all([aborted, failed])).toEqual(["enough", "stopped"]);
    await expect(waiters.wait("1", over.signal)).rejects.toBe("enough");
  });
});
