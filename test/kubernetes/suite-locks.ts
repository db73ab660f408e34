import type { ResourceLock } from "../../src/lock/resource-lock.ts";
import type { FakeKubernetes, FakeKubernetesClient, LockSuiteContext } from "../../src/testing/index.ts";

/** One that tells of changes. */
export type WatchingLock = ResourceLock & { watch: NonNullable<ResourceLock["watch"]> };

/** The locks of one case of the lock suite over a fake cluster, each with a client of its own, which faults hit. */
export class SuiteLocks {
  readonly faults: NonNullable<LockSuiteContext["faults"]>;
  readonly #cluster: FakeKubernetes;
  readonly #elapse: (ms: number) => Promise<void>;
  readonly #clients = new Map<ResourceLock, FakeKubernetesClient>();

  constructor(cluster: FakeKubernetes, elapse: (ms: number) => Promise<void>) {
    this.#cluster = cluster;
    this.#elapse = elapse;
    this.faults = {
      loseAnswer: (lock) => this.#clientOf(lock).hang({ on: "write", times: 1, applied: true }),
      refuse: (lock) => this.#clientOf(lock).refuse(429, { on: "write", times: 1 }),
      hang: (lock) => this.#clientOf(lock).hang({ times: 1 }),
      elapse,
    };
  }

  connect<Lock extends WatchingLock>(make: (client: FakeKubernetesClient) => Lock): Lock {
    const client = this.#cluster.connect();
    const lock = make(client);
    this.#clients.set(lock, client);
    const watch = lock.watch.bind(lock);
    // What is absent is told as soon as the watch must be open: some time has to pass.
    lock.watch = (options) => {
      this.passSoon();
      return watch(options);
    };
    return lock;
  }

  /** A second passes once the call that is about to be made waits. */
  passSoon(): void {
    setTimeout(() => void this.#elapse(1_000), 5);
  }

  #clientOf(lock: ResourceLock): FakeKubernetesClient {
    const client = this.#clients.get(lock);
    if (client === undefined) throw new Error("no lock of this harness");
    return client;
  }
}
