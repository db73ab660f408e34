// Goal: what `npm run mutants` found that no other test of a storage saw. Method: a storage in memory whose attempts
// fail, and count.
import { expect, it } from "vitest";
import type { WriteOutcome } from "../../src/storage/versioned-storage.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";

class FailingStorage extends MemoryStorage {
  attempts = 0;

  protected override createOnce(): Promise<WriteOutcome> {
    this.attempts += 1;
    return Promise.reject(new Error("the connection was reset"));
  }
}

it("a write that failed is never repeated by the storage itself: it may have been applied", async () => {
  const storage = new FailingStorage();
  await expect(storage.create("a", new Uint8Array(1))).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
  expect(storage.attempts).toBe(1);
});
