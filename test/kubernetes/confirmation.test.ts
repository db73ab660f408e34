// Goal: a status confirms a signal only if it proves that this very signal reached the storage, and every other status
// has the verdict of its row. Method: each row of the table as statuses, then properties over statuses by chance.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  confirmationOf,
  releaseConfirmationOf,
  type SentSignal,
  type Verdict,
} from "../../src/kubernetes/confirmation.ts";
import { shownLease, type ShownLease } from "../../src/kubernetes/shown-lease.ts";

const T = "2026-11-21T09:28:40.193675Z";
const earlier = "2026-11-21T09:28:37.177707Z";
const later = "2026-11-21T09:28:43.210086Z";
const me = "a_1";

const signal: SentSignal = {
  ...{ identity: me, number: 1, renewTime: T, term: 5, uid: "u", generation: 4 },
  stampBefore: "2026-11-21T09:28:39Z",
  isLater: (text) => text === later,
};

type Fields = Readonly<Record<string, unknown>>;

function condition(type: string, status: string, reason: string, observedGeneration = 4): Fields {
  const message = reason === "BackendError" ? "the bucket is gone" : "";
  return { type, status, reason, message, lastTransitionTime: earlier, observedGeneration };
}

const healthy = condition("BackendHealthy", "True", "BackendHealthy");
const sick = condition("BackendHealthy", "False", "BackendError");

/** A look at a lease whose spec is my signal; each field of its status, or of the rest, may be another. */
function look(status: Fields | undefined, rest: { spec?: Fields; metadata?: Fields } = {}): ShownLease {
  const full = { observedGeneration: 4, globalHolderIdentity: me, globalLeaseTransitions: 5, conditions: [healthy] };
  const shown = shownLease({
    metadata: { uid: "u", resourceVersion: "9", generation: 4, ...rest.metadata },
    spec: { holderIdentity: me, renewTime: T, ...rest.spec },
    ...(status !== undefined && { status: { ...full, ...status } }),
  });
  if (shown === undefined) throw new Error("a look lacks what a write names");
  return shown;
}

const verdict = (status: Fields | undefined, rest: Parameters<typeof look>[1] = {}): Verdict =>
  confirmationOf(signal, look(status, rest));

describe("K-43, row 1: another object, none, or one that is being deleted is a loss", () => {
  it.each([
    ["another uid", look({ globalRenewTime: T }, { metadata: { uid: "other" } })],
    ["none", undefined],
    ["a deletion under way", look({ globalRenewTime: T }, { metadata: { deletionTimestamp: earlier, generation: 5 } })],
  ])("%s", (_what, shown) => {
    expect(confirmationOf(signal, shown)).toEqual({ row: 1, is: "lost" });
  });
});

describe("row 2: my holder with my signal is a confirmation, with the term that the controller counted", () => {
  it.each([
    ["at once", {}, {}],
    ["though the spec is another's by now", {}, { spec: { holderIdentity: "b_2", renewTime: later } }],
    ["though an older generation was answered", { observedGeneration: 3 }, {}],
    ["though the storage is out of reach by now", { conditions: [sick] }, {}],
  ])("%s", (_what, status, rest) => {
    expect(verdict({ globalRenewTime: T, ...status }, rest)).toEqual({ row: 2, is: "confirmed", term: 5 });
  });

  it("K-49: the term is the controller's, whatever was asked for", () => {
    expect(verdict({ globalRenewTime: T, globalLeaseTransitions: 8 })).toMatchObject({ is: "confirmed", term: 8 });
  });

  it("not without a term: it is what the work is fenced with", () => {
    expect(verdict({ globalRenewTime: T, globalLeaseTransitions: undefined })).toMatchObject({ row: 10, is: "wait" });
  });
});

describe("row 3: a later signal of mine supersedes this one", () => {
  it("by its text, and by a later name", () => {
    expect(verdict({ globalRenewTime: later })).toEqual({ row: 3, is: "superseded" });
    expect(verdict({ globalRenewTime: later, globalHolderIdentity: "a_1~2" })).toEqual({ row: 3, is: "superseded" });
  });
});

describe("K-51, row 4: what does not answer this generation is waited for", () => {
  it.each([
    ["no status", undefined, "CONTROLLER_SILENT"],
    ["no generation", { observedGeneration: undefined, globalRenewTime: earlier }, "CONTROLLER_SILENT"],
    ["an older one", { observedGeneration: 3, globalRenewTime: earlier }, "CONTROLLER_SILENT"],
    ["an older one, held by another", { observedGeneration: 3, globalHolderIdentity: "b_2" }, "CONTROLLER_SILENT"],
    [
      "an older one, beside an error about this one",
      { observedGeneration: 3, conditions: [sick] },
      "GLOBAL_STORAGE_UNHEALTHY",
    ],
  ])("%s", (_what, status, silence) => {
    expect(verdict(status)).toMatchObject({ row: 4, is: "wait", silence });
  });
});

