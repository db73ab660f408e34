import { StorageUnavailableError, UnknownOutcomeError } from "../../src/errors.ts";
import { HintQueue } from "../../src/storage/hint-queue.ts";
import { VersionedLeaseStorage, type Attempt } from "../../src/storage/versioned-lease-storage.ts";
import type { Hint, Stored, Version, WriteOutcome } from "../../src/storage/versioned-storage.ts";
import type { SimHost } from "./sim-host.ts";
import type { SimServer } from "./sim-server.ts";
import type { World } from "./world.ts";

/** What happens to one request. Times are true milliseconds. */
export interface Passage {
  readonly requestMs: number;
  readonly answerMs: number;
  readonly requestLost: boolean;
  readonly answerLost: boolean;
  /** The request arrives a second time, this much later. */
  readonly doubledMs: number | undefined;
  /** Refused by the server before it did anything. */
  readonly refused: { readonly retryAfterMs: number } | undefined;
  /** Applied, and then answered with trouble. */
  readonly failsAfter: boolean;
  /** A read is answered as of this much earlier. */
  readonly staleMs: number;
}

/** What happens to one hint; `undefined`: lost. */
export interface HintPassage {
  readonly delayMs: number;
  readonly again: number | undefined;
}

/** The network between one host and the server: draws what becomes of each message. */
export interface Network {
  passage(from: string, kind: "read" | "write"): Passage;
  hint(to: string): HintPassage | undefined;
}

/** How a simulated storage looks to its users. */
export interface SimStorageOptions {
  readonly world: World;
  readonly host: SimHost;
  readonly server: SimServer;
  readonly network: Network;
  readonly name: string;
  readonly watch: "records" | "bare" | "none";
  readonly minWriteIntervalMs: number;
}

/** A real driver over a simulated wire: the server applies a request apart from the time of its answer. */
export class SimStorage extends VersionedLeaseStorage {
  readonly #options: SimStorageOptions;

  constructor(options: SimStorageOptions) {
    super({
      description: "simulated",
      capabilities: {
        watch: options.watch === "none" ? "none" : "push",
        ...{ transact: false, expiry: false, maxValueBytes: 65_536, minWriteIntervalMs: options.minWriteIntervalMs },
        ...{ durability: "durable", reach: "network" },
      },
      clock: options.host,
    });
    this.#options = options;
  }

  protected override readOnce(): Promise<Stored | undefined> {
    const { server, world } = this.#options;
    return this.#send("read", (staleMs) => (staleMs > 0 ? server.asOf(world.nowMs - staleMs) : server.current));
  }

  protected override createOnce(_key: string, value: Uint8Array, _attempt: Attempt): Promise<WriteOutcome> {
    const { server, name } = this.#options;
    return this.#send("write", () => outcome(server.create(value, name)));
  }

  protected override replaceOnce(
    _key: string,
    { value, expected }: { readonly value: Uint8Array; readonly expected: Version },
    _attempt: Attempt,
  ): Promise<WriteOutcome> {
    const { server, name } = this.#options;
    return this.#send("write", () => outcome(server.replace(value, expected, name)));
  }

  protected override removeOnce(_key: string, expected: Version): Promise<WriteOutcome> {
    const { server, name } = this.#options;
    return this.#send("write", () => outcome(server.remove(expected, name)));
  }

  protected override async *listPages(): AsyncGenerator<never[]> {
    yield [];
  }

  protected override async healthOnce(): Promise<readonly string[]> {
    return [];
  }

  protected override async *watchOnce(_key: string, signal: AbortSignal): AsyncGenerator<Hint, void, undefined> {
    const { host, server, network, name, watch, world } = this.#options;
    const queue = new HintQueue();
    const look = (): void => {
      const passage = network.hint(name);
      if (passage === undefined) return;
      const seen = server.current;
      const hint: Hint = watch === "records" && seen !== undefined ? { seen } : {};
      world.after(passage.delayMs, () => host.deliver(() => queue.push(hint)));
      if (passage.again !== undefined) world.after(passage.again, () => host.deliver(() => queue.push(hint)));
    };
    server.watchers.add(look);
    look();
    try {
      yield* queue.hints(signal);
    } finally {
      server.watchers.delete(look);
    }
  }

  /** One request and its answer, each with its own fate. */
  #send<T>(kind: "read" | "write", apply: (staleMs: number) => T): Promise<T> {
    const { world, host, network, name } = this.#options;
    const passage = network.passage(name, kind);
    return new Promise((resolve, reject) => {
      const answer = (run: () => void): void => {
        if (!passage.answerLost) world.after(passage.answerMs, () => host.deliver(run));
      };
      const arrive = (): void => {
        if (passage.refused !== undefined) {
          const { retryAfterMs } = passage.refused;
          const details = { applied: "no", ...(retryAfterMs > 0 && { retryAfterMs }) } as const;
          return answer(() => reject(new StorageUnavailableError("429", details)));
        }
        const value = apply(passage.staleMs);
        answer(() => (passage.failsAfter ? reject(new UnknownOutcomeError("500")) : resolve(value)));
      };
      if (!passage.requestLost) world.after(passage.requestMs, arrive);
      if (passage.doubledMs !== undefined) world.after(passage.requestMs + passage.doubledMs, arrive);
    });
  }
}

function outcome(version: Version | undefined): WriteOutcome {
  return version === undefined ? { written: false } : { written: true, version };
}
