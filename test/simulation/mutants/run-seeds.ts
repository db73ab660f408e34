// Plays seeds until one breaks the promise that is asked for, and tells what was broken as one line of JSON:
// node run-seeds.ts from to invariant [drift]. `any` stops at every violation.
import { simulate } from "../simulate.ts";

const [from = "1", to = "0", invariant = "any", drift] = process.argv.slice(2);

async function firstViolation(): Promise<{ seed: number; invariant: string; text: string } | undefined> {
  for (let seed = Number(from); seed <= Number(to); seed += 1) {
    const { violations } = await simulate(seed, drift === undefined ? {} : { drift: Number(drift) });
    const found = violations.find((violation) => invariant === "any" || violation.invariant === invariant);
    if (found !== undefined) return { seed, invariant: found.invariant, text: found.text };
  }
  return undefined;
}

process.stdout.write(`${JSON.stringify({ found: await firstViolation() })}\n`);
