// Goal: the definition that we ship is upstream's with what we say that we add, and the file is what the source makes.
// Method: fields, names and columns are compared with a fixture of upstream's, bounds with what Go candidates wrote.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { multiClusterLeaseCrd, multiClusterLeaseDefinition } from "../../src/kubernetes/multi-cluster-lease-crd.ts";
import { renewTimePattern } from "../../src/kubernetes/multi-cluster-lease.ts";
import { recordedLeases } from "./recorded-leases.ts";

type Tree = Readonly<Record<string, unknown>>;

const fixture = join(import.meta.dirname, "fixtures", "upstream-crd.json");
const upstream = JSON.parse(readFileSync(fixture, "utf8")) as Tree; // cast: an object
const definition = multiClusterLeaseDefinition();
const spec = at(definition, "spec");
const version = (Reflect.get(spec, "versions") as readonly Tree[])[0] ?? {}; // cast: the list of the definition
const schema = at(version, "schema", "openAPIV3Schema");

function at(tree: unknown, ...path: readonly string[]): Tree {
  return path.reduce((found, name) => Reflect.get(Object(found), name) as Tree, Object(tree) as Tree); // cast: as used
}

/** Each field with its type and format, by its path. */
function fieldsOf(tree: Tree, path = ""): readonly (readonly [string, string])[] {
  const properties = Object.entries(at(tree, "properties") ?? {}).map(([name, inner]) => [name, inner] as const);
  const items = tree["items"] === undefined ? [] : [["[]", tree["items"]] as const];
  return [...properties, ...items].flatMap(([name, inner]) => {
    const place = name === "[]" ? `${path}[]` : path === "" ? name : `${path}.${name}`;
    const { type, format } = inner as { type: string; format?: string }; // cast: a schema
    const kind = typeof format === "string" ? `${type} ${format}` : type;
    return [[place, kind] as const, ...fieldsOf(inner as Tree, place)]; // cast: a schema
  });
}

describe("K-34: beside upstream's definition", () => {
  it("names, scope, version and status subresource are equal", () => {
    expect(at(definition, "metadata")).toEqual({ name: upstream["name"] });
    expect(spec).toMatchObject({ group: upstream["group"], names: upstream["names"], scope: upstream["scope"] });
    expect(version).toMatchObject(at(upstream, "version"));
    expect(Reflect.get(spec, "versions")).toHaveLength(1);
  });

  it("the fields are upstream's with their types and formats, and two more", () => {
    const added = { "spec.leaseTransitions": "integer int32", "status.globalAcquireTime": "string" };
    expect(Object.fromEntries(fieldsOf(schema))).toEqual({ ...at(upstream, "fields"), ...added });
  });

  it("the columns are upstream's in their order, and two wide ones follow", () => {
    const columns = version["additionalPrinterColumns"] as readonly Tree[]; // cast: the list of the definition
    expect(columns.slice(0, 4)).toEqual(upstream["columns"]);
    expect(columns.slice(4).map(({ name, priority }) => [name, priority])).toEqual([
      ["Term", 1],
      ["Healthy", 1],
    ]);
  });

  it("a condition has the bounds that it has everywhere", () => {
    const { required, ...bounds } = at(upstream, "condition");
    const item = at(schema, "properties", "status", "properties", "conditions", "items");
    expect(item["required"]).toEqual(required);
    for (const [name, bound] of Object.entries(bounds)) {
      expect(at(item, "properties", name)).toMatchObject(Object(bound));
    }
  });
});

describe("K-35: bounds", () => {
  const fields = at(schema, "properties", "spec", "properties");

  it("are these, and no field of a spec or a status is required or has a default", () => {
    const seconds = { minimum: 1, maximum: 86_400 };
    expect(fields).toMatchObject({
      holderIdentity: { maxLength: 1_024 },
      ...{ leaseDurationSeconds: seconds, renewDeadlineSeconds: seconds },
      retryPeriodSeconds: { minimum: 0, maximum: 86_400 },
      leaseTransitions: { minimum: 0 },
      renewTime: { format: "date-time", pattern: renewTimePattern },
    });
    for (const part of [schema, at(schema, "properties", "spec"), at(schema, "properties", "status")]) {
      expect(part).not.toHaveProperty("required");
    }
    expect(JSON.stringify(definition)).not.toContain('"default"');
    expect(JSON.stringify(definition)).not.toContain("x-kubernetes-list-type"); // which makes a list atomic
  });

  it("refuse nothing that a Go lock wrote: each recorded spec lies within", () => {
    const specs = recordedLeases().flatMap(({ object }) => (object === undefined ? [] : [Object(object["spec"])]));
    expect(specs.some(({ holderIdentity }) => holderIdentity === "")).toBe(true);
    expect(specs.some(({ leaseDurationSeconds }) => leaseDurationSeconds === 1)).toBe(true);
    for (const found of specs) {
      for (const [name, value] of Object.entries(found)) {
        const bound = at(fields, name);
        if (typeof value === "number") {
          expect(value).toBeGreaterThanOrEqual(Number(bound["minimum"]));
          expect(value).toBeLessThanOrEqual(Number(bound["maximum"]));
        } else {
          expect(String(value).length).toBeLessThanOrEqual(Number(bound["maxLength"] ?? Infinity));

          expect(String(value)).toMatch(new RegExp((bound["pattern"] ?? "") as string)); // cast: it is text
        }
      }
    }
  });

  it.each([
    ["2026-11-21T09:28:33.142778Z", true],
    ["2026-11-21T09:28:33.142Z", false],
    ["2026-11-21T09:28:33Z", false],
    ["2026-11-21T09:28:33.142778123Z", false],
    ["2026-11-21T18:28:33.142778+09:00", false],
  ])("of the renew time: %s passes: %s", (text, passes) => {
    expect(new RegExp(renewTimePattern).test(text)).toBe(passes);
  });
});

describe("K-91: one source", () => {
  it("deploy/crd.yaml is what the source makes; else run: node scripts/crd.ts", () => {
    const path = join(import.meta.dirname, "..", "..", "deploy", "crd.yaml");
    expect(readFileSync(path, "utf8")).toBe(multiClusterLeaseCrd());
  });

  it("K-39: another group changes the name and the group, and nothing else", () => {
    const other = multiClusterLeaseCrd("leases.example.com");
    expect(other).toContain("name: multiclusterleases.leases.example.com\n");
    expect(other.replaceAll("leases.example.com", String(upstream["group"]))).toBe(multiClusterLeaseCrd());
  });
});
