import {
  defaultGroup,
  multiClusterLeaseBounds,
  multiClusterLeaseNames,
  renewTimePattern,
} from "./multi-cluster-lease.ts";
import { yamlText, type YamlValue } from "./yaml-text.ts";

const { holderIdentity: mostCharacters, seconds: mostSeconds } = multiClusterLeaseBounds;

/**
 * The definition (CRD) of MultiClusterLease as YAML, for `kubectl apply`. It has the names, types, status and columns
 * of gke-labs/multicluster-leader-election, so that either may be applied over the other; it adds two fields, two wide
 * columns, and bounds that refuse nothing which a Go candidate writes.
 */
export function multiClusterLeaseCrd(group: string = defaultGroup): string {
  return yamlText(multiClusterLeaseDefinition(group));
}

/** The same as data. */
export function multiClusterLeaseDefinition(group: string = defaultGroup): { readonly [key: string]: YamlValue } {
  const { version, kind, listKind, plural, singular } = multiClusterLeaseNames;
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      names: { kind, listKind, plural, singular },
      scope: "Namespaced",
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          additionalPrinterColumns: columns,
          schema: { openAPIV3Schema: schema },
          subresources: { status: {} },
        },
      ],
    },
  };
}

const columns: readonly YamlValue[] = [
  { name: "Holder (Spec)", type: "string", jsonPath: ".spec.holderIdentity" },
  { name: "Leader (Status)", type: "string", jsonPath: ".status.globalHolderIdentity" },
  { name: "Renew Time (Status)", type: "string", format: "date-time", jsonPath: ".status.globalRenewTime" },
  { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
  { name: "Term", type: "integer", priority: 1, jsonPath: ".status.globalLeaseTransitions" },
  {
    ...{ name: "Healthy", type: "string", priority: 1 },
    jsonPath: '.status.conditions[?(@.type=="BackendHealthy")].status',
  },
];

const spec: YamlValue = {
  type: "object",
  description: "What a candidate of this cluster asks for.",
  properties: {
    holderIdentity: {
      ...text("Who asks for the lease; empty if nobody does."),
      maxLength: mostCharacters,
    },
    leaseDurationSeconds: seconds("How long other candidates wait for this one, once it is the holder.", 1),
    leaseTransitions: {
      ...int32("The term that is held, by a renewal, or asked for, by an acquisition."),
      minimum: 0,
    },
    renewDeadlineSeconds: seconds("How long the signal is worth acting on.", 1),
    renewTime: {
      ...text("The signal: a time that is never used twice. Absent beside a holder, it says that this one releases."),
      format: "date-time",
      pattern: renewTimePattern,
    },
    retryPeriodSeconds: seconds("How often the controller looks by itself. A Go controller stops at 0.", 0),
  },
};

const status: YamlValue = {
  type: "object",
  description: "What the controller of this cluster answers.",
  properties: {
    conditions: conditions(),
    globalAcquireTime: text("When the term began, as the signal that began it."),
    globalHolderIdentity: text("Who holds the lease in the storage; absent if nobody does."),
    globalLeaseDurationSeconds: int32("How long others wait for this holder."),
    globalLeaseTransitions: int32("The term, which grows with each acquisition: the fencing token."),
    globalRenewTime: text("The signal that the last write to the storage confirmed."),
    observedGeneration: {
      type: "integer",
      format: "int64",
      description: "The generation of the spec that this status answers.",
    },
  },
};

const schema: YamlValue = {
  type: "object",
  description: "A lease that candidates in many clusters contend for. Its key is namespace and name, in every cluster.",
  properties: {
    apiVersion: text("The group and version of this object."),
    kind: text("The kind of this object."),
    metadata: { type: "object" },
    spec,
    status,
  },
};

/** As `metav1.Condition` is defined everywhere; an atomic list, as lists are that say nothing else. */
function conditions(): YamlValue {
  const word = String.raw`([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]`;
  const label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
  const domain = String.raw`(${label}(\.${label})*/)?`;
  return {
    type: "array",
    description: "What is known of the storage, of the lock in it, and of the candidate here.",
    items: {
      type: "object",
      required: ["lastTransitionTime", "message", "reason", "status", "type"],
      properties: {
        lastTransitionTime: { ...text("When the status of the condition changed."), format: "date-time" },
        message: { ...text("For people."), maxLength: 32_768 },
        observedGeneration: {
          ...{ type: "integer", format: "int64", minimum: 0 },
          description: "The generation of the spec that the condition is about.",
        },
        reason: {
          ...text("For programs."),
          ...{ minLength: 1, maxLength: 1_024, pattern: "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$" },
        },
        status: { ...text("Whether it holds."), enum: ["True", "False", "Unknown"] },
        type: { ...text("Which condition."), maxLength: 316, pattern: `^${domain}(${word})$` },
      },
    },
  };
}

function text(description: string): { readonly [key: string]: YamlValue } {
  return { type: "string", description };
}

function int32(description: string): { readonly [key: string]: YamlValue } {
  return { type: "integer", format: "int32", description };
}

function seconds(description: string, minimum: number): YamlValue {
  return { ...int32(description), minimum, maximum: mostSeconds };
}
