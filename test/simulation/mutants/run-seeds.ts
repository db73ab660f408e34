// Plays seeds until one breaks the promise that is asked for, and tells what was broken as one line of JSON:
// node run-seeds.ts '{"from":1,"to":3,"invariant":"S1"}'. `any` stops at every violation.
import { playOn } from "../stages.ts";
import type { Seeds } from "./mutant.ts";

const [asked = ""] = process.argv.slice(2);

async function firstViolation(): Promise<{ seed: number; invariant: string; text: string } | undefined> {
  const seeds = JSON.parse(asked) as Seeds; // cast: by scripts/mutants
  const { from, to, invariant, stage = "election", ...options } = seeds;
  for (let seed = from; seed <= to; seed += 1) {
    const { violations } = await playOn(stage, seed, options);
    const found = violations.find((violation) => invariant === "any" || violation.invariant === invariant);
    if (found !== undefined) return { seed, invariant: found.invariant, text: found.text };
  }
  return undefined;
}

process.stdout.write(`${JSON.stringify({ found: await firstViolation() })}\n`);
