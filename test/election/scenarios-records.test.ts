// Goal: no record, however damaged or hostile, expires a lease early, stops the elector, or reaches a log as it is.
// Method: real electors over a lock and a storage in memory, into which the test puts the records; logs are captured.
import { format } from "node:util";
import { expect, it } from "vitest";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import { InvalidSettingsError } from "../../src/errors.ts";
import { StorageLock } from "../../src/lock/storage-lock.ts";
import { MemoryData, MemoryStorage } from "../../src/storage/memory.ts";
import { ManualClock, SeededRandom } from "../../src/testing/index.ts";
import { assertPace } from "../../src/testing/elector-pace.ts";
import { scenario, startsAndStops } from "./scene.ts";

for (const [leaseDurationMs, seconds] of [
  [900, 1],
  [1_500.5, 2],
] as const) {
  scenario(
    `#10: a lease of ${leaseDurationMs} ms is stored as ${seconds} s, and works`,
    async ({ clock, run, stage, place }) => {
      const settings = { leaseDurationMs, renewDeadlineMs: 700.25, retryPeriodMs: 100 };
      const me = await run({ settings });
      expect((await stage.stored())?.record.leaseDurationSeconds).toBe(seconds);
      await clock.advance(60_000);
      expect(startsAndStops(me)).toEqual(["start 1"]);
      me.lock.hang();
      const lastMs = me.lock.log.at(-1)?.atMs ?? NaN;
      await clock.advance(lastMs + 700 - clock.monotonicMs());
      expect(me.term.isHeld()).toBe(true);
      await clock.advance(0.25);
      expect(me.term.isHeld()).toBe(false);
      place.takeAway();
    },
  );
}

it("#10: a lease of 2³¹ ms is rejected, by name and bound", () => {
  const storage = new MemoryStorage({ data: new MemoryData() });
  const lock = new StorageLock({ storage, namespace: "default", name: "billing" });
  const construct = (leaseDurationMs: number): LeaderElector => new LeaderElector({ lock, leaseDurationMs });
  expect(() => construct(2 ** 31)).toThrow(InvalidSettingsError);
  expect(() => construct(2 ** 31)).toThrow(/leaseDurationMs.*2147483648.*2147483647/);
  expect(construct(2 ** 31 - 1).tolerances.clockRatio).toBeGreaterThan(1);
});

scenario("#10: no timer is set beyond 2³¹−1 ms from now", async ({ clock, run, stage }) => {
  await stage.put(stage.record({ leaseDurationSeconds: 2_147_483 }));
  const leaseDurationMs = 2 ** 31 - 1;
  await run({ settings: { leaseDurationMs, maxHonouredLeaseMs: leaseDurationMs }, watched: true });
  await clock.advance(1_000_000);
  expect(clock.nextTimerMs ?? 0).toBeLessThanOrEqual(clock.monotonicMs() + 2 ** 31 - 1);
});

for (const [what, leaseDurationSeconds] of [
  ["0", 0],
  ["−1", -1],
  ["the text 15", "15"],
  ["null", null],
  ["not a number", NaN],
  ["a fraction", 1.5],
  ["missing", undefined],
] as const) {
  scenario(
    `#55: a stored duration that is ${what} never means expired, and alarms`,
    async ({ clock, run, stage, place }) => {
      place.put({ ...stage.record(), leaseDurationSeconds });
      const me = await run();
      await clock.advance(14_999);
      expect(me.terms).toEqual([]);
      expect(me.alarms).toEqual(["hostileDuration"]);
      await clock.advance(1);
      expect(me.elector.isLeader()).toBe(true);
    },
  );
}

scenario("#55: a stored duration above the limit is never taken over", async ({ clock, run, stage }) => {
  await stage.put(stage.record({ leaseDurationSeconds: 1e9 }));
  const me = await run({ watched: true });
  me.random.value = 0.9;
  for (let day = 0; day < 30; day += 1) {
    clock.pause(24 * 3_600_000);
    await clock.advance(100);
  }
  expect(me.terms).toEqual([]);
  expect(me.alarms).toEqual(["hostileDuration"]);
});

const lease = { holderIdentity: "bing", renewTime: "2026-03-01T09:30:00.000000Z", leaseTransitions: 3 };
const whole = JSON.stringify({ ...lease, leaseDurationSeconds: 15 });

interface StoredScene {
  readonly clock: ManualClock;
  readonly elector: LeaderElector;
  readonly alarms: string[];
  /** What was logged and told by alarms, with the fields; and the messages of the log alone. */
  readonly logged: string[];
  readonly messages: string[];
  readonly started: number[];
  /** How often the storage was asked. */
  readonly reads: { readonly atMs: number; readonly operation: "get" }[];
  put(body: string | Uint8Array): Promise<void>;
  finish(): Promise<void>;
}

