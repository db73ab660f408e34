import type { KubernetesClient, KubernetesResource, ResourceRef } from "../../src/kubernetes/kubernetes-resources.ts";
import type { Clock } from "../../src/system/clock.ts";
import { microTime } from "../../src/system/micro-time.ts";

/** What a `ClientGo` takes. */
export interface ClientGoOptions {
  readonly ref: ResourceRef;
  readonly identity: string;
  readonly client: KubernetesClient;
  readonly clock: Clock;
  readonly onStart: (identity: string) => void;
  readonly onStop: (identity: string) => void;
}

const leaseMs = 15_000;
const retryMs = 2_000;
const renewDeadlineMs = 10_000;

/**
 * A double of client-go's elector at 15/10/2 s: it looks each 2 s, waits for a record that it saw change last 15 s ago,
 * renews each 2 s, and gives up 10 s after its last success. What it finds in the Lease it writes back as it is typed.
 */
export class ClientGo {
  readonly #options: ClientGoOptions;
  readonly #ref: ResourceRef;
  #observed = "";
  #observedMs = 0;
  #renewedMs = 0;
  #leads = false;
  #crashed = false;

  constructor(options: ClientGoOptions) {
    this.#options = options;
    this.#ref = options.ref;
    this.#round();
  }

  crash(): void {
    this.#crashed = true;
  }

  /** As with ReleaseOnCancel: stops, then blanks the holder. */
  release(): void {
    this.#crashed = true;
    this.#stop();
    void this.#write("", 1);
  }

  #round(): void {
    const { clock, identity } = this.#options;
    void this.#try().then((renewed) => {
      if (this.#crashed) return;
      const nowMs = clock.monotonicMs();
      if (renewed) {
        this.#renewedMs = nowMs;
        if (!this.#leads) this.#options.onStart(identity);
        this.#leads = true;
      } else if (this.#leads && nowMs - this.#renewedMs >= renewDeadlineMs) this.#stop();
      clock.setTimer(nowMs + retryMs, () => {
        if (!this.#crashed) this.#round();
      });
    });
  }

  #stop(): void {
    if (this.#leads) this.#options.onStop(this.#options.identity);
    this.#leads = false;
  }

  /** Whether it holds the Lease now. */
  async #try(): Promise<boolean> {
    const { client, clock, identity } = this.#options;
    try {
      const lease = await client.read(this.#ref);
      const spec = lease === undefined ? undefined : lease["spec"];
      const holder = String(Reflect.get(Object(spec), "holderIdentity") ?? "");
      const text = JSON.stringify(spec ?? null);
      if (text !== this.#observed) this.#observedMs = clock.monotonicMs();
      this.#observed = text;
      const waits = holder !== "" && holder !== identity && clock.monotonicMs() < this.#observedMs + leaseMs;
      return !waits && (await this.#write(identity, 15, lease));
    } catch {
      return false; // it tries again
    }
  }

  async #write(holder: string, seconds: number, found?: KubernetesResource): Promise<boolean> {
    const { client, clock } = this.#options;
    const lease = found ?? (await client.read(this.#ref));
    const spec = Object(lease?.["spec"]) as Readonly<Record<string, unknown>>; // cast: any object will do
    const transitions = Number(spec["leaseTransitions"] ?? 0);
    const now = microTime(clock.wallMs() * 1000);
    const renews = spec["holderIdentity"] === holder && holder !== "";
    const next = {
      ...{ holderIdentity: holder, leaseDurationSeconds: seconds, renewTime: now },
      acquireTime: renews ? spec["acquireTime"] : now,
      leaseTransitions: renews || holder === "" || lease === undefined ? transitions : transitions + 1,
    };
    if (lease === undefined) {
      const { name } = this.#ref;
      return (await client.create(this.#ref, { kind: "Lease", metadata: { name }, spec: next })).written;
    }
    const answer = await client.replace(this.#ref, { ...lease, spec: next });
    if (answer.written) this.#observed = JSON.stringify(answer.resource["spec"]);
    return answer.written;
  }
}
