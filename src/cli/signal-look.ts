import { resolveDurations } from "../election/durations.ts";
import { confirmationOf, type SentSignal, type Verdict } from "../kubernetes/confirmation.ts";
import type { KubernetesClient, ResourceRef } from "../kubernetes/kubernetes-resources.ts";
import { isLater } from "../kubernetes/micro-time.ts";
import { conditionOf } from "../kubernetes/multi-cluster-lease.ts";
import { instanceName, ownNumber } from "../kubernetes/own-names.ts";
import { shownLease, type ShownLease } from "../kubernetes/shown-lease.ts";
import { LeaseTrouble } from "../lock/lease-trouble.ts";
import type { CallOptions } from "../storage/versioned-storage.ts";
import { sleep, type Clock } from "../system/clock.ts";
import type { Timing } from "./run-settings.ts";

/** What a while of looking at one MultiClusterLease has shown. */
export interface SignalLook {
  /** The last state. */
  readonly shown: ShownLease;
  /** On the newest signal of the spec, by the table that candidates go by. */
  readonly verdict: Verdict | { readonly is: "nobody asks" };
  /** Whose signals were seen in the spec, one after the other: a name comes again if it came back. */
  readonly askers: readonly string[];
}

/** What is looked at, and how. */
export interface SignalLookParts {
  readonly client: Pick<KubernetesClient, "read" | "description">;
  readonly ref: ResourceRef;
  readonly clock: Clock;
  readonly timing: Timing;
  /** Of each read. */
  readonly call: CallOptions & { readonly signal: AbortSignal };
}

const pollMs = 500;

/**
 * Looks until the next renewal must have been seen, and each signal was answered; at an open one for as long as a term
 * lasts, which is when its candidate gives up. `undefined`: there is no such lease. It sends reads alone.
 *
 * @throws {CorruptDataError} if it is no object of a Kubernetes server; as a read, if there is no answer.
 */
export async function lookAtSignals(parts: SignalLookParts): Promise<SignalLook | undefined> {
  const { client, ref, clock, timing, call } = parts;
  const { renewIntervalMs, renewDeadlineMs } = resolveDurations(timing);
  const signals = new SeenSignals();
  const startMs = clock.monotonicMs();
  for (let openMs = startMs; ;) {
    const resource = await client.read(ref, call);
    if (resource === undefined) return undefined;
    const shown = shownLease(resource);
    if (shown === undefined) throw new LeaseTrouble(`${ref.namespace}/${ref.name}`, client.description).noGeneration();
    const look = signals.look(shown);
    const nowMs = clock.monotonicMs();
    if (look.verdict.is !== "wait") openMs = nowMs;
    const isOver =
      look.verdict.is === "wait" ? nowMs - openMs >= renewDeadlineMs : nowMs - startMs >= 1.2 * renewIntervalMs;
    if (isOver || look.verdict.is === "nobody asks" || shown.deleting || shown.problems.length > 0) return look;
    await sleep(clock, pollMs, call.signal);
  }
}

/** The signals of one spec, whoever sent them. */
class SeenSignals {
  readonly #askers: string[] = [];
  #signal: SentSignal | undefined;
  #stamp: string | undefined;

  look(shown: ShownLease): SignalLook {
    const { signal, status } = shown;
    const known = this.#signal;
    const isNew = signal.renewTime !== known?.renewTime || instanceName(signal.holder) !== known.identity;
    const isAsking = signal.holder !== "" && signal.renewTime !== "";
    if (isAsking && isNew) this.#signal = signalOf(shown, known === undefined ? status?.globalRenewTime : this.#stamp);
    this.#stamp = status?.globalRenewTime;
    const identity = instanceName(signal.holder);
    if (isAsking && this.#askers.at(-1) !== identity) this.#askers.push(identity);
    return { shown, verdict: this.#verdict(shown, isAsking), askers: [...this.#askers] };
  }

  #verdict(shown: ShownLease, isAsking: boolean): SignalLook["verdict"] {
    const { status, generation } = shown;
    if (isAsking && this.#signal !== undefined && !isOld(shown)) return confirmationOf(this.#signal, shown);
    if ((status?.observedGeneration ?? -1) >= generation) return { is: "nobody asks" };
    return { row: 4, is: "wait", silence: "CONTROLLER_SILENT", told: "" };
  }
}

/** As if whoever looks had sent it: `stampBefore` is what the status said before it was seen. */
function signalOf({ uid, generation, signal, resource }: ShownLease, stampBefore: string | undefined): SentSignal {
  const { holder, renewTime } = signal;
  const asked: unknown = Reflect.get(Object(resource["spec"]), "leaseTransitions");
  const identity = instanceName(holder);
  return {
    ...{ identity, renewTime, uid, generation, stampBefore },
    number: ownNumber(identity, holder) ?? 1,
    term: typeof asked === "number" ? asked : Infinity, // a Go candidate asks for none
    isLater: (text) => isLater(text, renewTime),
  };
}

/** Whether the controller says of this very spec that nobody stands behind it any more. */
function isOld({ status, generation }: ShownLease): boolean {
  const ready = status && conditionOf(status, "LocalCandidateReady");
  if (ready?.status !== "False" || (ready.observedGeneration ?? -1) < generation) return false;
  return ["NoCandidate", "SignalExpired", "CandidateReleased"].includes(ready.reason);
}
