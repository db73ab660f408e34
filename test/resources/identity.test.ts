// Goal: a resource is known by namespace and name, whatever they are made of, and told from its earlier lives. Method:
// resources as a server has them, and as none should.
import { describe, expect, it } from "vitest";
import { headOf, identityKey } from "../../src/resources/identity.ts";

describe("the head of a resource", () => {
  it("has namespace, name, uid and version; what is cluster-scoped has no namespace", () => {
    const metadata = { namespace: "jobs", name: "a", uid: "u", resourceVersion: "7" };
    expect(headOf({ metadata })).toEqual({ namespace: "jobs", name: "a", uid: "u", version: "7" });
    expect(headOf({ metadata: { name: "a" } })).toEqual({
      ...{ namespace: "", name: "a", uid: undefined, version: undefined },
    });
  });

  it.each([
    {},
    { metadata: null },
    { metadata: 7 },
    { metadata: {} },
    { metadata: { name: "" } },
    { metadata: { name: 7 } },
  ])("of %j is none", (resource) => expect(headOf(resource)).toBeUndefined());
});

describe("the key of an identity", () => {
  it("is never that of another one, whatever characters they have", () => {
    const texts = ["", "a", "b", "a/b", "1/a", "0/", "/", "__proto__", "é"];
    const keys = texts.flatMap((namespace) => texts.map((name) => identityKey({ namespace, name })));
    expect(new Set(keys).size).toBe(texts.length ** 2);
  });
});
