// Goal: the text of a URL's parameter becomes a value of its type, or a problem that names what is allowed.
// Method: a table of texts for each type.
import { describe, expect, test } from "vitest";
import { parseParameter, sharedParameters, type Parameter } from "../../src/storage/url-parameters.ts";

const bounded: Parameter = { type: "integer", default: 5, least: 2, most: 10 };
const open: Parameter = { type: "integer", default: undefined };
const flag: Parameter = { type: "flag", default: false };
const mode: Parameter = { type: "mode", default: 0o600 };
const choice: Parameter = { type: "choice", default: "a", of: ["a", "b"] };
const text: Parameter = { type: "text", default: "x" };

describe("a parameter", () => {
  test.each<[Parameter, string, unknown]>([
    [bounded, "2", 2],
    [bounded, "10", 10],
    [bounded, "007", 7],
    [open, "0", 0],
    [open, "9007199254740991", Number.MAX_SAFE_INTEGER],
    [flag, "on", true],
    [flag, "off", false],
    [mode, "0640", 0o640],
    [mode, "755", 0o755],
    [choice, "b", "b"],
    [text, " any text ", " any text "],
  ])("%j reads %j as %j", (parameter, given, value) => {
    expect(parseParameter(parameter, given)).toEqual({ value });
  });

  test.each<[Parameter, string, string]>([
    [bounded, "1", "an integer of at least 2 and at most 10"],
    [bounded, "11", "an integer of at least 2 and at most 10"],
    [open, "-1", "an integer of at least 0"],
    [open, "1.5", "an integer"],
    [open, "1e3", "an integer"],
    [open, "0x10", "an integer"],
    [open, " 1", "an integer"],
    [open, "", "an integer"],
    [open, "9007199254740993", "an integer"],
    [flag, "true", "on or off"],
    [flag, "", "on or off"],
    [mode, "888", "octal digits"],
    [mode, "7777", "octal digits"],
    [choice, "A", "one of a, b"],
    [choice, "", "one of a, b"],
    [text, "", "is empty"],
  ])("%j refuses %j: it must be %s", (parameter, given, expected) => {
    expect(parseParameter(parameter, given)).toEqual({ problem: expect.stringContaining(expected) });
  });

  test("shows a hostile text on one line, and short", () => {
    const parsed = parseParameter(flag, `\n${"x".repeat(5000)}`);
    expect(parsed).toEqual({ problem: expect.stringMatching(/^.{1,100}$/) });
  });

  test("every storage has the same four", () => {
    expect(Object.keys(sharedParameters)).toEqual(["timeoutMs", "pollMs", "maxValueBytes", "probe"]);
  });
});
