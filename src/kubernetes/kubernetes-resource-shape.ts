import { parseKubernetesJson } from "./kubernetes-json.ts";
import type { KubernetesResource, ResourcePage, WatchEvent } from "./kubernetes-resources.ts";

/** What says that it is a resource, and of this name; `undefined` for anything else, like the page of a proxy. */
export function asResource(value: unknown, name: string | undefined): KubernetesResource | undefined {
  const metadata = field(value, "metadata");
  const [found, version] = [field(metadata, "name"), field(metadata, "resourceVersion")];
  if (typeof found !== "string" || (name !== undefined && found !== name)) return undefined;
  if (typeof version !== "string" || version === "") return undefined;
  return value as KubernetesResource; // cast: an object, with the two fields that every resource has
}

/** One page of a list. */
export function asPage(value: unknown): ResourcePage | undefined {
  const [items, metadata] = [field(value, "items") ?? [], field(value, "metadata")];
  const [kind, apiVersion] = [field(value, "kind"), field(value, "apiVersion")];
  const [version, next] = [field(metadata, "resourceVersion"), field(metadata, "continue")];
  if (!Array.isArray(items) || !items.every(isObject) || typeof version !== "string") return undefined;
  return {
    items: items as readonly KubernetesResource[], // cast: objects; their fields are looked at where they are used
    ...(typeof kind === "string" && { kind }),
    ...(typeof apiVersion === "string" && { apiVersion }),
    resourceVersion: version,
    continue: typeof next === "string" && next !== "" ? next : undefined,
  };
}

const types: readonly unknown[] = ["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"];

/** One line of a watch; `"unknown"` for a type that did not exist when this was written. */
export function asWatchEvent(value: unknown): WatchEvent | "unknown" | undefined {
  const [type, object] = [field(value, "type"), field(value, "object")];
  if (typeof type !== "string" || !isObject(object)) return undefined;
  return types.includes(type) ? (value as WatchEvent) : "unknown"; // cast: its type and its object are those
}

/** The parsed text, or `undefined` if it is no JSON. */
export function parsed(text: string): unknown {
  try {
    return parseKubernetesJson(text);
  } catch {
    return undefined; // no JSON: as good as no answer
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function field(value: unknown, name: string): unknown {
  return isObject(value) ? Reflect.get(value, name) : undefined;
}
