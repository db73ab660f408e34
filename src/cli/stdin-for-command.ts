import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { isatty } from "node:tty";

/**
 * What the command gets as stdin. A terminal only where this process is in its foreground group: the command has no
 * controlling terminal, so nothing would stop it from taking the input of the shell that put us into the background.
 */
export function stdinForCommand(): "inherit" | "ignore" {
  if (!isatty(0)) return "inherit";
  return isInForeground() ? "inherit" : "ignore";
}

function isInForeground(): boolean {
  try {
    const [own, foreground] = process.platform === "linux" ? groupsFromProc() : groupsFromPs();
    return own !== undefined && own === foreground;
  } catch {
    return false; // not known: an empty stdin harms less than a shell that loses its input
  }
}

function groupsFromProc(): (string | undefined)[] {
  const text = readFileSync("/proc/self/stat", "utf8");
  // after the name: state, parent, group, session, terminal, foreground group of the terminal
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return [fields[2], fields[5]];
}

function groupsFromPs(): (string | undefined)[] {
  const text = execFileSync("ps", ["-o", "pgid=,tpgid=", "-p", String(process.pid)], {
    encoding: "utf8",
    timeout: 2000,
  });
  return text.trim().split(/\s+/);
}
