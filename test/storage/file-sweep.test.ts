// Goal: a probe leaves nothing behind on file storage, and nothing but a probe's own scratch can be discarded. Method:
// a fresh temporary folder, the registry's probe, and prefixes that a careless caller might pass.
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileStorage } from "../../src/storage/file.ts";
import { openStorage } from "../../src/storage/registry.ts";

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "tenure-sweep-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe("the scratch keys of a probe", () => {
  it("are gone when the storage is open", async () => {
    const storage = await openStorage(`${pathToFileURL(root).href}?fsync=off`, { probe: "always" });
    await storage.close();
    expect(await readdir(join(root, "tenure-probe"))).toEqual([]);
  });

  it.each(["", "leases/", "tenure-probe/", "tenure-probe/x/", "tenure-probe/../leases/", "tenure-probe/a/b/"])(
    "are all that can be discarded: not %j",
    async (prefix) => {
      await using storage = new FileStorage({ directory: root, fsync: false });
      await storage.create("leases/a/b", new TextEncoder().encode("kept"));
      await expect(storage.discardScratch(prefix)).rejects.toMatchObject({ code: "INVALID_SETTINGS" });
      expect(await storage.read("leases/a/b")).toBeDefined();
    },
  );
});
