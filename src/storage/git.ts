import { InvalidSettingsError, StorageUnavailableError, UnknownOutcomeError } from "../errors.ts";
import { printable } from "../system/logger.ts";
import { withDeadline } from "../system/signals.ts";
import { gitError, type FailedGitCall } from "./git-errors.ts";
import { GitRefs, type GitEnd, type GitLayout } from "./git-refs.ts";
import {
  gitSettings,
  gitUrlOptions,
  type GitProgram,
  type GitStorageOptions,
  type ResolvedGitSettings,
} from "./git-settings.ts";
import { GitTree } from "./git-tree.ts";
import { GitWorkspace } from "./git-workspace.ts";
import { pollWatch } from "./poll-watch.ts";
import type { DriverOpenOptions } from "./storage-driver.ts";
import type { StorageUrl } from "./storage-url.ts";
import { VersionedLeaseStorage, type Attempt, type ListedKey } from "./versioned-lease-storage.ts";
import type { Change, Hint, Stored, Version, WriteOutcome } from "./versioned-storage.ts";

export type { GitProgram, GitStorageOptions } from "./git-settings.ts";

const pageSize = 1000;

/**
 * Documents in a Git repository, by the `git` program (2.30 or later): a write is one push that the server applies
 * exactly if the ref is still where it was. Fit for leases of a minute and for state; hosts throttle.
 *
 * After any push that failed, the remote is asked what is there. Each call runs git in a process group of its own,
 * which its deadline kills.
 */
export class GitStorage extends VersionedLeaseStorage {
  readonly #settings: ResolvedGitSettings;
  readonly #workspace: GitWorkspace;
  readonly #layout: GitLayout;
  /** Keys whose last write the remote refused though nobody else had written, with its reason. */
  readonly #refused = new Map<string, string>();

  /** @throws {InvalidSettingsError} naming every option that is wrong. Starts nothing. */
  constructor(options: GitStorageOptions) {
    const settings = gitSettings(options);
    const { place, layout, maxValueBytes, minWriteIntervalMs, clock, timeoutMs } = settings;
    super({
      description: place.description,
      capabilities: {
        watch: "poll",
        transact: layout === "tree",
        expiry: false,
        maxValueBytes,
        minWriteIntervalMs,
        durability: "durable",
        reach: place.protocol === "file" ? "machine" : "network",
      },
      clock,
      timeoutMs,
    });
    this.#settings = settings;
    this.#workspace = new GitWorkspace(settings);
    this.#layout = layout === "refs" ? new GitRefs(settings, this.#workspace) : new GitTree(settings, this.#workspace);
  }

  /** How many processes of git this connection has under way. */
  get running(): number {
    return this.#workspace.running;
  }

  protected override async readOnce(key: string, { signal }: Attempt): Promise<Stored | undefined> {
    return this.#explained({ operation: "read", key }, () => this.#layout.read(key, signal));
  }

  protected override createOnce(key: string, value: Uint8Array, attempt: Attempt): Promise<WriteOutcome> {
    return this.#write({ operation: "create", key }, [{ kind: "create", key, value }], attempt);
  }

  protected override replaceOnce(
    key: string,
    { value, expected }: { readonly value: Uint8Array; readonly expected: Version },
    attempt: Attempt,
  ): Promise<WriteOutcome> {
    return this.#write({ operation: "replace", key }, [{ kind: "replace", key, value, expected }], attempt);
  }

  protected override removeOnce(key: string, expected: Version, attempt: Attempt): Promise<WriteOutcome> {
    return this.#write({ operation: "remove", key }, [{ kind: "remove", key, expected }], attempt);
  }

  protected override transactOnce(changes: readonly Change[], attempt: Attempt): Promise<WriteOutcome> {
    return this.#write({ operation: "transact" }, changes, attempt);
  }

  protected override async *listPages(prefix: string, signal: AbortSignal): AsyncGenerator<readonly ListedKey[]> {
    const keys = await this.#explained({ operation: "list", key: prefix }, () => this.#layout.list(prefix, signal));
    for (let start = 0; start < keys.length; start += pageSize) yield keys.slice(start, start + pageSize);
  }

