// Goal: elections on a bucket outlive what servers and networks do, and a place that ignores conditions is found out.
// Method: a real server on files, killed and frozen; a TCP proxy with faults before it; the probe and the doctor.
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { checkStorage } from "../../src/cli/storage-checks.ts";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import { StorageLock } from "../../src/lock/storage-lock.ts";
import type { GCSStorage } from "../../src/storage/gcs.ts";
import { probeStorage } from "../../src/storage/probe.ts";
import { openStorage } from "../../src/storage/registry.ts";
import { systemClock } from "../../src/system/clock.ts";
import { silentLogger } from "../../src/system/logger.ts";
import { leaseStorageSuite } from "../../src/testing/lease-storage-suite.ts";
import { runSuite } from "../../src/testing/run-suite.ts";
import { FaultProxy } from "../process/fault-proxy.ts";
import { describeOn } from "./support/found-server.ts";
import { gcsServerIn, isNamedGcsServer, startUntrustedGcs, type GcsServer } from "./support/gcs-server.ts";
import type { ServerProcess } from "./support/server-process.ts";

const pace = { leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 300 } as const;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** One candidate of this process, and what it held when. */
class Candidate {
  readonly terms: { readonly term: number; readonly fromMs: number; toMs: number }[] = [];
  /** Why terms ended. */
  readonly reasons: string[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(storage: GCSStorage, label: string) {
    const lock = new StorageLock({ storage, namespace: "default", name: "demo", label });
    const elector = new LeaderElector({ lock, ...pace });
    elector.on("stopped", ({ reason }) => this.reasons.push(reason));
    this.#running = this.#run(elector);
  }

  get leads(): boolean {
    return this.terms.at(-1)?.toMs === Infinity;
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error("enough"));
    await this.#running;
  }

