import { microTimeInUtc } from "../kubernetes/micro-time.ts";
import type { KubernetesResource } from "../kubernetes/kubernetes-resources.ts";
import { refusal, type FakeAnswer } from "./fake-kubernetes-answer.ts";

type Spec = Readonly<Record<string, unknown>>;

const greatestInt32 = 2 ** 31 - 1;
const coordinated = ["strategy", "preferredHolder"] as const;

/**
 * What kube-apiserver does with a Lease before it is stored: times have six digits (400) and come back in UTC, numbers
 * are in range (422), a preferred holder needs a strategy (422). Without the feature, fields of coordinated election
 * are dropped in silence unless they were stored before.
 */
export function admitLease(
  lease: KubernetesResource,
  previous: KubernetesResource | undefined,
  { coordinatedElection }: { readonly coordinatedElection: boolean },
): { readonly lease: KubernetesResource } | { readonly refused: FakeAnswer } {
  const given = lease["spec"];
  if (given === undefined || given === null) return { lease };
  if (typeof given !== "object" || Array.isArray(given)) return { refused: badRequest("spec is no object") };
  let spec: Spec = { ...given };
  for (const field of ["acquireTime", "renewTime"]) {
    const time = spec[field];
    if (time === undefined || time === null) continue;
    const utc = typeof time === "string" && /\.\d{6}(Z|[+-]\d\d:\d\d)$/.test(time) ? microTimeInUtc(time) : undefined;
    if (utc === undefined) return { refused: badRequest(`parsing time ${JSON.stringify(time)}: cannot parse`) };
    spec = { ...spec, [field]: utc };
  }
  if (!coordinatedElection) spec = withoutNew(spec, previous?.["spec"]);
  const problem = rangeProblem(spec);
  return problem === undefined ? { lease: { ...lease, spec } } : { refused: problem };
}

function withoutNew(spec: Spec, before: unknown): Spec {
  const isStored = (field: string): boolean =>
    typeof before === "object" && before !== null && Reflect.get(before, field) !== undefined;
  const dropped: readonly string[] = coordinated.some(isStored) ? [] : coordinated;
  return Object.fromEntries(Object.entries(spec).filter(([field]) => !dropped.includes(field)));
}

function rangeProblem(spec: Spec): FakeAnswer | undefined {
  for (const [field, least] of [
    ["leaseDurationSeconds", 1],
    ["leaseTransitions", 0],
  ] as const) {
    const value = spec[field];
    if (value === undefined || value === null) continue;
    if (typeof value !== "number" || !Number.isInteger(value) || Math.abs(value) > greatestInt32)
      return badRequest(`cannot unmarshal spec.${field} into an int32`);
    if (value < least) return invalid(`spec.${field}`, `must be at least ${least}`);
  }
  for (const field of ["holderIdentity", ...coordinated]) {
    const value = spec[field];
    if (value !== undefined && value !== null && typeof value !== "string")
      return badRequest(`cannot unmarshal spec.${field} into a string`);
  }
  if (spec["preferredHolder"] && !spec["strategy"])
    return invalid("spec.preferredHolder", "can only be specified when strategy is set");
  return undefined;
}

function badRequest(message: string): FakeAnswer {
  return refusal(400, { reason: "BadRequest", message });
}

function invalid(field: string, message: string): FakeAnswer {
  const causes = [{ reason: "FieldValueInvalid", message, field }];
  return refusal(422, { reason: "Invalid", message: `${field}: ${message}` }, { kind: "Lease", causes });
}
