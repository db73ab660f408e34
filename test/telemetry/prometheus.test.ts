// Goal: the metrics tell the truth about an elector, above all that it does not lead any more. Method: electors on a
// fake lock and a manual clock go through every way out of a term, and the text that Prometheus would read is parsed.
import { describe, expect, test } from "vitest";
import {
  ControllerSilentError,
  GlobalStorageUnhealthyError,
  LocalContentionError,
  StaleTermError,
  StorageUnavailableError,
} from "../../src/errors.ts";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import type { Leadership } from "../../src/election/leadership.ts";
import type { LeaderElectorOptions } from "../../src/election/settings.ts";
import type { LoopDelay } from "../../src/system/loop-delay.ts";
import { systemLoopDelay } from "../../src/system/loop-delay.ts";
import { prometheusMetrics, type PrometheusMetrics } from "../../src/telemetry/prometheus.ts";
import { FakeLock, type FakeLockOptions } from "../../src/testing/fake-lock.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";

class FakeLoopDelay implements LoopDelay {
  longestMs = 0;
  closed = false;

  takeLongestMs(): number {
    const { longestMs } = this;
    this.longestMs = 0;
    return longestMs;
  }

  close(): void {
    this.closed = true;
  }
}

/** The value of one series; `undefined` if there is no such line. */
function valueOf(metrics: PrometheusMetrics, series: string): number | undefined {
  const line = metrics
    .text()
    .split("\n")
    .find((text) => text.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

interface Stage {
  readonly clock: ManualClock;
  readonly lock: FakeLock;
  readonly elector: LeaderElector;
  readonly metrics: PrometheusMetrics;
  readonly loopDelay: FakeLoopDelay;
  /** The work of the present term. */
  readonly leadership: () => Leadership;
  readonly failWork: (error: unknown) => void;
  readonly endWork: () => void;
}

function stage(options: Partial<LeaderElectorOptions> = {}, lockOptions: FakeLockOptions = {}): Stage {
  const clock = new ManualClock();
  const lock = new FakeLock({ clock, random: new SeededRandom(1), ...lockOptions });
  let leadership: Leadership | undefined;
  let failWork = (_error: unknown): void => {};
  let endWork = (): void => {};
  const elector = new LeaderElector({
    ...{ lock, clock, random: new SeededRandom(2), name: "billing" },
    callbacks: {
      onStartedLeading: (started) => {
        leadership = started;
        return new Promise<void>((resolve, reject) => {
          failWork = reject;
          endWork = resolve;
          started.signal.addEventListener("abort", () => resolve(), { once: true });
        });
      },
    },
    ...options,
  });
  const loopDelay = new FakeLoopDelay();
  const metrics = prometheusMetrics(elector, { loopDelay });
  return {
    ...{ clock, lock, elector, metrics, loopDelay },
    leadership: () => leadership ?? expect.unreachable("no term has started"),
    failWork: (error) => failWork(error),
    endWork: () => endWork(),
  };
}

async function leading(options: Partial<LeaderElectorOptions> = {}, lockOptions: FakeLockOptions = {}): Promise<Stage> {
  const set = stage(options, lockOptions);
  void set.elector.run();
  await set.clock.advanceUntil(() => set.elector.isLeader());
  return set;
}

const status = 'leader_election_master_status{name="billing"}';
const unavailable = (): Error => new Error("the storage is away");

describe("trace E1: leader_election_master_status", () => {
  test("is there and 0 before a campaign, and while another candidate leads", async () => {
    const { clock, elector, metrics } = stage({}, { heldBy: "somebody" });
    expect(valueOf(metrics, status)).toBe(0);
    void elector.run();
    await clock.advance(5_000);
    expect(valueOf(metrics, status)).toBe(0);
  });

  const waysOut: Readonly<Record<string, (set: Stage) => Promise<unknown> | void>> = {
    stopped: ({ elector }) => void elector.stop(),
    resigned: ({ elector }) => void elector.resign(),
    workFailed: ({ failWork }) => failWork(new Error("the work failed")),
    workReturned: ({ endWork }) => endWork(),
    expired: async ({ lock, clock }) => {
      lock.fail(unavailable());
      await clock.advance(10_000);
    },
    taken: async ({ lock, clock }) => {
      lock.takeAway();
      await clock.advance(5_000);
    },
    erased: async ({ lock, clock }) => {
      lock.erase();
      lock.hang({ on: "create" });
      await clock.advance(5_000);
    },
    fenced: async ({ leadership, lock }) => {
      lock.hang({ on: "update" }); // it would lead again at once, with term 8
      const refused = new StaleTermError("too late", { acceptedTerm: 7 });
      await leadership()
        .guard(async () => {
          throw refused;
        })
        .catch((error: unknown) => expect(error).toBe(refused));
    },
  };
  for (const [reason, leave] of Object.entries(waysOut)) {
    test(`goes from 1 to 0 when the term ends as ${reason}, which is counted`, async () => {
      const set = await leading({ whenWorkReturns: "resign" });
      expect(valueOf(set.metrics, status)).toBe(1);
      await leave(set);
      await set.clock.advance(10);
      expect(valueOf(set.metrics, status)).toBe(0);
      expect(valueOf(set.metrics, `tenure_stops_total{name="billing",reason="${reason}"}`)).toBe(1);
    });
  }

  test("is 0 at the first reading after a standstill, before any timer has fired", async () => {
    const { clock, metrics } = await leading();
    clock.pause(10_000);
    expect(valueOf(metrics, status)).toBe(0);
  });

  test("is 1 while the work drains, for the term is still held", async () => {
    const { clock, elector, metrics } = await leading({ callbacks: { onStartedLeading: () => new Promise(() => {}) } });
    void elector.stop();
    await clock.advance(1_000);
    expect(valueOf(metrics, status)).toBe(1);
    await clock.advance(10_000);
    expect(valueOf(metrics, status)).toBe(0);
    expect(valueOf(metrics, 'tenure_overruns_total{name="billing"}')).toBe(1);
    expect(valueOf(metrics, 'tenure_alarms_total{name="billing",kind="workOverrun"}')).toBe(1);
  });

  test("tells two electors apart", async () => {
    const one = await leading();
    const other = stage({ name: "mail" }, { heldBy: "somebody" });
    const metrics = prometheusMetrics([one.elector, other.elector], { loopDelay: one.loopDelay });
    expect([valueOf(metrics, status), valueOf(metrics, 'leader_election_master_status{name="mail"}')]).toEqual([1, 0]);
  });
});

describe("the other metrics", () => {
  test("tell the term, renewals with their slack, takeovers and calls", async () => {
    const { clock, lock, metrics } = await leading();
    lock.delay({ answerMs: 200 });
    await clock.advance(15_300);
    expect(valueOf(metrics, 'tenure_term{name="billing"}')).toBe(1);
    expect(valueOf(metrics, 'tenure_renew_seconds_count{name="billing"}')).toBe(3);
    expect(valueOf(metrics, 'tenure_renew_seconds_sum{name="billing"}')).toBeCloseTo(0.6);
    expect(valueOf(metrics, 'tenure_renew_seconds_bucket{name="billing",le="0.1"}')).toBe(0);
    expect(valueOf(metrics, 'tenure_renew_seconds_bucket{name="billing",le="0.25"}')).toBe(3);
    expect(valueOf(metrics, 'tenure_renew_seconds_bucket{name="billing",le="+Inf"}')).toBe(3);
    expect(valueOf(metrics, 'tenure_renew_remaining_seconds_sum{name="billing"}')).toBeCloseTo(3 * 9.8);
    expect(valueOf(metrics, 'tenure_takeover_seconds_count{name="billing"}')).toBe(1);
    expect(valueOf(metrics, 'tenure_attempts_total{name="billing",op="create",result="written"}')).toBe(1);
    expect(valueOf(metrics, 'tenure_attempts_total{name="billing",op="renew",result="written"}')).toBe(3);
  });

  test("count the renewals that took a second way, and calls that failed, were lost or are unknown", async () => {
    const { clock, lock, metrics } = await leading();
    lock.loseAnswer();
    await clock.advance(10_000);
    expect(valueOf(metrics, 'leader_election_slowpath_total{name="billing"}')).toBe(1);
    expect(valueOf(metrics, 'tenure_attempts_total{name="billing",op="renew",result="unknown"}')).toBe(1);
    lock.loseRace();
    await clock.advance(10_000);
    expect(valueOf(metrics, 'tenure_attempts_total{name="billing",op="renew",result="lost"}')).toBe(1);
    lock.fail(unavailable(), { on: "get", times: 1 });
    lock.loseRace();
    await clock.advance(10_000);
    expect(valueOf(metrics, 'tenure_attempts_total{name="billing",op="read",result="failed"}')).toBe(1);
  });

  test("K-51: count what the lock could not do by the code that says where to look", async () => {
    const { clock, lock, metrics } = await leading();
    const strange = Object.assign(new Error("of another program"), { code: "ER_LOCK_DEADLOCK" });
    const errors = [
      new ControllerSilentError("a"),
      new LocalContentionError("b"),
      new StorageUnavailableError("d"),
      strange,
    ];
    for (const error of [...errors, new GlobalStorageUnhealthyError("c")]) {
      lock.fail(error, { on: "update", times: 1 });
      await clock.advance(12_000);
    }
    lock.hang({ on: "update", times: 1 });
    await clock.advance(12_000);
    const codes = ["CONTROLLER_SILENT", "LOCAL_CONTENTION", "GLOBAL_STORAGE_UNHEALTHY", "STORAGE_UNAVAILABLE"];
    for (const code of [...codes, "other", "TIMEOUT"]) {
      expect(valueOf(metrics, `tenure_failures_total{name="billing",code="${code}"}`), code).toBe(1);
    }
    expect(metrics.text()).not.toContain("ER_LOCK_DEADLOCK");
  });

  test("tell the drain, refused steps, suspicions and the watch", async () => {
    const set = await leading({}, { watch: "records" });
    const { clock, elector, lock, metrics } = set;
    expect(valueOf(metrics, 'tenure_watch_live{name="billing"}')).toBe(1);
    lock.breakWatch();
    await clock.advance(1);
    expect(valueOf(metrics, 'tenure_watch_live{name="billing"}')).toBe(0);
    clock.stepWall(3_600_000);
    await clock.advance(5_000);
    expect(valueOf(metrics, 'tenure_suspicions_total{name="billing"}')).toBe(1);
    void elector.stop();
    await clock.advance(100);
    await set
      .leadership()
      .guard(async () => {})
      .catch(() => {}); // refused: that is what is counted
    expect(valueOf(metrics, 'tenure_guard_refusals_total{name="billing"}')).toBe(1);
    expect(valueOf(metrics, 'tenure_drain_seconds_count{name="billing"}')).toBe(1);
  });

  test("tell the longest standstill of the event loop once, at the next reading", async () => {
    const { metrics, loopDelay } = stage();
    loopDelay.longestMs = 3_000;
    expect(valueOf(metrics, 'tenure_loop_delay_seconds_bucket{le="2"}')).toBe(0);
    expect(valueOf(metrics, 'tenure_loop_delay_seconds_bucket{le="5"}')).toBe(2);
    expect(valueOf(metrics, "tenure_loop_delay_seconds_sum")).toBe(3);
  });

  test("see the real event loop stand", async () => {
    const loopDelay = systemLoopDelay();
    const goOn = async (ms: number): Promise<void> => {
      const untilMs = performance.now() + ms;
      while (performance.now() < untilMs) await new Promise((resolve) => setTimeout(resolve, 1));
    };
    expect(loopDelay.takeLongestMs()).toBe(0);
    await goOn(110); // until it looked for the first time
    const standsUntilMs = performance.now() + 300;
    while (performance.now() < standsUntilMs); // nothing else can run
    await goOn(60);
    expect(loopDelay.takeLongestMs()).toBeGreaterThan(200);
    expect(loopDelay.takeLongestMs()).toBe(0);
    loopDelay.close();
  });
});

describe("the text", () => {
  test("has each metric once, with its help and type, and no identity", async () => {
    const { lock, metrics } = await leading();
    const text = metrics.text();
    const types = text.split("\n").filter((line) => line.startsWith("# TYPE"));
    expect(types.map((line) => line.split(" ").slice(2).join(" "))).toEqual([
      "leader_election_master_status gauge",
      "leader_election_slowpath_total counter",
      "tenure_term gauge",
      "tenure_stops_total counter",
      "tenure_renew_seconds histogram",
      "tenure_renew_remaining_seconds histogram",
      "tenure_attempts_total counter",
      "tenure_failures_total counter",
      "tenure_takeover_seconds histogram",
      "tenure_drain_seconds histogram",
      "tenure_overruns_total counter",
      "tenure_suspicions_total counter",
      "tenure_watch_live gauge",
      "tenure_loop_delay_seconds histogram",
      "tenure_guard_refusals_total counter",
      "tenure_alarms_total counter",
    ]);
    expect(text.split("\n").filter((line) => line.startsWith("# HELP"))).toHaveLength(types.length);
    expect(text).not.toContain(lock.identity);
    expect(text.endsWith("\n")).toBe(true);
    const sample = /^[a-z_]+(\{[a-z]+="([^"\\\n]|\\.)*"(,[a-z]+="([^"\\\n]|\\.)*")*\})? [-+.e\d]+$/;
    const samples = text
      .trimEnd()
      .split("\n")
      .filter((line) => !line.startsWith("#"));
    expect(samples.filter((line) => !sample.test(line))).toEqual([]);
    expect(metrics.contentType).toContain("version=0.0.4");
  });

  test("escapes what would end a label or a line", () => {
    const { metrics } = stage({ name: 'a\\b"c\nd' });
    expect(metrics.text()).toContain('leader_election_master_status{name="a\\\\b\\"c\\nd"} 0\n');
  });

  test("counts nothing after close, and leaves no listener and no measuring behind", async () => {
    const { clock, elector, metrics, loopDelay } = await leading();
    await clock.advance(5_000);
    const counted = valueOf(metrics, 'tenure_renew_seconds_count{name="billing"}');
    metrics.close();
    metrics.close();
    await clock.advance(20_000);
    expect(valueOf(metrics, 'tenure_renew_seconds_count{name="billing"}')).toBe(counted);
    expect(loopDelay.closed).toBe(true);
    expect(valueOf(metrics, status)).toBe(1);
    await elector.stop();
    expect(valueOf(metrics, status)).toBe(0);
  });
});
