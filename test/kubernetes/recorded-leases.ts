import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { KubernetesResource } from "../../src/kubernetes/kubernetes-resources.ts";

/** One line of a recording of gke-labs/multicluster-leader-election: two clusters, its controllers and its lock. */
export interface Recorded {
  readonly atMs: number;
  readonly source: "script" | "cluster-1" | "cluster-2" | "bucket" | "candidate-a" | "candidate-b" | "candidate-c";
  readonly event: string;
  /** As the API server had it. */
  readonly object?: KubernetesResource;
  /** As the bucket had it. */
  readonly body?: string;
}

/** The whole recording, oldest first. */
export function recordedLeases(): readonly Recorded[] {
  const path = join(import.meta.dirname, "fixtures", "multi-cluster-lease.jsonl");
  const lines = readFileSync(path, "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as Recorded); // cast: the form of the recording
}

/** What happened to the MultiClusterLease of one cluster. */
export function recordedObjects(source: Recorded["source"]): readonly KubernetesResource[] {
  return recordedLeases().flatMap((line) => (line.source === source && line.object ? [line.object] : []));
}
