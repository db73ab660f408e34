import { GitFailure } from "./git-errors.ts";
import { importCommit, objectsOf } from "./git-objects.ts";
import { GitRemote, type PushEnd } from "./git-remote.ts";
import type { ResolvedGitSettings } from "./git-settings.ts";
import type { GitWorkspace } from "./git-workspace.ts";
import { decodeKey, encodeKey } from "./keys.ts";
import type { Attempt, ListedKey } from "./versioned-lease-storage.ts";
import type { Change, Stored, Version } from "./versioned-storage.ts";

/** A change that writes. */
export type GitChange = Exclude<Change, { readonly kind: "check" }>;

/** What became of a change, and the version if it was written. */
export type GitEnd = PushEnd & { readonly version?: Version };

/** How keys lie in a repository. */
export interface GitLayout {
  read(key: string, signal: AbortSignal): Promise<Stored | undefined>;
  /** All of them, or none. */
  write(changes: readonly Change[], attempt: Attempt): Promise<GitEnd>;
  list(prefix: string, signal: AbortSignal): Promise<readonly ListedKey[]>;
  /** A tag that is another one after each change of the key. */
  look(key: string, signal: AbortSignal): Promise<string | undefined>;
  /** What a push of this key holds while it is applied, below the repository. */
  lockFile(key: string): string;
}

const [local, path] = ["refs/tenure/value", "value"] as const;

/** One ref for each key, `<namespace>/<encoded key>/@`; the value is the file `value` of the commit there. */
export class GitRefs implements GitLayout {
  readonly #settings: ResolvedGitSettings;
  readonly #workspace: GitWorkspace;
  readonly #remote: GitRemote;

  constructor(settings: ResolvedGitSettings, workspace: GitWorkspace) {
    this.#settings = settings;
    this.#workspace = workspace;
    this.#remote = new GitRemote(workspace, settings.place);
  }

  read(key: string, signal: AbortSignal): Promise<Stored | undefined> {
    return this.#workspace.scratch(async (directory) => {
      if (!(await this.#remote.fetch(directory, { ref: this.#ref(key), to: local, depth: 1 }, signal)))
        return undefined;
      const [commit, blob] = await objectsOf(this.#workspace, {
        directory,
        names: [local, `${local}:${path}`],
        signal,
      });
      if (commit?.type !== "commit" || blob?.type !== "blob") {
        throw new GitFailure("corrupt", `${this.#ref(key)} is no commit with a file "${path}"`);
      }
      return { value: blob.content, version: commit.id as Version }; // cast: ids of commits are the versions here
    });
  }

  async write([change]: readonly Change[], { signal, progress }: Attempt): Promise<GitEnd> {
    progress.applied = "no";
    if (change === undefined || change.kind === "check") return { kind: "lost" };
    const expected = change.kind === "create" ? undefined : change.expected;
    if (expected !== undefined && !isId(expected)) return { kind: "lost" };
    return this.#workspace.scratch(async (directory) => {
      const parent = await this.#parent(directory, change, signal);
      if (parent === "lost") return { kind: "lost" };
      const commit =
        change.kind === "remove" ? undefined : await this.#commit(directory, { change, parent: parent.id }, signal);
      signal.throwIfAborted();
      progress.applied = "unknown";
      const end = await this.#remote.push({ directory, ref: this.#ref(change.key), commit, expected, signal });
      if (end.kind !== "written") return end;
      const version = (commit ?? `removed-${this.#settings.random.uuid()}`) as Version; // cast: as above; or nobody's
      return { ...end, version };
    });
  }

  async list(prefix: string, signal: AbortSignal): Promise<readonly ListedKey[]> {
    const { namespace } = this.#settings;
    const below = prefix === "" ? `${namespace}/` : `${namespace}/${encodeKey(prefix.slice(0, -1))}/`;
    const refs = await this.#workspace.scratch((directory) => this.#remote.list(directory, `${below}*`, signal));
    return [...refs].flatMap(([ref, id]) => {
      if (!ref.startsWith(below) || !ref.endsWith("/@")) return [];
      const key = decodeKey(ref.slice(namespace.length + 1, -2));
      return key?.startsWith(prefix) ? [{ key, version: id as Version }] : []; // cast: as above
    });
  }

  look(key: string, signal: AbortSignal): Promise<string | undefined> {
    return this.#workspace.scratch((directory) => this.#remote.ask(directory, this.#ref(key), signal));
  }

  lockFile(key: string): string {
    return `${this.#ref(key)}.lock`;
  }

  /** With `history=keep` the commit that is replaced becomes the parent; for that it has to be here. */
  async #parent(
    directory: string,
    change: GitChange,
    signal: AbortSignal,
  ): Promise<{ readonly id: string | undefined } | "lost"> {
    if (this.#settings.history === "none" || change.kind !== "replace") return { id: undefined };
    if (!(await this.#remote.fetch(directory, { ref: this.#ref(change.key), to: local, depth: 1 }, signal)))
      return "lost";
    const [commit] = await objectsOf(this.#workspace, { directory, names: [local], signal });
    return commit?.id === change.expected ? { id: commit.id } : "lost";
  }

  #commit(
    directory: string,
    { change, parent }: { readonly change: GitChange; readonly parent: string | undefined },
    signal: AbortSignal,
  ): Promise<string> {
    const files = "value" in change ? [{ path, content: change.value }] : [];
    const keys = [encodeKey(change.key)];
    return importCommit(this.#workspace, { directory, settings: this.#settings, parent, keys, files, signal });
  }

  #ref(key: string): string {
    return `${this.#settings.namespace}/${encodeKey(key)}/@`;
  }
}

/** Whether this can be a version of ours: it goes into a refspec, and must mean "absent" in none. */
export function isId(version: string): boolean {
  return /^[0-9a-f]{40}$/.test(version) && !/^0+$/.test(version);
}
