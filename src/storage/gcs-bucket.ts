import { errorCode } from "../errors.ts";
import type { ProbeFinding } from "./probe.ts";

/**
 * What the settings of a bucket break: renewals overwrite, so nothing may keep an object from that; and nothing may
 * delete one by its age.
 */
export function bucketFindings(bucket: Readonly<Record<string, unknown>>, root: string): readonly ProbeFinding[] {
  const unsafe = (detail: string): ProbeFinding => ({ verdict: "unsafe", detail });
  const { retentionPolicy, defaultEventBasedHold, lifecycle } = bucket;
  const rules: unknown = Reflect.get(Object(lifecycle), "rule");
  const deletes = Array.isArray(rules) && rules.some((rule) => deletesLive(rule, root));
  return [
    ...(retentionPolicy === undefined || retentionPolicy === null
      ? []
      : [unsafe("the bucket has a retention policy, which forbids to renew; use one without")]),
    ...(defaultEventBasedHold === true
      ? [unsafe("the bucket puts new objects on hold, which forbids to renew; turn defaultEventBasedHold off")]
      : []),
    ...(deletes
      ? [unsafe("a lifecycle rule deletes live objects here; limit it to noncurrent ones, or by prefix")]
      : []),
  ];
}

/** What to say where the bucket's settings cannot be read, which needs a right that an election does not need. */
export function bucketSilence(error: unknown): ProbeFinding {
  if (errorCode(error) !== "ACCESS_DENIED") throw error;
  const detail = "retention, holds and lifecycle of the bucket were not read: storage.buckets.get is missing";
  return { verdict: "unproven", detail };
}

function deletesLive(rule: unknown, root: string): boolean {
  const action: unknown = Reflect.get(Object(Reflect.get(Object(rule), "action")), "type");
  const condition = Object(Reflect.get(Object(rule), "condition")) as Record<string, unknown>; // cast: looked at below
  const { isLive, daysSinceNoncurrentTime, noncurrentTimeBefore, numNewerVersions, matchesPrefix } = condition;
  if (action !== "Delete" || isLive === false) return false;
  if ([daysSinceNoncurrentTime, noncurrentTimeBefore, numNewerVersions].some((given) => given !== undefined))
    return false;
  if (!Array.isArray(matchesPrefix)) return true;
  return matchesPrefix.some(
    (prefix) => typeof prefix === "string" && (prefix.startsWith(root) || root.startsWith(prefix)),
  );
}
