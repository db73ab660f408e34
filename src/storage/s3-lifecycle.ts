import type { ProbeFinding } from "./probe.ts";
import type { S3Answer } from "./s3-bucket.ts";

/** What the lifecycle rules of a bucket do to objects whose names begin with `prefix`. */
export function lifecycleFindings({ Rules: rules }: S3Answer, prefix: string): readonly ProbeFinding[] {
  if (!Array.isArray(rules)) return [];
  return rules.flatMap((rule: unknown): readonly ProbeFinding[] => {
    const fields = fieldsOf(rule);
    if (fields["Status"] !== "Enabled" || !removes(fieldsOf(fields["Expiration"]))) return [];
    const start = startOf(fields);
    if (start === undefined || !(prefix.startsWith(start) || start.startsWith(prefix))) return [];
    const what = "a lifecycle rule of the bucket removes leases, and with them the numbers of their terms";
    return [{ verdict: "unsafe", detail: `${what}; end it, or let it leave out "${prefix}"` }];
  });
}

/** An expiration that only tidies up markers of deletions removes no object. */
function removes(expiration: S3Answer): boolean {
  return expiration["Days"] !== undefined || expiration["Date"] !== undefined;
}

/** What the names begin with that a rule is for; `undefined` if it is for tagged objects, which ours are not. */
function startOf(rule: S3Answer): string | undefined {
  const filter = fieldsOf(rule["Filter"]);
  const both = fieldsOf(filter["And"]);
  if (filter["Tag"] !== undefined || (Array.isArray(both["Tags"]) && both["Tags"].length > 0)) return undefined;
  const start = rule["Prefix"] ?? filter["Prefix"] ?? both["Prefix"] ?? "";
  return typeof start === "string" ? start : "";
}

function fieldsOf(value: unknown): S3Answer {
  return Object(value) as S3Answer; // cast: Object() made one; every field is looked at
}
