import { parseArgs } from "node:util";
import { parseDuration } from "./durations.ts";
import { didYouMean } from "./nearest.ts";
import { UsageError } from "./usage-error.ts";

/** One flag of a command. */
export interface Flag {
  /** What its value is called in the help; absent: the flag takes none. */
  readonly value?: string;
  readonly short?: string;
  /** The environment variable that stands in where the flag is absent. */
  readonly env?: string;
  /** For the help; names the default. */
  readonly says: string;
}

/** The flags of a command, by name without the dashes. */
export type FlagTable = Readonly<Record<string, Flag>>;

/** The environment, as text. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A command line that has been read: flag over environment over nothing. */
export class Flags {
  /** What stands before `--` and is no flag. */
  readonly names: readonly string[];
  /** What follows `--`; `undefined` without it. */
  readonly rest: readonly string[] | undefined;
  readonly #table: FlagTable;
  readonly #given: ReadonlyMap<string, string | true>;
  readonly #environment: Environment;

  /**
   * @throws {UsageError} for an unknown flag (with the nearest name), a missing value, a value where none is taken, a
   * flag given twice.
   */
  constructor(args: readonly string[], table: FlagTable, environment: Environment) {
    const end = args.indexOf("--");
    const own = end === -1 ? args : args.slice(0, end);
    const { given, names } = readTokens(own, table);
    this.names = names;
    this.rest = end === -1 ? undefined : args.slice(end + 1);
    this.#table = table;
    this.#given = given;
    this.#environment = environment;
  }

  /** Whether the flag was given. */
  on(name: string): boolean {
    return this.#given.has(name);
  }

  /** The flag's text, else that of its environment variable unless empty, else `undefined`. */
  text(name: string): string | undefined {
    const given = this.#given.get(name);
    if (typeof given === "string") return given;
    const variable = this.#table[name]?.env;
    const inherited = variable === undefined ? undefined : this.#environment[variable];
    return inherited === "" ? undefined : inherited;
  }

  /** As `text`, read as a duration in milliseconds. */
  durationMs(name: string): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : parseDuration(text, this.#where(name));
  }

  /** As `text`, read as a whole number from 0 to `max`. */
  integer(name: string, max: number = 2 ** 31 - 1): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (!/^\d{1,10}$/.test(text) || Number(text) > max) {
      throw new UsageError(`${this.#where(name)}: "${text}" is no whole number from 0 to ${max}.`);
    }
    return Number(text);
  }

  /** As `text`, one of `allowed`. */
  oneOf<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const found = allowed.find((value) => value === text);
    if (found === undefined) {
      throw new UsageError(
        `${this.#where(name)}: "${text}" is none of ${allowed.join(", ")}.${didYouMean(text, allowed)}`,
      );
    }
    return found;
  }

  /** Where the value came from, for messages. */
  #where(name: string): string {
    const variable = this.#table[name]?.env;
    return this.#given.has(name) || variable === undefined ? `--${name}` : variable;
  }
}

function readTokens(args: readonly string[], table: FlagTable): { given: Map<string, string | true>; names: string[] } {
  const options: Record<string, { type: "string" | "boolean"; short?: string }> = {};
  for (const [name, flag] of Object.entries(table)) {
    options[name] = { type: flag.value === undefined ? "boolean" : "string", ...(flag.short && { short: flag.short }) };
  }
  refuseLongClusters(args, table);
  // not strict: its messages name no neighbour and no repair
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
  const given = new Map<string, string | true>();
  const names: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") names.push(token.value);
    if (token.kind !== "option") continue;
    const value = checkedValue(token, table);
    if (given.has(token.name)) throw new UsageError(`--${token.name} is given twice.`);
    given.set(token.name, value);
  }
  return { given, names };
}

/** Letters behind one dash; no command has this many, and taking them apart costs the square of their number. */
const longestCluster = 32;

function refuseLongClusters(args: readonly string[], table: FlagTable): void {
  const withValue = new Set(Object.values(table).map(({ short, value }) => (value === undefined ? undefined : short)));
  for (const arg of args) {
    const isCluster = /^-[^-]/.test(arg) && !withValue.has(arg.charAt(1)); // "-sURL" is a flag and its value
    if (isCluster && arg.length > longestCluster) throw new UsageError(`"${arg.slice(0, 20)}…" is no flag.`);
  }
}

interface OptionToken {
  readonly name: string;
  /** With its dashes. */
  readonly rawName: string;
  readonly value?: string | undefined;
}

function checkedValue({ name, rawName, value }: OptionToken, table: FlagTable): string | true {
  const flag = Object.hasOwn(table, name) ? table[name] : undefined;
  if (flag === undefined) {
    const near = rawName.startsWith("--") ? didYouMean(name, Object.keys(table), "--") : "";
    throw new UsageError(`unknown flag ${rawName}.${near}`);
  }
  if (flag.value === undefined) {
    if (value !== undefined) throw new UsageError(`--${name} takes no value.`);
    return true;
  }
  if (value === undefined) throw new UsageError(`--${name} needs a value: --${name} ${flag.value}.`);
  // what looks like a flag is one: "--grace --json" has forgotten a value; "--grace=--x" says what it means
  if (value.startsWith("-") && !/^-\d/.test(value) && value !== "-") {
    throw new UsageError(`--${name} needs a value before ${value}: --${name} ${flag.value}.`);
  }
  return value;
}
