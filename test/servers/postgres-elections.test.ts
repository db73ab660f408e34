// Goal: processes that elect on PostgreSQL survive crashes and freezes of their leader, and hand over by push. Method:
// the shared cases for processes, on a real server, each in a schema of its own.
import { describeOn } from "./support/found-server.ts";
import { postgresServer } from "./support/postgres-server.ts";
import { processElection } from "./support/process-election.ts";

// The candidates open their storage by URL, through src/storage/postgres.ts as it was built into dist.
describeOn(postgresServer, (start) => {
  processElection(async () => {
    const server = await start();
    const schemas = await Promise.all(Array.from({ length: 8 }, () => server.schema()));
    return {
      url: () => {
        const schema = schemas.pop();
        if (schema === undefined) throw new Error("more elections than schemas");
        return server.url({ parameters: { schema } });
      },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  });
});
