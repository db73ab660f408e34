import type { EventOf, HistoryEvent, Violation } from "./history.ts";

/** S4: each applied write named the version that it replaced; they form one chain; no pair of a holder occurs twice. */
export function checkChain(events: readonly HistoryEvent[]): Violation[] {
  const violations: Violation[] = [];
  const pairs = new Set<string>();
  const last = new Map<string, EventOf<"apply">>();
  for (const event of events) {
    if (event.what !== "apply") continue;
    const { place, kind, atMs, who, holder, renewTime, named, replaced } = event;
    const bad = (text: string): void => void violations.push({ invariant: "S4", atMs, text, about: event });
    const before = last.get(place);
    last.set(place, event);
    if (before !== undefined && before.version !== replaced) bad(`${who} leaves the chain of ${place}`);
    if (kind === "outside") continue;
    if (named !== replaced) bad(`${who} named ${named ?? "no version"} and replaced ${replaced ?? "none"}`);
    if (holder === undefined || holder === "") continue;
    const pair = `${place} ${holder} ${renewTime}`;
    if (pairs.has(pair)) bad(`the pair of ${holder}, ${renewTime}, occurs twice in ${place}`);
    pairs.add(pair);
  }
  return violations;
}

/** S6: a release replaces only a record that the releaser wrote. S7: none is applied, or sent, while its work runs. */
export function checkReleases(events: readonly HistoryEvent[]): Violation[] {
  const violations: Violation[] = [];
  const working = new Map<string, number>();
  const before = new Map<string, EventOf<"apply">>();
  for (const event of events) {
    const { who, atMs } = event;
    if (event.what === "workBegins") working.set(who, event.term);
    if (event.what === "workEnds") working.delete(who);
    if (event.what !== "send" && event.what !== "apply") continue;
    const releases = event.holder === "" && !(event.what === "apply" && event.kind === "outside");
    if (releases && working.has(who)) {
      const text = `${who} releases while its work of term ${working.get(who)} runs`;
      violations.push({ invariant: "S7", atMs, text });
    }
    if (event.what !== "apply") continue;
    const replaced = before.get(event.place);
    before.set(event.place, event);
    if (releases && replaced?.holder !== who) {
      const text = `${who} releases the record of ${replaced?.holder ?? "nobody"} in ${event.place}`;
      violations.push({ invariant: "S6", atMs, text });
    }
  }
  return violations;
}
