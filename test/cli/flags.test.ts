// Goal: a command line is read as it was meant, or refused with what to write instead. Method: a table of flags, and
// command lines as a shell would pass them.
import { describe, expect, it } from "vitest";
import { Flags, type FlagTable } from "../../src/cli/flags.ts";
import { nearest } from "../../src/cli/nearest.ts";
import { UsageError } from "../../src/cli/usage-error.ts";

const table: FlagTable = {
  storage: { value: "URL", short: "s", env: "TENURE_STORAGE_URL", says: "" },
  grace: { value: "30s", says: "" },
  "retry-period": { value: "2s", env: "TENURE_RETRY_PERIOD", says: "" },
  restart: { says: "" },
  yes: { short: "y", says: "" },
  term: { value: "N", says: "" },
  "wait-for": { value: "leader|free", says: "" },
};

function read(line: string, environment: Record<string, string> = {}): Flags {
  return new Flags(line === "" ? [] : line.split(" "), table, environment);
}

describe("flags", () => {
  it("are read with and without an equals sign, long and short, among the names", () => {
    const flags = read("billing --storage file:a --grace=5s -y invoices");
    expect(flags.names).toEqual(["billing", "invoices"]);
    expect(flags.text("storage")).toBe("file:a");
    expect(flags.durationMs("grace")).toBe(5000);
    expect(flags.on("yes")).toBe(true);
    expect(flags.on("restart")).toBe(false);
  });

  it("behind one dash are few: a long row of letters is refused before it is taken apart", () => {
    expect(() => read(`-${"x".repeat(100_000)}`)).toThrow(/^"-x{19}…" is no flag/);
    expect(read(`-sfile:///${"x".repeat(200)}`).text("storage")).toBe(`file:///${"x".repeat(200)}`);
  });

  it("end at --, and what follows is passed on as it is", () => {
    const flags = read("billing --restart -- node --storage x -- y");
    expect(flags.names).toEqual(["billing"]);
    expect(flags.rest).toEqual(["node", "--storage", "x", "--", "y"]);
    expect(flags.text("storage")).toBeUndefined();
  });

  it("win over the environment, which wins over nothing", () => {
    const environment = { TENURE_STORAGE_URL: "file:env" };
    expect(read("-s file:flag", environment).text("storage")).toBe("file:flag");
    expect(read("", environment).text("storage")).toBe("file:env");
    expect(read("").text("storage")).toBeUndefined();
    expect(read("", { TENURE_STORAGE_URL: "" }).text("storage")).toBeUndefined();
  });

  it("that came from the environment are named by their variable when they are wrong", () => {
    expect(() => read("", { TENURE_RETRY_PERIOD: "2" }).durationMs("retry-period")).toThrow("TENURE_RETRY_PERIOD");
    expect(() => read("--retry-period 2").durationMs("retry-period")).toThrow("--retry-period");
  });

  it.each([
    ["--strage x", '"--storage"'],
    ["--restrat", '"--restart"'],
    ["--retry x", '"--retry-period"'],
  ])("that are unknown (%s) get the nearest name", (line, name) => {
    expect(() => read(line)).toThrow(`Did you mean ${name}?`);
  });

  it("that are like nothing known get no name", () => {
    expect(() => read("--zzzzzz")).toThrow(/^unknown flag --zzzzzz\.$/);
    expect(() => read("-q")).toThrow("unknown flag -q.");
    expect(() => read("--__proto__")).toThrow("unknown flag");
    expect(() => read("--constructor x")).toThrow("unknown flag");
  });

  it.each([
    ["--grace", "--grace needs a value"],
    ["--grace --restart", "--grace needs a value before --restart"],
    ["--restart=yes", "--restart takes no value"],
    ["--grace 1s --grace 2s", "--grace is given twice"],
    ["-y --yes", "--yes is given twice"],
  ])("are refused when they are incomplete or doubled: %s", (line, message) => {
    expect(() => read(line)).toThrow(message);
    expect(() => read(line)).toThrow(UsageError);
  });

  it("take whole numbers in range only", () => {
    expect(read("--term 7").integer("term")).toBe(7);
    for (const text of ["-1", "1.5", "seven", "0x10", "2147483648", "99999999999"]) {
      expect(() => read(`--term ${text}`).integer("term"), text).toThrow(UsageError);
    }
  });

  it("take one of some words only", () => {
    expect(read("--wait-for leader").oneOf("wait-for", ["leader", "free"])).toBe("leader");
    expect(() => read("--wait-for leadr").oneOf("wait-for", ["leader", "free"])).toThrow('Did you mean "leader"?');
  });
});

describe("the nearest name", () => {
  const known = ["run", "status", "watch", "release", "doctor"];
  it.each([
    ["stauts", "status"],
    ["rnu", "run"],
    ["rel", "release"],
    ["docter", "doctor"],
    ["Watch", "watch"],
  ])("of %s is %s", (given, name) => {
    expect(nearest(given, known)).toBe(name);
  });

  it.each(["transfer", "x", "", "controller", "sidecar"])("of %j is none", (given) => {
    expect(nearest(given, known)).toBeUndefined();
  });
});
