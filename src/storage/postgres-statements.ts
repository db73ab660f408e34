import { createHash } from "node:crypto";

/** A statement and its values. */
export interface PostgresStatement {
  readonly text: string;
  readonly values: unknown[];
}

/** What decides how statements read. */
export interface PostgresPlace {
  readonly schema: string;
  readonly table: string;
  /** Whether a write notifies those who watch. */
  readonly notify: boolean;
}

/** Keys of one page of a list. */
export const pageSize = 1000;

/** `pg_notify` refuses 8,000 bytes. The version goes before what is measured here. */
const longestTail = 7_999 - 36;

/**
 * The statements of one table: values travel as parameters, names are quoted. One statement is one call, with the
 * notification inside: it is sent exactly if the write is committed.
 */
export class PostgresStatements {
  /** At most 63 bytes: `LISTEN` cuts a longer name silently, `pg_notify` refuses it. */
  readonly channel: string;
  /** Quoted, with its schema. */
  readonly table: string;
  /** For the advisory lock under which the table is made. */
  readonly lockNumber: string;
  readonly #notify: boolean;
  readonly #read: string;
  /** Of single writes, whose version the server draws; put together once, since that costs as much as the rest. */
  readonly #writes: WriteTexts;
  /** Of a transaction, which has one version for all its writes, as last value. */
  readonly #writesOfMany: WriteTexts;

  constructor({ schema, table, notify }: PostgresPlace) {
    const hash = createHash("sha256").update(`${schema}\0${table}`).digest();
    this.channel = `tenure_${hash.toString("hex", 0, 20)}`;
    this.lockNumber = hash.readBigInt64BE(24).toString();
    this.table = `${quoted(schema)}.${quoted(table)}`;
    this.#notify = notify;
    this.#read =
      "select pg_catalog.pg_is_in_recovery() as standby, d.value, d.version::text as version " +
      `from (select 1) as one left join ${this.table} as d on d.key = $1`;
    // No seed of a client can repeat a version that the server draws.
    this.#writes = writeTexts(this.table, notify, () => "pg_catalog.gen_random_uuid()");
    this.#writesOfMany = writeTexts(this.table, notify, (next) => `$${next}::uuid`);
  }

  /** One row, always: what is stored, and whether this server is a standby, whose answer may be old. */
  read(key: string): PostgresStatement {
    return { text: this.#read, values: [key] };
  }

  create(key: string, value: Uint8Array, version?: string): PostgresStatement {
    return this.#write("create", { values: [key, value], tail: () => tailOf(key, value) }, version);
  }

  replace(
    key: string,
    { value, expected }: { readonly value: Uint8Array; readonly expected: string },
    version?: string,
  ): PostgresStatement {
    return this.#write("replace", { values: [key, value, expected], tail: () => tailOf(key, value) }, version);
  }

  /** The returned version names the removal. */
  remove(key: string, expected: string): PostgresStatement {
    return this.#write("remove", { values: [key, expected], tail: () => `\n${key}` }, undefined);
  }

  /** Holds the row as it is until the transaction ends. */
  check(key: string, expected: string): PostgresStatement {
    const text = `select 1 from ${this.table} where key = $1 and version::text = $2 for share`;
    return { text, values: [key, expected] };
  }

  /** Holds the absence of a key until the transaction ends, together with `vacate`. */
  occupy(key: string): PostgresStatement {
    const text =
      `insert into ${this.table} (key, value, version, written_at) ` +
      "values ($1, '', pg_catalog.gen_random_uuid(), pg_catalog.now()) on conflict (key) do nothing returning 1";
    return { text, values: [key] };
  }

  vacate(key: string): PostgresStatement {
    return { text: `delete from ${this.table} where key = $1`, values: [key] };
  }

  /** A page of the keys after `after`, and before `before` if it is given; one row at least, as in `read`. */
  page(after: string, before: string | undefined): PostgresStatement {
    const range = `key collate "C" > $1${before === undefined ? "" : ' and key collate "C" < $2'}`;
    const text =
      "select pg_catalog.pg_is_in_recovery() as standby, d.key, d.version::text as version from (select 1) as one " +
      `left join (select key, version from ${this.table} where ${range} order by key collate "C" limit ${pageSize}) ` +
      'as d on true order by d.key collate "C"';
    return { text, values: before === undefined ? [after] : [after, before] };
  }

  #write(
    kind: keyof WriteTexts,
    { values, tail }: { readonly values: unknown[]; readonly tail: () => string },
    version: string | undefined,
  ): PostgresStatement {
    if (this.#notify) values.push(this.channel, tail());
    if (version === undefined) return { text: this.#writes[kind], values };
    values.push(version);
    return { text: this.#writesOfMany[kind], values };
  }
}

interface WriteTexts {
  readonly create: string;
  readonly replace: string;
  readonly remove: string;
}

/** `made` is the new version, if need be as the value with the number that it is given. */
function writeTexts(table: string, notify: boolean, made: (next: number) => string): WriteTexts {
  // After its own values each statement has the channel and the payload.
  const next = (own: number): number => own + (notify ? 3 : 1);
  const told = (bare: string, own: number): string => {
    const payload = `pg_catalog.pg_notify($${own + 1}, version::text || $${own + 2}::text)`;
    return `with w as (${bare}) select version::text as version${notify ? `, ${payload}` : ""} from w`;
  };
  const create =
    `insert into ${table} (key, value, version, written_at) values ($1, $2, ${made(next(2))}, pg_catalog.now()) ` +
    "on conflict (key) do nothing returning version";
  const replace =
    `update ${table} set value = $2, version = ${made(next(3))}, written_at = pg_catalog.now() ` +
    "where key = $1 and version::text = $3 returning version";
  const remove =
    `delete from ${table} where key = $1 and version::text = $2 ` + "returning pg_catalog.gen_random_uuid() as version";
  return { create: told(create, 2), replace: told(replace, 3), remove: told(remove, 2) };
}

/** A name as SQL has it, whatever it contains. */
function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** What follows the version in a notification: the key, and the value where there is room. */
function tailOf(key: string, value: Uint8Array): string {
  const bare = `\n${key}`;
  const room = longestTail - Buffer.byteLength(bare) - 1;
  if (Math.ceil(value.byteLength / 3) * 4 > room) return bare;
  return `${bare}\n${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64")}`;
}
