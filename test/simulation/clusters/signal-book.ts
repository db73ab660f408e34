import type { HistoryRecord } from "../history.ts";
import type { Preset } from "../plan.ts";
import type { SimHost } from "../sim-host.ts";

/** One signal as it left its candidate. */
export interface BookedSignal {
  readonly atMs: number;
  /** By the clock that its sender leads by. */
  readonly fastMs: number;
}

/** One write that the storage took, with what it made of the record. */
export interface BookedWrite {
  readonly atMs: number;
  readonly by: string;
  /** The candidate, without the number of its name; `""`: freed, `undefined`: removed or unreadable. */
  readonly holder: string | undefined;
  readonly renewTime: string | undefined;
  readonly term: number | undefined;
  readonly leaseMs: number | undefined;
  readonly signal: BookedSignal | undefined;
}

/** What candidates sent, and what the storage made of it: the truth that S2, S3 and K-64 are judged by. */
export class SignalBook {
  readonly presets = new Map<string, Preset>();
  readonly writes: BookedWrite[] = [];
  /** Releases: who, of which term, when. */
  readonly releases: { readonly holder: string; readonly term: number | undefined; readonly atMs: number }[] = [];
  readonly #signals = new Map<string, BookedSignal>();

  join(identity: string, preset: Preset): void {
    this.presets.set(identity, preset);
  }

  /** A candidate sends a write of its MultiClusterLease. */
  send(body: object, { host, atMs }: { readonly host: SimHost; readonly atMs: number }): void {
    const spec: unknown = Reflect.get(body, "spec");
    if (typeof spec !== "object" || spec === null) return;
    const [holder, renewTime, term] = ["holderIdentity", "renewTime", "leaseTransitions"].map((field): unknown =>
      Reflect.get(spec, field),
    );
    if (typeof holder !== "string") return;
    if (typeof renewTime === "string") {
      this.#signals.set(`${nameOf(holder)} ${renewTime}`, { atMs, fastMs: host.exactBootMs() });
    } else {
      this.releases.push({ holder: nameOf(holder), term: typeof term === "number" ? term : undefined, atMs });
    }
  }

  /** The storage takes a write; who is named is the candidate that it was made for. */
  apply({
    by,
    value,
    atMs,
    ...record
  }: HistoryRecord & {
    readonly by: string;
    readonly value: Uint8Array | undefined;
    readonly atMs: number;
  }): HistoryRecord & {
    readonly who: string;
    readonly atMs: number;
  } {
    const before = this.writes.at(-1);
    const holder = record.holder === undefined ? undefined : nameOf(record.holder);
    const signal = this.#signals.get(`${holder} ${record.renewTime}`);
    this.writes.push({
      ...{ atMs, by, holder, leaseMs: leaseMsOf(value), signal },
      renewTime: record.renewTime,
      term: record.term,
    });
    const who = holder === "" ? before?.holder : holder;
    return { ...record, holder, who: who ?? by, atMs };
  }
}

/** A later term of the same candidate may have a name with a number (K-55). */
function nameOf(holder: string): string {
  return holder.replace(/~\d+$/, "");
}

function leaseMsOf(value: Uint8Array | undefined): number | undefined {
  if (value === undefined) return undefined;
  // cast: our own writes
  const parsed = JSON.parse(new TextDecoder().decode(value)) as { leaseDurationSeconds?: number };
  return parsed.leaseDurationSeconds === undefined ? undefined : parsed.leaseDurationSeconds * 1_000;
}
