import { ClosedError, InvalidSettingsError, StorageUnavailableError } from "../errors.ts";
import type { CallOptions } from "../storage/versioned-storage.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { Deferred } from "../system/deferred.ts";
import { printable } from "../system/logger.ts";
import type { Random } from "../system/random.ts";
import { TimeoutError, untilAborted, withDeadline } from "../system/signals.ts";
import type { KubernetesClient, KubernetesResource, ResourceKind } from "./kubernetes-resources.ts";
import { listWatch } from "./list-watch.ts";
import { Reflector, type ReflectorPlace } from "./reflector.ts";
import type { ReflectorSettings } from "./reflector-settings.ts";
import { ResourceTable } from "./resource-table.ts";
import { ToldResource } from "./told-resource.ts";

/** Which resources a `SingleWatcher` knows: `coordination.k8s.io`, `v1`, `leases`. */
export interface SingleWatcherKind extends Omit<ResourceKind, "namespace"> {
  /** They lie in no namespace; default false. */
  readonly isClusterScoped?: boolean;
}

/** What a `SingleWatcher` is made of. */
export interface SingleWatcherOptions<T extends object> {
  /** Where it looks; it stays open. */
  readonly client: Pick<KubernetesClient, "list" | "watch">;
  /** What kind of resource it is. */
  readonly kind: SingleWatcherKind;
  /** Required, unless the kind is cluster-scoped. */
  readonly namespace?: string;
  /** Which one of them; it need not exist. */
  readonly name: string;
  /**
   * Hears of each change after the first sight; `undefined`: it is not there. Never called while an earlier call has
   * not settled; what changes meanwhile is told as one change, a new life still as an end and a begin.
   */
  readonly onChange: (current: T | undefined, previous: T | undefined) => void | Promise<void>;
  /** Hears once, before any change, what is there at first. */
  readonly onSyncComplete?: (current: T | undefined) => void | Promise<void>;
  /**
   * Whether a change is told that left `metadata.generation` as it was, of the status for example; default false.
   * Resources without a generation (ConfigMaps, Secrets, Leases) are told always.
   */
  readonly includeStatus?: boolean;
  /** Hears each trouble, also what a callback throws; none of them ends the watch. */
  readonly onError?: (error: unknown, where: ReflectorPlace | "callback") => void;
  /** How its lists and watches are asked for. */
  readonly settings?: ReflectorSettings;
  readonly clock?: Clock;
  readonly random?: Random;
}

/**
 * Follows one resource by its name: what it is now, and each change. The rights `list` and `watch` on this one name
 * (`resourceNames`) suffice.
 */
export class SingleWatcher<T extends object = KubernetesResource> {
  readonly #clock: Clock;
  readonly #reflector: Reflector<T>;
  readonly #table: ResourceTable<T>;
  readonly #identity: { readonly namespace: string; readonly name: string };
  readonly #told: ToldResource<T>;
  readonly #waiting = new Set<Deferred<T | undefined>>();
  #run: AbortController | undefined;
  #ended: Promise<void> = Promise.resolve();

