// Goal: Google Cloud Storage keeps every promise of the port. Method: the published suites, complete, over an
// in-process double of its JSON API, through a door on which requests meet faults.
import { describe, test } from "vitest";
import { leaseStorageSuite } from "../../src/testing/lease-storage-suite.ts";
import { runSuite } from "../../src/testing/versioned-storage-suite.ts";
import { GcsPlace, secretToken, suiteBeyondBuckets, suiteOfBuckets } from "./support/gcs-places.ts";

const harness = {
  secrets: [secretToken],
  place: () => GcsPlace.make(),
  connect: (place: GcsPlace) => place.connect(),
  remove: (place: GcsPlace) => place[Symbol.asyncDispose](),
};

describe("gcs storage", () => {
  runSuite(test, suiteOfBuckets, { ...harness, complete: true, faults: (place) => place.faults() });
  runSuite(test, suiteBeyondBuckets, { ...harness, lacks: ["transact", "expiry"] });
});

describe("gcs storage, its leases", () => {
  runSuite(test, leaseStorageSuite, {
    ...harness,
    complete: true,
    put: ({ double }, key, body) => void double.put(key, body),
  });
});
