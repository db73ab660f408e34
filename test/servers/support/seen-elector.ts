import { LeaderElector } from "../../../src/election/leader-elector.ts";
import type { LeaderElectorOptions } from "../../../src/election/settings.ts";
import type { ResourceLock } from "../../../src/lock/resource-lock.ts";
import { StorageLock } from "../../../src/lock/storage-lock.ts";
import type { LeaseStorage } from "../../../src/storage/lease-storage.ts";

/** The shortest practical timing on a server of this machine. */
export const seenPace = { leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 300 } as const;

const patienceMs = 30_000;

/** One term, by this process's monotonic clock. */
export interface SeenTerm {
  readonly term: number;
  readonly fromMs: number;
  toMs: number | undefined;
}

/** How a `SeenElector` differs from the others. */
export interface SeenOptions {
  /** Of the lock that is made over a storage. */
  readonly label?: string;
  readonly settings?: Omit<LeaderElectorOptions, "lock" | "callbacks">;
}

/** An elector of this process, over a storage or a lock, that notes its terms and alarms. */
export class SeenElector implements AsyncDisposable {
  readonly terms: SeenTerm[] = [];
  readonly alarms: string[] = [];
  /** Whom it has seen lead. */
  readonly leaders: string[] = [];
  readonly #over = new AbortController();
  readonly #run: Promise<void>;
  readonly #waiting: (() => void)[] = [];

  constructor(at: LeaseStorage | ResourceLock, { label = "seen", settings = {} }: SeenOptions = {}) {
    const lock = "readLease" in at ? new StorageLock({ storage: at, namespace: "test", name: "lease", label }) : at;
    const elector = new LeaderElector({ lock, ...seenPace, ...settings });
    elector.on("newLeader", ({ identity }) => {
      this.leaders.push(identity);
      this.#tell();
    });
    elector.on("alarm", ({ kind }) => {
      this.alarms.push(kind);
      this.#tell();
    });
    this.#run = this.#note(elector);
  }

  get held(): boolean {
    const last = this.terms.at(-1);
    return last !== undefined && last.toMs === undefined;
  }

  get term(): number {
    return this.terms.at(-1)?.term ?? 0;
  }

  leads(): Promise<void> {
    return this.until(() => this.held);
  }

  /** Rejects after half a minute: what has not come by then does not come. */
  async until(holds: () => boolean): Promise<void> {
    const late = setTimeout(() => this.#tell(), patienceMs);
    const untilMs = performance.now() + patienceMs;
    while (!holds()) {
      if (performance.now() >= untilMs) throw new Error("it did not happen");
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    clearTimeout(late);
  }

  /** Ends it: a leader releases. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort(new Error("enough"));
    await this.#run;
  }

  #tell(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async #note(elector: LeaderElector): Promise<void> {
    for await (const leadership of elector.terms({ signal: this.#over.signal })) {
      const seen: SeenTerm = { term: leadership.term, fromMs: performance.now(), toMs: undefined };
      this.terms.push(seen);
      this.#tell();
      await new Promise<void>((resolve) => {
        leadership.signal.addEventListener("abort", () => resolve(), { once: true });
      });
      seen.toMs = performance.now();
      this.#tell();
    }
  }
}

/** Terms of different electors that overlap, or do not grow. */
export function seenProblems(electors: readonly SeenElector[]): string[] {
  const all = electors.flatMap(({ terms }) => terms).toSorted((one, other) => one.fromMs - other.fromMs);
  return all.flatMap((later, index) => {
    const before = all[index - 1];
    if (before === undefined) return [];
    return [
      ...(before.toMs === undefined || before.toMs > later.fromMs ? [`${before.term} overlaps ${later.term}`] : []),
      ...(later.term <= before.term ? [`${later.term} follows ${before.term}`] : []),
    ];
  });
}
