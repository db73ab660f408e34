import type { EventOf, HistoryEvent, Violation } from "./history.ts";

/** The term that one candidate leads or tries to win, and what it has received meanwhile. */
interface Claim {
  term: number;
  /** The renew time of its newest write that was applied. */
  renewTime: string;
  /** It has received something that is not what it wrote last: of another, an absence, an older record of its own. */
  challenged: boolean;
}

/**
 * L3, as far as a history alone can tell: nobody gives a term up as taken or erased who has received nothing but what
 * it wrote itself. A lost race alone is no reason: an edit, or a repeated request of its own, may have come first.
 */
export function checkLosses(events: readonly HistoryEvent[]): Violation[] {
  const violations: Violation[] = [];
  const claims = new Map<string, Claim>();
  for (const event of events) {
    const { who, atMs } = event;
    const claim: Claim = claims.get(who) ?? { term: 0, renewTime: "", challenged: false };
    claims.set(who, claim);
    if (event.what === "send" || event.what === "apply") noteWrite(claim, event);
    if (event.what === "receive") claim.challenged ||= !isOwn(claim, event);
    if (event.what !== "stop" || claim.challenged || event.term !== claim.term) continue;
    if (event.reason !== "taken" && event.reason !== "erased") continue;
    const text = `${who} gives term ${event.term} up as ${event.reason}, but has received nothing but its own writes`;
    violations.push({ invariant: "L3", atMs, text, about: event });
  }
  return violations;
}

function noteWrite(claim: Claim, { what, who, holder, term, renewTime }: EventOf<"send"> | EventOf<"apply">): void {
  if (holder !== who || term === undefined || renewTime === undefined) return;
  if (what === "send" && term !== claim.term) Object.assign(claim, { term, renewTime: "", challenged: false });
  if (what === "apply" && renewTime > claim.renewTime) claim.renewTime = renewTime;
}

function isOwn({ renewTime: newest }: Claim, { who, holder, renewTime = "" }: EventOf<"receive">): boolean {
  return holder === who && renewTime >= newest;
}
