import type { KubernetesResource, ResourceKind, WatchQuery } from "../kubernetes/kubernetes-resources.ts";
import type { FakeAnswer } from "./fake-kubernetes-answer.ts";
import type { FakeKubernetesApi } from "./fake-kubernetes-api.ts";
import type { FakeVerb } from "./fake-kubernetes-faults.ts";

/** A request of HTTP as what it asks for. */
export interface FakeRoute {
  readonly verb: FakeVerb;
  readonly kind: ResourceKind;
  /** `""` for a list, a watch and a create. */
  readonly name: string;
  readonly subresource: "status" | undefined;
  readonly query: Readonly<Record<string, string>>;
}

const pattern = /^\/(?:api|apis\/([^/]+))\/([^/]+)(?:\/namespaces\/([^/]+))?\/([^/]+)(?:\/([^/]+)(?:\/(status))?)?$/;

/** What a method and a URL ask for; `undefined` for what the server does not know. */
export function routeOf(method: string, url: string): FakeRoute | undefined {
  const { pathname, searchParams } = new URL(url, "http://fake-kubernetes");
  const found = pattern.exec(pathname);
  if (found === null) return undefined;
  const [group = "", version = "", namespace = "", plural = "", name = "", subresource] = found
    .slice(1)
    .map((part: string | undefined) => part && decodeURIComponent(part));
  const query = Object.fromEntries(searchParams);
  const verb = verbOf(method, name !== "", isTrue(query["watch"]));
  if (verb === undefined) return undefined;
  const status = subresource === undefined ? undefined : "status";
  return { verb, kind: { group, version, plural, namespace }, name, subresource: status, query };
}

/** Does what a route asks for; a watch is not for here. */
export function answerRoute(api: FakeKubernetesApi, route: FakeRoute, body: KubernetesResource): FakeAnswer {
  const {
    verb,
    kind,
    name,
    subresource,
    query: { dryRun, ...query },
  } = route;
  if (dryRun === "All") return answerRoute(api.rehearsal(), { ...route, query }, body);
  if (verb === "create") return api.create(kind, body);
  if (verb === "replace") return api.replace({ ...kind, name }, body);
  if (verb === "patch") return api.patch({ ...kind, name }, body, subresource);
  if (verb === "read") return api.read({ ...kind, name });
  const { limit, resourceVersionMatch, ...texts } = query;
  const match = resourceVersionMatch === "Exact" || resourceVersionMatch === "NotOlderThan" ? resourceVersionMatch : "";
  return api.list(kind, {
    ...texts,
    ...(limit !== undefined && { limit: Number(limit) }),
    ...(match !== "" && { resourceVersionMatch: match }),
  });
}

/** What the parameters of a watch ask for. */
export function watchQueryOf(query: FakeRoute["query"]): WatchQuery {
  const { timeoutSeconds, allowWatchBookmarks, sendInitialEvents, resourceVersionMatch, ...texts } = query;
  return {
    ...texts,
    ...(timeoutSeconds !== undefined && { timeoutSeconds: Number(timeoutSeconds) }),
    ...(sendInitialEvents !== undefined && { sendInitialEvents: isTrue(sendInitialEvents) }),
    ...(resourceVersionMatch === "NotOlderThan" && { resourceVersionMatch }),
    allowWatchBookmarks: isTrue(allowWatchBookmarks),
  };
}

function isTrue(text: string | undefined): boolean {
  return text === "true" || text === "1";
}

function verbOf(method: string, isNamed: boolean, watches: boolean): FakeVerb | undefined {
  if (method === "GET") return watches ? "watch" : isNamed ? "read" : "list";
  if (method === "POST") return isNamed ? undefined : "create";
  if (!isNamed) return undefined;
  return method === "PUT" ? "replace" : method === "PATCH" ? "patch" : undefined;
}
