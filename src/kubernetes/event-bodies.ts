import type { KubernetesResource } from "./kubernetes-resources.ts";

/** The Lease, or the resource of another kind, that an event is about. */
export interface LeaseSubject {
  /** Default: `Lease`. */
  readonly kind?: string;
  /** Default: `coordination.k8s.io/v1`. */
  readonly apiVersion?: string;
  readonly namespace: string;
  readonly name: string;
  /** Absent until the Lease was seen. */
  readonly uid?: string;
}

/** What an event tells. */
export interface EventTold {
  readonly subject: LeaseSubject;
  /** One word; default: `LeaderElection`. */
  readonly reason?: string | undefined;
  /** At most 1 024 bytes, of printable text. */
  readonly note: string;
  /** Who tells; at most 128 bytes. */
  readonly instance: string;
  /** When, as a MicroTime. */
  readonly at: string;
}

const defaultReason = "LeaderElection";
const controller = "tenure";

/** The body of an event in `events.k8s.io/v1`, where action and instance are required. */
export function eventsEvent(name: string, told: EventTold): KubernetesResource {
  const { subject, note, instance, at, reason = defaultReason } = told;
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name, namespace: subject.namespace },
    ...{ type: "Normal", reason, action: reason, note, eventTime: at },
    ...{ reportingController: controller, reportingInstance: instance },
    regarding: reference(subject),
  };
}

/** The body of the same event in the core group, in its old form, which needs no more than the right to create it. */
export function coreEvent(name: string, told: EventTold): KubernetesResource {
  const { subject, note, instance, at, reason = defaultReason } = told;
  const time = `${at.slice(0, 19)}Z`;
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name, namespace: subject.namespace },
    ...{ type: "Normal", reason, message: note, count: 1, firstTimestamp: time, lastTimestamp: time },
    source: { component: controller },
    ...{ reportingComponent: controller, reportingInstance: instance },
    involvedObject: reference(subject),
  };
}

function reference(subject: LeaseSubject): object {
  return { kind: "Lease", apiVersion: "coordination.k8s.io/v1", ...subject };
}
