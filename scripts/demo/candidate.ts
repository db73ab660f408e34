// One of the three processes: campaigns, and appends to the fenced journal while it leads. It is told where by a
// message, ends gracefully on SIGTERM, and at once if the play is gone.
import { setTimeout as pause } from "node:timers/promises";
import { LeaderElector, StorageLock, type Leadership } from "tenure";
import { openStorage, type StorageConnection } from "tenure/storage";
import { append } from "../../examples/guarded-state.ts";
import { nowMs, timing, type Order, type Place, type Report } from "./messages.ts";
import { rankedRandom } from "./ranked-random.ts";

const label = process.argv[2] ?? "nobody";
const appendEveryMs = 100;
const stop = new AbortController();

process.on("SIGTERM", () => stop.abort());
process.on("SIGINT", () => {}); // Ctrl-C reaches all of us; the play decides
process.on("disconnect", () => process.exit()); // the play is gone: nobody would stop us

function tell(report: Report): void {
  if (process.connected) process.send?.(report);
}

process.once("message", (order: Order) => {
  campaign(order).catch((error: unknown) => {
    tell({ kind: "trouble", message: textOf(error), atMs: nowMs() });
    process.exitCode = 1;
    process.disconnect();
  });
});
tell({ kind: "loaded" });

async function campaign({ url, place, rank }: Order): Promise<void> {
  await using storage = await openStorage(url, { probe: "never" }); // the play has probed the place
  const elector = new LeaderElector({
    lock: new StorageLock({ storage, namespace: place.namespace, name: place.name, label }),
    ...timing,
    ...(rank !== undefined && { random: rankedRandom(rank) }),
    callbacks: { onStartedLeading: (leadership) => work(leadership, storage, place) },
    onError: (error, where) => tell({ kind: "trouble", message: `${where}: ${textOf(error)}`, atMs: nowMs() }),
  });
  elector.on("newLeader", ({ identity }) => tell({ kind: "follows", holder: identity, atMs: nowMs() }));
  elector.on("elected", ({ term }) => tell({ kind: "elected", term, atMs: nowMs() }));
  elector.on("renewed", ({ term, remainingMs }) => tell({ kind: "renewed", term, remainingMs, atMs: nowMs() }));
  elector.on("draining", ({ term }) => tell({ kind: "draining", term, atMs: nowMs() }));
  elector.on("stopped", ({ term, reason }) => tell({ kind: "stopped", term, reason, atMs: nowMs() }));
  await elector.run({ signal: stop.signal });
  process.disconnect();
}

/** The work of one term: a guarded append every 100 ms, and a last one while it drains. */
async function work(leadership: Leadership, storage: StorageConnection, place: Place): Promise<void> {
  const { term, identity: by, signal } = leadership;
  const write = (): Promise<void> => append(storage, place.journal, { term, by, atMs: nowMs() });
  const awake = watchForPauses(leadership, write);
  try {
    while (!signal.aborted) {
      await leadership.guard(write);
      tell({ kind: "appended", term, atMs: nowMs() });
      // the signal ends the pause, not the work
      await pause(appendEveryMs, undefined, { signal }).catch(() => undefined);
    }
    if (leadership.isHeld()) await leadership.guard(write); // a drain leaves time for it: the term is still held
  } catch (error) {
    if (leadership.isHeld()) throw error;
    // The term is over: what came too late was refused, and is not told twice.
  } finally {
    awake();
  }
}

/**
 * Notices that the whole process stood still, looks whether the term is held, and, if not, writes past the guard all
 * the same: what a program does that has never heard of leases. Returns what ends the watch.
 */
function watchForPauses(leadership: Leadership, write: () => Promise<void>): () => void {
  const { term } = leadership;
  let lastMs = nowMs();
  const look = (): void => {
    const held = leadership.isHeld(); // first of all
    const atMs = nowMs();
    const sleptMs = atMs - lastMs;
    lastMs = atMs;
    if (sleptMs < timing.renewDeadlineMs) return;
    tell({ kind: "woke", term, sleptMs, held, atMs });
    if (!held) void force(term, write);
  };
  const timer = setInterval(look, 20);
  return () => {
    look(); // a step that was cut by the pause may be the first to go on
    clearInterval(timer);
  };
}

async function force(term: number, write: () => Promise<void>): Promise<void> {
  const outcome = await write().then(
    () => ({ refused: false, message: "the journal took it" }),
    (error: unknown) => ({ refused: isStale(error), message: textOf(error) }),
  );
  tell({ kind: "forced", term, ...outcome, atMs: nowMs() });
}

function isStale(error: unknown): boolean {
  return error instanceof Error && Reflect.get(error, "code") === "STALE_TERM";
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
