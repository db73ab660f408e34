import type { RedisCommand } from "./redis-client.ts";
import type { Change, Stored, Version } from "./versioned-storage.ts";

/** A uuid in text, with which every message of a written value begins. */
const versionBytes = 36;
/** A larger value travels bare: subscribers that are slow have little room in the server. */
const largestPushedBytes = 64 * 2 ** 10;

/**
 * Compares, indexes, writes and publishes, in one step.
 *
 * KEYS: the index, then one hash for each change. ARGV: the new version, the life in milliseconds or "", the channel
 * up to the key or "", how much of a value is published, the length of the hashes' names before the key; then kind,
 * expected version and value of each change.
 *
 * Redis does not roll a script back. So the order is: compare, SADD, HSET or DEL, and after that nothing that can fail
 * but what is called protected. An error answer then proves that nothing was changed (an index entry without its hash
 * is nothing to anybody), unless it is PARTIAL: of several changes one was refused after another was made, which the
 * question for rights before makes as good as impossible.
 */
const writeScript = `
local version, life, channel, most, cut = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local writes, removes, brief = {}, {}, {}
for i = 2, #KEYS do
  local at = 3 * i
  local kind, expected = ARGV[at], ARGV[at + 1]
  local found = redis.call('HMGET', KEYS[i], 'version', 'brief')
  if kind == 'create' or kind == 'absent' then
    if found[1] then return 0 end
    if kind == 'create' and redis.call('EXISTS', KEYS[i]) == 1 then
      return redis.error_reply('WRONGTYPE a foreign hash')
    end
  elseif found[1] ~= expected then
    return 0
  end
  if kind == 'remove' then removes[#removes + 1] = i end
  if kind == 'create' or kind == 'replace' then writes[#writes + 1] = i end
  if found[2] then brief[i] = true end
end
if #writes > 0 and #removes > 0 then
  local denied = not redis.acl_check_cmd
  for _, i in ipairs(writes) do
    denied = denied or not redis.acl_check_cmd('HSET', KEYS[i], 'value', '')
  end
  for _, i in ipairs(removes) do denied = denied or not redis.acl_check_cmd('DEL', KEYS[i]) end
  if denied then return redis.error_reply('NOPERM writing and removing at once') end
end
for _, i in ipairs(writes) do redis.call('SADD', KEYS[1], string.sub(KEYS[i], cut)) end
for _, i in ipairs(writes) do
  if brief[i] and life == '' then redis.call('PERSIST', KEYS[i]) end
end
local changed = false
for i = 2, #KEYS do
  local kind, answer = ARGV[3 * i], {}
  if kind == 'create' or kind == 'replace' then
    answer = redis.pcall('HSET', KEYS[i], 'value', ARGV[3 * i + 2], 'version', version)
  elseif kind == 'remove' then
    answer = redis.pcall('DEL', KEYS[i])
  end
  if type(answer) == 'table' and answer.err then
    if changed then return redis.error_reply('PARTIAL a part was written') end
    return answer
  end
  changed = true
end
for _, i in ipairs(writes) do
  if life ~= '' then
    redis.pcall('HSET', KEYS[i], 'brief', '1')
    redis.pcall('PEXPIRE', KEYS[i], life)
  end
end
for _, i in ipairs(removes) do redis.pcall('SREM', KEYS[1], string.sub(KEYS[i], cut)) end
if channel ~= '' then
  for _, i in ipairs(writes) do
    local value = ARGV[3 * i + 2]
    local message = #value <= most and version .. value or ''
    redis.pcall('PUBLISH', channel .. string.sub(KEYS[i], cut), message)
  end
  for _, i in ipairs(removes) do redis.pcall('PUBLISH', channel .. string.sub(KEYS[i], cut), '') end
end
return 1
`;

/** The versions of some keys, and no more index entries of those that have expired. */
const versionsScript = `
local versions, cut = {}, tonumber(ARGV[1])
for i = 2, #KEYS do
  versions[i - 1] = redis.call('HMGET', KEYS[i], 'version')[1]
  if not versions[i - 1] and redis.call('EXISTS', KEYS[i]) == 0 then
    redis.pcall('SREM', KEYS[1], string.sub(KEYS[i], cut))
  end
end
return versions
`;

/** How one place is laid out: everything has one hash tag, so that all of it is in one slot of a cluster. */
export class RedisLayout {
  readonly #tag: string;

  constructor(prefix: string) {
    this.#tag = `{${prefix}}`;
  }

  /** The set of all keys. */
  get index(): string {
    return `${this.#tag}:keys`;
  }

  channel(key: string): string {
    return `${this.#tag}:c:${key}`;
  }

  /** Reads value and version. */
  read(key: string): RedisCommand {
    return ["HMGET", this.#hash(key), "value", "version"];
  }

  /** Reads the version alone. */
  look(key: string): RedisCommand {
    return ["HMGET", this.#hash(key), "version"];
  }

  write(changes: readonly Change[], { version, notify, lifeMs }: WriteTerms): RedisCommand {
    const channel = notify ? this.channel("") : "";
    const life = lifeMs === undefined ? "" : String(Math.max(1, Math.ceil(lifeMs)));
    return [
      ...["EVAL", writeScript, String(changes.length + 1), this.index],
      ...changes.map(({ key }) => this.#hash(key)),
      ...[version, life, channel, String(largestPushedBytes), this.#cut],
      ...changes.flatMap(argumentsOf),
    ];
  }

  scan(prefix: string, cursor: string): RedisCommand {
    return ["SSCAN", this.index, cursor, "MATCH", `${prefix.replace(/[\\*?[\]]/g, "\\$&")}*`, "COUNT", "500"];
  }

  versions(keys: readonly string[]): RedisCommand {
    const hashes = keys.map((key) => this.#hash(key));
    return ["EVAL", versionsScript, String(keys.length + 1), this.index, ...hashes, this.#cut];
  }

  #hash(key: string): string {
    return `${this.#tag}:k:${key}`;
  }

  /** Where the key begins in a hash's name; Lua counts from one. */
  get #cut(): string {
    return String(Buffer.byteLength(this.#hash("")) + 1);
  }
}

/** What is the same for all changes of one write. */
export interface WriteTerms {
  readonly version: Version;
  readonly notify: boolean;
  readonly lifeMs?: number | undefined;
}

function argumentsOf(change: Change): readonly (string | Uint8Array)[] {
  switch (change.kind) {
    case "create":
      return ["create", "", change.value];
    case "replace":
      return ["replace", change.expected, change.value];
    case "remove":
      return ["remove", change.expected, ""];
    case "check":
      return change.expected === "absent" ? ["absent", "", ""] : ["check", change.expected, ""];
  }
}

/** What a message carried; nothing after a removal, and for a large value. */
export function pushedValue(message: Uint8Array): Stored | undefined {
  const version = new TextDecoder().decode(message.subarray(0, versionBytes));
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(version)) return undefined; // bare, or of a foreigner
  return { value: message.slice(versionBytes), version: version as Version }; // cast: a write has put it there
}
