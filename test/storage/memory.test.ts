// Goal: memory is the reference that every suite rests on. Method: the published suite, with all faults, over one
// shared MemoryData.
import { describe, test } from "vitest";
import { MemoryData, MemoryStorage } from "../../src/storage/memory.ts";
import { leaseStorageSuite } from "../../src/testing/lease-storage-suite.ts";
import { FaultyStorage } from "../../src/testing/faulty-storage.ts";
import { runSuite, versionedStorageSuite } from "../../src/testing/versioned-storage-suite.ts";

describe("memory storage", () => {
  runSuite(test, versionedStorageSuite, {
    complete: true,
    place: () => new MemoryData(),
    connect: (data) => new MemoryStorage({ data }),
    faults: (data) => new FaultyStorage(new MemoryStorage({ data })),
  });
});

describe("memory storage, its leases", () => {
  runSuite(test, leaseStorageSuite, {
    complete: true,
    place: () => new MemoryData(),
    connect: (data) => new MemoryStorage({ data }),
  });
});
