import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { cli } from "../../src/cli/cli.ts";
import { Log } from "../../src/cli/log.ts";

/** What one call of `tenure` said. */
export interface Called {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Calls `tenure` in this process, without a terminal. */
export async function call(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Called> {
  const folder = mkdtempSync(join(tmpdir(), "tenure-call-"));
  const descriptor = openSync(join(folder, "stderr"), "w");
  const log = new Log(descriptor);
  let stdout = "";
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      stdout += chunk.toString();
      done();
    },
  });
  try {
    const code = await cli({
      ...{ args, environment, log },
      stdin: () => Readable.from([]),
      stdout: () => sink,
      signal: new AbortController().signal,
      leaveSignals: () => {},
    });
    await log.flush(1000);
    return { code, stdout, stderr: readFileSync(join(folder, "stderr"), "utf8") };
  } finally {
    closeSync(descriptor);
    rmSync(folder, { recursive: true });
  }
}
