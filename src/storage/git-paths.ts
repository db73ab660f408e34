import type { GitFile } from "./git-objects.ts";
import { encodeKey } from "./keys.ts";
import type { Change } from "./versioned-storage.ts";

/** What stands at a path of a commit. */
export interface TreeEntry {
  readonly id: string;
  readonly type: string;
}

/** Looks at a path of the commit that is built on. */
export type EntryAt = (path: string) => TreeEntry | undefined;

/** The files that change, and the keys whose files only move. */
export interface FilePlan {
  readonly files: readonly GitFile[];
  readonly moved: readonly string[];
}

/** Where a key's file may be: at its own path, or, where that is a folder, as `@` in there. */
export function pathsOf(encoded: string): readonly [plain: string, inside: string] {
  return [encoded, `${encoded}/@`];
}

/** Every path that decides where the files of these keys are and belong; encoded. */
export function pathsToAsk(encoded: readonly string[]): readonly string[] {
  const paths = encoded.flatMap((one) => [...pathsOf(one), ...ancestorsOf(one)]);
  return [...new Set(paths)];
}

/** The path of the key's file; `undefined` if the key is absent. */
export function pathOf(encoded: string, at: EntryAt): string | undefined {
  return pathsOf(encoded).find((path) => at(path)?.type === "blob");
}

/**
 * The files of a commit that makes the changes. A tree cannot hold a file `a` and a folder `a`: a file that is in the
 * way of a new key below it moves to `a/@`.
 */
export function planFiles(changes: readonly Change[], at: EntryAt): FilePlan {
  const writes = changes.flatMap((change) => ("value" in change ? [{ ...change, path: encodeKey(change.key) }] : []));
  const changed = new Set(changes.flatMap(({ kind, key }) => (kind === "check" ? [] : [encodeKey(key)])));
  const moved = [...new Set(writes.flatMap(({ path }) => ancestorsOf(path)))].filter(
    (path) => at(path)?.type === "blob" && !changed.has(path),
  );
  const isFolder = (path: string): boolean =>
    at(path)?.type === "tree" || writes.some((other) => other.path.startsWith(`${path}/`));
  const gone = [...changed].flatMap((path) => pathOf(path, at) ?? []);
  return {
    moved,
    files: [
      ...[...gone, ...moved].map((path) => ({ path })),
      ...moved.map((path) => ({ path: `${path}/@`, blob: at(path)?.id ?? "" })),
      ...writes.map(({ path, value }) => ({ path: isFolder(path) ? `${path}/@` : path, content: value })),
    ],
  };
}

function ancestorsOf(encoded: string): readonly string[] {
  const segments = encoded.split("/");
  return segments.slice(1).map((_, index) => segments.slice(0, index + 1).join("/"));
}
