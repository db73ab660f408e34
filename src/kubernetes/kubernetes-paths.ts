import { InvalidKeyError } from "../errors.ts";
import { printable } from "../system/logger.ts";
import type { ApiCall } from "./api-error.ts";
import type { ListQuery, WatchQuery } from "./kubernetes-resources.ts";

/** The path of a call below the server's address, with its query. */
export function kubernetesPath(call: ApiCall, query: ListQuery | (WatchQuery & { readonly watch: true }) = {}): string {
  const { kind, name, subresource, operation } = call;
  const root = kind.group === "" ? ["api"] : ["apis", segment("group", kind.group)];
  const place = kind.namespace === "" ? [] : ["namespaces", segment("namespace", kind.namespace)];
  const isOfAll = name === undefined || operation === "create" || operation === "watch";
  const own = isOfAll ? [] : [segment("name", name)];
  const rest = subresource === undefined ? [] : [subresource];
  const path = [...root, segment("version", kind.version), ...place, segment("plural", kind.plural), ...own, ...rest];
  const parameters = Object.entries(query).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${encodeURIComponent(String(value))}`],
  );
  return `/${path.join("/")}${parameters.length === 0 ? "" : `?${parameters.join("&")}`}`;
}

/** The server refuses these, too; but `..` would reach another path first. */
function segment(what: string, text: string): string {
  if (typeof text === "string" && text !== "" && text !== "." && text !== ".." && !/[/%\p{Cc}\s]/u.test(text)) {
    return encodeURIComponent(text);
  }
  throw new InvalidKeyError(`${what} "${printable(String(text), 60)}" of a Kubernetes resource cannot be in a path`);
}
