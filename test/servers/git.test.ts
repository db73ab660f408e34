// Goal: a Git repository keeps every promise of a storage, in both layouts and over each transport. Method: the
// published suites on bare repositories by path, over smart HTTP and git's daemon, or on that of TENURE_TEST_GIT_URL.
import { afterAll, beforeAll, describe, test } from "vitest";
import { leaseStorageSuite } from "../../src/testing/lease-storage-suite.ts";
import { FaultyStorage } from "../../src/testing/faulty-storage.ts";
import { runSuite, versionedStorageSuite } from "../../src/testing/versioned-storage-suite.ts";
import type { GitStorageOptions } from "../../src/storage/git.ts";
import { describeOn, type FoundServer } from "./support/found-server.ts";
import {
  findGit,
  gitStorage,
  leave,
  placeAt,
  type GitServer,
  type GitTestPlace,
  type GitTransport,
} from "./support/git-server.ts";

const given = process.env["TENURE_TEST_GIT_URL"];

/** A call takes some 30 ms by path, 90 over HTTP, 150 over the daemon, and a tree is rebuilt under contention. */
const scales: Readonly<Record<GitTransport | "given", Readonly<Record<"refs" | "tree", number>>>> = {
  file: { refs: 0.06, tree: 0.02 },
  http: { refs: 0.02, tree: 0.02 },
  daemon: { refs: 0.02, tree: 0.02 },
  given: { refs: 0.02, tree: 0.02 },
};

function suites(of: () => GitTestPlace, transport: keyof typeof scales): void {
  const harness = (options: Partial<GitStorageOptions>) => ({
    place: of,
    connect: (place: GitTestPlace) => gitStorage(place, options),
    faults: (place: GitTestPlace) => new FaultyStorage(gitStorage(place, options), { timeoutMs: 60_000 }),
    remove: leave,
    timeoutMs: 240_000,
    scale: scales[transport][options.layout ?? "refs"],
  });
  describe("layout=refs", () => {
    runSuite(test, versionedStorageSuite, { ...harness({ layout: "refs" }), lacks: ["transact", "expiry"] });
  });
  // Over the network a tree differs from refs by nothing but the name of the ref; git-faults.test.ts races one there.
  if (transport === "file" || transport === "given") {
    describe("layout=tree", () => {
      runSuite(test, versionedStorageSuite, { ...harness({ layout: "tree" }), lacks: ["expiry"] });
    });
  }
  // So does history=keep from none: it is raced there too.
  const history = transport === "file" || transport === "given" ? "keep" : "none";
  describe(`leases, with history=${history}`, () => {
    const quick = leaseStorageSuite.filter(({ id }) => history === "keep" || id !== "LS13"); // half a minute of bodies
    runSuite(test, quick, { ...harness({ history }), complete: true });
  });
}

function onServer(transport: GitTransport): void {
  const found: FoundServer<GitServer> = findGit(transport);
  describeOn(found, (start) => {
    let server: GitServer | undefined;
    beforeAll(async () => void (server = await start()));
    afterAll(async () => server?.[Symbol.asyncDispose]());
    suites(() => {
      if (server === undefined) throw new Error("the server has not been started");
      return server.place();
    }, transport);
  });
}

if (given === undefined) for (const transport of ["file", "http", "daemon"] as const) onServer(transport);
else describe(`git at TENURE_TEST_GIT_URL`, () => suites(() => placeAt(given), "given"));
