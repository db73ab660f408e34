import { setTimeout as pause } from "node:timers/promises";
import type { Entry } from "../../examples/guarded-state.ts";
import { names } from "./candidates.ts";
import { nowMs } from "./messages.ts";
import type { ActResult, Play } from "./play.ts";

const barMs = 250;

/** Act 1: all three want to lead, and one does. */
export async function contend(play: Play): Promise<ActResult> {
  await play.load(names);
  const from = play.candidates.log.length;
  play.screen.event("three processes campaign for one lease");
  const sentAtMs = nowMs();
  for (const name of play.ranks ?? names) {
    play.order(name);
    if (play.ranks !== undefined) await pause(150); // the first of them gets a head start
  }
  const elected = await play.heard(from, "elected");
  for (const name of names) await play.heard(from, "follows", (report) => report.name === name);
  await play.appends(elected.term, 10);
  const { holder } = await play.stage.lease();
  const leaders = play.candidates.log.slice(from).filter((one) => "report" in one && one.report.kind === "elected");
  return {
    ...{ act: 1, name: "contend", what: "until the first term", barMs },
    measuredMs: elected.atMs - sentAtMs,
    facts: [
      { text: "one leads, and two stand by", holds: leaders.length === 1 },
      { text: "the lease names the leader", holds: holder.startsWith(`${elected.name}_`) },
    ],
  };
}

/** Act 2: the leader is killed; its lease has to run out before another may lead. */
export async function crash(play: Play): Promise<ActResult> {
  const victim = await play.leader();
  const from = play.candidates.log.length;
  play.candidates.signal(victim.name, "SIGKILL");
  play.screen.event(`SIGKILL ${victim.name} (term ${victim.term}); nobody is told, the lease has to run out`);
  await play.candidates.first(from, "the end of a killed process", (one) => "ended" in one || undefined);
  const { expiresAtMs } = await play.stage.lease();
  play.since = { atMs: expiresAtMs, what: "after the lease ran out" };
  const elected = await play.heard(from, "elected");
  await play.appends(elected.term, 10);
  return {
    ...{ act: 2, name: "crash", what: "from the end of the lease to the next term", barMs },
    measuredMs: elected.atMs - expiresAtMs,
    facts: [
      { text: "the next term is larger", holds: elected.term > victim.term },
      { text: "nobody led before the lease ran out", holds: elected.atMs > expiresAtMs - 5 }, // two clocks are compared
      ...(await undisturbed(play, victim.term)),
    ],
  };
}

/** Act 3: the leader is asked to end; it drains, releases, and the next one leads at once. */
export async function handover(play: Play): Promise<ActResult> {
  const victim = await play.leader();
  const from = play.candidates.log.length;
  play.candidates.signal(victim.name, "SIGTERM");
  play.screen.event(`SIGTERM ${victim.name} (term ${victim.term})`);
  const stopped = await play.heard(from, "stopped", (report) => report.name === victim.name);
  play.since = { atMs: stopped.atMs, what: "after the last one ended (a stored release counts as a term, too)" };
  const elected = await play.heard(from, "elected");
  await play.candidates.first(from, "the end of a stopped process", (one) => "ended" in one || undefined);
  await play.appends(elected.term, 10);
  return {
    ...{ act: 3, name: "handover", what: "from the end of a term to the next", barMs },
    measuredMs: elected.atMs - stopped.atMs,
    facts: [
      { text: "the next term is larger", holds: elected.term > victim.term },
      { text: "the terms do not overlap", holds: elected.atMs > stopped.atMs },
      ...(await undisturbed(play, victim.term)),
    ],
  };
}

