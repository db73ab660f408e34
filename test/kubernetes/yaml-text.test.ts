// Goal: data comes out as YAML that every reader takes for the same data. Method: the YAML reader of a package that is
// here anyway reads it back, for our definition and for data by chance.
import { loadYaml } from "@kubernetes/client-node";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { multiClusterLeaseCrd, multiClusterLeaseDefinition } from "../../src/kubernetes/multi-cluster-lease-crd.ts";
import { yamlText, type YamlValue } from "../../src/kubernetes/yaml-text.ts";

describe("yamlText", () => {
  it("writes our definition so that it is read back as it was", () => {
    expect(loadYaml(multiClusterLeaseCrd())).toEqual(multiClusterLeaseDefinition());
  });

  it("writes nested lists and mappings in block form, and empty ones in a line", () => {
    const value = { a: [{ b: 1, c: ["x"] }, []], d: {}, left: undefined };
    expect(yamlText(value)).toBe("a:\n  - b: 1\n    c:\n      - x\n  - []\nd: {}\n");
  });

  it.each([
    "true",
    "No",
    "on",
    "~",
    "1",
    "1.5",
    "",
    " a",
    "a ",
    "a: b",
    "# a",
    "- a",
    "@a",
    "*a",
    "a\nb",
    "2026-01-01",
  ])("keeps the text %j a text", (text) => {
    expect(loadYaml(yamlText({ text }))).toEqual({ text });
  });

  it("is read back as it was, whatever the data", () => {
    const text = fc.string({ unit: "grapheme" });
    const { value } = fc.letrec<{ value: YamlValue }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        ...[text, fc.integer(), fc.boolean(), fc.array(tie("value"), { maxLength: 4 })],
        fc.dictionary(fc.stringMatching(/^[a-z][\w.-]*$/), tie("value"), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(value, (data) => {
        expect(loadYaml(yamlText({ data }))).toEqual({ data });
      }),
    );
  });
});
