import { appendFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { appliedOf } from "../../src/errors.ts";
import { FileStorage } from "../../src/storage/file.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { FileSteps } from "../storage/file-steps.ts";

// A process that increments one counter as fast as it can, in races with others, and logs what it did and saw. It
// pauses at random between the steps of its storage. Told to stop, or left alone by its parent, it ends.

/** What the parent passes as JSON. */
export interface RacerSettings {
  readonly directory: string;
  readonly keep: number;
  readonly log: string;
  readonly seed: number;
}

/** What the counter's key holds. */
export interface Count {
  readonly count: number;
  /** Unique for each attempt to write. */
  readonly attempt: string;
}

/** A line of the log. Times are on the machine's monotonic clock, in nanoseconds. */
export type RacerLine =
  | ({ readonly did: "read"; readonly from: string } & Count)
  | ({ readonly did: "try" } & Count)
  | ({ readonly did: "write"; readonly outcome: "written" | "lost" | "no" | "unknown"; readonly to: string } & Count);

const { directory, keep, log, seed }: RacerSettings = JSON.parse(process.argv[2] ?? "{}");
const random = new SeededRandom(seed);
const steps = new FileSteps();
steps.on(
  () => random.next() < 0.03,
  async (run) => {
    await pause(random.next() * 25);
    return run();
  },
);
const storage = new FileStorage({ directory, keep, fs: steps.fs, fsync: false });
let stopped = false;
process.once("message", () => (stopped = true));
process.once("disconnect", () => (stopped = true));

const now = (): string => String(process.hrtime.bigint());
const write = (line: RacerLine): void => appendFileSync(log, `${JSON.stringify(line)}\n`);

async function round(attempt: string): Promise<void> {
  const from = now();
  const stored = await storage.read("counter");
  if (stored === undefined) throw new Error("the counter is gone");
  const seen: Count = JSON.parse(new TextDecoder().decode(stored.value));
  write({ did: "read", from, ...seen });
  const next: Count = { count: seen.count + 1, attempt };
  write({ did: "try", ...next });
  const bytes = new TextEncoder().encode(JSON.stringify(next));
  const outcome = await storage.replace("counter", bytes, stored.version).then(
    ({ written }) => (written ? "written" : "lost"),
    (error: unknown) => appliedOf(error),
  );
  write({ did: "write", outcome, to: now(), ...next });
}

for (let number = 0; !stopped; number += 1) await round(`${process.pid}-${seed}-${number}`);
if (process.connected) process.disconnect();
