import { StorageUnavailableError } from "../errors.ts";
import type { PostgresConnection } from "./postgres-client.ts";
import type { PostgresStatements } from "./postgres-statements.ts";
import type { ProbeFinding } from "./probe.ts";

/**
 * Makes the table unless it is there. At most one session does so at a time: two at once fail, also with "if not
 * exists".
 */
export async function makeTable(session: PostgresConnection, statements: PostgresStatements): Promise<void> {
  const { table, lockNumber } = statements;
  const { rows } = await session.query("select pg_catalog.to_regclass($1) is null as missing", [table]);
  if (field(rows[0], "missing") !== true) return;
  await session.query("begin isolation level read committed read write");
  try {
    await session.query("select pg_catalog.pg_advisory_xact_lock($1::bigint)", [lockNumber]);
    await session.query(
      `create table if not exists ${table} (key text collate "C" primary key, value bytea not null, ` +
        "version uuid not null, written_at timestamptz not null)",
    );
    await session.query("commit");
  } catch (error) {
    await session.query("rollback");
    throw error;
  }
}

const rights = ["SELECT", "INSERT", "UPDATE", "DELETE"] as const;

/** What the server says about itself, the table and the rights of this role. */
export interface PostgresFacts {
  readonly standby: boolean;
  readonly readOnly: boolean;
  readonly unsafe: readonly string[];
  readonly isolation: string;
  readonly table: "missing" | "foreign" | "ours";
  readonly missingRights: readonly string[];
}

/** One query, which writes nothing. */
export async function askFacts(session: PostgresConnection, { table }: PostgresStatements): Promise<PostgresFacts> {
  const setting = (name: string): string => `pg_catalog.current_setting('${name}') as ${name}`;
  const may = rights.map((right) => `pg_catalog.has_table_privilege(t.oid, '${right}') as may_${right.toLowerCase()}`);
  const columns =
    "(select count(*) = 4 from pg_catalog.pg_attribute as a where a.attrelid = t.oid and not a.attisdropped " +
    "and a.attname in ('key', 'value', 'version', 'written_at')) as is_ours";
  const settings = ["fsync", "synchronous_commit", "default_transaction_isolation", "transaction_read_only"];
  const { rows } = await session.query(
    `select pg_catalog.pg_is_in_recovery() as standby, ${settings.map(setting).join(", ")}, t.oid, ${columns}, ` +
      `${may.join(", ")} ` +
      "from (select pg_catalog.to_regclass($1)::oid as oid) as t",
    [table],
  );
  const said = (name: string): string => String(field(rows[0], name));
  const off = ["fsync", "synchronous_commit"].filter((name) => said(name) === "off");
  const hasTable = (field(rows[0], "oid") ?? null) !== null;
  return {
    standby: field(rows[0], "standby") === true,
    readOnly: said("transaction_read_only") === "on",
    unsafe: off.map((name) => `${name} is off: an acknowledged write can be lost in a crash; turn it on`),
    isolation: said("default_transaction_isolation"),
    table: hasTable ? (field(rows[0], "is_ours") === true ? "ours" : "foreign") : "missing",
    missingRights: hasTable ? rights.filter((right) => field(rows[0], `may_${right.toLowerCase()}`) !== true) : [],
  };
}

/** Why this place is not healthy; throws if it cannot be used. */
export function reasonsOf(facts: PostgresFacts, storage: string): readonly string[] {
  if (facts.standby) {
    const message = `cannot check in ${storage}: the server is a standby; correct the host`;
    throw new StorageUnavailableError(message, { operation: "check", storage });
  }
  return [
    ...facts.unsafe,
    ...facts.missingRights.map((right) => `the role lacks the right to ${right}; grant it on the table`),
    ...(facts.readOnly ? ["default_transaction_read_only is on: every write is refused"] : []),
    ...(facts.table === "missing" ? ["the table does not exist yet; the first call makes it, unless create=off"] : []),
    ...(facts.table === "foreign" ? ["the table is not one of ours; correct table="] : []),
    ...(facts.isolation === "read committed"
      ? []
      : [`default_transaction_isolation is ${facts.isolation}: writes that meet are refused as busy`]),
  ];
}

/** The same for the probe. */
export function findingsOf(facts: PostgresFacts): readonly ProbeFinding[] {
  const standby = facts.standby ? ["the server is a standby, whose answers may be old"] : [];
  return [...facts.unsafe, ...standby].map((detail) => ({ verdict: "unsafe", detail }));
}

/** A column of a row that came from outside. */
export function field(row: unknown, name: string): unknown {
  return typeof row === "object" && row !== null ? Reflect.get(row, name) : undefined;
}
