import { HintQueue } from "../../src/storage/hint-queue.ts";
import { VersionedLeaseStorage, type Attempt } from "../../src/storage/versioned-lease-storage.ts";
import type { Hint, Stored, Version, WriteOutcome } from "../../src/storage/versioned-storage.ts";
import type { SimHost } from "./sim-host.ts";
import type { Network } from "./sim-network.ts";
import type { Sender, SimServer } from "./sim-server.ts";
import { SimWire } from "./sim-wire.ts";
import type { World } from "./world.ts";

/** A write as it leaves its host. */
export interface SentRequest {
  readonly send: number;
  readonly place: string;
  readonly value: Uint8Array | undefined;
  readonly named: Version | undefined;
}

/** How a simulated storage looks to its users, and who hears what passes. */
export interface SimStorageOptions {
  readonly world: World;
  readonly host: SimHost;
  readonly server: SimServer;
  readonly network: Network;
  /** The identity of the candidate, which is drawn later than this is made. */
  readonly name: () => string;
  readonly watch: "records" | "bare" | "none";
  readonly minWriteIntervalMs: number;
  readonly nextSend: () => number;
  readonly sent: (request: SentRequest) => void;
  /** Something reached the process: the answer to a read that it still waits for, or a record with a hint. */
  readonly received: (stored: Stored | undefined, from: "read" | "hint", askedMs?: number) => void;
}

/** A real driver over a simulated wire: the server applies a request apart from the time of its answer. */
export class SimStorage extends VersionedLeaseStorage {
  readonly #options: SimStorageOptions;
  readonly #wire: SimWire;

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
    this.#wire = new SimWire(options);
  }

  protected override async readOnce(_key: string, { signal }: Attempt): Promise<Stored | undefined> {
    const { server, world, received } = this.#options;
    let seen: Stored | undefined;
    const askedMs = world.nowMs;
    const look = (staleMs: number): Stored | undefined =>
      (seen = staleMs > 0 ? server.asOf(world.nowMs - staleMs) : server.current);
    return this.#wire.send("read", look, () => {
      if (!signal.aborted) received(seen, "read", askedMs);
    });
  }

  protected override createOnce(_key: string, value: Uint8Array): Promise<WriteOutcome> {
    const { server } = this.#options;
    return this.#write({ value, named: undefined }, (sender) => server.create(value, sender));
  }

  protected override replaceOnce(
    _key: string,
    { value, expected }: { readonly value: Uint8Array; readonly expected: Version },
  ): Promise<WriteOutcome> {
    const { server } = this.#options;
    return this.#write({ value, named: expected }, (sender) => server.replace(value, expected, sender));
  }

  protected override removeOnce(_key: string, expected: Version): Promise<WriteOutcome> {
    const { server } = this.#options;
    return this.#write({ value: undefined, named: expected }, (sender) => server.remove(expected, sender));
  }

  protected override async *listPages(): AsyncGenerator<never[]> {
    yield [];
  }

  protected override async healthOnce(): Promise<readonly string[]> {
    return [];
  }

  protected override async *watchOnce(_key: string, signal: AbortSignal): AsyncGenerator<Hint, void, undefined> {
    const { host, server, network, name, watch, world, received } = this.#options;
    const queue = new HintQueue();
    const look = (): void => {
      const passage = network.hint(name());
      if (passage === undefined) return;
      const seen = watch === "records" ? server.current : undefined;
      const arrive = (): void => {
        if (seen !== undefined && !signal.aborted) received(seen, "hint");
        queue.push(seen === undefined ? {} : { seen });
      };
      world.after(passage.delayMs, () => host.deliver(arrive));
      if (passage.againMs !== undefined) world.after(passage.againMs, () => host.deliver(arrive));
    };
    server.watchers.add(look);
    look();
    try {
      yield* queue.hints(signal);
    } finally {
      server.watchers.delete(look);
    }
  }

  #write(
    { value, named }: Pick<SentRequest, "value" | "named">,
    apply: (sender: Sender) => Version | undefined,
  ): Promise<WriteOutcome> {
    const { name, nextSend, sent, server } = this.#options;
    const send = nextSend();
    sent({ send, place: server.place, value, named });
    return this.#wire.send("write", () => outcome(apply({ by: name(), send })));
  }
}

function outcome(version: Version | undefined): WriteOutcome {
  return version === undefined ? { written: false } : { written: true, version };
}
