// Goal: an election on a Git repository survives what happens to its server: a freeze, a fail-over. Method: electors in
// this process over smart HTTP, whose server is stopped and goes on, and one that leaves without a word.
import { afterAll, beforeAll, expect, test } from "vitest";
import { LeaderElector } from "../../src/election/leader-elector.ts";
import { StorageLock } from "../../src/lock/storage-lock.ts";
import type { GitStorage } from "../../src/storage/git.ts";
import { describeOn } from "./support/found-server.ts";
import { findGit, gitStorage, type GitServer } from "./support/git-server.ts";

const patientMs = 120_000;
const settings = { leaseDurationMs: 9_000, renewDeadlineMs: 6_000, retryPeriodMs: 1_000 };

interface Candidate {
  readonly name: string;
  readonly storage: GitStorage;
  readonly elector: LeaderElector;
  readonly stop: AbortController;
  readonly run: Promise<unknown>;
}

/** Who leads from when until when, by this process's clock. */
interface Span {
  readonly name: string;
  readonly term: number;
  readonly fromMs: number;
  untilMs: number;
  reason: string;
}

function candidate(name: string, storage: GitStorage, spans: Span[]): Candidate {
  const stop = new AbortController();
  const elector = new LeaderElector({
    ...settings,
    lock: new StorageLock({ storage, namespace: "git", name: "job", label: name }),
    callbacks: {
      onStartedLeading: async (leadership) => {
        const span = { name, term: leadership.term, fromMs: performance.now(), untilMs: Infinity, reason: "" };
        spans.push(span);
        await new Promise<void>((resolve) => leadership.signal.addEventListener("abort", () => resolve()));
        span.untilMs = performance.now();
      },
      onStoppedLeading: (reason) => {
        const last = spans.findLast((span) => span.name === name);
        if (last !== undefined) last.reason = reason;
      },
    },
  });
  return { name, storage, elector, stop, run: elector.run({ signal: stop.signal }) };
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  const lastMs = performance.now() + 60_000;
  while (!isSo()) {
    if (performance.now() > lastMs) throw new Error(`in a minute it did not happen that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function assertApart(spans: readonly Span[]): void {
  const sorted = spans.toSorted((a, b) => a.fromMs - b.fromMs);
  for (const [index, span] of sorted.entries()) {
    const before = sorted[index - 1];
    if (before === undefined) continue;
    expect(before.untilMs).toBeLessThanOrEqual(span.fromMs);
    expect(before.term).toBeLessThan(span.term);
  }
}

describeOn(findGit("http"), (start) => {
  let server: GitServer | undefined;
  beforeAll(async () => void (server = await start()));
  afterAll(async () => server?.[Symbol.asyncDispose]());

  async function contest(play: (candidates: readonly Candidate[], spans: readonly Span[]) => Promise<void>) {
    const place = server?.place();
    if (place === undefined) throw new Error("the server has not been started");
    const spans: Span[] = [];
    const storages = ["ada", "bob", "cem"].map(
      (name) => [name, gitStorage(place, { timeoutMs: 4_000, pollMs: 500 })] as const,
    );
    const candidates = storages.map(([name, storage]) => candidate(name, storage, spans));
    try {
      await play(candidates, spans);
      assertApart(spans);
    } finally {
      server?.process?.signal("SIGCONT");
      for (const { stop } of candidates) stop.abort();
      await Promise.all(candidates.map(({ run }) => run));
      await Promise.all(candidates.map(({ storage }) => storage.close()));
    }
    expect(storages.map(([, storage]) => storage.running)).toEqual([0, 0, 0]);
  }

  const leads = (spans: readonly Span[]): Span | undefined => spans.find(({ untilMs }) => untilMs === Infinity);

  test(
    "while the server is frozen the leader steps down by its own clock, and afterwards one leads (#66)",
    () =>
      contest(async (_candidates, spans) => {
        await until("somebody leads", () => leads(spans) !== undefined);
        const before = leads(spans);
        server?.process?.signal("SIGSTOP");
        const frozenMs = performance.now();
        await until("the leader has stepped down", () => leads(spans) === undefined);
        expect(performance.now() - frozenMs).toBeLessThan(settings.renewDeadlineMs + 500);
        expect(before?.reason).toBe("expired");
        server?.process?.signal("SIGCONT");
        await until("one leads again", () => leads(spans) !== undefined);
        expect(spans.filter(({ untilMs }) => untilMs === Infinity)).toHaveLength(1);
      }),
    patientMs,
  );

  test(
    "a leader that leaves hands over, and one that falls silent is followed when its lease has run out",
    () =>
      contest(async (candidates, spans) => {
        await until("somebody leads", () => leads(spans) !== undefined);
        const first = leads(spans);
        const leaver = candidates.find(({ name }) => name === first?.name);
        leaver?.stop.abort();
        await leaver?.run;
        await until("the other leads", () => leads(spans) !== undefined);
        const second = leads(spans);
        expect(second?.name).not.toBe(first?.name);
        expect(second?.term).toBeGreaterThan(first?.term ?? Infinity);
        // Its storage is closed under the second: it can neither renew nor release, as if it had been cut off.
        const silent = candidates.find(({ name }) => name === second?.name);
        await silent?.storage.close();
        const silentMs = performance.now();
        await until("the third leads", () => ![first?.name, second?.name, undefined].includes(leads(spans)?.name));
        expect(leads(spans)?.term).toBeGreaterThan(second?.term ?? Infinity);
        expect(performance.now() - silentMs).toBeGreaterThan(settings.leaseDurationMs - settings.renewDeadlineMs);
      }),
    patientMs,
  );
});