  protected override watchOnce(key: string, signal: AbortSignal): AsyncIterable<Hint> {
    const { clock, random, pollMs, timeoutMs } = this.#settings;
    const look = (_known: string | undefined, ended: AbortSignal): Promise<string | undefined> =>
      withDeadline({ clock, timeoutMs, signal: ended }, (cut) =>
        this.#explained({ operation: "watch", key }, () => this.#layout.look(key, cut)),
      );
    return pollWatch({ clock, random, pollMs, look }, signal);
  }

  protected override async healthOnce({ signal }: Attempt): Promise<readonly string[]> {
    await this.#explained({ operation: "check" }, () => this.#layout.look("tenure-health", signal));
    return [...this.#refused].map(
      ([key, why]) =>
        `the remote refuses writes of "${printable(key, 60)}" though nobody else has written: ${why}. ` +
        `A hook may decline it; or a killed push has left ${this.#layout.lockFile(key)} in the repository, ` +
        "and then no push of this ref succeeds until a person deletes it",
    );
  }

  protected override closeOnce(): Promise<void> {
    return this.#workspace.close();
  }

  async #write(
    call: { readonly operation: string; readonly key?: string },
    changes: readonly Change[],
    attempt: Attempt,
  ): Promise<WriteOutcome> {
    const end = await this.#explained(call, () => this.#layout.write(changes, attempt), attempt);
    const key = changes[0]?.key ?? "";
    if (end.kind !== "refused") this.#refused.delete(key);
    if (end.kind === "written" && end.version !== undefined) return { written: true, version: end.version };
    if (end.kind === "lost") return { written: false };
    throw this.#trouble(end, { ...call, storage: this.description }, key);
  }

  #trouble(end: GitEnd, call: FailedGitCall, key: string): unknown {
    const place = `${call.key === undefined ? "" : ` "${printable(call.key)}"`} in ${call.storage}`;
    if (end.kind === "refused") {
      if (this.#refused.size < 100) this.#refused.set(key, end.why);
      const text = `cannot ${call.operation}${place}: the remote refuses it, and nobody else has written: ${end.why}`;
      return new StorageUnavailableError(text, { ...call, applied: "no" });
    }
    if (end.kind === "not sent") return gitError(end.failure, { ...call, applied: "no" });
    const why = end.kind === "unknown" ? end.failure.message : "the remote's answer cannot be read";
    return new UnknownOutcomeError(`cannot ${call.operation}${place}: ${why}`, call);
  }

  async #explained<T>(
    call: { readonly operation: string; readonly key?: string },
    run: () => Promise<T>,
    attempt?: Attempt,
  ): Promise<T> {
    try {
      return await run();
    } catch (error) {
      throw gitError(error, {
        ...call,
        storage: this.description,
        ...(attempt && { applied: attempt.progress.applied }),
      });
    }
  }
}

/** Opens `git+https://…`, `git+ssh://…`, `git+file:…` and, on loopback, `git+http://…` and `git+git://…`. */
export async function open(url: StorageUrl, { client, clock, random }: DriverOpenOptions): Promise<GitStorage> {
  const options = gitUrlOptions(url);
  if (client !== undefined && !isProgram(client)) {
    throw new InvalidSettingsError(["client must be a GitProgram: { path, env, credentialHelper }"], {
      operation: "open",
    });
  }
  return new GitStorage({ ...options, clock, random, git: client });
}

/**
 * `receive-pack` compares the old id of a push itself, in every server that speaks Git's protocol, so `probe=auto`
 * leaves repositories out; with two seconds between writes a probe takes minutes.
 */
export function isTrusted(): boolean {
  return true;
}

function isProgram(client: unknown): client is GitProgram {
  if (typeof client !== "object" || client === null) return false;
  return Object.entries(client).every(([name, value]) =>
    name === "env" ? typeof value === "object" : ["path", "credentialHelper"].includes(name) && isText(value),
  );
}

function isText(value: unknown): boolean {
  return value === undefined || typeof value === "string";
}
