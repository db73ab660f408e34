import { nowMs } from "./messages.ts";
import { names, type Name, type View } from "./candidates.ts";

const marks: Readonly<Record<View["state"], string>> = {
  absent: "–",
  starts: "·",
  "stands by": "○",
  leads: "●",
  drains: "…",
  frozen: "‖",
  killed: "✗",
  stopped: "–",
};

/** Where the play is shown: one line for each event, and, on a terminal, one live row for each process below them. */
export class Screen {
  readonly #out: NodeJS.WriteStream | undefined;
  readonly #views: Readonly<Record<Name, View>>;
  readonly #startedMs = nowMs();
  readonly #timer: NodeJS.Timeout | undefined;
  #rows = 0;

  /** Without `out` nothing is shown. */
  constructor(views: Readonly<Record<Name, View>>, out: NodeJS.WriteStream | undefined, live: boolean) {
    this.#views = views;
    this.#out = out;
    this.text(`${"time".padStart(8)}   ${names.map((name) => name.padEnd(12)).join("")}what happened`);
    if (live) this.#timer = setInterval(() => this.#redraw(), 100);
  }

  /** Milliseconds since the play began. */
  get elapsedMs(): number {
    return nowMs() - this.#startedMs;
  }

  /** One event, beside the state in which it leaves each process. */
  event(what: string): void {
    const columns = names.map((name) => column(this.#views[name]).padEnd(12)).join("");
    this.text(`${(this.elapsedMs / 1000).toFixed(3).padStart(8)}   ${columns}${what}`);
  }

  text(line: string): void {
    this.#erase();
    this.#out?.write(`${line}\n`);
    if (this.#timer !== undefined) this.#redraw();
  }

  /** Ends the live rows. */
  end(): void {
    clearInterval(this.#timer);
    this.#erase();
  }

  #redraw(): void {
    this.#erase();
    const width = this.#out?.columns || 80;
    const rows = ["", ...names.map((name) => `  ${name.padEnd(4)} ${row(this.#views[name])}`)];
    this.#out?.write(rows.map((line) => `${line.slice(0, width - 1)}\n`).join(""));
    this.#rows = rows.length;
  }

  #erase(): void {
    if (this.#rows > 0) this.#out?.write(`\u001B[${this.#rows}A\u001B[J`);
    this.#rows = 0;
  }
}

function column({ state, term }: View): string {
  if (state === "absent") return marks.absent;
  return `${marks[state]} ${state === "leads" ? `term ${term}` : state === "stands by" ? "standby" : state}`;
}

function row(view: View): string {
  const leftMs = Math.max(0, view.validUntilMs - nowMs());
  if (view.state === "leads") {
    const valid = `valid for ${(leftMs / 1000).toFixed(1)} s ${"▮".repeat(Math.ceil(leftMs / 100))}`;
    return `${marks.leads} leads, term ${view.term}, ${String(view.appends).padStart(3)} appends, ${valid}`;
  }
  return `${marks[view.state]} ${view.state}`;
}
