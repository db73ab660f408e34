import { EventEmitter, once } from "node:events";
import type { ChildProcess } from "node:child_process";
import type { Journal } from "./journal.ts";
import type { Command, FromCandidate, Report } from "./protocol.ts";

type Did = Report["did"];
type ReportOf<D extends Did> = Report extends infer R extends Report
  ? D extends R["did"]
    ? R & { did: D }
    : never
  : never;

/** One candidate's process: what it told so far, and the faults that it can be given. */
export class Candidate {
  readonly label: string;
  readonly reports: Report[] = [];
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  readonly #child: ChildProcess;
  readonly #news = new EventEmitter();
  #errors = "";

  constructor(label: string, child: ChildProcess, journal: Journal) {
    this.label = label;
    this.#child = child;
    this.#news.setMaxListeners(0);
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#errors += text));
    child.on("error", () => {}); // a message to one that has just died
    child.on("message", (message: FromCandidate) => {
      if ("append" in message) return void child.send(journal.append(message, this.actor), () => {}); // it may be dead
      this.reports.push(message);
      this.#news.emit("report");
    });
    // `close` comes after the last message was read, `exit` may come before.
    this.exited = once(child, "close").then(([code, signal]) => {
      this.#news.emit("report");
      return { code, signal };
    });
  }

  /** Its name in the history: no two processes share it. */
  get actor(): string {
    return `${this.label} (process ${this.#child.pid})`;
  }

  /** Everything of that kind that it told. */
  all<D extends Did>(did: D): ReportOf<D>[] {
    return this.reports.filter((report): report is Report & ReportOf<D> => report.did === did);
  }

  /** The releases that it sent. */
  get releases(): { readonly term: number; readonly atNs: bigint }[] {
    const sent = this.all("sending").filter(({ op }) => op === "release");
    return sent.map(({ record, atNs }) => ({ term: record.leaderTransitions, atNs: BigInt(atNs) }));
  }

  /** How many of that kind it told so far: for `until`. */
  count(did: Did): number {
    return this.all(did).length;
  }

  /** The first report of that kind after the first `after`, as soon as there is one; rejects if none comes in time. */
  async until<D extends Did>(
    did: D,
    { after = 0, withinMs = 20_000, where = () => true }: UntilOptions<ReportOf<D>> = {},
  ): Promise<ReportOf<D>> {
    const signal = AbortSignal.timeout(withinMs);
    for (;;) {
      const found = this.all(did).slice(after).find(where);
      if (found !== undefined) return found;
      const ended = this.#child.exitCode !== null || this.#child.signalCode !== null;
      if (signal.aborted || (ended && !this.#child.connected)) throw new Error(this.#missing(did));
      await once(this.#news, "report", { signal }).catch(() => {}); // the loop sees which
    }
  }

  command(command: Command): void {
    this.#child.send(command, () => {}); // it may be dead by now
  }

  signal(signal: "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  #missing(did: Did): string {
    const told = this.reports.slice(-15).map((report) => JSON.stringify(report));
    return [`${this.label} did not tell "${did}" in time; it told:`, ...told, this.#errors].join("\n");
  }
}

interface UntilOptions<R> {
  readonly after?: number;
  readonly withinMs?: number;
  readonly where?: (report: R) => boolean;
}

/** When it was told, in milliseconds on the machine's monotonic clock. */
export function atMs({ atNs }: { readonly atNs: string }): number {
  return Number(atNs) / 1e6;
}
