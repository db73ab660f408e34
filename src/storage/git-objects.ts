import { GitFailure, gitFailure } from "./git-errors.ts";
import type { ResolvedGitSettings } from "./git-settings.ts";
import type { GitWorkspace } from "./git-workspace.ts";

/** An object, as `git cat-file --batch` tells it. */
export interface GitObject {
  readonly id: string;
  readonly type: string;
  readonly content: Uint8Array;
}

/** Names of objects, and where they are looked up. */
export interface ObjectQuestion {
  readonly directory: string;
  /** Refs, ids, `<commit>:<path>`; without line ends. */
  readonly names: readonly string[];
  readonly signal: AbortSignal;
}

/** The objects with their contents, in order; `undefined` for each that is not there. */
export async function objectsOf(
  workspace: GitWorkspace,
  { directory, names, signal }: ObjectQuestion,
): Promise<readonly (GitObject | undefined)[]> {
  const input = Buffer.from(names.map((name) => `${name}\n`).join(""));
  const output = await workspace.run({ directory, args: ["cat-file", "--batch"], input, signal });
  if (output.code !== 0) throw gitFailure(output);
  return parseObjects(output.stdout, names.length);
}

/** Ids and types of the objects, in order. */
export async function typesOf(
  workspace: GitWorkspace,
  { directory, names, signal }: ObjectQuestion,
): Promise<readonly (Omit<GitObject, "content"> | undefined)[]> {
  const input = Buffer.from(names.map((name) => `${name}\n`).join(""));
  const output = await workspace.run({ directory, args: ["cat-file", "--batch-check"], input, signal });
  if (output.code !== 0) throw gitFailure(output);
  const lines = output.stdout.toString("utf8").split("\n").slice(0, names.length);
  return lines.map((line) => {
    const [, id, type] = /^([0-9a-f]{40}) ([a-z]+) \d+$/.exec(line) ?? [];
    return id === undefined || type === undefined ? undefined : { id, type };
  });
}

/** What `git cat-file --batch` wrote about so many names. */
export function parseObjects(stdout: Buffer, count: number): readonly (GitObject | undefined)[] {
  const objects: (GitObject | undefined)[] = [];
  let at = 0;
  while (objects.length < count) {
    const end = stdout.indexOf(0x0a, at);
    if (end < 0) throw new GitFailure("unavailable", "git cat-file ended early");
    const header = stdout.toString("utf8", at, end);
    const [, id, type, size] = /^([0-9a-f]{40}) ([a-z]+) (\d+)$/.exec(header) ?? [];
    at = end + 1;
    if (id === undefined || type === undefined) {
      objects.push(undefined);
      continue;
    }
    const content = stdout.subarray(at, at + Number(size));
    if (content.length < Number(size)) throw new GitFailure("unavailable", "git cat-file ended early");
    objects.push({ id, type, content: Uint8Array.from(content) });
    at += Number(size) + 1;
  }
  return objects;
}

/** A file of a commit; without content it is taken away, with `blob` it is one that is there already. */
export interface GitFile {
  readonly path: string;
  readonly content?: Uint8Array;
  readonly blob?: string;
}

/** A commit to be made. */
export interface CommitPlan {
  readonly directory: string;
  readonly settings: ResolvedGitSettings;
  /** What it is built on; its files stay. */
  readonly parent: string | undefined;
  /** Encoded; for the trailers. */
  readonly keys: readonly string[];
  /** Keys, encoded, whose files only change their place. */
  readonly moved?: readonly string[];
  /** Changed in this order. Paths without white space, quotes and control characters. */
  readonly files: readonly GitFile[];
  readonly signal: AbortSignal;
}

/**
 * Makes a commit in a repository of ours, with one process for blobs, trees and commit. Its nonce makes the id new for
 * each write, also of equal bytes.
 */
export async function importCommit(workspace: GitWorkspace, plan: CommitPlan): Promise<string> {
  const { directory, signal } = plan;
  const args = ["fast-import", "--quiet", "--done", "--date-format=raw"];
  const output = await workspace.run({ directory, args, input: importStream(plan), signal });
  const [id] = /^[0-9a-f]{40}/.exec(output.stdout.toString("utf8")) ?? [];
  if (output.code !== 0 || id === undefined) throw gitFailure(output);
  return id;
}

/** What `git fast-import` is told. Values are counted, never quoted. */
export function importStream({ settings, parent, keys, moved = [], files }: CommitPlan): Buffer {
  const { author, clock, random } = settings;
  const nonce = random.uuid();
  const subject = keys.length === 1 ? "tenure: write 1 key" : `tenure: write ${keys.length} keys`;
  const moves = moved.map((key) => `${movedTrailer}: ${key}`);
  const trailers = [...keys.map((key) => `${keyTrailer}: ${key}`), ...moves, `Tenure-Nonce: ${nonce}`];
  const message = `${subject}\n\n${trailers.join("\n")}\n`;
  const seconds = Math.max(0, Math.floor(clock.wallMs() / 1000)); // for people: no date decides anything
  const parts: Uint8Array[] = [];
  const say = (text: string): void => void parts.push(Buffer.from(text));
  const data = (content: Uint8Array): void =>
    void parts.push(Buffer.from(`data ${content.length}\n`), content, newline);
  say(`commit refs/tenure/made-${nonce}\nmark :1\ncommitter ${author} ${seconds} +0000\n`);
  data(Buffer.from(message));
  if (parent !== undefined) say(`from ${parent}\n`);
  for (const { path, content, blob } of files) {
    if (content !== undefined) {
      say(`M 100644 inline ${path}\n`);
      data(content);
    } else say(blob === undefined ? `D ${path}\n` : `M 100644 ${blob} ${path}\n`);
  }
  say("get-mark :1\ndone\n");
  return Buffer.concat(parts);
}

/** Names each key that a commit has written; encoded. */
export const keyTrailer = "Tenure-Key";
/** Names each key whose file a commit has moved out of the way, unchanged. */
export const movedTrailer = "Tenure-Moved";
const newline = Buffer.from("\n");
