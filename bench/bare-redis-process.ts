// What a hand-over on Redis cannot do without: the former leader's write that publishes, and the write of the next.
// node bare-redis-process.ts URL
import { createClient } from "@redis/client";
import { obey, tell } from "./handover-side.ts";

const key = `tenure-bench-floor:${process.ppid}`;
const record = Buffer.from(JSON.stringify({ holderIdentity: "x".repeat(200) }));
const script = `
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'value', ARGV[3], 'version', ARGV[2])
redis.call('PUBLISH', KEYS[1], ARGV[2])
return 1
`;

const [url] = (process.argv[2] ?? "").split("?"); // the parameters are the driver's
const connect = () => createClient({ url: url ?? "" }).connect();
const [client, listening] = [await connect(), await connect()];
let [mine, joined] = ["", false];
await listening.subscribe(key, (version) => {
  if (joined) void lead(version);
});

async function write(expected: string): Promise<void> {
  const version = crypto.randomUUID();
  const answer = await client.eval(script, { keys: [key], arguments: [expected, version, record] });
  if (answer !== 1) throw new Error("a write was refused");
  mine = version;
}

async function lead(expected: string): Promise<void> {
  joined = false;
  await write(expected);
  tell("leads");
}

async function join(): Promise<void> {
  if (await client.hSetNX(key, "version", "none")) {
    await client.expire(key, 3_600);
    return lead("none");
  }
  joined = true;
  tell("follows");
}

async function leave(): Promise<void> {
  tell("released");
  await write(mine);
  tell("left");
}

obey({ join, leave });