  /** @throws {InvalidSettingsError} with everything that is wrong. */
  constructor(options: SingleWatcherOptions<T>) {
    checkOptions(options);
    const { client, name, onError = () => {}, settings, random, clock = systemClock } = options;
    const { isClusterScoped = false, ...kind } = options.kind;
    const namespace = isClusterScoped ? "" : (options.namespace ?? "");
    this.#clock = clock;
    this.#identity = { namespace, name };
    this.#told = new ToldResource(options);
    this.#table = new ResourceTable(() => this.#look());
    this.#reflector = new Reflector<T>({
      source: listWatch<T>(client, { ...kind, namespace }, { fieldSelector: `metadata.name=${name}` }),
      ...{ sink: this.#table, clock, onError },
      ...(settings !== undefined && { settings }),
      ...(random !== undefined && { random }),
    });
  }

  /** As it was last seen; `undefined` if it is not there, or was not looked for yet. */
  get current(): T | undefined {
    return this.#table.find(this.#identity);
  }

  /** Whether it was looked for; never again false. */
  get isSynced(): boolean {
    return this.#reflector.isSynced;
  }

  /** When something was last heard, a bookmark included, by the monotonic clock: silence is not death. */
  get lastEventMs(): number | undefined {
    return this.#reflector.lastEventMs;
  }

  /** The last trouble; it stays when it is over. */
  get lastError(): unknown {
    return this.#reflector.lastError;
  }

  /**
   * Begins to follow, and goes on until `stop()`, or until `signal` falls; if it does so already, nothing happens.
   * After a stop it may be started again, and what changed in between is told.
   */
  start({ signal }: CallOptions = {}): Promise<void> {
    if (this.#run !== undefined || signal?.aborted === true) return Promise.resolve();
    const run = new AbortController();
    this.#run = run;
    const stop = (): void => void (this.#run === run && this.stop());
    signal?.addEventListener("abort", stop, { once: true });
    const unlink = (): void => signal?.removeEventListener("abort", stop);
    // Only one run at a time feeds the table.
    this.#ended = this.#ended.then(() => this.#reflector.run({ signal: run.signal })).finally(unlink);
    return Promise.resolve();
  }

  /** Ends it: no request, no callback and no timer is left. A callback that runs is not waited for. Twice is fine. */
  async stop(): Promise<void> {
    this.#run?.abort(new Error("the watch is stopped"));
    this.#run = undefined;
    for (const waiting of this.#waiting) waiting.reject(stopped());
    this.#waiting.clear();
    await this.#ended;
  }

  /**
   * Resolves with what is there, as soon as it was looked for.
   *
   * @throws `signal.reason`; `CLOSED` at `stop()`; `STORAGE_UNAVAILABLE` after `timeoutMs`, which has no default.
   */
  async waitForSync({ signal, timeoutMs }: CallOptions = {}): Promise<T | undefined> {
    signal?.throwIfAborted();
    if (this.isSynced) return this.current;
    const waiting = new Deferred<T | undefined>();
    this.#waiting.add(waiting);
    try {
      if (timeoutMs !== undefined) {
        return await withDeadline({ clock: this.#clock, timeoutMs, signal }, () => waiting.promise);
      }
      return await (signal === undefined ? waiting.promise : untilAborted(waiting.promise, signal));
    } catch (cause) {
      if (!(cause instanceof TimeoutError)) throw cause;
      const { name } = this.#identity;
      throw new StorageUnavailableError(`"${printable(name)}" was not seen yet`, { operation: "watch", cause });
    } finally {
      this.#waiting.delete(waiting);
    }
  }

  /** Resolves once it was seen at least as new as this revision; as `Reflector.waitFor`. */
  async waitFor(revision: string, options: CallOptions = {}): Promise<void> {
    await this.#reflector.waitFor(revision, options);
  }

  #look(): void {
    const run = this.#run;
    if (run === undefined) return;
    const current = this.current;
    this.#told.tell(() => this.current, run.signal);
    for (const waiting of this.#waiting) waiting.resolve(current);
    this.#waiting.clear();
  }
}

function stopped(): ClosedError {
  return new ClosedError("the watch is stopped", { operation: "watch" });
}

function checkOptions<T extends object>({ client, kind, namespace, name, ...rest }: SingleWatcherOptions<T>): void {
  const problems: string[] = [];
  for (const call of ["list", "watch"] as const) {
    if (typeof client?.[call] !== "function") problems.push(`client must have the call ${call}`);
  }
  if (typeof kind?.version !== "string" || typeof kind.plural !== "string" || typeof kind.group !== "string") {
    problems.push("kind must have group, version and plural");
  }
  if (!isName(name)) problems.push("name must be that of one resource");
  const isClusterScoped = kind?.isClusterScoped === true;
  if (!isClusterScoped && !isName(namespace)) problems.push("namespace must be given, unless kind is cluster-scoped");
  if (isClusterScoped && namespace !== undefined && namespace !== "") {
    problems.push("namespace must be left out for a kind that is cluster-scoped");
  }
  if (typeof rest.onChange !== "function") problems.push("onChange must be a function");
  if (problems.length > 0) throw new InvalidSettingsError(problems, { operation: "watch" });
}

/** What a selector would read as more than a name is refused. */
function isName(text: unknown): boolean {
  return typeof text === "string" && text !== "" && !/[,=!\\\s/]/.test(text);
}