/** An elector over a storage that holds this body. */
async function overBody(body: string | Uint8Array): Promise<StoredScene> {
  const clock = new ManualClock();
  const data = new MemoryData();
  const random = new SeededRandom(7);
  const storage = new MemoryStorage({ data, clock });
  const key = "leases/default/billing";
  const put = async (value: string | Uint8Array): Promise<void> => {
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
    const there = await storage.read(key);
    if (there === undefined) await storage.create(key, bytes);
    else await storage.replace(key, bytes, there.version);
  };
  await put(body);
  const [alarms, logged, started] = [[] as string[], [] as string[], [] as number[]];
  const messages: string[] = [];
  const log = (message: string, fields?: unknown): void => {
    messages.push(message);
    logged.push(message + JSON.stringify(fields ?? {}));
  };
  const lock = new StorageLock({ storage, namespace: "default", name: "billing", clock, random });
  const callbacks = { onStartedLeading: ({ term }: { term: number }): void => void started.push(term) };
  const logger = { debug: log, info: log, warn: log, error: log };
  const elector = new LeaderElector({ lock, clock, random, callbacks, logger });
  elector.on("alarm", ({ kind, message }) => alarms.push(kind) + logged.push(message));
  const reads: { atMs: number; operation: "get" }[] = [];
  elector.on("attempt", ({ op }) => op === "read" && reads.push({ atMs: clock.monotonicMs(), operation: "get" }));
  let settled = false;
  void elector.run().then(() => (settled = true));
  await clock.advance();
  const finish = async (): Promise<void> => {
    void elector.stop();
    await clock.advanceUntil(() => settled, 15_100);
    assertPace(reads, { retryPeriodMs: 2_000, renewIntervalMs: 5_000, terms: 2, hints: 2 });
  };
  return { ...{ clock, elector, alarms, logged, messages, started, reads, put, finish } };
}

for (const [what, body] of [
  ["cut JSON", whole.slice(0, -9)],
  ["an empty object", "{}"],
  ["a byte order mark before it", `\uFEFF${whole}`],
  ["an array", `[${whole}]`],
  ["of a wrong kind", JSON.stringify({ kind: "ConfigMap", data: {} })],
  ["5 MB long", JSON.stringify({ ...lease, padding: "x".repeat(5e6) })],
  ["empty", ""],
  ["no UTF-8", new Uint8Array([0xff, 0xfe, 0x00])],
  ["of a term at the end of int32", JSON.stringify({ ...lease, leaseTransitions: 2 ** 31 - 1 })],
] as const) {
  it(`#56: a record that is ${what} is never taken over, and alarms once`, async () => {
    const { clock, elector, alarms, started, put, finish, logged } = await overBody(body);
    await clock.advance(600_000);
    expect(started).toEqual([]);
    expect(alarms).toEqual(["unreadableRecord"]);
    expect(elector.leader).toBeUndefined();
    expect(Math.max(...logged.map((line) => line.length))).toBeLessThan(2_000);
    await put(JSON.stringify({ ...lease, holderIdentity: "" }));
    await clock.advance(5_000);
    expect(started, "it leads once the record is repaired").toEqual([4]);
    await finish();
  });
}

it("#57: keys like __proto__ and constructor are data that is kept, and touch no prototype", async () => {
  const hostile = `{"__proto__":{"holderIdentity":"evil","polluted":1},"constructor":{"prototype":{"polluted":1}},`;
  const { clock, elector, started, finish } = await overBody(hostile + whole.slice(1));
  expect(elector.leader).toBe("bing");
  await clock.advance(15_100);
  expect(started).toEqual([4]);
  expect(Reflect.get({}, "polluted")).toBeUndefined();
  expect(Reflect.get(Object.prototype, "holderIdentity")).toBeUndefined();
  await finish();
});

it("#58: an identity of 10 kB with newlines and escapes is cut and escaped wherever people read it", async () => {
  const evil = "red\n\u001b[31m\u0000%s".repeat(1_000);
  const { clock, alarms, logged, finish } = await overBody(JSON.stringify({ ...lease, holderIdentity: evil }));
  await clock.advance(5_000);
  expect(alarms, "no usable duration: the alarm names the holder").toEqual(["hostileDuration"]);
  const alarm = logged.filter((line) => line.includes("lease duration"));
  expect(alarm.length).toBeGreaterThan(0);
  for (const line of logged) {
    expect(line.length).toBeLessThan(2_000);
    // oxlint-disable-next-line no-control-regex -- control characters are what this is about
    expect(line).not.toMatch(/[\u0000-\u001f\u007f]/);
  }
  await finish();
});

it("#58: an identity cannot make a console swallow what follows the message", async () => {
  const { clock, messages, alarms, finish } = await overBody(JSON.stringify({ ...lease, holderIdentity: "%s %o %d" }));
  await clock.advance(5_000);
  expect(alarms).toEqual(["hostileDuration"]);
  expect(messages.length).toBeGreaterThan(1);
  for (const message of messages) expect(format(message, "the fields")).toBe(`${message} the fields`);
  await finish();
});

for (const kind of ["records", "bare"] as const) {
  scenario(
    `#59: a hundred edits a second postpone no takeover and starve no renewal: ${kind}`,
    async ({ clock, run, place }) => {
      const me = await run();
      const bing = await run();
      for (const { lock } of [me, bing]) {
        lock.delay({ answerMs: 2 });
        if (kind === "bare") lock.hints += 400; // 10 and two a second each
      }
      for (let edit = 0; edit < 6_000; edit += 1) {
        place.touch();
        await clock.advance(10);
      }
      expect(startsAndStops(me)).toEqual(["start 1"]);
      expect(me.term.remainingMs()).toBeGreaterThan(4_500);
      expect(bing.terms).toEqual([]);
      me.lock.hang();
      const lastMs = me.lock.log.findLast(({ record }) => record !== undefined)?.atMs ?? NaN;
      while (!bing.elector.isLeader() && clock.monotonicMs() < lastMs + 16_000) {
        place.touch();
        await clock.advance(10);
      }
      // In a flood of bare hints a standby looks twice a second, so it may see the last renewal that late.
      const lookMs = kind === "bare" ? 500 : 0;
      const mostMs = 15_000 + lookMs + 50 + 3 * 10;
      expect(clock.monotonicMs() - lastMs, "the takeover was delayed").toBeLessThanOrEqual(mostMs);
    },
    kind,
  );
}
