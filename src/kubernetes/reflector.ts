import { AlreadyRunningError, ClosedError, StorageUnavailableError } from "../errors.ts";
import type { CallOptions } from "../storage/versioned-storage.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { systemRandom, type Random } from "../system/random.ts";
import { TimeoutError, withDeadline } from "../system/signals.ts";
import { firstState, firstStep, type FollowState } from "./follow-step.ts";
import type { KubernetesResource } from "./kubernetes-resources.ts";
import type { ListWatch } from "./list-watch.ts";
import { ReflectedView } from "./reflected-view.ts";
import { ReflectorTally, type ReflectorCounts } from "./reflector-counts.ts";
import { resolveReflectorSettings, type ReflectorSettings } from "./reflector-settings.ts";
import type { ReflectorSink } from "./reflector-sink.ts";
import { ReflectorSteps } from "./reflector-steps.ts";

/** Where a `Reflector` met a trouble. */
export type ReflectorPlace = "list" | "watch" | "sink";

/** What a `Reflector` is made of. */
export interface ReflectorOptions<T extends object> {
  /** Where it reads; `listWatch` makes one of a client. */
  readonly source: ListWatch<T>;
  /** Where it puts what it sees; one reflector at a time feeds it. */
  readonly sink: ReflectorSink<T>;
  /** How lists and watches are asked for. */
  readonly settings?: ReflectorSettings;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Hears each trouble that is swallowed; none of them ends the reflector. What it throws is ignored. */
  readonly onError?: (error: unknown, where: ReflectorPlace) => void;
}

/** Which reflector feeds a sink: for the lifetime of a process, as long as it runs. */
const reflectorOf = new WeakMap<object, object>();

/**
 * Keeps a sink like the server: the whole state first, as one swap, then each change once and in order, until it is
 * told to stop. It survives a server that restarts, forgets its history, asks to be left alone, hangs, or is set back;
 * and it keeps no resource itself.
 *
 * What the sink shows is what the server had a moment ago, never a mix of two states; `waitFor` tells when it has
 * caught up with a write. It is no ground for a decision that has to be safe: write conditionally.
 */
export class Reflector<T extends object = KubernetesResource> {
  readonly #sink: ReflectorSink<T>;
  readonly #clock: Clock;
  readonly #onError: (error: unknown, where: ReflectorPlace) => void;
  readonly #tally = new ReflectorTally();
  readonly #view: ReflectedView<T>;
  readonly #steps: ReflectorSteps<T>;
  #state: FollowState = firstState;
  #lastError: unknown;

  /** @throws {InvalidSettingsError} */
  constructor(options: ReflectorOptions<T>) {
    const { source, sink, clock = systemClock, random = systemRandom, onError = () => {} } = options;
    const [settings, tally] = [resolveReflectorSettings(options.settings), this.#tally];
    [this.#sink, this.#clock, this.#onError] = [sink, clock, onError];
    const tell = (error: unknown, where: ReflectorPlace): void => this.#tell(error, where);
    this.#view = new ReflectedView({ sink, clock, tally, kind: settings.kind, tell });
    this.#steps = new ReflectorSteps({ source, view: this.#view, settings, clock, random, tally, tell });
  }

  /** What the sink has reached; `undefined` before the first list. It goes back only if the server did. */
  get revision(): string | undefined {
    return this.#view.revision;
  }

  /** Whether a whole state was told; never again false. */
  get isSynced(): boolean {
    return this.#view.isSynced;
  }

  /** When something was last heard, a bookmark included, by the monotonic clock. */
  get lastEventMs(): number | undefined {
    return this.#view.lastEventMs;
  }

  /** The last trouble; it stays when it is over. */
  get lastError(): unknown {
    return this.#lastError;
  }

  /** What it did so far, by reason. */
  get counts(): ReflectorCounts {
    return this.#tally.counts();
  }

  /**
   * Resolves once the sink is at least as new as this revision, of a write for example. One that has no order (not a
   * decimal number) is reached by itself, or by the first list that begins after this call.
   *
   * @throws `signal.reason`; `CLOSED` when the run ends; `STORAGE_UNAVAILABLE` after `timeoutMs`, which has no default.
   */
  async waitFor(revision: string, { signal, timeoutMs }: CallOptions = {}): Promise<void> {
    if (timeoutMs === undefined) return await this.#view.waitFor(revision, signal);
    try {
      const deadline = { clock: this.#clock, timeoutMs, signal };
      await withDeadline(deadline, (ended) => this.#view.waitFor(revision, ended));
    } catch (cause) {
      if (!(cause instanceof TimeoutError)) throw cause;
      throw new StorageUnavailableError(`the view has not reached revision ${revision}`, { operation: "watch", cause });
    }
  }

  /**
   * Follows until `signal` falls, and then resolves at once: no request, no call to the sink and no timer is left. What
   * it knows is kept, and a later run begins with a list.
   *
   * @throws {AlreadyRunningError} if it runs already, or if another reflector feeds the sink.
   */
  async run({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    if (reflectorOf.has(this.#sink)) throw new AlreadyRunningError("a reflector feeds this sink already");
    if (signal.aborted) return;
    reflectorOf.set(this.#sink, this);
    try {
      let step = firstStep(this.revision !== undefined, this.#state);
      while (!signal.aborted) {
        step = await this.#steps.take(step, signal);
        this.#state = step.state;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      reflectorOf.delete(this.#sink);
      this.#view.fail(new ClosedError("the reflector has stopped", { operation: "watch" }));
    }
  }

  #tell(error: unknown, where: ReflectorPlace): void {
    this.#lastError = error;
    try {
      this.#onError(error, where);
    } catch {
      // There is nobody left to tell; following goes on.
    }
  }
}
