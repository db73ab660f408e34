import type { ResourceHead } from "../resources/identity.ts";
import { compareRevisions } from "../resources/revision.ts";
import type { KnownResource, ReflectedAt, ReflectedChange } from "./reflector-sink.ts";

/** One event of a watch, as far as it matters here. */
export interface ReflectedEvent<T> {
  readonly isDeletion: boolean;
  readonly head: ResourceHead;
  readonly resource: T;
  /** Of the whole view, before this event. */
  readonly revision: string | undefined;
}

/**
 * What an event changes for a sink that holds `known` under its identity: nothing, one change, or the end of one life
 * and the begin of the next. `undefined`: it is a repetition, or older than what was seen.
 *
 * One stream tells in order, so what has an order and lies below the view was told before: also what was deleted since,
 * and earlier lives under the same name, for which uid and version of what is held say nothing.
 */
export function changesOf<T>(
  event: ReflectedEvent<T>,
  known: KnownResource | undefined,
): readonly ReflectedChange<T>[] | undefined {
  const { isDeletion, head, resource } = event;
  const { namespace, name, uid, version } = head;
  const revision = newerOf(event.revision, version);
  const at: ReflectedAt = { identity: { namespace, name }, uid, version, revision };
  // Some servers tell a deletion with the version that was deleted: no repetition looks like that.
  const isEnd = isDeletion && known !== undefined && isRepeated(known, head);
  if (!isEnd && isOld(event, known)) return undefined;
  if (isDeletion) return known === undefined ? [] : [{ ...at, kind: "deleted", resource }];
  if (known === undefined) return [{ ...at, kind: "created", resource }];
  if (known.uid === uid) return [{ ...at, kind: "modified", resource }];
  return [
    { ...at, ...known, kind: "deleted", resource: undefined },
    { ...at, kind: "created", resource },
  ];
}

function isOld<T>({ isDeletion, head, revision }: ReflectedEvent<T>, known: KnownResource | undefined): boolean {
  if (isBelow(head.version, revision)) return true;
  if (known === undefined) return false;
  if (isRepeated(known, head)) return true;
  // Another life that ended before this one began, or this one at an earlier time.
  return (isDeletion || known.uid === head.uid) && isBelow(head.version, known.version);
}

/** The newer one; without an order, the later one. */
export function newerOf(before: string | undefined, next: string | undefined): string | undefined {
  return next === undefined || isBelow(next, before) ? before : next;
}

/** Whether two heads name the same state: uid and version are there on both sides, and equal. */
export function isRepeated(known: KnownResource, { uid, version }: KnownResource): boolean {
  return uid !== undefined && version !== undefined && known.uid === uid && known.version === version;
}

function isBelow(version: string | undefined, other: string | undefined): boolean {
  if (version === undefined || other === undefined) return false;
  const order = compareRevisions(version, other);
  return order !== undefined && order < 0;
}