  async #run(elector: LeaderElector): Promise<void> {
    for await (const { term, signal } of elector.terms({ signal: this.#stop.signal })) {
      const seen = { term, fromMs: performance.now(), toMs: Infinity };
      this.terms.push(seen);
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      seen.toMs = performance.now();
    }
  }
}

async function until(holds: () => boolean, patienceMs = 20_000): Promise<void> {
  const untilMs = performance.now() + patienceMs;
  while (!holds()) {
    if (performance.now() > untilMs) throw new Error("it did not come about");
    await pause(10);
  }
}

/** Terms that overlap, or do not grow. */
function problems(candidates: readonly Candidate[]): string[] {
  const terms = candidates.flatMap((each) => each.terms).toSorted((one, other) => one.fromMs - other.fromMs);
  return terms.slice(1).flatMap((later, index) => {
    const before = terms[index];
    if (before === undefined || (before.toMs <= later.fromMs && before.term < later.term)) return [];
    return [`term ${before.term} and term ${later.term}`];
  });
}

describeOn(gcsServerIn("filesystem"), (start) => {
  let server: GcsServer;
  let process: ServerProcess;
  const candidates: Candidate[] = [];

  beforeAll(async () => {
    server = await start();
    if (server.process === undefined) throw new Error("unset TENURE_TEST_GCS_URL: only a server of our own is killed");
    ({ process } = server);
  });
  afterEach(async () => {
    process.signal("SIGCONT");
    for (const candidate of candidates.splice(0)) await candidate.stop();
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  function candidate(storage: GCSStorage, label: string): Candidate {
    const made = new Candidate(storage, label);
    candidates.push(made);
    return made;
  }

  /** Two that contend, the first of which leads. */
  async function pair(ports: readonly (number | undefined)[] = []): Promise<readonly [Candidate, Candidate]> {
    const prefix = server.fresh();
    const connect = (port: number | undefined): GCSStorage =>
      server.connect(prefix, port === undefined ? {} : { port });
    const first = candidate(connect(ports[0]), "first");
    await until(() => first.leads);
    const second = candidate(connect(ports[1]), "second");
    await pause(500);
    return [first, second];
  }

  describe("elections", () => {
    test("SIGKILL of the server, which is back at once, costs no term", async () => {
      const [first, second] = await pair();
      await process.kill();
      await process.up();
      await pause(pace.leaseDurationMs + 500);
      expect([first.reasons, second.terms]).toEqual([[], []]);
      expect(first.leads).toBe(true);
    });

    test("SIGKILL of the server: the leader steps down by its own clock, and one leads after", async () => {
      const [first, second] = await pair();
      await process.kill();
      const killedMs = performance.now();
      await until(() => !first.leads);
      expect(first.reasons).toEqual(["expired"]);
      expect(performance.now() - killedMs).toBeLessThan(pace.renewDeadlineMs + 300);
      await pause(pace.leaseDurationMs);
      expect([first.leads, second.leads]).toEqual([false, false]);
      await process.up();
      await until(() => first.leads || second.leads);
      await pause(1_000);
      expect([first.leads, second.leads].filter(Boolean)).toHaveLength(1);
      expect(problems([first, second])).toEqual([]);
    });

    test("SIGSTOP of the server: the leader steps down by its own clock, and one leads after", async () => {
      const [first, second] = await pair();
      process.signal("SIGSTOP");
      const frozenMs = performance.now();
      await until(() => !first.leads);
      expect(first.reasons).toEqual(["expired"]);
      expect(performance.now() - frozenMs).toBeLessThan(pace.renewDeadlineMs + 300);
      await pause(pace.leaseDurationMs);
      expect([first.leads, second.leads]).toEqual([false, false]);
      process.signal("SIGCONT"); // what it had taken in is applied now, long after its callers have gone
      await until(() => first.leads || second.leads);
      await pause(1_000);
      expect([first.leads, second.leads].filter(Boolean)).toHaveLength(1);
      expect(problems([first, second])).toEqual([]);
    });

    test("a black hole before the leader: it steps down, the standby takes over, and keeps the lease when it heals", async () => {
      await using proxy = await new FaultProxy({ port: process.place.port }).inject({});
      const [first, second] = await pair([proxy.port]);
      await proxy.inject({ up: { swallow: true }, down: { swallow: true }, accept: "hang" });
      await until(() => second.leads);
      expect(first.leads).toBe(false);
      await proxy.inject({});
      await pause(1_500);
      expect([first.leads, second.leads]).toEqual([false, true]);
      expect(problems([first, second])).toEqual([]);
      await first.stop();
    });

    test("a graceful hand-over comes with the next poll of the standby", async () => {
      const [first, second] = await pair();
      await first.stop();
      await until(() => second.leads);
      const [before] = first.terms;
      expect((second.terms[0]?.fromMs ?? Infinity) - (before?.toMs ?? 0)).toBeLessThan(600); // a poll of 50 ms
      expect(problems([first, second])).toEqual([]);
    });
  });

  describe("a network between", () => {
    let proxy: FaultProxy;
    beforeAll(async () => {
      proxy = await new FaultProxy({ port: process.place.port }).inject({});
    });
    afterEach(() => proxy.inject({}));
    afterAll(() => proxy[Symbol.asyncDispose]());

    describe("that is slow", () => {
      runSuite(test, leaseStorageSuite, {
        complete: true,
        place: async () => {
          await proxy.inject({
            up: { latencyMs: 3, jitterMs: 5, sliceBytes: 300 },
            down: { latencyMs: 3, jitterMs: 5 },
          });
          return server.fresh();
        },
        connect: (prefix) => server.connect(prefix, { port: proxy.port }),
      });
    });

    const created = async (prefix: string, timeoutMs = 300): Promise<unknown> => {
      const storage = server.connect(prefix, { port: proxy.port });
      return storage.create("a", bytes("one"), { timeoutMs }).catch((error: unknown) => error);
    };
    const stored = async (prefix: string): Promise<boolean> => (await server.connect(prefix).read("a")) !== undefined;

    test("swallows requests: unknown at the deadline, nothing written, and the socket is gone", async () => {
      const prefix = server.fresh();
      await proxy.inject({ up: { swallow: true } });
      expect(await created(prefix)).toMatchObject({ code: "OUTCOME_UNKNOWN", cause: { name: "TimeoutError" } });
      expect(await stored(prefix)).toBe(false);
      await until(() => proxy.connections.open === 0);
    });

    test("swallows answers: unknown at the deadline, and written", async () => {
      const prefix = server.fresh();
      await proxy.inject({ down: { swallow: true } });
      expect(await created(prefix)).toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
      expect(await stored(prefix)).toBe(true);
      await until(() => proxy.connections.open === 0);
    });

    test("cuts answers short: unknown for a write, unavailable for a read", async () => {
      const prefix = server.fresh();
      await proxy.inject({ down: { cutAfterBytes: 30 } });
      expect(await created(prefix, 2_000)).toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
      const reading = server.connect(prefix, { port: proxy.port }).read("a", { timeoutMs: 2_000 });
      await expect(reading).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    });

    test("drips bodies: the call ends at its deadline", async () => {
      const prefix = server.fresh();
      await server.connect(prefix).create("a", new Uint8Array(1_000));
      await proxy.inject({ down: { slowBodyMs: 20 } });
      const startedMs = performance.now();
      const reading = server.connect(prefix, { port: proxy.port }).read("a", { timeoutMs: 300 });
      await expect(reading).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE", cause: { name: "TimeoutError" } });
      expect(performance.now() - startedMs).toBeLessThan(700);
    });

    test("resets or refuses connections: what is proved to have been refused is no doubt", async () => {
      const prefix = server.fresh();
      await proxy.inject({ accept: "reset" });
      proxy.resetAll();
      expect(await created(prefix)).toMatchObject({ code: "OUTCOME_UNKNOWN", applied: "unknown" });
      await proxy.inject({ accept: "refuse" });
      expect(await created(prefix)).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
      expect(await stored(prefix)).toBe(false);
    });
  });

  test("a certificate that nobody trusts is refused before anything is sent, and the repair is named", async () => {
    await using untrusted = await startUntrustedGcs();
    const apiEndpoint = `https://127.0.0.1:${untrusted.place.port}`;
    await using storage = await openStorage(`gs://some-bucket?apiEndpoint=${apiEndpoint}`, { probe: "never" });
    const error: unknown = await storage.create("a", bytes("one")).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "STORAGE_UNAVAILABLE", applied: "no" });
    expect(String(error)).toMatch(
      /certificate of the server is refused \([A-Z_]+\); trust its issuer with NODE_EXTRA_CA/,
    );
    expect((await storage.health()).status).toBe("unhealthy");
  });

  describe("a server that ignores conditions of deletes", () => {
    test.skipIf(isNamedGcsServer)(
      "is found unsafe by the probe (P8), refused at the start, and told by the doctor",
      async () => {
        const prefix = server.fresh();
        const report = await probeStorage(() => server.connect(prefix), { quick: true });
        expect(report.verdict).toBe("unsafe");
        expect(report.steps.find(({ id }) => id === "P8")).toMatchObject({ verdict: "unsafe" });
        const url = server.url(prefix);
        await expect(openStorage(url)).rejects.toMatchObject({ code: "UNSAFE_STORAGE" });
        const warned = await openStorage(url, { allowUnsafe: true });
        expect((await warned.health()).status).toBe("degraded");
        await warned.close();
        const timing = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 };
        const asked = { url, timing, clock: systemClock, logger: silentLogger, probe: true };
        const { findings } = await checkStorage({ ...asked, signal: new AbortController().signal });
        const failures = findings.filter(({ level }) => level === "failure");
        expect(failures[0]).toMatchObject({
          found: expect.stringContaining("P8 a remove with a stale version is refused"),
          repair: "choose another storage: on this one two may lead at once",
        });
      },
    );
  });
});
