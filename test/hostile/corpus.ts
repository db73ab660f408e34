import { SeededRandom } from "../../src/testing/seeded-random.ts";

/** Pieces of text that have broken a parser, a log or a file system somewhere. */
const pieces: readonly string[] = [
  ...["", " ", "\0", "\n", "\r\n", "\t", "\u001b[31m", "\u007f", "\u0085", "\u2028", "\u2029"],
  ...["\u202e", "\u2066", "\u200b", "\ufeff", "\u00ad", "\ud800", "\udfff", "\udc00\ud800", "\u{10ffff}", "\u{e0001}"],
  ...["e\u0301", "\u00e9", "ﷺ", "İ", "ß", "日本", "👩‍👩‍👧", "Ａ", "\ufffd", "\uffff"],
  ...[
    "/",
    "//",
    ".",
    "..",
    "../",
    "..\\",
    "\\",
    "~",
    "-",
    "--",
    "-x",
    ":",
    "@",
    "#",
    "?",
    "&",
    "=",
    ";",
    "'",
    '"',
    "`",
  ],
  ...[
    "$(id)",
    "%s",
    "%d%n",
    "${x}",
    "{{7*7}}",
    "<b>",
    "]]>",
    "' OR 1=1 --",
    "*",
    "|",
    "%00",
    "%2e%2e",
    "%2f",
    "%",
    "%zz",
  ],
  ...[
    "%c0%ae",
    "%ff",
    "%ED%A0%80",
    "%25",
    "%252e",
    "+",
    "con",
    "NUL",
    "aux.txt",
    "lpt1",
    ".lock",
    "a.lock",
    "@current",
  ],
  ...["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf", "then", "length", "toJSON"],
  ...["null", "undefined", "true", "NaN", "Infinity", "-0", "0", "-1", "1e400", "1e-400", "0x10", "1_000", "٣", "1.5"],
  ...["2147483647", "2147483648", "-2147483649", "9007199254740993", "1e9", "15s", "15", "10ms", "99999999999h", "0s"],
  ...["2026-01-01T00:00:00.000000Z", "0000-00-00T00:00:00Z", "9999-99-99T99:99:99Z", "2026-02-30T00:00:00Z", "+275760"],
  ...[
    "a",
    "b",
    "me",
    "other",
    "x_1",
    "default",
    "billing",
    "leases",
    "localhost",
    "127.0.0.1",
    "[::1]",
    "xn--e1afmkfd",
  ],
];

const numbers: readonly number[] = [
  ...[0, -0, 1, -1, 0.5, 1.5, 15, 3600, 3601, 1e9, 2 ** 31 - 10 ** 6, 2 ** 31 - 10 ** 6 + 1, 2 ** 31 - 1, 2 ** 31],
  ...[-(2 ** 31), 2 ** 32, 2 ** 53, 2 ** 53 + 2, 1e21, 1e308, 5e-324, Number.NaN, Infinity, -Infinity],
];

/** Numbers as JSON may spell them; some are no JSON at all. */
const spelled: readonly string[] = [
  ...["0", "-0", "1", "-1", "15", "1.5", "1e400", "-1e400", "1e-400", "1E5", "1e+2", "15.0", "15e0", "01", "+1", ".5"],
  ...["1.", "0x1f", "NaN", "Infinity", "2147483647", "2147483648", "2146483648", "2146483649", "99999999999999999999"],
  ...["9007199254740993", `1${"0".repeat(400)}`, `0.${"0".repeat(400)}1`, "1e0000000000000000000000005"],
];

const fields: readonly string[] = [
  ...["holderIdentity", "leaseDurationSeconds", "acquireTime", "renewTime", "leaseTransitions", "leaderTransitions"],
  ...["strategy", "preferredHolder", "__proto__", "constructor", "unknownFields", "toJSON", "HOLDERIDENTITY"],
];

const schemes = [
  "memory",
  "file",
  "FILE",
  "gs",
  "s3",
  "redis",
  "postgres",
  "git",
  "http",
  "javascript",
  "a+b",
  "1x",
  "",
];
const parameters = ["keep", "mode", "fsync", "current", "pollMs", "timeoutMs", "maxValueBytes", "probe", "nonsense"];

/** What no message may ever repeat. */
export const secret = "s3cr3t-Passw0rd";

