import type { HistoryRecord } from "../history.ts";
import type { Preset } from "../plan.ts";
import type { SimHost } from "../sim-host.ts";

/** One signal as it left its candidate. */
export interface BookedSignal {
  readonly atMs: number;
  /** By the clock that its sender leads by. */
  readonly fastMs: number;
  /** Its sender. */
  readonly who: string;
}

/** One release as it left its candidate. */
export interface BookedRelease {
  /** Whose name it bears. */
  readonly holder: string;
  readonly who: string;
  readonly term: number | undefined;
  readonly atMs: number;
}

/** One write that the storage took, with what it made of the record. */
export interface BookedWrite {
  readonly atMs: number;
  readonly by: string;
  /** The candidate; `""`: freed, `undefined`: removed or unreadable. */
  readonly holder: string | undefined;
  /** What it is called there, without the number: candidates of a cluster may share a name. */
  readonly name: string | undefined;
  readonly renewTime: string | undefined;
  readonly term: number | undefined;
  readonly leaseMs: number | undefined;
  readonly signal: BookedSignal | undefined;
}

/** What candidates sent, and what the storage made of it: the truth that S2, S3 and K-64 are judged by. */
export class SignalBook {
  readonly presets = new Map<string, Preset>();
  readonly writes: BookedWrite[] = [];
  /** Releases: of whose name, of which term, when. */
  readonly releases: BookedRelease[] = [];
  readonly #signals = new Map<string, BookedSignal>();

  join(identity: string, preset: Preset): void {
    this.presets.set(identity, preset);
  }

  /** A candidate sends a write of its MultiClusterLease. */
  send(body: object, sender: { readonly who: string; readonly host: SimHost; readonly atMs: number }): void {
    const { who, host, atMs } = sender;
    const spec: unknown = Reflect.get(body, "spec");
    if (typeof spec !== "object" || spec === null) return;
    const [holder, renewTime, term] = ["holderIdentity", "renewTime", "leaseTransitions"].map((field): unknown =>
      Reflect.get(spec, field),
    );
    if (typeof holder !== "string") return;
    if (typeof renewTime === "string") {
      this.#signals.set(`${nameOf(holder)} ${renewTime}`, { atMs, fastMs: host.exactBootMs(), who });
    } else {
      this.releases.push({ holder: nameOf(holder), who, term: typeof term === "number" ? term : undefined, atMs });
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
    /** Freed for a neighbour that the holder shares its name with. */
    readonly isForNeighbour: boolean;
  } {
    const before = this.writes.at(-1);
    const name = record.holder === undefined ? undefined : nameOf(record.holder);
    const signal = this.#signals.get(`${name} ${record.renewTime}`);
    const holder = signal?.who ?? name;
    this.writes.push({
      ...{ atMs, by, holder, name, leaseMs: leaseMsOf(value), signal },
      renewTime: record.renewTime,
      term: record.term,
    });
    const who = holder === "" ? before?.holder : holder;
    const released = this.releases.findLast((release) => release.holder === before?.name);
    const isForNeighbour = holder === "" && released !== undefined && released.who !== who;
    return { ...record, holder, who: who ?? by, atMs, isForNeighbour };
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
