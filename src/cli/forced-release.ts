import type { Version } from "../storage/versioned-storage.ts";
import { sleep } from "../system/clock.ts";
import { printable } from "../system/logger.ts";
import type { Invocation } from "./command.ts";
import { confirm } from "./confirm.ts";
import { formatDuration } from "./durations.ts";
import { exitCodes } from "./exit-codes.ts";
import { leaseDocument } from "./lease-report.ts";
import type { LeaseObserver, LeaseView } from "./lease-observer.ts";
import { observerOf } from "./observers.ts";
import { openPlace, type Place } from "./place.ts";
import { UsageError } from "./usage-error.ts";

/** Terms from here on count as unreadable: they leave no room to count on. */
const greatestTerm = 2 ** 31 - 1_000_000 - 2;

/**
 * Blanks the holder of a lease that nobody renews any more. Everything that was shown must still be so when it is
 * written: the term (or version), no change for a whole lease duration, and the version as the condition of the
 * write.
 */
export async function forceRelease(name: string, invocation: Invocation): Promise<number> {
  const { flags, clock, log, signal } = invocation;
  const term = flags.integer("term");
  const version = flags.text("version");
  if (term === undefined && version === undefined) {
    throw new UsageError(
      "--force needs --term N, as shown by: tenure status --now (--version V for an unreadable record).",
    );
  }
  await using place = await openPlace(flags, { clock, logger: log });
  if (place.notFreed !== undefined) throw new UsageError(`--force does not work here: ${place.notFreed}.`);
  const observer = observerOf(name, place, invocation);
  const shown = await observer.look(signal);
  const release = new ForcedRelease({ invocation, place, shown, ...(term !== undefined && { term }) });
  const refused = release.refusal(version);
  if (refused !== undefined) return release.tell(refused.code, refused.reason);
  return await release.run(observer);
}

interface ForcedReleaseOptions {
  readonly invocation: Invocation;
  readonly place: Place;
  readonly shown: LeaseView;
  readonly term?: number;
}

class ForcedRelease {
  readonly #options: ForcedReleaseOptions;

  constructor(options: ForcedReleaseOptions) {
    this.#options = options;
  }

  /** Why the lease as it is cannot be what was meant. */
  refusal(version: string | undefined): { code: number; reason: string } | undefined {
    const { shown, term } = this.#options;
    const no = (reason: string): { code: number; reason: string } => ({ code: exitCodes.no, reason });
    const unsafe = (reason: string): { code: number; reason: string } => ({ code: exitCodes.refused, reason });
    if (shown.state === "absent") return no("there is no such lease");
    if (shown.state === "free") return no("it is free already");
    if (version !== undefined && version !== versionOf(shown)) return unsafe(`its version is ${versionOf(shown)}`);
    if (shown.state !== "unreadable") {
      const current = shown.observed?.record.leaderTransitions;
      return term === undefined || term === current ? undefined : unsafe(`its term is ${current}, not ${term}`);
    }
    if (version === undefined) return unsafe(`its record is unreadable: name it by --version ${versionOf(shown)}`);
    if (term === undefined) {
      return unsafe(
        "its record is unreadable: say the highest term that is known by --term N, since terms must not go back",
      );
    }
    return term <= greatestTerm ? undefined : unsafe(`--term ${term} leaves no terms to count on`);
  }

  async run(observer: LeaseObserver): Promise<number> {
    const { invocation, shown } = this.#options;
    const { log } = invocation;
    const record = shown.observed?.record;
    const whose =
      record === undefined ? "unreadable record" : `term ${record.leaderTransitions} of ${record.holderIdentity}`;
    const waitMs = observer.waitMs(shown);
    log.write(
      `tenure release: frees ${this.#place}, ${printable(whose)}, if nothing changes it for ` +
        `${formatDuration(waitMs)}. ` +
        "If that holder still works, two may work at once.\n",
    );
    if (!(await confirm("Free it?", invocation))) return this.tell(exitCodes.refused, "confirmation is missing");
    const alive = await this.#changes(observer, waitMs);
    if (alive)
      return this.tell(
        exitCodes.refused,
        "it changed while it was looked at: the holder is alive, or another took over",
      );
    const outcome = await this.#write();
    if (!outcome.written) return this.tell(exitCodes.refused, "another one wrote it in between");
    return this.tell(exitCodes.done, null);
  }

  /** The result, on stdout if the lease was released or as JSON. */
  tell(code: number, reason: string | null): number {
    const { invocation, shown } = this.#options;
    const { output, log, clock } = invocation;
    if (reason !== null) log.write(`tenure release: ${this.#place} was not released: ${reason}\n`);
    if (output.json) output.document({ released: reason === null, reason, lease: leaseDocument(shown, clock) });
    else if (reason === null) output.line(`${shown.name}: released`);
    return code;
  }

  get #place(): string {
    const { shown, place } = this.#options;
    return `"${printable(shown.name)}" in ${place.description}`;
  }

  /** Whether the record changes before a standby could take the lease over. */
  async #changes(observer: LeaseObserver, waitMs: number): Promise<boolean> {
    const { invocation, shown } = this.#options;
    for await (const view of observer.follow(invocation.signal)) {
      if (view.state === "expired") return versionOf(view) !== versionOf(shown);
      if (view.state !== shown.state || view.receivedMs !== shown.receivedMs) return true;
      // an unreadable record never expires by itself: it is as dead as others are after the same time
      if (view.state === "unreadable") return this.#unreadableChanges(observer, waitMs);
    }
    throw invocation.signal.reason;
  }

  async #unreadableChanges(observer: LeaseObserver, waitMs: number): Promise<boolean> {
    const { invocation, shown } = this.#options;
    const { clock, signal } = invocation;
    const untilMs = shown.receivedMs + waitMs;
    while (clock.monotonicMs() < untilMs) {
      await sleep(clock, Math.min(1000, Math.max(1, untilMs - clock.monotonicMs())), signal);
      const view = await observer.look(signal);
      if (versionOf(view) !== versionOf(shown)) return true;
    }
    return false;
  }

  #write(): Promise<{ readonly written: boolean }> {
    const { place, shown, term = 0 } = this.#options;
    const record = shown.observed?.record;
    const version = versionOf(shown) as Version; // cast: the version that the storage told
    if (record !== undefined) return place.lock(shown.name).update({ ...record, holderIdentity: "" }, version);
    return place.blank(shown.name, term, version);
  }
}

function versionOf(view: LeaseView): string {
  return view.observed?.version ?? view.version ?? "unknown";
}