/** One hostile input after the other, from a seed. */
export class Corpus {
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  integer(below: number): number {
    return Math.floor(this.#random.next() * below);
  }

  /** True once in `times`. */
  rarely(times: number): boolean {
    return this.integer(times) === 0;
  }

  pick<T>(choices: readonly T[]): T {
    const [picked] = choices.slice(this.integer(choices.length));
    if (picked === undefined) throw new Error("nothing to pick from");
    return picked;
  }

  /** Mostly short; very long once in a thousand. */
  text(): string {
    if (this.rarely(1_000)) return this.pick(pieces).repeat(1 + this.integer(20_000));
    if (this.rarely(4)) return this.#units(this.integer(12));
    let text = "";
    for (let count = this.integer(4); count >= 0; count -= 1) text += this.pick(pieces);
    return text;
  }

  /** Anything that a lock written by hand could return. */
  value(depth = 3): unknown {
    switch (this.integer(depth > 0 ? 9 : 6)) {
      case 0:
        return undefined;
      case 1:
        return null;
      case 2:
        return this.rarely(2);
      case 3:
        return this.pick(numbers);
      case 4:
      case 5:
        return this.text();
      case 6:
        return Array.from({ length: this.integer(4) }, () => this.value(depth - 1));
      case 7:
        return this.rarely(2) ? 7n : Symbol("hostile");
      default:
        return this.record(depth - 1);
    }
  }

  /** An object with the fields of a record, each of any kind, more often than not a fitting one. */
  record(depth = 2): object {
    const record = {};
    for (const field of fields) {
      if (this.rarely(field === "__proto__" ? 3 : 6)) continue;
      const value = this.rarely(3) ? this.value(depth) : this.#fitting(field);
      // As JSON.parse does: an own property, also for "__proto__".
      Object.defineProperty(record, field, { value, enumerable: true, configurable: true, writable: true });
    }
    return record;
  }

  /** What may be stored where a lease is expected. */
  body(): Uint8Array {
    if (this.rarely(20)) return Uint8Array.from({ length: this.integer(60) }, () => this.integer(256));
    const text = this.rarely(200) ? this.#nested() : this.json();
    if (this.rarely(40)) return this.#utf16(text);
    const bytes = new TextEncoder().encode(this.rarely(20) ? `\ufeff${text}` : text);
    if (this.rarely(8)) return bytes.slice(0, this.integer(bytes.length + 1));
    if (this.rarely(8)) bytes[this.integer(bytes.length)] = this.integer(256);
    return bytes;
  }

  /** A lease in JSON: fields twice, escapes, numbers in all spellings, unknown fields. */
  json(): string {
    const parts: string[] = [];
    const odd = this.pick([3, 20]);
    for (const field of fields) {
      if (this.rarely(odd)) continue;
      parts.push(`${this.#name(field)}:${this.rarely(odd) ? this.#jsonValue(3) : this.#fittingJson(field)}`);
      if (this.rarely(4 * odd)) parts.push(`${this.#name(field)}:${this.#jsonValue(2)}`);
    }
    if (this.rarely(3 * odd)) parts.push(`${this.#name(this.text())}:${this.#jsonValue(4)}`);
    return `{${parts.join(this.rarely(40) ? ",," : ",")}}${this.rarely(40) ? this.text() : ""}`;
  }

  key(): string {
    if (this.rarely(200)) return Array.from({ length: 1 + this.integer(40) }, () => "a").join("/");
    if (this.rarely(200)) return this.text().repeat(1 + this.integer(300));
    return Array.from({ length: 1 + this.integer(4) }, () => this.text()).join("/");
  }

  url(): string {
    if (this.rarely(10)) return this.text() + this.text();
    const scheme = this.rarely(8) ? this.text().replaceAll(":", "") : this.pick(schemes);
    const user = this.text();
    // A "/", "?" or "#" in the name ends the authority: then nobody can tell a password from a path.
    const password = /[/?#]/.test(user) ? "x" : this.rarely(2) ? secret : encodeURIComponent(secret);
    const userInfo = this.rarely(2) ? "" : `${user}:${password}@`;
    const ports = ["", "", ":80", ":", ":99999999999", ":x"];
    const host = this.pick(["", "host", "[::1]", "[fe80::1%25eth0]", "[::ffff:1.2.3.4", "a@b", "host:", this.text()]);
    const authority = this.rarely(3) ? "" : `//${userInfo}${host}${this.pick(ports)}`;
    const path = this.rarely(2) ? `/${this.text()}` : this.key();
    const query = Array.from({ length: this.integer(4) }, () => `${this.#parameter()}=${this.text()}`).join("&");
    return `${scheme}:${authority}${path}${query === "" ? "" : `?${query}`}${this.rarely(8) ? `#${this.text()}` : ""}`;
  }

  /** A command line, with more or less sense. */
  args(flags: readonly string[]): string[] {
    const sensible = this.rarely(2);
    const args: string[] = sensible ? ["billing"] : [];
    for (let count = this.integer(sensible ? 3 : 8); count > 0; count -= 1) {
      const flag = this.rarely(6) ? this.text() : this.pick(flags);
      const forms = [`--${flag}`, `--${flag}=${this.text()}`, `-${flag}`, this.text(), "--", `--no-${flag}`, "-"];
      args.push(this.pick(forms));
      if (this.rarely(2)) args.push(this.pick(["15s", "1ms", "0", "-1", this.text()]));
    }
    if (sensible) args.push("--", "node", this.text());
    return args;
  }

  environment(): Record<string, string> {
    const names = ["TENURE_STORAGE_URL", "TENURE_LEASE_DURATION", "TENURE_RENEW_DEADLINE", "TENURE_RETRY_PERIOD"];
    return Object.fromEntries(names.filter(() => this.rarely(3)).map((name) => [name, this.text()]));
  }

  #parameter(): string {
    return this.rarely(6) ? this.text() : this.pick(parameters);
  }

  #units(length: number): string {
    let text = "";
    for (let count = 0; count < length; count += 1) text += String.fromCharCode(this.integer(65_536));
    return text;
  }