describe("K-43, row 5: held by another is a loss at once", () => {
  it.each([
    ["another holder", { globalHolderIdentity: "b_2", globalLeaseTransitions: 6 }, "b_2"],
    ["another holder with a smaller term", { globalHolderIdentity: "b_2", globalLeaseTransitions: 1 }, "b_2"],
    ["nobody, with the term that I asked for", { globalHolderIdentity: "", globalLeaseTransitions: 5 }, ""],
    ["nobody, with a greater one", { globalHolderIdentity: undefined, globalLeaseTransitions: 7 }, ""],
    ["a name that only begins like mine", { globalHolderIdentity: "a_1~02" }, "a_1~02"],
  ])("%s", (_what, status, holder) => {
    expect(verdict({ globalRenewTime: later.replace("43", "44"), ...status })).toEqual({ row: 5, is: "lost", holder });
  });

  it("K-55: an older name of mine refuses, and loses nothing", () => {
    const second = { ...signal, number: 2 };
    const shown = look({ globalRenewTime: earlier }, { spec: { holderIdentity: "a_1~2" } });
    expect(confirmationOf(second, shown)).toEqual({ row: 5, is: "refused", holder: me });
  });
});

describe("K-51, row 6: another signal in the spec is waited out", () => {
  const rest = { spec: { holderIdentity: "b_2", renewTime: later } };

  it("and told with its sender", () => {
    const expected = { row: 6, is: "wait", silence: "LOCAL_CONTENTION", told: "b_2" };
    expect(verdict({ globalRenewTime: earlier }, rest)).toEqual(expected);
    expect(verdict({ globalRenewTime: "2026-11-21T09:28:41Z" }, rest)).toEqual(expected);
    expect(verdict({ globalHolderIdentity: "", globalLeaseTransitions: 4 }, rest)).toEqual(expected);
  });

  it("a later one of mine is not", () => {
    expect(verdict({ globalRenewTime: earlier }, { spec: { renewTime: later } })).toMatchObject({ row: 10 });
  });
});

describe("K-52, rows 7 and 8: a Go controller stamps its own clock", () => {
  it("row 7: a later second than before proves that it wrote", () => {
    const status = { globalRenewTime: "2026-11-21T09:28:40Z" };
    expect(verdict(status)).toEqual({ row: 7, is: "confirmed", term: 5 });
    const fresh = { ...signal, stampBefore: undefined };
    expect(confirmationOf(fresh, look(status))).toEqual({ row: 7, is: "confirmed", term: 5 });
  });

  it.each([
    ["the same second", "2026-11-21T09:28:39Z"],
    ["an earlier one", "2026-11-21T09:28:38Z"],
    ["the same second in another zone", "2026-11-21T18:28:39+09:00"],
  ])("row 8: %s is waited for, and asks for another signal", (_what, globalRenewTime) => {
    expect(verdict({ globalRenewTime })).toMatchObject({ row: 8, is: "wait", again: true, silence: "OUTCOME_UNKNOWN" });
  });

  it("row 8: a later stamp beside an error is that of a record which was not renewed", () => {
    const status = { globalRenewTime: "2026-11-21T09:28:45Z", conditions: [sick] };
    expect(verdict(status)).toMatchObject({ row: 8, is: "wait", silence: "GLOBAL_STORAGE_UNHEALTHY" });
  });

  it("any fraction shows that it is none, and then a standing signal confirms nothing", () => {
    for (const globalRenewTime of [earlier, "2026-11-21T09:28:59.5Z", "2026-11-21T09:28:59.000000001Z"]) {
      expect(verdict({ globalRenewTime })).toMatchObject({ row: 10, is: "wait" });
    }
  });
});

describe("K-51, row 9: a storage out of reach is waited for, and told with what the controller says", () => {
  it("if the condition is about this generation", () => {
    const told = { row: 9, is: "wait", silence: "GLOBAL_STORAGE_UNHEALTHY", told: "the bucket is gone" };
    expect(verdict({ globalRenewTime: earlier, conditions: [sick] })).toEqual(told);
    const older = condition("BackendHealthy", "False", "BackendError", 3);
    expect(verdict({ globalRenewTime: earlier, conditions: [older] })).toMatchObject({ row: 10 });
  });
});

describe("row 10: anything else is waited for", () => {
  it.each([
    ["an older signal of mine", { globalRenewTime: earlier }],
    ["nobody, below the term that I asked for", { globalHolderIdentity: "", globalLeaseTransitions: 4 }],
    ["nobody, and no term", { globalHolderIdentity: "", globalLeaseTransitions: undefined }],
    ["a status that cannot be read", { globalRenewTime: "soon" }],
  ])("%s", (_what, status) => {
    expect(verdict(status)).toMatchObject({ row: 10, is: "wait", silence: "OUTCOME_UNKNOWN" });
  });
});

