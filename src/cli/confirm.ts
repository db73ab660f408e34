import { createInterface } from "node:readline/promises";
import type { Invocation } from "./command.ts";

/**
 * Whether to go on with a dangerous step that has been described: `--yes`, or a `y` on the terminal. Without a
 * terminal there is nobody to ask, and the answer is no.
 */
export async function confirm(question: string, { flags, stdin, log, signal }: Invocation): Promise<boolean> {
  if (flags.on("yes")) return true;
  const input = stdin();
  if (input.isTTY !== true) {
    log.write("tenure: refused without a terminal to confirm on; write --yes if this is meant.\n");
    return false;
  }
  log.write(`${question} [y/N] `);
  const lines = createInterface({ input });
  try {
    return /^y(es)?$/i.test((await lines.question("", { signal })).trim());
  } finally {
    lines.close();
  }
}