  #fitting(field: string): unknown {
    if (field.endsWith("Time")) return "2026-01-01T00:00:00.000000Z";
    if (field.endsWith("Transitions")) return this.integer(100);
    if (field === "leaseDurationSeconds") return this.pick([1, 15, 60, 4000]);
    return field === "holderIdentity" ? this.pick(["other_1", "me", ""]) : this.text();
  }

  #fittingJson(field: string): string {
    const value = this.#fitting(field);
    return typeof value === "number" && this.rarely(6) ? this.pick(spelled) : JSON.stringify(value);
  }

  #name(field: string): string {
    const name = JSON.stringify(field);
    if (!this.rarely(20) || name.length < 3) return name;
    const letter = name.charCodeAt(1).toString(16).padStart(4, "0");
    return `"\\u${letter}${name.slice(2)}`;
  }

  #jsonValue(depth: number): string {
    switch (this.integer(depth > 0 ? 6 : 4)) {
      case 0:
        return this.pick(["null", "true", "false", "", "nul", "undefined"]);
      case 1:
        return this.pick(spelled);
      case 2:
        return JSON.stringify(this.text());
      case 3:
        return `"${this.text()}"`; // as it is: what has to be escaped breaks the text off
      case 4:
        return `[${this.#jsonValue(depth - 1)},${this.#jsonValue(depth - 1)}]`;
      default:
        return `{${this.#member(this.pick(pieces), depth)},${this.#member("__proto__", depth)}}`;
    }
  }

  #member(name: string, depth: number): string {
    return `${this.#name(name)}:${this.#jsonValue(depth - 1)}`;
  }

  #nested(): string {
    const depth = this.pick([60, 63, 64, 65, 1_000, 8_000, 30_000]);
    const [open, close] = this.pick([
      ["[", "]"],
      ['{"a":', "}"],
      ['{"__proto__":', "}"],
    ] as const);
    const nested = `${open.repeat(depth)}1${close.repeat(this.rarely(4) ? 0 : depth)}`;
    return `{"holderIdentity":"x","renewTime":"2026-01-01T00:00:00Z","leaseTransitions":1,"deep":${nested}}`;
  }

  #utf16(text: string): Uint8Array {
    const littleEndian = new Uint8Array(2 + 2 * text.length);
    littleEndian.set([0xff, 0xfe]);
    for (let index = 0; index < text.length; index += 1) {
      littleEndian.set([text.charCodeAt(index) & 0xff, text.charCodeAt(index) >>> 8], 2 + 2 * index);
    }
    return littleEndian;
  }
}
