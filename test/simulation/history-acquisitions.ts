import type { EventOf, HistoryEvent, Violation } from "./history.ts";

/** What one candidate knew of terms. */
interface Known {
  /** The largest term that a read has brought, and whose it was. */
  highest: EventOf<"receive"> | undefined;
  /** The terms that it has tried to win. */
  readonly tried: Set<number>;
}

/**
 * S5, of each candidate by itself: a term that it tries to win is larger than all that its reads have brought before.
 * This holds over releases and deletions, and even if the record went back.
 */
export function checkAcquisitions(events: readonly HistoryEvent[]): Violation[] {
  const violations: Violation[] = [];
  const candidates = new Map<string, Known>();
  for (const event of events) {
    if (event.what !== "receive" && event.what !== "send") continue;
    const { who, holder, term } = event;
    if (term === undefined) continue;
    const known: Known = candidates.get(who) ?? { highest: undefined, tried: new Set() };
    candidates.set(who, known);
    if (event.what === "receive") {
      if (event.from === "read" && term > (known.highest?.term ?? 0)) known.highest = event; // hints may be merged
      continue;
    }
    if (holder !== who || known.tried.has(term)) continue;
    known.tried.add(term);
    const { highest } = known;
    if (highest?.term === undefined || term > highest.term) continue;
    const text = `${who} wants term ${term} after it has read term ${highest.term} of ${highest.holder || "nobody"}`;
    violations.push({ invariant: "S5", atMs: event.atMs, text, about: event });
  }
  return violations;
}
