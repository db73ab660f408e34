import type { PostgresConnection } from "./postgres-client.ts";
import type { PostgresStatement, PostgresStatements } from "./postgres-statements.ts";
import type { WriteProgress } from "./storage-call.ts";
import type { Change, Version, WriteOutcome } from "./versioned-storage.ts";

/**
 * Applies all changes or none, in one transaction. Rows are locked in the order of their keys, so that two of these
 * never wait for each other in a circle.
 */
export async function applyTransaction(
  session: PostgresConnection,
  { statements, changes }: { readonly statements: PostgresStatements; readonly changes: readonly Change[] },
  progress: WriteProgress,
): Promise<WriteOutcome> {
  const run = async ({ text, values }: PostgresStatement): Promise<boolean> =>
    (await session.query(text, values)).rows.length > 0;
  await session.query("begin isolation level read committed read write");
  try {
    const version = await drawVersion(session);
    for (const change of inOrder(changes)) {
      if (await run(statementOf(statements, change, version))) continue;
      await session.query("rollback");
      return { written: false };
    }
    for (const { key } of changes.filter(isAbsent)) await run(statements.vacate(key));
    progress.applied = "unknown"; // from here on: what was not committed is rolled back, however it ends
    await session.query("commit");
    return { written: true, version };
  } catch (error) {
    // The session may go back to the pool, so it must not stay within a failed transaction; a lost one throws here.
    if (progress.applied === "no") await session.query("rollback");
    throw error;
  }
}

async function drawVersion(session: PostgresConnection): Promise<Version> {
  const { rows } = await session.query("select pg_catalog.gen_random_uuid()::text as version");
  return String(Reflect.get(Object(rows[0]), "version")) as Version; // cast: this is where versions are born
}

function statementOf(statements: PostgresStatements, change: Change, version: Version): PostgresStatement {
  switch (change.kind) {
    case "create":
      return statements.create(change.key, change.value, version);
    case "replace":
      return statements.replace(change.key, change, version);
    case "remove":
      return statements.remove(change.key, change.expected);
    case "check":
      return isAbsent(change) ? statements.occupy(change.key) : statements.check(change.key, change.expected);
  }
}

function isAbsent(change: Change): boolean {
  return change.kind === "check" && change.expected === "absent";
}

/** As the index has them: by bytes. */
function inOrder(changes: readonly Change[]): readonly Change[] {
  return [...changes].sort((one, other) => Buffer.compare(Buffer.from(one.key), Buffer.from(other.key)));
}