describe("K-58: a release", () => {
  const release = { ...signal, renewTime: "", term: 0 };
  const released = { spec: { renewTime: undefined } };
  const judged = (status: Fields | undefined, rest: Parameters<typeof look>[1] = released) =>
    releaseConfirmationOf(release, look(status, rest));

  it("is applied where a status without me answers it, from a storage that was asked", () => {
    expect(judged({ globalHolderIdentity: "" })).toEqual({ is: "released" });
    expect(judged({ globalHolderIdentity: "b_2" })).toEqual({ is: "released" });
    const freed = condition("LockAcquiredInBackend", "False", "LockReleased");
    expect(judged({ conditions: [healthy, freed] })).toEqual({ is: "released" });
  });

  it("is not proved by a Go controller that names nobody beside an error", () => {
    const acquired = condition("LockAcquiredInBackend", "True", "LockAcquired");
    expect(judged({ globalHolderIdentity: undefined, conditions: [sick, acquired] })).toEqual({ is: "unproven" });
  });

  it("waits for an older generation, for me, and for whoever wrote over it", () => {
    expect(judged({ observedGeneration: 3, globalHolderIdentity: "" })).toMatchObject({ silence: "CONTROLLER_SILENT" });
    expect(judged(undefined)).toMatchObject({ silence: "CONTROLLER_SILENT" });
    expect(judged({ globalRenewTime: T })).toMatchObject({ silence: "OUTCOME_UNKNOWN" });
    expect(judged({ globalHolderIdentity: "a_1~2" })).toMatchObject({ silence: "OUTCOME_UNKNOWN" });
    expect(judged({ conditions: [sick] })).toMatchObject({ silence: "GLOBAL_STORAGE_UNHEALTHY" });
    const rest = { spec: { holderIdentity: "b_2" } };
    expect(judged({ globalRenewTime: T }, rest)).toMatchObject({ silence: "LOCAL_CONTENTION", told: "b_2" });
    expect(judged({ globalRenewTime: "soon" })).toMatchObject({ silence: "OUTCOME_UNKNOWN" });
  });

  it("has nothing to free where the object is gone; one that is being deleted still answers", () => {
    expect(releaseConfirmationOf(release, undefined)).toEqual({ is: "gone" });
    expect(judged({}, { metadata: { uid: "other" } })).toEqual({ is: "gone" });
    const dying = { ...released, metadata: { deletionTimestamp: earlier } };
    expect(judged({ globalHolderIdentity: "" }, dying)).toEqual({ is: "released" });
  });
});

describe("for every status", () => {
  const stamps = [undefined, earlier, T, later, "2026-11-21T09:28:39Z", "2026-11-21T09:28:41Z", "soon"];
  const looks = fc.record({
    status: fc.option(
      fc.record({
        observedGeneration: fc.constantFrom(undefined, 3, 4, 5),
        globalHolderIdentity: fc.constantFrom(undefined, "", me, "a_1~2", "b_2"),
        globalRenewTime: fc.constantFrom(...stamps),
        globalLeaseTransitions: fc.constantFrom(undefined, 1, 5, 6),
        conditions: fc.constantFrom([], [healthy], [sick]),
      }),
      { nil: undefined },
    ),
    spec: fc.record({
      holderIdentity: fc.constantFrom(undefined, "", me, "b_2"),
      renewTime: fc.constantFrom(undefined, earlier, T, later),
    }),
    uid: fc.constantFrom("u", "other"),
    deleting: fc.boolean(),
  });
  type Drawn = typeof looks extends fc.Arbitrary<infer Value> ? Value : never;
  const shownOf = ({ status, spec, uid, deleting }: Drawn) =>
    look(status, { spec, metadata: { uid, ...(deleting && { deletionTimestamp: earlier }) } });

  it("nothing is confirmed unless it names me, and my signal or a stamp that moved, on a living object", () => {
    fc.assert(
      fc.property(looks, (drawn) => {
        const found = confirmationOf(signal, shownOf(drawn));
        if (found.is !== "confirmed") return;
        const { globalHolderIdentity, globalRenewTime, observedGeneration = 0 } = drawn.status ?? {};
        expect([drawn.uid, drawn.deleting, globalHolderIdentity]).toEqual(["u", false, me]);
        if (globalRenewTime === T) return;
        expect([globalRenewTime, observedGeneration >= 4]).toEqual(["2026-11-21T09:28:41Z", true]);
        expect(drawn.spec.holderIdentity).toBe(me);
      }),
      { numRuns: 5_000 },
    );
  });

  it("nothing is lost while the answer to this generation is still to come, unless the object is gone", () => {
    fc.assert(
      fc.property(looks, (drawn) => {
        const found = confirmationOf(signal, shownOf(drawn));
        if (found.is !== "lost" || found.row === 1) return;
        expect(drawn.status?.observedGeneration).toBeGreaterThanOrEqual(4);
        expect([me, "a_1~2"]).not.toContain(drawn.status?.globalHolderIdentity);
      }),
      { numRuns: 5_000 },
    );
  });
});
