import { join } from "node:path";
import { InvalidSettingsError } from "../errors.ts";
import { unless, type FileSystem } from "./file-system.ts";
import type { FileVersions } from "./file-versions.ts";

const probeFolder = "tenure-probe";
const hourMs = 3600 * 1000;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Where to sweep. */
export interface FileSweepParts {
  readonly fs: FileSystem;
  readonly versions: FileVersions;
  readonly root: string;
  /** Wall time, to be compared with the times of files. If it is wrong, a writer or a probe fails; nothing is lost. */
  readonly nowMs: number;
}

/**
 * Removes what nobody needs any more: temporaries of killed writers after a day (a writer that loses its own fails at
 * the link, unapplied), and the scratch keys of probes after an hour. A probe removes its keys, but their tombstones
 * stay; these keys are never used again, so their numbers need not be kept from starting anew.
 */
export async function sweepFiles(parts: FileSweepParts): Promise<void> {
  const { fs } = parts;
  for (const path of await old(parts, "@tmp", 24 * hourMs)) {
    if ((await unless(["ENOENT"], () => fs.lstat(path)))?.isFile() !== true) continue;
    await unless(["ENOENT"], () => fs.unlink(path));
  }
  for (const path of await old(parts, probeFolder, hourMs)) {
    if (uuid.test(path.slice(-36))) await fs.rm(path, { recursive: true, force: true });
  }
}

/** Removes the scratch keys of one probe, which has removed them: their tombstones would stay. */
export async function discardScratch(parts: FileSweepParts, prefix: string): Promise<void> {
  const [folder, name, ...rest] = prefix.split("/");
  if (folder !== probeFolder || !uuid.test(name ?? "") || rest.join("/") !== "") {
    throw new InvalidSettingsError([`prefix must be "${probeFolder}/<uuid>/": only what a probe made is discarded`]);
  }
  const directory = join(parts.root, probeFolder);
  await parts.versions.assertDirectory(directory);
  await parts.fs.rm(join(directory, name ?? ""), { recursive: true, force: true });
}

async function old({ fs, versions, root, nowMs }: FileSweepParts, folder: string, ageMs: number): Promise<string[]> {
  const directory = join(root, folder);
  await versions.assertDirectory(directory);
  const paths: string[] = [];
  for (const name of (await unless(["ENOENT"], () => fs.readdir(directory))) ?? []) {
    const path = join(directory, name);
    const facts = await unless(["ENOENT"], () => fs.lstat(path));
    if (facts !== undefined && facts.mtimeMs < nowMs - ageMs) paths.push(path);
  }
  return paths;
}
