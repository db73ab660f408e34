import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { nowMs, type Order, type Report } from "./messages.ts";

export const names = ["ada", "bob", "cy"] as const;
export type Name = (typeof names)[number];

/** What one process looks like from outside. */
export interface View {
  state: "absent" | "starts" | "stands by" | "leads" | "drains" | "frozen" | "killed" | "stopped";
  /** The last term that it led. */
  term: number;
  appends: number;
  /** By the shared clock: how long its term lasts if no renewal succeeds any more. */
  validUntilMs: number;
}

/** One report of one process, or its end. */
export type Happening =
  | { readonly name: Name; readonly report: Report }
  | { readonly name: Name; readonly ended: { readonly code: number | null; readonly signal: string | null } };

type Listener = (happening: Happening) => void;

/** The three processes: starts, signals and buries them, and keeps everything that they tell. */
export class Candidates {
  readonly views: Readonly<Record<Name, View>> = { ada: newView(), bob: newView(), cy: newView() };
  readonly log: Happening[] = [];
  readonly #running = new Map<Name, ChildProcess>();
  readonly #listeners = new Set<Listener>();

  /** Starts the process; it is loaded once it says so, and campaigns once it is sent an order. */
  start(name: Name): void {
    const program = fileURLToPath(new URL("candidate.ts", import.meta.url));
    const child = fork(program, [name], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    this.#running.set(name, child);
    Object.assign(this.views[name], newView(), { state: "starts" });
    child.on("message", (report: Report) => this.#note({ name, report }));
    child.on("exit", (code, signal) => {
      if (this.#running.get(name) === child) this.#running.delete(name);
      this.#note({ name, ended: { code, signal } });
    });
  }

  send(name: Name, order: Order): void {
    this.#running.get(name)?.send(order);
  }

  /** @returns when the signal was sent, by the shared clock. */
  signal(name: Name, signal: "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT"): number {
    const view = this.views[name];
    if (signal === "SIGKILL") view.state = "killed";
    if (signal === "SIGSTOP") view.state = "frozen";
    if (signal === "SIGCONT") view.state = "stands by";
    this.#running.get(name)?.kill(signal);
    return nowMs();
  }

  /** Those whose process has not ended. */
  get running(): readonly Name[] {
    return [...this.#running.keys()];
  }

  /** Ends all at once. A stopped process does not even look at SIGTERM. */
  killAll(): void {
    for (const child of this.#running.values()) {
      child.kill("SIGCONT");
      child.kill("SIGKILL");
    }
  }

  /** Calls `listener` for each happening; the returned function ends that. */
  on(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * The first happening since the `from`-th that `match` accepts. @throws {Error} naming `what` after 15 s without one.
   */
  async first<T>(from: number, what: string, match: (happening: Happening) => T | undefined): Promise<T> {
    for (const happening of this.log.slice(from)) {
      const found = match(happening);
      if (found !== undefined) return found;
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        off();
        reject(new Error(`waited 15 s in vain: ${what}`));
      }, 15_000);
      const off = this.on((happening) => {
        const found = match(happening);
        if (found === undefined) return;
        off();
        clearTimeout(timer);
        resolve(found);
      });
    });
  }

  #note(happening: Happening): void {
    this.log.push(happening);
    if ("report" in happening) look(this.views[happening.name], happening.report);
    else if (this.views[happening.name].state !== "killed") this.views[happening.name].state = "stopped";
    for (const listener of this.#listeners) listener(happening);
  }
}

function newView(): View {
  return { state: "absent", term: 0, appends: 0, validUntilMs: 0 };
}

/** Keeps the view of a process up to date. */
function look(view: View, report: Report): void {
  if (report.kind === "follows" && view.state === "starts") view.state = "stands by";
  if (report.kind === "elected") Object.assign(view, { state: "leads", term: report.term, appends: 0 });
  if (report.kind === "renewed") view.validUntilMs = report.atMs + report.remainingMs;
  if (report.kind === "appended") view.appends += 1;
  if (report.kind === "draining") view.state = "drains";
  if (report.kind === "stopped" && view.state === "leads") view.state = "stands by";
}
