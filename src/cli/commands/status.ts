import type { Clock } from "../../system/clock.ts";
import { linkSignals } from "../../system/signals.ts";
import { type Command, type Invocation, placeFlags, resultFlags } from "../command.ts";
import { formatDuration } from "../durations.ts";
import { exitCodes } from "../exit-codes.ts";
import { leaseDocument, leaseRow } from "../lease-report.ts";
import type { LeaseState, LeaseView } from "../lease-observer.ts";
import { observerFlags, observerOf, patientObserverOf } from "../observers.ts";
import { openPlace, type Place } from "../place.ts";
import { UsageError } from "../usage-error.ts";

/** `tenure status [NAME …]` */
export const statusCommand: Command = {
  usage: "status NAME … | --all [flags]",
  says:
    "Says who holds each lease, and looks until it is seen whether the holder is alive: at most the lease duration.\n" +
    "Exits with 0 if each has a live leader, 3 if not.",
  example: "tenure status billing --storage file:///srv/tenure\ntenure status billing --wait-for leader --timeout 30s",
  flags: {
    ...placeFlags,
    ...observerFlags,
    all: { says: "all leases of the namespace; exits with 0" },
    now: { says: "one read, without looking whether the holder is alive" },
    "wait-for": { value: "leader|free", says: "until each has a live leader, or none has" },
    ...resultFlags,
    timeout: { value: "30s", says: "how long --wait-for may take; then exits with 3 (for ever)" },
  },
  async run(invocation: Invocation): Promise<number> {
    const { flags, output, log, clock, signal } = invocation;
    const waitFor = flags.oneOf("wait-for", ["leader", "free"]);
    checkFlags(invocation, waitFor);
    await using place = await openPlace(flags, { clock, logger: log, probe: "never" });
    const names = flags.on("all") ? await place.names(signal) : [...new Set(flags.names)];
    const looks = new Looks(invocation, place);
    const views = waitFor === undefined ? await looks.settle(names) : await looks.waitFor(names, waitFor);
    if (output.json) output.document({ leases: views.map((view) => leaseDocument(view, clock)) });
    else printTable(views, invocation);
    if (looks.timedOut) output.note(`tenure status: not so after ${formatDuration(flags.durationMs("timeout") ?? 0)}`);
    if (waitFor !== undefined) return looks.timedOut ? exitCodes.no : exitCodes.done;
    if (views.some(({ state }) => state === "unreadable")) return exitCodes.failed;
    const led = views.every(({ state }) => state === "live" || state === "held");
    return led || flags.on("all") ? exitCodes.done : exitCodes.no;
  },
};

const settled: ReadonlySet<LeaseState> = new Set(["absent", "free", "live", "expired", "unreadable"]);
const wanted: Readonly<Record<"leader" | "free", ReadonlySet<LeaseState>>> = {
  leader: new Set(["live"]),
  free: new Set(["absent", "free", "expired"]),
};
/** So many leases are looked at together. */
const together = 64;

function checkFlags({ flags }: Invocation, waitFor: string | undefined): void {
  if (flags.names.length === 0 && !flags.on("all")) throw new UsageError("which lease? Name some, or write --all.");
  if (flags.names.length > 0 && flags.on("all")) throw new UsageError("--all and names exclude each other.");
  if (flags.on("timeout") && waitFor === undefined) throw new UsageError("--timeout goes with --wait-for.");
  if (flags.on("now") && waitFor !== undefined) throw new UsageError("--now and --wait-for exclude each other.");
}

function printTable(views: readonly LeaseView[], { output, clock }: Invocation): void {
  const rows = views.map((view) => leaseRow(view, clock, output));
  output.table(["NAME", "STATE", "HOLDER", "TERM", "LAST CHANGE"], rows);
}

/** The looks of one `status`. */
class Looks {
  readonly #invocation: Invocation;
  readonly #place: Place;
  readonly #clock: Clock;
  timedOut = false;

  constructor(invocation: Invocation, place: Place) {
    this.#invocation = invocation;
    this.#place = place;
    this.#clock = invocation.clock;
  }

  /** Each lease once it is known whether its holder is alive. */
  async settle(names: readonly string[]): Promise<LeaseView[]> {
    const views: LeaseView[] = [];
    for (let start = 0; start < names.length; start += together) {
      const part = names.slice(start, start + together).map((name) => this.#settleOne(name));
      views.push(...(await Promise.all(part)));
    }
    return views;
  }

  async #settleOne(name: string): Promise<LeaseView> {
    const { flags, signal } = this.#invocation;
    const observer = observerOf(name, this.#place, this.#invocation);
    if (flags.on("now")) return observer.look(signal);
    for await (const view of observer.follow(signal)) if (settled.has(view.state)) return view;
    throw signal.reason;
  }

  /** All leases once all of them are as wanted at one time, or as they are when the time is over. */
  async waitFor(names: readonly string[], goal: "leader" | "free"): Promise<LeaseView[]> {
    const { flags, signal } = this.#invocation;
    const stop = linkSignals(signal);
    const timeoutMs = flags.durationMs("timeout");
    const cancel =
      timeoutMs === undefined
        ? () => {}
        : this.#clock.setTimer(this.#clock.monotonicMs() + timeoutMs, () => {
            this.timedOut = true;
            stop.abort(new Error("timeout"));
          });
    const views = new Map<string, LeaseView>();
    const reached = (): boolean => names.every((name) => wanted[goal].has(views.get(name)?.state ?? "held"));
    const follow = async (name: string): Promise<void> => {
      for await (const view of patientObserverOf(name, this.#place, this.#invocation).follow(stop.signal)) {
        views.set(name, view);
        if (reached()) stop.abort(new Error("reached"));
      }
    };
    await Promise.all(names.map(follow));
    cancel();
    stop.unlink();
    signal.throwIfAborted();
    return [...views.values()];
  }
}
