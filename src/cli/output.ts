import type { Writable } from "node:stream";
import { microTime } from "../system/micro-time.ts";
import type { Environment } from "./flags.ts";
import type { Log } from "./log.ts";
import { maskSecrets } from "./masks.ts";

/** The marks of a state; each has its own shape, so that colour says nothing that the shape does not. */
export const marks = { leads: "●", follows: "○", lost: "✗" } as const;

const colours = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 } as const;

/** A wall time as ISO text with milliseconds. */
export function isoTime(wallMs: number): string {
  return `${microTime(wallMs * 1000).slice(0, 23)}Z`;
}

/** Where a result goes. */
export type ResultStream = Writable & { readonly isTTY?: boolean };

/** What an `Output` needs. */
export interface OutputOptions {
  /** Asked for when it is first needed: merely opening a pipe makes it non-blocking for everybody who shares it. */
  readonly stdout: () => ResultStream;
  readonly log: Log;
  readonly environment: Environment;
  /** `--json`. */
  readonly json: boolean;
  /** `--color`, `--no-color`, or neither. */
  readonly colour: boolean | undefined;
}

/** Where a command's result goes: stdout gets the result and nothing else; all other text goes to stderr. */
export class Output {
  readonly json: boolean;
  readonly #options: OutputOptions;
  #coloured: boolean | undefined;

  constructor(options: OutputOptions) {
    this.#options = options;
    this.json = options.json;
  }

  /** One line of the result. */
  line(text: string): void {
    this.#options.stdout().write(`${maskSecrets(text)}\n`);
  }

  /** A result as JSON: one document, on one line if it is one of many. */
  document(body: Readonly<Record<string, unknown>>, { oneLine = false }: { readonly oneLine?: boolean } = {}): void {
    const text = JSON.stringify({ schema: 1, ...body }, maskStrings, oneLine ? 0 : 2);
    this.#options.stdout().write(`${text}\n`);
  }

  /** Rows with a header, in columns. */
  table(header: readonly string[], rows: readonly (readonly string[])[]): void {
    const widths = header.map((title, column) =>
      Math.max(...[title, ...rows.map((row) => row[column] ?? "")].map(width)),
    );
    const lineOf = (row: readonly string[]): string =>
      row.map((cell, column) => cell + " ".repeat(Math.max(0, (widths[column] ?? 0) - width(cell)))).join("  ");
    this.line(this.paint("dim", lineOf(header).trimEnd()));
    for (const row of rows) this.line(lineOf(row).trimEnd());
  }

  /** A remark for people, on stderr. */
  note(text: string): void {
    this.#options.log.write(`${text}\n`);
  }

  /** Colours a text, if there is colour. */
  paint(colour: keyof typeof colours, text: string): string {
    this.#coloured ??= !this.json && wantsColour(this.#options);
    return this.#coloured ? `\u001b[${colours[colour]}m${text}\u001b[0m` : text;
  }
}

function wantsColour({ stdout, environment, colour }: OutputOptions): boolean {
  if (colour !== undefined) return colour;
  const forced = environment["FORCE_COLOR"];
  if (forced !== undefined) return forced !== "0" && forced !== "false";
  if (environment["NO_COLOR"] || environment["TERM"] === "dumb") return false;
  return stdout().isTTY === true;
}

function maskStrings(_name: string, value: unknown): unknown {
  return typeof value === "string" ? maskSecrets(value) : value;
}

/** How many columns a text takes, without its colours. */
function width(text: string): number {
  // oxlint-disable-next-line no-control-regex -- colours are control sequences
  return Array.from(text.replace(/\u001b\[\d+m/g, "")).length;
}
