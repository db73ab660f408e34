import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import { checkRecord, type CheckedRecord, type RecordSource } from "../lock/record-codec.ts";
import type { Version } from "../storage/versioned-storage.ts";
import type { KubernetesResource } from "./kubernetes-resources.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Where a preferred holder lives on a server that keeps no such field, or refuses it beside no strategy. */
export const preferredHolderAnnotation: string = "tenure/preferred-holder";

/** Differs between two writes that change nothing else: the server would skip the second, and repeat its version. */
const rewriteAnnotation = "tenure/rewritten-after";

/**
 * Reads a Lease that anybody may have written, with the checks of `checkRecord`. A field that is absent or `null`, and
 * a whole spec that is, reads as free, as term 0, and as no time.
 *
 * @throws {CorruptDataError} as `checkRecord`.
 */
export function leaseToRecord(lease: KubernetesResource, source: RecordSource): CheckedRecord {
  const given = lease["spec"] ?? {};
  if (typeof given !== "object" || Array.isArray(given)) return checkRecord(given, source); // which throws
  const preferred: unknown = Reflect.get(given, "preferredHolder");
  return checkRecord(
    {
      holderIdentity: Reflect.get(given, "holderIdentity"),
      leaseDurationSeconds: Reflect.get(given, "leaseDurationSeconds") ?? undefined,
      acquireTime: Reflect.get(given, "acquireTime"),
      renewTime: Reflect.get(given, "renewTime"),
      leaderTransitions: Reflect.get(given, "leaseTransitions") ?? 0,
      strategy: Reflect.get(given, "strategy"),
      preferredHolder: preferred === "" ? undefined : (preferred ?? annotationsOf(lease)[preferredHolderAnnotation]),
    },
    source,
  );
}

/**
 * `lease` with the fields of the election replaced by those of `record`, and with these labels restored. All else stays
 * as it was read: fields that we do not know, labels and annotations of others, the strategy, and a preferred holder
 * that the server's own election has set, until it holds the lease.
 */
export function recordToLease(
  record: LeaderElectionRecord,
  lease: KubernetesResource,
  labels: Readonly<Record<string, string>>,
): KubernetesResource {
  const before = specOf(lease);
  const metadata = { ...lease.metadata };
  const allLabels = { ...metadata.labels, ...labels };
  const annotations = annotationsAfter(record, lease);
  const { labels: _labels, annotations: _annotations, ...rest } = metadata;
  return {
    ...lease,
    metadata: {
      ...rest,
      ...(Object.keys(allLabels).length > 0 && { labels: allLabels }),
      ...(Object.keys(annotations).length > 0 && { annotations }),
    },
    spec: specAfter(record, before),
  };
}

/** `<uid>/<resourceVersion>`; `undefined` for what no write could name. */
export function leaseVersion(lease: KubernetesResource): Version | undefined {
  const { uid, resourceVersion } = lease.metadata ?? {};
  if (typeof uid !== "string" || uid === "" || typeof resourceVersion !== "string" || resourceVersion === "")
    return undefined;
  return `${uid}/${resourceVersion}` as Version; // cast: the brand of a version of a Lease
}

/** The same write, made to differ from what is stored under this version. */
export function rewritten(lease: KubernetesResource, version: string): KubernetesResource {
  const annotations = { ...lease.metadata?.annotations, [rewriteAnnotation]: version };
  return { ...lease, metadata: { ...lease.metadata, annotations } };
}

function specAfter(record: LeaderElectionRecord, before: Fields): Fields {
  const released = record.holderIdentity === "";
  const duration = released ? 1 : record.leaseDurationSeconds;
  const acquireTime = released ? record.renewTime : record.acquireTime;
  const strategy = record.strategy ?? before["strategy"];
  const kept = before["preferredHolder"] === record.holderIdentity ? undefined : before["preferredHolder"];
  // Without a strategy servers refuse the field: then the annotation alone has it.
  const preferredHolder = strategy ? (record.preferredHolder ?? kept) : undefined;
  return withFields(before, {
    holderIdentity: record.holderIdentity,
    leaseDurationSeconds: duration,
    acquireTime: acquireTime || undefined,
    renewTime: record.renewTime || undefined,
    leaseTransitions: record.leaderTransitions,
    strategy,
    preferredHolder,
  });
}

/** Each field replaced where it stood; `undefined` takes it away. */
function withFields(before: Fields, changes: Fields): Fields {
  return Object.fromEntries(Object.entries({ ...before, ...changes }).filter(([, value]) => value !== undefined));
}

function annotationsAfter(record: LeaderElectionRecord, lease: KubernetesResource): Readonly<Record<string, string>> {
  const { [preferredHolderAnnotation]: _preferred, [rewriteAnnotation]: _rewrite, ...others } = annotationsOf(lease);
  if (record.preferredHolder === undefined) return others;
  // Beside a strategy, too: a server that does not know both drops the field without a word.
  return { ...others, [preferredHolderAnnotation]: record.preferredHolder };
}

function annotationsOf(lease: KubernetesResource): Readonly<Record<string, string>> {
  return lease.metadata?.annotations ?? {};
}

function specOf(lease: KubernetesResource): Fields {
  const given = lease["spec"];
  return typeof given === "object" && given !== null && !Array.isArray(given) ? { ...given } : {};
}
