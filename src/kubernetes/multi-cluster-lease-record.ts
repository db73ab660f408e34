import { CorruptDataError } from "../errors.ts";
import { checkRecord, type CheckedRecord, type RecordSource } from "../lock/record-codec.ts";
import { preferredHolderAnnotation } from "./lease-record.ts";
import { ownNumber } from "./own-names.ts";
import type { OwnSignals } from "./own-signals.ts";
import { isFree, isGoStatus, type ShownLease } from "./shown-lease.ts";

/** Whose eyes a status is read with. */
export interface RecordReader {
  readonly identity: string;
  readonly own: OwnSignals;
}

/**
 * The record that a status tells. One's own names read as the identity, and one's own signal as the text by which the
 * caller knows it; under a Go controller, whose stamps name no signal, one's own holding carries the signal that was
 * confirmed last.
 *
 * @throws {CorruptDataError} as `checkRecord`.
 */
export function shownRecord(shown: ShownLease, reader: RecordReader, source: RecordSource): CheckedRecord {
  const { status } = shown;
  if (shown.problems.length > 0) throw unreadable(shown.problems, source);
  const holder = status === undefined || isFree(status) ? "" : status.globalHolderIdentity;
  const isMine = ownNumber(reader.identity, holder) !== undefined;
  const preferred: unknown = shown.resource.metadata?.annotations?.[preferredHolderAnnotation];
  return checkRecord(
    {
      holderIdentity: isMine ? reader.identity : holder,
      leaseDurationSeconds: status?.globalLeaseDurationSeconds ?? specSeconds(shown),
      acquireTime: status?.globalAcquireTime,
      renewTime: isMine ? ownTime(shown, reader) : status?.globalRenewTime,
      leaderTransitions: status?.globalLeaseTransitions ?? 0,
      preferredHolder: preferred,
    },
    source,
  );
}

function ownTime({ status }: ShownLease, { own }: RecordReader): string | undefined {
  if (status?.globalRenewTime === undefined) return undefined;
  if (!isGoStatus(status)) return own.knownAs(status.globalRenewTime);
  return own.holding?.signal.knownAs ?? status.globalRenewTime;
}

function specSeconds({ resource }: ShownLease): unknown {
  const spec: unknown = resource["spec"];
  return typeof spec === "object" && spec !== null
    ? (Reflect.get(spec, "leaseDurationSeconds") ?? undefined)
    : undefined;
}

function unreadable(problems: readonly string[], source: RecordSource): CorruptDataError {
  const { storage, key = "" } = source;
  const message = `cannot read the status of "${key}" in ${storage}: ${problems.slice(0, 5).join("; ")}`;
  return new CorruptDataError(message, { operation: "read", ...source });
}
