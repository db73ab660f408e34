import type { KubeConfig } from "@kubernetes/client-node";
import { setTimeout as pause } from "node:timers/promises";
import type { KubernetesClient, LeaseLock } from "../../../src/kubernetes/index.ts";
import type { LockFaults } from "../../../src/testing/index.ts";
import { FaultProxy } from "../../process/fault-proxy.ts";
import { LeasePlace } from "./lease-place.ts";
import type { KubeServer } from "./kube-server.ts";

/** The clients that a lock of the suite sends through: a good one, but for the next call, if that shall fail. */
interface Switch {
  readonly faulty: KubernetesClient;
  readonly proxy: FaultProxy;
  readonly refused: KubernetesClient;
  next: KubernetesClient | undefined;
}

/** The locks of one case over one Lease, each with real troubles on demand: on its wire, and of its credentials. */
export class TroubledLocks implements AsyncDisposable, LockFaults {
  readonly place: LeasePlace;
  readonly #kube: KubeServer;
  readonly #candidate: KubeConfig;
  readonly #switches = new Map<unknown, Switch>();

  private constructor(kube: KubeServer, place: LeasePlace, candidate: KubeConfig) {
    this.#kube = kube;
    this.place = place;
    this.#candidate = candidate;
  }

  static async open(kube: KubeServer): Promise<TroubledLocks> {
    const place = await LeasePlace.make(kube);
    return new TroubledLocks(kube, place, await place.candidate());
  }

  async connect(): Promise<LeaseLock> {
    const kube = this.#kube;
    const proxy = await new FaultProxy({ host: kube.host, port: kube.port }).inject({});
    const stranger = kube.kubeConfig();
    stranger.users = stranger.users.map(({ name }) => ({ name, token: "a-token-that-nobody-gave" }));
    const faulty = await kube.client(kube.through(proxy.port, this.#candidate));
    const own: Switch = { faulty, proxy, refused: await kube.client(stranger), next: undefined };
    await this.#warm(own);
    const lock = await this.place.lock({ client: switched(await kube.client(this.#candidate), own) });
    this.#switches.set(lock, own);
    return lock;
  }

  loseAnswer(lock: unknown): void {
    this.#fail(lock, ({ proxy }) => proxy.inject({ down: { swallow: true } }));
  }

  hang(lock: unknown): void {
    this.#fail(lock, ({ proxy }) => proxy.inject({ up: { swallow: true } }));
  }

  refuse(lock: unknown): void {
    const own = this.#of(lock);
    own.next = own.refused;
  }

  /** Real time: deadlines pass in it. Afterwards all wires are whole again. */
  async elapse(ms: number): Promise<void> {
    await pause(ms);
    for (const own of this.#switches.values()) {
      await own.proxy.inject({});
      await this.#warm(own);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { proxy, faulty, refused } of this.#switches.values()) {
      await Promise.all([faulty.close(), refused.close()]);
      await proxy[Symbol.asyncDispose]();
    }
  }

  #fail(lock: unknown, disturb: (own: Switch) => Promise<unknown>): void {
    const own = this.#of(lock);
    void disturb(own); // holds at once
    own.next = own.faulty;
  }

  #of(lock: unknown): Switch {
    const own = this.#switches.get(lock);
    if (own === undefined) throw new Error("this lock is not of here");
    return own;
  }

  /** So that the next request needs no handshake, which the fault would hit instead. */
  async #warm({ faulty }: Switch): Promise<void> {
    await faulty.read(this.place.ref);
  }
}

/** Watches are always good. */
function switched(good: KubernetesClient, own: Switch): KubernetesClient {
  const now = (): KubernetesClient => {
    const { next = good } = own;
    own.next = undefined;
    return next;
  };
  return {
    description: good.description,
    read: (...asked) => now().read(...asked),
    create: (...asked) => now().create(...asked),
    replace: (...asked) => now().replace(...asked),
    patch: (...asked) => now().patch(...asked),
    list: (...asked) => now().list(...asked),
    watch: (...asked) => good.watch(...asked),
    close: () => good.close(),
    [Symbol.asyncDispose]: () => good.close(),
  };
}
