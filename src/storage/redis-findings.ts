import type { ProbeFinding } from "./probe.ts";
import { RedisErrorReply, replyText, type RedisCommand, type RedisReply } from "./redis-client.ts";

const asked = ["maxmemory", "maxmemory-policy", "save", "appendonly"] as const;

type Call = (commands: readonly RedisCommand[]) => Promise<readonly RedisReply[]>;

/** Settings of the server that forget what it has acknowledged, or why they are not known. */
export async function settingsFindings(call: Call): Promise<readonly ProbeFinding[]> {
  const replies = await call(asked.map((name) => ["CONFIG", "GET", name]));
  const settings = new Map<string, string>();
  for (const reply of replies) {
    const [name, value] = Array.isArray(reply) ? reply : [];
    settings.set(replyText(name) ?? "", replyText(value) ?? "");
  }
  const missing = asked.filter((name) => !settings.has(name));
  if (missing.length > 0) {
    const why = replies.some((reply) => reply instanceof RedisErrorReply && reply.message === "NOPERM")
      ? "the right +config|get is missing"
      : "CONFIG GET is not answered";
    return [{ verdict: "unproven", detail: `${missing.join(", ")} cannot be asked for: ${why}` }];
  }
  return [...evictionFindings(settings), ...persistenceFindings(settings)];
}

/** Our keys have no end of life, so the policies called volatile do not touch them. */
function evictionFindings(settings: ReadonlyMap<string, string>): readonly ProbeFinding[] {
  const policy = settings.get("maxmemory-policy") ?? "";
  if (settings.get("maxmemory") === "0" || policy === "noeviction" || policy.startsWith("volatile-")) return [];
  const detail = `maxmemory-policy is ${policy}, so a lease may be evicted; set noeviction`;
  return [{ verdict: "unsafe", detail }];
}

function persistenceFindings(settings: ReadonlyMap<string, string>): readonly ProbeFinding[] {
  if (settings.get("appendonly") === "yes" || settings.get("save") !== "") return [];
  const detail =
    "neither appendonly nor save is on, so a restart forgets every lease and every term; set appendonly yes";
  return [{ verdict: "unsafe", detail }];
}
