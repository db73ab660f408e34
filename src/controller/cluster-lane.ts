import type { KubernetesResource, ResourceRef, WriteAnswer } from "../kubernetes/kubernetes-resources.ts";
import type { CallOptions } from "../storage/versioned-storage.ts";
import { sleep } from "../system/clock.ts";
import { withDeadline } from "../system/signals.ts";
import type { ControllerParts, Guard } from "./controller-parts.ts";

/** What came of a request to the cluster. */
export type ClusterNews =
  | { readonly kind: "patched"; readonly resource: KubernetesResource; readonly sentMs: number }
  /** After a conflict or a failure, or as asked for: as it is now; `undefined`: it is gone. */
  | { readonly kind: "read"; readonly resource: KubernetesResource | undefined; readonly sentMs: number }
  /** Not even that could be read: plan again. */
  | { readonly kind: "failed"; readonly error: unknown };

/** One patch of the resource. */
export interface ClusterPatch {
  readonly body: object;
  readonly subresource?: "status";
}

/** What a lane needs. */
export type ClusterLaneParts = Pick<
  ControllerParts,
  "client" | "clock" | "random" | "callTimeoutMs" | "slots" | "metrics"
>;

const firstPauseMs = 100;
const longestPauseMs = 5_000;

/**
 * The patches of one MultiClusterLease, one at a time. Each names the version that it was made for; after a conflict or
 * a failure the resource is read and told, so that the next plan writes at once, then after 100 ms to 5 s.
 */
export class ClusterLane {
  readonly #ref: ResourceRef;
  readonly #parts: ClusterLaneParts;
  readonly #hear: (news: ClusterNews, patch: ClusterPatch | undefined) => void;
  #busy = false;
  #failures = 0;

  constructor(
    ref: ResourceRef,
    parts: ClusterLaneParts,
    hear: (news: ClusterNews, patch: ClusterPatch | undefined) => void,
  ) {
    this.#ref = ref;
    this.#parts = parts;
    this.#hear = hear;
  }

  get isBusy(): boolean {
    return this.#busy;
  }

  /** Sends it, while this replica leads; `signal` ends the pauses after failures. */
  patch(patch: ClusterPatch, guard: Guard, signal: AbortSignal): void {
    if (!this.#busy) void this.#patch(patch, guard, signal);
  }

  /** Reads the resource; `signal` ends the pauses after failures. */
  look(signal: AbortSignal): void {
    if (!this.#busy) void this.#look(signal);
  }

  async #look(signal: AbortSignal): Promise<void> {
    this.#busy = true;
    const failures = this.#failures;
    const news = await this.#lookAgain(signal);
    // One that is gone is looked at again until its event comes: after a pause.
    if (news.kind === "read" && news.resource !== undefined) this.#failures = failures;
    this.#busy = false;
    this.#hear(news, undefined);
  }

  async #patch(patch: ClusterPatch, guard: Guard, signal: AbortSignal): Promise<void> {
    this.#busy = true;
    const news = (await this.#send(patch, guard)) ?? (await this.#lookAgain(signal));
    this.#busy = false;
    this.#hear(news, patch);
  }

  /** `undefined`: it was not applied, or nobody knows. */
  async #send({ body, subresource }: ClusterPatch, guard: Guard): Promise<ClusterNews | undefined> {
    const { client, clock, metrics, slots } = this.#parts;
    const count = (outcome: string): void => {
      if (subresource === "status") metrics.statusWrites.add({ outcome });
    };
    const send = (options: CallOptions): Promise<WriteAnswer> =>
      client.patch(this.#ref, body, { ...options, ...(subresource !== undefined && { subresource }) });
    try {
      const sentMs = clock.monotonicMs();
      const answer = await slots.requests.run(() => guard(() => this.#inTime(send)));
      count(answer.written ? "written" : "conflict");
      if (!answer.written) return undefined;
      this.#failures = 0;
      return { kind: "patched", resource: answer.resource, sentMs };
    } catch {
      count("failed"); // what it was is of no use here: the resource is read, and a plan made anew
      return undefined;
    }
  }

  async #lookAgain(signal: AbortSignal): Promise<ClusterNews> {
    const { client, clock, random, slots } = this.#parts;
    const longestMs = Math.min(firstPauseMs * 2 ** (this.#failures - 1), longestPauseMs);
    try {
      if (this.#failures > 0) await sleep(clock, longestMs * (0.5 + random.next() / 2), signal);
      this.#failures += 1;
      const sentMs = clock.monotonicMs();
      const resource = await slots.requests.run(() => this.#inTime((options) => client.read(this.#ref, options)));
      return { kind: "read", resource, sentMs };
    } catch (error) {
      return { kind: "failed", error };
    }
  }

  #inTime<T>(call: (options: CallOptions) => Promise<T>): Promise<T> {
    const { clock, callTimeoutMs } = this.#parts;
    return withDeadline({ clock, timeoutMs: 1.5 * callTimeoutMs }, (signal) =>
      call({ timeoutMs: callTimeoutMs, signal }),
    );
  }
}
