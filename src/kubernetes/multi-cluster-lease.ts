import { printable } from "../system/logger.ts";
import type { KubernetesResource, ResourceKind, ResourceMetadata } from "./kubernetes-resources.ts";
import { parseWireTime } from "./micro-time.ts";

/** The API group of gke-labs/multicluster-leader-election, whose resources ours are. */
export const defaultGroup: string = "multicluster.core.cnrm.cloud.google.com";

/** The names of the resource, and the version in which it is served and stored. */
export const multiClusterLeaseNames = {
  version: "v1alpha1",
  kind: "MultiClusterLease",
  listKind: "MultiClusterLeaseList",
  plural: "multiclusterleases",
  singular: "multiclusterlease",
} as const;

/** What fields may hold; the definition (CRD) and the reading of a spec know no other bounds. */
export const multiClusterLeaseBounds: {
  readonly holderIdentity: number;
  readonly seconds: number;
  readonly int32: number;
} = {
  /** Characters of a holder's identity. */
  holderIdentity: 1_024,
  /** Of every duration, in seconds: a day. */
  seconds: 86_400,
  int32: 2 ** 31 - 1,
};

/** Exactly six digits and `Z`: one object with any other renew time, and a Go controller can decode no list at all. */
export const renewTimePattern: string = String.raw`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$`;

/** What a candidate asks for. */
export interface MultiClusterLeaseSpec {
  /** Who asks; `""`: nobody. */
  readonly holderIdentity: string;
  /** The signal: a text that is never used twice. Absent beside a holder: that holder releases. */
  readonly renewTime?: string;
  /** How long others wait for this holder. */
  readonly leaseDurationSeconds?: number;
  /** How long a signal is worth acting on. */
  readonly renewDeadlineSeconds?: number;
  /** How often the controller looks by itself. */
  readonly retryPeriodSeconds?: number;
  /** The term that is held, by a renewal, or asked for, by an acquisition. */
  readonly leaseTransitions?: number;
}

/** One of the conditions of a status, as in `metav1.Condition`. */
export interface Condition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
  /** When `status` changed, as the text that is stored. */
  readonly lastTransitionTime: string;
  /** The generation of the spec that it is about. */
  readonly observedGeneration?: number;
}

/** What a controller answers. */
export interface MultiClusterLeaseStatus {
  /** The generation of the spec that all of this answers. */
  readonly observedGeneration?: number;
  /** The holder in the storage; `""`: free. */
  readonly globalHolderIdentity: string;
  /**
   * The signal that the last global write confirmed, by our controller; one without a fraction is the clock of a Go
   * controller.
   */
  readonly globalRenewTime?: string;
  /** How long others wait for this holder, as it is stored: it may be out of range. */
  readonly globalLeaseDurationSeconds?: number;
  /** The term. */
  readonly globalLeaseTransitions?: number;
  /** When the term began; upstream's definition drops it. */
  readonly globalAcquireTime?: string;
  readonly conditions: readonly Condition[];
}

/** A MultiClusterLease, as far as it was looked at. */
export interface MultiClusterLease extends KubernetesResource {
  readonly metadata?: ResourceMetadata & {
    readonly generation?: number;
    readonly finalizers?: readonly string[];
    readonly deletionTimestamp?: string;
  };
}

/** Why something cannot be read: everything that is wrong, each with its field and value. */
export interface Unreadable {
  readonly problems: readonly string[];
}

/** Where the resources of a namespace are. */
export function multiClusterLeaseKind({
  namespace,
  group = defaultGroup,
}: {
  readonly namespace: string;
  readonly group?: string;
}): ResourceKind {
  const { version, plural } = multiClusterLeaseNames;
  return { group, version, plural, namespace };
}

/** What our controller, and that of the group's owner, puts on a resource before its first global write. */
export function finalizerOf(group: string): string {
  // Upstream's own is not <group>/finalizer.
  return group === defaultGroup ? "multiclusterlease.core.cnrm.cloud.google.com/finalizer" : `${group}/finalizer`;
}

/**
 * Reads the spec, which anybody may have written: types, sizes and ranges are checked, only own fields are looked at.
 * What is absent or `null` is absent; a spec that is, asks for nothing.
 */
export function readSpec(resource: KubernetesResource): { readonly spec: MultiClusterLeaseSpec } | Unreadable {
  const fields = new Fields(resource, "spec");
  const most = multiClusterLeaseBounds.seconds;
  const spec = {
    holderIdentity: fields.identity("holderIdentity"),
    ...fields.time("renewTime", { empty: "wrong" }), // no text is no release
    ...fields.integer("leaseDurationSeconds", { least: 1, most }),
    ...fields.integer("renewDeadlineSeconds", { least: 1, most }),
    ...fields.integer("retryPeriodSeconds", { least: 0, most }),
    ...fields.integer("leaseTransitions", { least: 0 }),
  };
  return fields.problems.length > 0 ? { problems: fields.problems } : { spec };
}

/**
 * Reads the status. A duration is any int32: what counts as none is for `checkRecord` to say, so that a strange one
 * never means "expired".
 */
