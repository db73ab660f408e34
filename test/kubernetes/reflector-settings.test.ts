// Goal: settings of a reflector are checked once, and every problem is named. Method: a table of settings.
import { describe, expect, it } from "vitest";
import { InvalidSettingsError } from "../../src/errors.ts";
import { resolveReflectorSettings, type ReflectorSettings } from "../../src/kubernetes/reflector-settings.ts";

describe("the settings of a reflector", () => {
  it("W-22 W-26 W-32 have the values that are documented", () => {
    expect(resolveReflectorSettings()).toEqual({
      ...{ pageSize: 500, idleTimeoutMs: 120_000, watchSeconds: { least: 300, most: 600 }, listTimeoutMs: 30_000 },
      kind: undefined,
    });
  });

  it.each<[ReflectorSettings, number]>([
    [{ pageSize: 0 }, 1],
    [{ pageSize: 1.5, idleTimeoutMs: 999, listTimeoutMs: NaN, kind: "" }, 4],
    [{ idleTimeoutMs: 2 ** 31, listTimeoutMs: Infinity }, 2],
    [{ watchSeconds: { least: 10, most: 9 } }, 1],
    [{ watchSeconds: { least: 0, most: 86_401 } }, 2],
  ])("%j have %d problems, told at once", (settings, count) => {
    const problems = ((): readonly string[] => {
      try {
        resolveReflectorSettings(settings);
        return [];
      } catch (error) {
        return error instanceof InvalidSettingsError ? error.problems : ["another error"];
      }
    })();
    expect(problems).toHaveLength(count);
  });
});
