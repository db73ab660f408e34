import { at, declaredNames, parse, wordsOf } from "./syntax.ts";
import type { Rule } from "./tree.ts";
import { perFile } from "./tree.ts";

// Words that have no other use here, by how they begin.
const bannedStems: Readonly<Record<string, string>> = {
  participa: "candidate",
  contender: "candidate",
  follower: "standby",
  slave: "standby",
  mutex: "lock",
  semaphore: "lock",
  heartbeat: "renew, or renewal",
  abdicat: "resign",
  steal: "take over",
  preempt: "take over",
  quiesc: "drain",
};

// Words that say nothing.
const vague = "the thing that it is, or does";
const bannedWords: ReadonlySet<string> = new Set(
  ["manager", "helper", "util", "service", "handler", "impl", "base", "abstract", "info", "misc", "common"].flatMap(
    (word) => [word, `${word}s`],
  ),
);

// The closed list. Each line has its reason, and is removed when nothing needs it any more.
const exceptions: readonly { readonly name: string; readonly path: RegExp; readonly reason: string }[] = [
  {
    name: "info",
    path: /^src\//,
    reason: "a method of every logger that users pass in",
  },
  { name: "credentialHelper", path: /^src\/storage\/git/, reason: "git calls that setting so" },
  { name: "disableClientInfo", path: /^src\/storage\/redis-/, reason: "both clients of Redis call that option so" },
  { name: "userInfo", path: /^src\/storage\/storage-url/, reason: "RFC 3986 calls that part of a URL so" },
  { name: "hasUserInfo", path: /^src\/storage\/storage-url/, reason: "the same part" },
];

function insteadOf(word: string, isForUsers: boolean): string | undefined {
  const stem = Object.keys(bannedStems).find((start) => word.startsWith(start));
  if (stem !== undefined) return bannedStems[stem];
  return isForUsers && bannedWords.has(word) ? vague : undefined;
}

/** What is said in tests is for us: there the vague words do no harm. */
const forUsers = /^(src|examples)\//;

function wrongWords(path: string, text: string): readonly string[] {
  const named = [
    ...path.split("/").map((name) => ({ name: name.replace(/\.\w+$/, ""), where: path })),
    ...declaredNames(parse(path, text)).map((node) => ({ name: node.text, where: at(node) })),
  ];
  return named.flatMap(({ name, where }) => {
    if (exceptions.some((exception) => exception.name === name && exception.path.test(path))) return [];
    return wordsOf(name).flatMap((word) => {
      const instead = insteadOf(word, forUsers.test(path));
      return instead === undefined ? [] : [`${where}: "${word}" in ${name}; say ${instead}`];
    });
  });
}

export const words: readonly Rule[] = [
  {
    name: "one word for one thing, in names",
    check: perFile(/^(src|examples|bench|scripts|test)\/(?!tidy\/words).*\.(ts|mjs)$/, wrongWords),
    refused: [
      { "src/lock/a.ts": "export class LockManager {}" },
      { "src/lock/a.ts": "export interface A { onHeartbeat(): void }" },
      { "src/lock/a.ts": "export function stealLease(): void {}" },
      { "src/lock/a.ts": "export function a(participants: number): void {}" },
      { "src/lock/a.ts": "export class A { #mutex = 1; }" },
      { "src/lock/a.ts": "export const { lease: preemptedLease } = a;" },
      { "src/lock/string-utils.ts": "export const a = 1;" },
      { "src/lock/a.ts": "export class StorageBase {}" },
    ],
    accepted: [
      { "src/lock/a.ts": 'import { Mutex, ServiceError } from "elsewhere"; export const a = b.heartbeat;' },
      { "src/lock/database.ts": "export const database = infoless;" },
    ],
  },
];
