// Goal: a duration on the command line means one thing only, and is shown with its unit. Method: tables of texts and
// milliseconds.
import { describe, expect, it } from "vitest";
import { formatDuration, parseDuration } from "../../src/cli/durations.ts";
import { UsageError } from "../../src/cli/usage-error.ts";

describe("a duration", () => {
  it.each([
    ["500ms", 500],
    ["0s", 0],
    ["15s", 15_000],
    ["1.5s", 1500],
    ["2m", 120_000],
    ["1h", 3_600_000],
  ])("%s is %d ms", (text, ms) => {
    expect(parseDuration(text, "--wait")).toBe(ms);
  });

  it.each(["15", "1.5", "0"])("%s without a unit is refused, with the likely ones", (text) => {
    expect(() => parseDuration(text, "--wait")).toThrow(new RegExp(`--wait: "${text}" is no duration.*"${text}s"`));
  });

  it.each(["", "s", "-1s", "1 s", "1S", "1d", "1e3s", "Infinitys", "١s", "1s2s", "0x1s"])("%j is refused", (text) => {
    expect(() => parseDuration(text, "TENURE_RETRY_PERIOD")).toThrow(UsageError);
  });

  it("longer than Node's timers is refused, with the greatest one", () => {
    expect(() => parseDuration("600h", "--wait")).toThrow("24d 20h");
  });

  it.each([
    [0, "0ms"],
    [412.4, "412ms"],
    [999, "999ms"],
    [2500, "2.5s"],
    [15_000, "15s"],
    [200_000, "3m 20s"],
    [120_000, "2m"],
    [7_500_000, "2h 5m"],
    [86_400_000 * 4 + 3_600_000, "4d 1h"],
  ])("of %d ms is shown as %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});
