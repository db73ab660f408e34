import type { KubernetesClient, KubernetesResource, ResourceRef } from "../../src/kubernetes/kubernetes-resources.ts";
import { sleep, type Clock } from "../../src/system/clock.ts";

/** Who follows, what, and until when. */
export interface FollowOptions {
  readonly client: KubernetesClient;
  readonly ref: ResourceRef;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Hears of each change of one resource, as controllers do. A server ends watches as it likes, when a definition is
 * replaced for one: then another one is opened.
 */
export async function followLease(
  options: FollowOptions,
  hear: (object: KubernetesResource, change: "ADDED" | "MODIFIED" | "DELETED") => void,
): Promise<void> {
  const { clock, signal } = options;
  while (!signal.aborted) {
    await follow(options, hear).catch(() => {}); // it is opened again
    await sleep(clock, 100, signal).catch(() => {}); // its end is seen above
  }
}

async function follow({ client, ref, signal }: FollowOptions, hear: Parameters<typeof followLease>[1]): Promise<void> {
  const query = { fieldSelector: `metadata.name=${ref.name}` };
  for await (const { type, object } of client.watch(ref, query, { signal })) {
    if (type !== "ERROR" && type !== "BOOKMARK") hear(object, type);
  }
}