export function readStatus(resource: KubernetesResource): { readonly status: MultiClusterLeaseStatus } | Unreadable {
  const fields = new Fields(resource, "status");
  const status = {
    ...fields.integer("observedGeneration", { least: 0, most: Number.MAX_SAFE_INTEGER }),
    globalHolderIdentity: fields.identity("globalHolderIdentity"),
    ...fields.time("globalRenewTime", { empty: "absent" }),
    ...fields.integer("globalLeaseDurationSeconds", { least: -multiClusterLeaseBounds.int32 - 1 }),
    ...fields.integer("globalLeaseTransitions", { least: 0 }),
    ...fields.time("globalAcquireTime", { empty: "absent" }),
    conditions: fields.list("conditions", mostConditions).map((value, index) => readCondition(fields, value, index)),
  };
  return fields.problems.length > 0 ? { problems: fields.problems } : { status };
}

/** The condition of this type, if there is one. */
export function conditionOf({ conditions }: MultiClusterLeaseStatus, type: string): Condition | undefined {
  return conditions.find((condition) => condition.type === type);
}

const mostConditions = 32;
const longestTime = 64;
const longestText = 32_768;

const conditionStates = ["True", "False", "Unknown"] as const;

function readCondition(outer: Fields, value: unknown, index: number): Condition {
  const fields = new Fields({ [`conditions[${index}]`]: value }, `conditions[${index}]`, outer.problems);
  const state = conditionStates.find((one) => one === fields.text("status"));
  if (state === undefined) fields.problem("status", fields.own("status"), `one of ${conditionStates.join(", ")}`);
  return {
    type: fields.text("type"),
    status: state ?? "Unknown",
    reason: fields.text("reason"),
    message: fields.text("message"),
    lastTransitionTime: fields.text("lastTransitionTime"),
    ...fields.integer("observedGeneration", { least: 0, most: Number.MAX_SAFE_INTEGER }),
  };
}

/** The fields of one object that anybody may have written, and what is wrong with them. */
class Fields {
  readonly problems: string[];
  readonly #name: string;
  readonly #object: object;

  constructor(parent: object, name: string, problems: string[] = []) {
    this.problems = problems;
    this.#name = name;
    const value: unknown = Object.hasOwn(parent, name) ? Reflect.get(parent, name) : undefined;
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    this.#object = isObject ? value : {};
    if (!isObject && value !== undefined && value !== null) problems.push(`${name} is ${shown(value)}, not an object`);
  }

  /** What is there; `undefined` for `null`, too, and for what only a prototype has. */
  own(field: string): unknown {
    return Object.hasOwn(this.#object, field) ? (Reflect.get(this.#object, field) ?? undefined) : undefined;
  }

  problem(field: string, value: unknown, wanted: string): void {
    this.problems.push(`${this.#name}.${field} is ${shown(value)}, not ${wanted}`);
  }

  /** `""` if absent. */
  text(field: string, most: number = longestText): string {
    const value = this.own(field) ?? "";
    if (typeof value === "string" && value.length <= most) return value;
    this.problem(field, value, `text of at most ${most} characters`);
    return "";
  }

  identity(field: string): string {
    const most = multiClusterLeaseBounds.holderIdentity;
    // Counted as the server does: a character is a code point, which JavaScript may keep in two halves.
    const value = this.text(field, 2 * most);
    if (value.length <= most || Array.from(value).length <= most) return value;
    this.problem(field, value, `text of at most ${most} characters`);
    return "";
  }

  /** A time as others write it; its text is kept. */
  time<Name extends string>(
    field: Name,
    { empty }: { empty: "absent" | "wrong" },
  ): { readonly [name in Name]?: string } {
    const value = this.own(field);
    if (value === undefined || (value === "" && empty === "absent")) return {};
    if (typeof value === "string" && value.length <= longestTime && parseWireTime(value) !== undefined) {
      return { [field]: value } as { readonly [name in Name]?: string }; // cast: the one field of that name
    }
    this.problem(field, value, "a time of RFC 3339");
    return {};
  }

  integer<Name extends string>(
    field: Name,
    { least, most = multiClusterLeaseBounds.int32 }: { readonly least: number; readonly most?: number },
  ): { readonly [name in Name]?: number } {
    const value = this.own(field);
    if (value === undefined) return {};
    if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) {
      return { [field]: value } as { readonly [name in Name]?: number }; // cast: the one field of that name
    }
    this.problem(field, value, `an integer from ${least} to ${most}`);
    return {};
  }

  list(field: string, most: number): readonly unknown[] {
    const value = this.own(field) ?? [];
    if (Array.isArray(value) && value.length <= most) return value;
    this.problem(field, value, `a list of at most ${most}`);
    return [];
  }
}

/** A foreign value in a few characters, fit for a log line. */
function shown(value: unknown): string {
  if (typeof value === "string") return `"${printable(value, 40)}"`;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return value === undefined ? "absent" : `a value of type ${typeof value}`;
}
