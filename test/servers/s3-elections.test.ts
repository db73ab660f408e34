// Goal: processes that elect on S3 survive crashes and freezes of their leader, and hand over within a poll. Method:
// the shared cases for processes, on a real server, each below a prefix of its own.
import { timing } from "../process/support/candidates.ts";
import { l2Ms } from "../process/support/scenario.ts";
import { describeOn } from "./support/found-server.ts";
import { processElection } from "./support/process-election.ts";
import { s3Server } from "./support/s3-server.ts";

const pollMs = 200;

// The candidates open their storage by URL, through src/storage/s3.ts as it was built into dist.
describeOn(s3Server, (start) => {
  processElection(
    async () => {
      const server = await start();
      return {
        // Probed in s3.test.ts; each candidate by itself would spend a second on it.
        url: () => server.url({ pollMs, probe: "never" }),
        [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
      };
    },
    { handoverMs: l2Ms + pollMs + 2.2 * timing.retryPeriodMs, moreMs: 500 },
  );
});
