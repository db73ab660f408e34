// One worker of a simulation: plays the seeds that its parent sends, and answers each with what became of it.
import type { JobAnswer, JobQuestion } from "./jobs.ts";
import { recordRows } from "./record-rows.ts";

recordRows(); // before the election is loaded
const { hashOf } = await import("./simulate.ts");
const { playOn } = await import("./stages.ts");
const { takenRows } = await import("./recorded-decide.ts");

process.on("message", (question: JobQuestion) => void play(question));
process.send?.("ready");

async function play({ seed, stage, drift, faults, repeats }: JobQuestion): Promise<void> {
  takenRows.clear();
  const cpuBefore = process.cpuUsage();
  const options = { ...(drift !== undefined && { drift }), ...(faults !== undefined && { faults }) };
  const hashes = new Set<string>();
  const result = await playOn(stage, seed, options);
  if (repeats > 1) hashes.add(hashOf(result.events));
  for (let run = 1; run < repeats; run += 1) hashes.add(hashOf((await playOn(stage, seed, options)).events));
  for (const [row, count] of result.rows) takenRows.set(row, count);
  const { user, system } = process.cpuUsage(cpuBefore);
  const answer: JobAnswer = {
    ...{ seed, terms: result.terms, violations: result.violations, hashes: [...hashes] },
    ...{ rows: [...takenRows], reasons: [...result.reasons] },
    ...{ simulatedMs: result.simulatedMs * repeats, cpuMs: (user + system) / 1_000 },
  };
  process.send?.(answer);
}
