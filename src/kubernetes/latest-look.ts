import type { Version } from "../storage/versioned-storage.ts";
import type { OwnSignals } from "./own-signals.ts";
import type { ShownLease } from "./shown-lease.ts";

/** What is known of one MultiClusterLease: its newest state that was seen, whichever way it came. */
export class LatestLook {
  readonly #own: OwnSignals;
  #latest: ShownLease | undefined;
  #told: Version | undefined;

  constructor(own: OwnSignals) {
    this.#own = own;
  }

  /** `undefined` if none was seen, or if it was gone at the last look. */
  get shown(): ShownLease | undefined {
    return this.#latest;
  }

  /**
   * Whether it is news: a watch that goes on somewhere tells old states again. The answer to a request that was sent
   * after the newest state was seen is news in any case: if it is older, the server was restored from a backup.
   */
  see(shown: ShownLease, sentAfter?: ShownLease): boolean {
    const isNewest = this.#latest === undefined || isNewer(shown, this.#latest);
    if (!isNewest && this.#latest !== sentAfter) return false;
    this.#own.look(shown);
    this.#latest = shown;
    return true;
  }

  /** There is none any more, unless this was said before something newer was seen. Whether it is news. */
  gone(lastSeen: Pick<ShownLease, "uid" | "resourceVersion"> | undefined): boolean {
    if (this.#latest === undefined || lastSeen === undefined) return false;
    if (this.#latest.uid !== lastSeen.uid || !isNewer(lastSeen, this.#latest)) return false;
    this.#latest = undefined;
    return true;
  }

  /** The caller knows this version now: an earlier one that it names is meant. */
  tell(version: Version): void {
    this.#told = version;
  }

  /**
   * The resourceVersion that a write names which may replace the spec of `expected` and nothing else: that of the
   * newest state whose spec is the same, or a later signal of one's own that the caller was not
   * told of. Status writes in between lose it no race.
   * `"moved"`: somebody else has written; `"unknown"`: only a read can tell.
   */
  versionFor(expected: Version): { readonly uid: string; readonly resourceVersion: string } | "moved" | "unknown" {
    const named = parts(expected);
    if (named === undefined) return "moved"; // no version of ours
    const { uid, generation } = named;
    const latest = this.#latest;
    if (latest === undefined || latest.uid !== uid || latest.generation < generation) return "unknown";
    const told = this.#told === undefined ? undefined : parts(this.#told);
    const isOwnLater = this.#own.isOwn(latest) && !(told?.uid === uid && told.generation > generation);
    if (latest.generation !== generation && !isOwnLater) return "moved";
    return { uid, resourceVersion: latest.resourceVersion };
  }
}

function parts(version: Version): Pick<ShownLease, "uid" | "generation"> | undefined {
  const [, uid, generation] = /^(.+)\/(\d{1,16})$/.exec(version) ?? [];
  return uid === undefined ? undefined : { uid, generation: Number(generation) };
}

/** The version under which a lock's caller knows a state: it changes with the spec, not with the status. */
export function versionOf({ uid, generation }: Pick<ShownLease, "uid" | "generation">): Version {
  return `${uid}/${generation}` as Version; // cast: the brand of a version of a MultiClusterLease
}

/** By the server's counter, which all writes of all objects share. */
function isNewer(shown: Pick<ShownLease, "resourceVersion">, than: ShownLease): boolean {
  const [now, then] = [shown.resourceVersion, than.resourceVersion];
  if (!/^\d+$/.test(now) || !/^\d+$/.test(then)) return true; // no counter: what comes last
  return BigInt(now) >= BigInt(then);
}
