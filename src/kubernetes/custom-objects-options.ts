import type { ApiCall } from "./api-error.ts";
import type { RequestAttempt } from "./kubernetes-call.ts";

/** What a request of the generated client lets a middleware change. */
interface RequestContextLike {
  setHeaderParam?(key: string, value: string): void;
  setSignal?(signal: AbortSignal): void;
}

/**
 * The options of one call of the generated client. It has none for a signal or a content type, so both get in by a
 * middleware, after those of the client: otherwise a patch would be sent as a JSON Patch.
 */
export function requestOptions({ operation }: ApiCall, { signal }: Pick<RequestAttempt, "signal">): object {
  const pre = (context: RequestContextLike): object => {
    signal.throwIfAborted(); // a call that is over sends nothing
    context.setSignal?.(signal);
    if (operation === "patch") context.setHeaderParam?.("Content-Type", "application/merge-patch+json");
    return observable(context);
  };
  return { middleware: [{ pre, post: observable }], middlewareMergeStrategy: "append" };
}

/** The part of its `Observable` that the generated client calls. */
function observable<T>(value: T): { toPromise(): Promise<T> } {
  return { toPromise: () => Promise.resolve(value) };
}
