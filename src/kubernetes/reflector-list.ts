import { StorageUnavailableError } from "../errors.ts";
import type { Clock } from "../system/clock.ts";
import { withDeadline } from "../system/signals.ts";
import type { ListStart } from "./follow-step.ts";
import type { ListQuery, ResourcePage, WatchEvent } from "./kubernetes-resources.ts";
import type { ListWatch } from "./list-watch.ts";
import type { ReflectedView } from "./reflected-view.ts";
import type { Replacement } from "./reflector-sink.ts";
import type { ResolvedReflectorSettings } from "./reflector-settings.ts";
import type { WatchConnection } from "./watch-connection.ts";

/** What a list needs, paged or streaming. */
export interface ReflectorListParts<T extends object> {
  readonly source: ListWatch<T>;
  readonly view: ReflectedView<T>;
  readonly settings: ResolvedReflectorSettings;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** A paged list that is under way; it outlives its failure, so that the reader learns where it failed. */
export interface PagedList {
  readonly start: ListStart;
  /** Else everything comes as one page. */
  readonly isPaged: boolean;
  /** How many pages were read. */
  pages: number;
}

/** A connection that is silent for so long before its list is complete will not complete it. */
const longestPauseOfListMs = 30_000;

/** A streaming list that ended before it was complete. */
export class UnfinishedListError extends StorageUnavailableError {}

/** Tells the whole state by pages, and resolves with its revision. */
export async function readPages<T extends object>(
  { source, view, settings, clock, signal }: ReflectorListParts<T>,
  list: PagedList,
  replacement: Replacement<T>,
): Promise<string> {
  const { listTimeoutMs: timeoutMs, pageSize } = settings;
  let revision: string | undefined;
  let query = firstQuery(list, view.revision, pageSize);
  for (;;) {
    const asked = query;
    // One and a half times, as any client of ours settles within that: this one is for clients that never do.
    const deadline = { clock, timeoutMs: timeoutMs * 1.5, signal };
    const ask = (ended: AbortSignal): Promise<ResourcePage<T>> =>
      source.list(asked, { signal: ended, timeoutMs, repeats: false });
    const page = await view.calls.wait(() => withDeadline(deadline, ask));
    signal.throwIfAborted();
    list.pages += 1;
    revision ??= page.resourceVersion;
    const items = counted(page, view);
    if (items.length > 0) await view.calls.make(() => replacement.put(items), signal);
    if (page.continue === undefined || page.continue === "") return revision;
    if (page.continue === asked.continue) throw new UnfinishedListError("the list told the same page twice");
    query = { ...(list.isPaged && { limit: pageSize }), continue: page.continue };
  }
}

function firstQuery({ start, isPaged }: PagedList, revision: string | undefined, limit: number): ListQuery {
  const paged = isPaged ? { limit } : {};
  if (start === "cache") return { ...paged, resourceVersion: "0" };
  if (start === "consistent" || revision === undefined) return paged;
  return { ...paged, resourceVersion: revision, resourceVersionMatch: "NotOlderThan" };
}

/** What counts of a page; where items do not say what they are, the list does, so that all sources tell the same. */
function counted<T extends object>(page: ResourcePage<T>, { check }: ReflectedView<T>): readonly T[] {
  check.learn(page.kind);
  const kind = /^(.+)List$/.exec(page.kind ?? "")?.[1];
  const items = page.items.filter((item) => check.headOf(item) !== undefined);
  if (kind === undefined) return items;
  const { apiVersion } = page;
  const own = { ...(apiVersion !== undefined && { apiVersion }), kind };
  return items.map((item) => (Reflect.has(item, "kind") ? item : { ...own, ...item }));
}

/** Tells the whole state as it is streamed, and resolves with its revision; the connection goes on as a watch. */
export async function readStream<T extends object>(
  { view, settings, signal }: ReflectorListParts<T>,
  connection: WatchConnection<T>,
  replacement: Replacement<T>,
): Promise<string> {
  const patienceMs = Math.min(settings.idleTimeoutMs, longestPauseOfListMs);
  for (;;) {
    const event = await view.calls.wait(() => connection.next(patienceMs));
    signal.throwIfAborted();
    if (event === "closed") throw new UnfinishedListError("the list ended before it was complete");
    if (event === "silent") throw new UnfinishedListError(`nothing came for ${patienceMs} ms of a list`);
    if (event.type === "BOOKMARK") view.check.learn(Reflect.get(event.object, "kind"));
    const revision = endOf(event);
    if (revision !== undefined) return revision;
    if (event.type !== "BOOKMARK") await putEvent(event, view, { replacement, signal });
  }
}

async function putEvent<T extends object>(
  { type, object }: WatchEvent<T>,
  view: ReflectedView<T>,
  { replacement, signal }: { readonly replacement: Replacement<T>; readonly signal: AbortSignal },
): Promise<void> {
  const head = view.check.headOf(object);
  if (head === undefined) return;
  await view.calls.make(() => (type === "DELETED" ? replacement.drop(head) : replacement.put([object])), signal);
}

/** The revision of the bookmark that ends a streaming list. */
function endOf<T extends object>({ type, object }: WatchEvent<T>): string | undefined {
  if (type !== "BOOKMARK") return undefined;
  const metadata = Object(Reflect.get(object, "metadata"));
  const mark: unknown = Reflect.get(Object(Reflect.get(metadata, "annotations")), "k8s.io/initial-events-end");
  const revision: unknown = Reflect.get(metadata, "resourceVersion");
  return mark === "true" && typeof revision === "string" ? revision : undefined;
}
