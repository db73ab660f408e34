// What the sides of a hand-over have in common. Each runs in a process of its own, started with a URL, and joins and
// leaves when it is told to.

/** What a side tells, and when. */
export interface Told {
  readonly did: "ready" | "follows" | "leads" | "released" | "left";
  readonly atNs: string;
}

/** Longer than any hand-over. */
const tellAfterMs = 20;

/**
 * Tells by the monotonic clock that all processes of a machine share. Stamped now and sent a moment later: telling
 * takes as long as a part of what is measured.
 */
export function tell(did: Told["did"]): void {
  const told: Told = { did, atNs: process.hrtime.bigint().toString() };
  setTimeout(() => process.send?.(told), tellAfterMs);
}

/** Does what it is told, until the parent lets go. What fails ends the process, and with it the benchmark. */
export function obey({
  join,
  leave,
}: {
  readonly join: () => Promise<void>;
  readonly leave: () => Promise<void>;
}): void {
  process.on("message", (order) => void (order === "join" ? join() : leave()));
  process.on("disconnect", () => process.exit());
  tell("ready");
}
