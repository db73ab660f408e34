// Goal: what is known of a MultiClusterLease is its newest state, whatever order things come in, and a write names a
// version under which only the caller's own spec is replaced. Method: states by hand, in every order that matters.
import { beforeEach, describe, expect, it } from "vitest";
import { LatestLook, versionOf } from "../../src/kubernetes/latest-look.ts";
import { OwnSignals } from "../../src/kubernetes/own-signals.ts";
import { shownLease, type ShownLease } from "../../src/kubernetes/shown-lease.ts";
import { TermNames } from "../../src/kubernetes/term-names.ts";
import type { Version } from "../../src/storage/versioned-storage.ts";

const me = "a_1";
const [first, second] = ["2026-11-21T09:28:37.177707Z", "2026-11-21T09:28:40.193675Z"];
const record = { holderIdentity: me, acquireTime: first, renewTime: first, leaderTransitions: 1 };

let own: OwnSignals;
let latest: LatestLook;

beforeEach(() => {
  own = new OwnSignals({ identity: me });
  latest = new LatestLook(own);
  for (const renewTime of [first, second]) own.add({ renewTime, knownAs: renewTime, number: 1, record });
});

function state(resourceVersion: number | string, generation: number, fields: object = {}): ShownLease {
  const { uid = "u", spec = { holderIdentity: me, renewTime: first }, status } = Object(fields);
  const metadata = { uid, resourceVersion: String(resourceVersion), generation };
  const shown = shownLease({ metadata, spec, ...(status && { status }) });
  if (shown === undefined) throw new Error("a state lacks what a write names");
  return shown;
}

const rival = { spec: { holderIdentity: "b_2", renewTime: second } };
const mine = { spec: { holderIdentity: me, renewTime: second } };

describe("the newest state", () => {
  it("an old event that is told again changes nothing", () => {
    expect([latest.see(state(9, 2)), latest.see(state(8, 1)), latest.shown?.generation]).toEqual([true, false, 2]);
  });

  it("counters are numbers, not texts, and of any length", () => {
    latest.see(state(9, 1));
    expect(latest.see(state(10, 2))).toBe(true);
    latest.see(state("9007199254740993", 3));
    expect(latest.see(state("9007199254740992", 4))).toBe(false);
  });

  it("#70: what is older answers a request that was sent after the newest was seen: the server was restored", () => {
    const newest = state(100, 7);
    latest.see(newest);
    expect(latest.see(state(40, 3), state(90, 6))).toBe(false); // something newer came while it was under way
    expect(latest.see(state(40, 3), newest)).toBe(true);
    expect(latest.shown?.generation).toBe(3);
  });

  it("an absence counts unless something newer was seen since it was asked for", () => {
    const old = state(5, 1);
    latest.see(old);
    latest.see(state(9, 1, { uid: "next" }));
    expect(latest.gone(old)).toBe(false); // the end of an earlier one
    expect(latest.gone(undefined)).toBe(false); // a read that was sent before it was created
    expect(latest.gone(state(10, 1))).toBe(false); // of another object, whatever its counter
    expect(latest.gone(latest.shown)).toBe(true);
    expect(latest.shown).toBeUndefined();
  });
});

describe("K-47: the version that a write names", () => {
  const expected = versionOf({ uid: "u", generation: 2 });

  it("is the newest under the same spec, however often the status was written since", () => {
    latest.see(state(5, 2));
    latest.see(state(9, 2));
    expect(latest.versionFor(expected)).toEqual({ uid: "u", resourceVersion: "9" });
  });

  it("is the newest under a later signal of one's own, until the caller was told of that", () => {
    latest.see(state(9, 3, mine));
    expect(latest.versionFor(expected)).toEqual({ uid: "u", resourceVersion: "9" });
    latest.tell(versionOf({ uid: "u", generation: 3 }));
    expect(latest.versionFor(expected)).toBe("moved");
  });

  it("is none under another's signal, nor for what is no version", () => {
    latest.see(state(9, 3, rival));
    expect(latest.versionFor(expected)).toBe("moved");
    const nonsense = "never-read" as Version; // cast: out of nowhere
    expect(latest.versionFor(nonsense)).toBe("moved");
  });

  it("is not known before a look, for another object, and for what lies ahead", () => {
    expect(latest.versionFor(expected)).toBe("unknown");
    latest.see(state(9, 2, { uid: "other" }));
    expect(latest.versionFor(expected)).toBe("unknown");
    latest.see(state(10, 1));
    expect(latest.versionFor(expected)).toBe("unknown");
  });
});

describe("K-55: names", () => {
  const healthy = { observedGeneration: 1, conditions: [] };
  const named = (holder: string, stamp: string): object => ({
    ...{ spec: { holderIdentity: me, renewTime: first, leaseTransitions: 1 } },
    status: { ...healthy, globalHolderIdentity: holder, globalRenewTime: stamp, globalLeaseTransitions: 1 },
  });
  const go = "2026-11-21T09:28:40Z";

  it("come from what statuses named: one for all where the controller counts, the next one where it does not", () => {
    const names = new TermNames({ identity: me });
    expect(names.asked(undefined)).toEqual({ number: 1 });
    names.look(state(1, 1, named(me, first)), true);
    expect(names.asked(undefined)).toEqual({ number: 1 });
    names.look(state(2, 1, named(me, go)), true);
    expect([names.isGo, names.asked(undefined)]).toEqual([true, { number: 2 }]);
    expect(names.asked(undefined)).toEqual({ number: 2 }); // asking alone uses none up
    names.look(state(3, 1, named(`${me}~2`, go)), true);
    names.look(state(4, 1, named("b_2", go)), true);
    expect(names.asked(undefined)).toEqual({ number: 3 });
  });

  it("a renewal bears the name that the status names", () => {
    const names = new TermNames({ identity: me });
    expect(names.held(state(1, 1, named(`${me}~4`, go)), { number: 3 })).toBe(4);
    expect(names.held(state(1, 1, named("b_2", go)), { number: 3 })).toBe(3);
    expect(names.held(undefined, undefined)).toBe(1);
  });

  it("a server that drops the term is noticed by one's own spec alone", () => {
    const names = new TermNames({ identity: me });
    const { status } = named(me, first) as { readonly status: object }; // cast: as it is made above
    names.look(state(1, 1, { status }), false);
    expect(names.asked(undefined)).toEqual({ number: 1 });
    const pruned = state(2, 1, { status });
    names.look(pruned, true);
    expect(names.asked(pruned)).toEqual({ number: 2, releaseFirst: 1 });
  });
});

describe("K-16: texts", () => {
  it("grow by a microsecond where the wanted one is used, older, or no time", () => {
    const wallMs = Date.UTC(2026, 10, 21, 9, 28, 41);
    expect(own.freshText("2026-11-21T09:28:41.000000Z", 0)).toBe("2026-11-21T09:28:41.000000Z");
    expect(own.freshText(second, 0)).toBe("2026-11-21T09:28:40.193676Z");
    expect(own.freshText("2001-01-01T00:00:00.000000Z", wallMs)).toBe("2026-11-21T09:28:40.193676Z");
    expect(own.freshText("2026-11-21T09:28:41Z", wallMs)).toBe("2026-11-21T09:28:41.000000Z");
  });

  it("of the last 64 are known, and name what they were written for", () => {
    for (let count = 0; count < 70; count += 1) {
      own.add({ renewTime: own.freshText("", 0), knownAs: `known ${count}`, number: 1, record });
    }
    expect([own.knownAs(first), own.knownAs("2026-11-21T09:28:40.193745Z")]).toEqual([first, "known 69"]);
  });
});