/** Act 4: the leader stands still past its lease, wakes up, and writes as if nothing had happened. */
export async function zombie(play: Play): Promise<ActResult> {
  await restart(play);
  const victim = await play.leader();
  const from = play.candidates.log.length;
  play.candidates.signal(victim.name, "SIGSTOP");
  play.screen.event(`SIGSTOP ${victim.name} (term ${victim.term}); it knows nothing of what follows`);
  await pause(50);
  const { expiresAtMs } = await play.stage.lease();
  play.since = { atMs: expiresAtMs, what: "after the lease ran out" };
  const elected = await play.heard(from, "elected");
  await play.heard(from, "appended", (report) => report.term === elected.term);
  await play.appends(elected.term, 10);
  play.candidates.signal(victim.name, "SIGCONT");
  play.screen.event(`SIGCONT ${victim.name}`);
  const woke = await play.heard(from, "woke", (report) => report.name === victim.name);
  const forced = await play.heard(from, "forced", (report) => report.name === victim.name);
  await play.appends(elected.term, 15);
  return {
    ...{ act: 4, name: "zombie", what: "from the end of the lease to the next term", barMs },
    measuredMs: elected.atMs - expiresAtMs,
    facts: [
      { text: "the next term is larger", holds: elected.term > victim.term },
      { text: 'its first look says "not held"', holds: !woke.held },
      { text: "its forced write is refused", holds: forced.refused },
      ...(await undisturbed(play, victim.term)),
    ],
  };
}

/** Act 5: all end on request, and leave nothing behind. */
export async function allStop(play: Play, keep: boolean): Promise<ActResult> {
  const from = play.candidates.log.length;
  const asked = play.candidates.running;
  const sentAtMs = nowMs();
  for (const name of asked) play.candidates.signal(name, "SIGTERM");
  play.screen.event(`SIGTERM ${asked.join(", ")}`);
  const codes: (number | null)[] = [];
  for (const name of asked) {
    const wanted = `the end of ${name}`;
    const match = (one: (typeof play.candidates.log)[number]) =>
      "ended" in one && one.name === name ? one.ended : undefined;
    codes.push((await play.candidates.first(from, wanted, match)).code);
  }
  const measuredMs = nowMs() - sentAtMs;
  const { holder } = await play.stage.lease();
  play.entries = await play.stage.entries();
  const left = play.stage.folder ?? `the two keys in ${play.stage.description}`;
  const struck = await play.stage.strike(keep);
  play.screen.event(struck ? `removed: ${left}` : `kept: ${left}`);
  return {
    ...{ act: 5, name: "all stop", what: "until the last process had ended", barMs: 1_000, measuredMs },
    facts: [
      { text: "every process ended by itself, with 0", holds: codes.every((code) => code === 0) },
      { text: "no process is left", holds: play.candidates.running.length === 0 },
      { text: "the lease is free", holds: holder === "" },
    ],
  };
}

/** Brings back those whose processes have ended, as standbys. */
async function restart(play: Play): Promise<void> {
  const gone = names.filter((name) => !play.candidates.running.includes(name));
  await play.load(gone);
  const from = play.candidates.log.length;
  for (const name of gone) play.order(name);
  for (const name of gone) await play.heard(from, "follows", (report) => report.name === name);
}

/** What the journal has to say: nothing of a former term stands after the first entry of a later one. */
async function undisturbed(play: Play, former: number): Promise<ActResult["facts"]> {
  const entries = await play.stage.entries();
  const firstOfNext = entries.findIndex(({ term }) => term > former);
  const late = firstOfNext === -1 ? [] : entries.slice(firstOfNext).filter(({ term }) => term <= former);
  return [
    { text: `nothing of term ${former} came after it`, holds: firstOfNext !== -1 && late.length === 0 },
    { text: "no two terms overlap in the journal", holds: overlaps(entries) === 0 },
  ];
}

/** Entries that stand after one of a later term, or were written at a time when a later term had written already. */
export function overlaps(entries: readonly Entry[]): number {
  let count = 0;
  for (const [index, entry] of entries.entries()) {
    const earlier = entries.slice(0, index);
    if (earlier.some(({ term, atMs }) => term > entry.term || (term < entry.term && atMs > entry.atMs))) count += 1;
  }
  return count;
}
