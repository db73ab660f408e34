import { MultiClusterLeaseController } from "../../../src/controller/controller.ts";
import type { SeededRandom } from "../../../src/testing/seeded-random.ts";
import { silentLogger } from "../../../src/system/logger.ts";
import type { Plan } from "../plan.ts";
import { SimHost } from "../sim-host.ts";
import type { SimNetwork } from "../sim-network.ts";
import type { SimServer } from "../sim-server.ts";
import { SimStorage } from "../sim-storage.ts";
import type { World } from "../world.ts";
import type { ClusterClient, ClusterClientParts } from "./cluster-client.ts";

/** What controllers share. */
export interface ControllerScene {
  readonly world: World;
  readonly server: SimServer;
  /** The network of the storage. */
  readonly storageNetwork: SimNetwork;
  readonly storage: Plan;
  readonly nextSend: () => number;
  readonly connect: (parts: Pick<ClusterClientParts, "host" | "name"> & { readonly cluster: number }) => ClusterClient;
  readonly note: (who: string, text: string) => void;
}

/** Which process this is. */
export interface ControllerPlan {
  /** Its place: of two replicas, one. */
  readonly label: string;
  readonly name: string;
  readonly cluster: number;
  readonly rate: number;
  readonly random: SeededRandom;
}

const yearMs = 365 * 86_400_000;

/** One replica of the controller of a cluster: a process with a real controller on a simulated host. */
export class SimController {
  readonly label: string;
  readonly name: string;
  readonly cluster: number;
  readonly host: SimHost;
  readonly controller: MultiClusterLeaseController;
  readonly #stopping = new AbortController();
  readonly #client: ClusterClient;
  readonly #scene: ControllerScene;
  settled = false;

  constructor(scene: ControllerScene, { label, name, cluster, rate, random }: ControllerPlan) {
    const { world, server, storageNetwork, storage, nextSend, connect, note } = scene;
    this.#scene = scene;
    this.label = label;
    this.name = name;
    this.cluster = cluster;
    this.host = new SimHost(world, { rate, wallMs: 1_790_000_000_000 + (random.next() - 0.5) * 2 * yearMs });
    this.#client = connect({ host: this.host, name, cluster });
    this.controller = new MultiClusterLeaseController({
      client: this.#client,
      storage: new SimStorage({
        ...{ world, host: this.host, server, network: storageNetwork, nextSend, name: () => name },
        ...{ watch: storage.watch, minWriteIntervalMs: storage.minWriteIntervalMs },
        sent: () => {},
        received: () => {},
      }),
      ...{ clock: this.host, random },
      logger: {
        ...silentLogger,
        error: (message) => note(name, message.includes("bug: ") ? `bug: ${message}` : message),
      },
    });
  }

  async run(): Promise<void> {
    await this.controller.run({ signal: this.#stopping.signal });
    this.settled = true;
    this.#scene.note(this.name, "has ended");
    await this.#client.close();
  }

  /** SIGTERM. */
  stop(): void {
    this.#scene.note(this.name, "SIGTERM");
    this.#stopping.abort(new Error("SIGTERM"));
  }

  /** SIGKILL. */
  kill(): void {
    this.host.kill();
    this.settled = true;
    this.#scene.note(this.name, "killed");
    void this.#client.close();
  }
}
