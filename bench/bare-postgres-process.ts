// What a hand-over on PostgreSQL cannot do without: the former leader's write that notifies, and the write of the
// next. Its statements are those of the driver. node bare-postgres-process.ts URL
import pg from "pg";
import { PostgresStatements } from "../src/storage/postgres-statements.ts";
import { obey, tell } from "./handover-side.ts";

const statements = new PostgresStatements({ schema: "public", table: "bare", notify: true });
const key = `floor-${process.ppid}`;
const value = new TextEncoder().encode(JSON.stringify({ holderIdentity: "x".repeat(200) }));
const sessions = [new pg.Client(process.argv[2]), new pg.Client(process.argv[2])] as const;
for (const session of sessions) await session.connect();
const [session, listening] = sessions;
let [mine, joined] = ["", false];
const columns = 'key text collate "C" primary key, value bytea, version uuid, written_at timestamptz';
await session.query(`create table if not exists bare (${columns})`);
listening.on("notification", ({ payload = "" }) => {
  if (joined) void lead(payload.slice(0, 36));
});
await listening.query(`listen "${statements.channel}"`);

async function write({ text, values }: { readonly text: string; readonly values: unknown[] }): Promise<boolean> {
  const { rows } = await session.query<{ version: string }>(text, values);
  mine = rows[0]?.version ?? mine;
  return rows.length === 1;
}

async function lead(expected: string): Promise<void> {
  joined = false;
  if (!(await write(statements.replace(key, { value, expected })))) throw new Error("a write was refused");
  tell("leads");
}

async function join(): Promise<void> {
  if (await write(statements.create(key, value))) return tell("leads");
  joined = true;
  tell("follows");
}

async function leave(): Promise<void> {
  tell("released");
  if (!(await write(statements.replace(key, { value, expected: mine })))) throw new Error("a write was refused");
  tell("left");
}

obey({ join, leave });
