import { readFileSync } from "node:fs";
import type { KubernetesResource } from "../../../src/kubernetes/index.ts";

interface Fixture {
  readonly names: object;
  readonly scope: string;
  readonly version: object;
  readonly columns: readonly object[];
  readonly fields: Readonly<Record<string, string>>;
  readonly condition: { readonly required: readonly string[] } & Readonly<Record<string, object | readonly string[]>>;
}

interface Schema {
  type: string;
  format?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
  required?: readonly string[];
}

/** The definition of gke-labs/multicluster-leader-election for another group, put together from its names and types. */
export function upstreamDefinition(group: string): KubernetesResource {
  const path = new URL("../../kubernetes/fixtures/upstream-crd.json", import.meta.url);
  const fixture = JSON.parse(readFileSync(path, "utf8")) as Fixture; // cast: a file of ours
  const { names, scope, version, columns, fields, condition } = fixture;
  const schema: Schema = { type: "object" };
  for (const [place, kind] of Object.entries(fields)) put(schema, place.replaceAll("[]", ".[]").split("."), kind);
  const item = schema.properties?.["status"]?.properties?.["conditions"]?.items;
  const { required, ...bounds } = condition;
  if (item !== undefined) item.required = required;
  for (const [name, bound] of Object.entries(bounds)) Object.assign(item?.properties?.[name] ?? {}, bound);
  const versions = [{ ...version, additionalPrinterColumns: columns, schema: { openAPIV3Schema: schema } }];
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `multiclusterleases.${group}` },
    spec: { group, names, scope, versions },
  };
}

function put(schema: Schema, [name = "", ...rest]: readonly string[], kind: string): void {
  const [type = "", format] = kind.split(" ");
  const own: Schema = { type, ...(format !== undefined && { format }) };
  const inner = name === "[]" ? (schema.items ??= own) : ((schema.properties ??= {})[name] ??= own);
  if (rest.length > 0) put(inner, rest, kind);
}
