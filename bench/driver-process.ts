// A hand-over through the driver, without electors: a write, the hint that carries it, and the write of who heard it.
// node driver-process.ts URL
import { openStorage } from "../src/storage/registry.ts";
import type { Version, WriteOutcome } from "../src/storage/versioned-storage.ts";
import { obey, tell } from "./handover-side.ts";

const key = "push";
const value = new TextEncoder().encode(JSON.stringify({ holderIdentity: "x".repeat(200) }));
const storage = await openStorage(process.argv[2] ?? "");
let mine: Version | undefined;

async function join(): Promise<void> {
  const over = new AbortController();
  let standing: Version | undefined;
  for await (const { seen } of storage.watch?.(key, over) ?? []) {
    if (seen !== undefined && standing === undefined) {
      standing = seen.version;
      tell("follows");
    } else if (seen?.version !== standing || seen === undefined) {
      mine = versionOf(await (seen ? storage.replace(key, value, seen.version) : storage.create(key, value)));
      tell("leads");
      return over.abort(new Error("it leads"));
    }
  }
}

async function leave(): Promise<void> {
  if (mine === undefined) throw new Error("it does not lead");
  tell("released");
  versionOf(await storage.replace(key, value, mine));
  tell("left");
}

function versionOf(outcome: WriteOutcome): Version {
  if (!outcome.written) throw new Error("a write was refused");
  return outcome.version;
}

obey({ join, leave });
