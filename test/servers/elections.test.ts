// Goal: processes that elect on a real server survive crashes and freezes of their leader, and hand over in time.
// Method: the shared cases for processes, on each storage that has no file of its own for them, by its URL.
import { findGit } from "./support/git-server.ts";
import { describeOn } from "./support/found-server.ts";
import { gcsServerIn } from "./support/gcs-server.ts";
import { processElection } from "./support/process-election.ts";
import { foundRedis } from "./support/redis-server.ts";
import { s3Server } from "./support/s3-server.ts";

/** A poll of half a second, and the reads and writes of a busy machine. */
const polled = { handoverMs: 3_000, moreMs: 2_000 };

let places = 0;

describeOn(foundRedis, (start) => {
  processElection(async () => {
    const { url, stop } = await start();
    const fresh = (): string => `${url}?prefix=election-${process.pid}-${(places += 1)}&pollMs=60000`;
    return { url: fresh, [Symbol.asyncDispose]: stop };
  });
});

describeOn(gcsServerIn("memory"), (start) => {
  processElection(async () => {
    const server = await start();
    const fresh = (): string => server.url(server.fresh(), { pollMs: 500 });
    return { url: fresh, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
  }, polled);
});

describeOn(s3Server, (start) => {
  processElection(async () => {
    const server = await start();
    const fresh = (): string => server.url({ pollMs: 500 });
    return { url: fresh, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
  }, polled);
});

describeOn(findGit("http"), (start) => {
  processElection(async () => {
    const server = await start();
    const fresh = (): string => `git+${server.place().url}?minWriteIntervalMs=0&pollMs=500`;
    return { url: fresh, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
  }, polled);
});
