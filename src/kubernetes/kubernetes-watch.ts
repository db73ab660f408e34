import { ClosedError, StorageUnavailableError, TenureError } from "../errors.ts";
import { linkSignals } from "../system/signals.ts";
import { apiError, describe, whereOf, type ApiCall } from "./api-error.ts";
import { asWatchEvent, parsed } from "./kubernetes-resource-shape.ts";
import { kubernetesCall, type CallParts, type RequestAttempt } from "./kubernetes-call.ts";
import { kubernetesLines } from "./kubernetes-lines.ts";
import { maxResourceBytes, thrown } from "./kubernetes-answers.ts";
import type { WatchEvent, WatchOptions } from "./kubernetes-resources.ts";
import { wholeAnswer, type KubernetesTransport } from "./kubernetes-transport.ts";
import { malformedReason } from "./watch-trouble.ts";

/** What `watchLines` needs. */
export interface WatchParts extends CallParts {
  readonly transport: KubernetesTransport;
  readonly path: string;
}

/**
 * The events of one connection, as fast as they are taken: a slow reader slows the server. It ends when the server
 * ends it, or without an error when `signal` falls; then its socket is destroyed.
 *
 * @throws {StorageUnavailableError} when it breaks, and at a line that is too long or no event: it may hide a change.
 */
export async function* watchLines(
  call: ApiCall,
  parts: WatchParts,
  { signal, onSkipped }: WatchOptions,
): AsyncGenerator<WatchEvent, void, undefined> {
  if (signal.aborted) return;
  const over = linkSignals(signal, parts.closing);
  try {
    const response = await kubernetesCall(call, parts, { signal }, (attempt) => open(call, parts, over, attempt));
    for await (const line of kubernetesLines(response, maxResourceBytes)) {
      if (over.signal.aborted) break;
      const event = line === undefined ? undefined : asWatchEvent(parsed(line));
      if (event === undefined) throw broken(call);
      if (event === "unknown") onSkipped?.();
      else yield event;
    }
    parts.closing.throwIfAborted();
  } catch (error) {
    if (signal.aborted) return;
    if (parts.closing.aborted) throw new ClosedError(describe(call, "the client is closed"), whereOf(call));
    throw error instanceof TenureError ? error : apiError(call, { failure: error, sent: true });
  } finally {
    over.abort(new Error("the watch is over"));
    over.unlink();
  }
}

type Over = ReturnType<typeof linkSignals>;

/** The deadline is that of the opening; the connection lives until `over` falls. */
async function open(call: ApiCall, { transport, path }: WatchParts, over: Over, attempt: RequestAttempt) {
  attempt.signal.addEventListener("abort", () => over.abort(attempt.signal.reason), { once: true });
  const living = { signal: over.signal, progress: attempt.progress };
  let response = await transport.open("watch", { method: "GET", path }, living);
  if (response.statusCode === 401) {
    transport.forgetTokens();
    response.destroy();
    response = await transport.open("watch", { method: "GET", path }, living);
  }
  if (response.statusCode === 200) return response;
  throw thrown(call, apiError(call, await wholeAnswer(response, 0)));
}

function broken(call: ApiCall): StorageUnavailableError {
  const why = `a line is no event, is not whole, or has more than ${maxResourceBytes} bytes`;
  return Object.assign(new StorageUnavailableError(describe(call, why), whereOf(call)), { reason: malformedReason });
}
