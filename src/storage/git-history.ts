import { gitFailure } from "./git-errors.ts";
import { keyTrailer, movedTrailer } from "./git-objects.ts";
import type { GitWorkspace } from "./git-workspace.ts";
import { decodeKey, encodeKey } from "./keys.ts";

/** One commit of the branch, and the keys that it has written; encoded. */
export interface WrittenCommit {
  readonly id: string;
  readonly keys: ReadonlySet<string>;
}

/** What is asked of a history. */
export interface HistoryQuestion {
  readonly directory: string;
  readonly tip: string;
  /** Encoded. */
  readonly keys: readonly string[];
  readonly signal: AbortSignal;
}

const firstBatch = 32;
const largestBatch = 4096;
const mostRemembered = 10_000;

/**
 * Which commit wrote a key last, as its version: along first parents the newest commit that changed its file or names
 * it in a trailer. What was found is remembered with the tip that it holds for; history does not change.
 */
export class GitHistory {
  readonly #workspace: GitWorkspace;
  readonly #folder: string;
  readonly #known = new Map<string, { readonly tip: string; readonly version: string }>();

  /** `folder`: where the keys are, with a slash at its end, or `""`. */
  constructor(workspace: GitWorkspace, folder: string) {
    this.#workspace = workspace;
    this.#folder = folder;
  }

  /** The versions of keys that are there at `tip`. */
  async versions({ directory, tip, keys, signal }: HistoryQuestion): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    const missing = new Set(keys);
    let last = tip;
    for (
      let [skip, count] = [0, firstBatch];
      missing.size > 0;
      skip += count, count = Math.min(largestBatch, 4 * count)
    ) {
      const commits = await this.#walk({ directory, tip, keys, signal }, { skip, count });
      for (const commit of commits) {
        last = commit.id;
        this.#settle(commit, missing, found);
        if (missing.size === 0) break;
      }
      if (commits.length < count) break;
    }
    for (const key of missing) found.set(key, last); // there from the first commit on that is known here
    if (this.#known.size + found.size > mostRemembered) this.#known.clear();
    for (const [key, version] of found) this.#known.set(key, { tip, version });
    return found;
  }

  /** Moves keys from `missing` to `found` for which this commit says it. */
  #settle({ id, keys }: WrittenCommit, missing: Set<string>, found: Map<string, string>): void {
    for (const key of missing) {
      const known = this.#known.get(key);
      const version = keys.has(key) ? id : known?.tip === id ? known.version : undefined;
      if (version === undefined) continue;
      found.set(key, version);
      missing.delete(key);
    }
  }

  async #walk(
    { directory, tip, signal }: HistoryQuestion,
    { skip, count }: { readonly skip: number; readonly count: number },
  ): Promise<readonly WrittenCommit[]> {
    const trailers = [keyTrailer, movedTrailer].map((key) => `%(trailers:key=${key},valueonly=true)`).join("%x02");
    const shape = ["--first-parent", "-m", "--name-only", "--no-renames", "--no-color", "--no-show-signature"];
    const args = ["log", ...shape, `--skip=${skip}`, `-n${count}`, `--format=%x01%H%x02${trailers}%x02`, tip, "--"];
    const output = await this.#workspace.run({ directory, args, signal });
    if (output.code !== 0) throw gitFailure(output);
    return parseLog(output.stdout.toString("utf8"), this.#folder);
  }
}

/** What `git log` wrote: for each commit its id, the keys that it names, those that it moved, and its files. */
export function parseLog(text: string, folder: string): readonly WrittenCommit[] {
  const commits: WrittenCommit[] = [];
  for (const part of text.split("\u0001").slice(1)) {
    const [id = "", named = "", movedKeys = "", files = ""] = part.split("\u0002");
    const moved = new Set(linesOf(movedKeys));
    const touched = linesOf(files).flatMap((path) => keyAt(path, folder) ?? []);
    commits.push({ id, keys: new Set([...linesOf(named), ...touched.filter((key) => !moved.has(key))]) });
  }
  return commits;
}

/** The key, encoded, whose file this is; `undefined` for a file of somebody else. */
export function keyAt(path: string, folder: string): string | undefined {
  if (!path.startsWith(folder)) return undefined;
  const key = decodeKey(path.slice(folder.length).replace(/\/@$/, ""));
  return key === undefined ? undefined : encodeKey(key);
}

function linesOf(text: string): readonly string[] {
  return text.split("\n").filter((line) => line !== "");
}
