import type { KubernetesResource, ListQuery, WatchQuery } from "../../src/kubernetes/kubernetes-resources.ts";
import { listWatch } from "../../src/kubernetes/list-watch.ts";
import { Reflector } from "../../src/kubernetes/reflector.ts";
import type { ReflectorSettings } from "../../src/kubernetes/reflector-settings.ts";
import { ResourceTable, type TableBatch } from "../../src/kubernetes/resource-table.ts";
import {
  FakeKubernetes,
  ManualClock,
  type FakeKubernetesClient,
  type FakeKubernetesOptions,
} from "../../src/testing/index.ts";

export const pods = { group: "", version: "v1", plural: "pods", namespace: "jobs" } as const;

/** A fake cluster, a reflector of its pods, and a table that it feeds; all on one clock that the test moves. */
export class ReflectedCluster {
  readonly clock = new ManualClock();
  readonly cluster: FakeKubernetes;
  readonly client: FakeKubernetesClient;
  readonly batches: TableBatch<KubernetesResource>[] = [];
  readonly errors: [place: string, error: unknown][] = [];
  /** What a batch makes the sink wait for. */
  whileTold: (() => void | Promise<void>) | undefined;
  readonly table: ResourceTable<KubernetesResource>;
  readonly reflector: Reflector;
  #over = new AbortController();
  #run: Promise<void> | undefined;
  /** What chance says each time. */
  draw = 0;

  constructor(options: FakeKubernetesOptions & { readonly settings?: ReflectorSettings } = {}) {
    const { settings = {}, ...rest } = options;
    const clock = this.clock;
    this.cluster = new FakeKubernetes({ clock, ...rest });
    this.client = this.cluster.connect();
    this.table = new ResourceTable<KubernetesResource>((batch) => {
      this.batches.push(batch);
      return this.whileTold?.();
    });
    this.reflector = new Reflector({
      ...{ source: listWatch(this.client, pods), sink: this.table, settings, clock },
      random: { next: () => this.draw, uuid: () => "uuid" },
      onError: (error, place) => this.errors.push([place, error]),
    });
  }

  /** Starts it, and lets everything happen that needs no time. */
  async start(): Promise<void> {
    this.#over = new AbortController();
    this.#run = this.reflector.run({ signal: this.#over.signal });
    await this.clock.advance();
  }

  /** Ends the run; its end is waited for. */
  async stop(): Promise<void> {
    this.#over.abort(new Error("the test is over"));
    await this.#run;
  }

  /** Ends the run, and does not wait. */
  abort(): Promise<void> {
    this.#over.abort(new Error("the test is over"));
    return this.#run ?? Promise.resolve();
  }

  /** Writes a pod; returns its version. */
  put(name: string, value: unknown = ""): string {
    const stored = this.cluster.put({ ...pods, name }, { kind: "Pod", apiVersion: "v1", spec: { value } });
    return stored.metadata?.resourceVersion ?? "";
  }

  remove(name: string): void {
    this.cluster.remove({ ...pods, name });
  }

  /** A new life under the same name. */
  recreate(name: string, value: unknown = ""): void {
    this.remove(name);
    this.put(name, value);
  }

  /** What the table shows: `name=value`. */
  get shown(): readonly string[] {
    return this.table.list().map(textOf).sort();
  }

  /** All changes so far: `created a=1`. */
  get told(): readonly string[] {
    return this.batches.flatMap(({ changes }) =>
      changes.map((change) => `${change.kind} ${change.identity.name}${valueOf(change.resource)}`),
    );
  }

  /** The requests so far: `list limit=500`, `watch resourceVersion=7`; what every watch asks for is left out. */
  get asked(): readonly string[] {
    return this.client.log.map(({ verb, query = {} }) => {
      const shown = Object.entries(query as ListQuery & WatchQuery).filter(([key]) => !everyWatch.includes(key));
      return [verb, ...shown.map(([key, value]) => `${key}=${String(value)}`)].join(" ");
    });
  }
}

const everyWatch = ["allowWatchBookmarks", "timeoutSeconds", "resourceVersionMatch"];

function textOf(resource: KubernetesResource): string {
  return `${resource.metadata?.name}${valueOf(resource)}`;
}

function valueOf(resource: KubernetesResource | undefined): string {
  const value: unknown = Reflect.get(Object(resource?.["spec"]), "value");
  return value === "" || value === undefined ? "" : `=${JSON.stringify(value)}`;
}
