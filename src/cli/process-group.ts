import { readdirSync, readFileSync } from "node:fs";
import { errorCode } from "../errors.ts";

/**
 * Sends a signal to every process of a group.
 *
 * @returns `false` if the group has no process any more.
 */
export function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  // kill(-1) and kill(0) mean "everybody" and "ourselves": a number that is none must never become one of them
  if (!Number.isInteger(group) || group <= 1) throw new RangeError(`bug: ${group} is no process group`);
  try {
    process.kill(-group, signal);
    return true;
  } catch (error) {
    // EPERM: there are processes, and none of them is ours to signal
    return errorCode(error) !== "ESRCH";
  }
}

/**
 * Whether no process of the group can act any more: there is none, or on Linux only zombies carry its number. A
 * zombie waits for its parent to read its end, for ever where the parent is a PID 1 that reaps nobody.
 */
export function isGroupGone(group: number): boolean {
  if (!signalGroup(group, 0)) return true;
  if (process.platform !== "linux") return false;
  const states = groupStates(group);
  // none at all: /proc hides them, or they went in between, which the next look tells
  return states.length > 0 && states.every((state) => state === "zombie");
}

function groupStates(group: number): ("alive" | "zombie")[] {
  const states: ("alive" | "zombie")[] = [];
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = readStat(entry);
    if (stat?.group === group) states.push(stat.state);
  }
  return states;
}

function readStat(entry: string): { group: number; state: "alive" | "zombie" } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${entry}/stat`, "utf8");
  } catch {
    return undefined; // it ended since the listing
  }
  // "pid (name) state parent group …": the name may hold anything, a parenthesis too
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, , group] = fields;
  // a process whose first thread has ended looks like a zombie while its other threads still run
  const threads = Number(fields[17]);
  const zombie = (state === "Z" || state === "X") && threads <= 1;
  return { group: Number(group), state: zombie ? "zombie" : "alive" };
}
