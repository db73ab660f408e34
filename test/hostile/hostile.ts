import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { checks } from "./checks.ts";
import { Corpus } from "./corpus.ts";

/** What a run of hostile input showed. */
export interface HostileRun {
  /** How many inputs of each kind there were, and how many of them were accepted. */
  readonly kinds: Readonly<Record<string, { readonly inputs: number; readonly accepted: number }>>;
  readonly slowestMs: number;
  /** Growth of the heap from the first tenth to the end, after collections. */
  readonly grownBytes: number;
  /** Each with the number of its input: `--from` that number repeats it. */
  readonly failures: readonly string[];
}

/** How much of the processor one input may take; what is slow (a collection?) gets a second and a third chance. */
const patienceMs = 150;
const mostFailures = 20;

/** Feeds `count` inputs to their subjects, each from its own seed, the kinds in turn. */
export async function runHostile(seed: number, count: number, from = 0): Promise<HostileRun> {
  const names = Object.keys(checks);
  const kinds = Object.fromEntries(names.map((name) => [name, { inputs: 0, accepted: 0 }]));
  const failures: string[] = [];
  const before = prototypes();
  let slowestMs = 0;
  let heapBytes = 0;
  for (let done = 0; done < count && failures.length < mostFailures; done += 1) {
    const number = from + done;
    const name = names[number % names.length] ?? "body";
    const tally = kinds[name];
    try {
      const { accepted, ms } = await timed(name, seed, number);
      slowestMs = Math.max(slowestMs, ms);
      if (tally !== undefined) tally.accepted += accepted ? 1 : 0;
      if (ms > patienceMs) failures.push(`${name} ${number}: ${ms.toFixed(0)} ms`);
    } catch (error) {
      failures.push(`${name} ${number}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
    if (tally !== undefined) tally.inputs += 1;
    if (number % 1_000 === 0 && prototypes() !== before) failures.push(`${name} ${number}: a prototype was changed`);
    if (done === Math.floor(count / 10)) heapBytes = heapUsed();
  }
  if (prototypes() !== before) failures.push("a prototype was changed");
  return { kinds, slowestMs, grownBytes: heapUsed() - heapBytes, failures };
}

async function timed(name: string, seed: number, number: number): Promise<{ accepted: boolean; ms: number }> {
  let ms = Infinity;
  let accepted = false;
  for (let round = 0; round < 3 && ms > patienceMs; round += 1) {
    const corpus = new Corpus(seed * 2 ** 24 + number);
    const started = process.cpuUsage();
    accepted = (await checks[name]?.(corpus, number)) ?? false;
    const { user, system } = process.cpuUsage(started);
    ms = Math.min(ms, (user + system) / 1000);
  }
  return { accepted, ms };
}

/** What all objects inherit, as text. */
function prototypes(): string {
  const shared = [Object, Array, Function, String, Number, Map, Promise, Error, Uint8Array];
  return shared.map((one) => Reflect.ownKeys(one.prototype).map(String).join()).join(";");
}

function heapUsed(): number {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect === "function") collect();
  return process.memoryUsage().heapUsed;
}
