import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { LeaderElectionRecord } from "../../../src/lock/leader-election-record.ts";
import type { GoServer } from "./go-server.ts";

const folder = fileURLToPath(new URL("../client-go-elector", import.meta.url));

/** client-go's elector, in a small program of ours. Its version names client-go's, and what the program is made of. */
export const clientGoElector: GoServer = {
  name: "client-go-elector",
  version: `v0.36.3-${fingerprint()}`,
  folder,
  package: ".",
};

function fingerprint(): string {
  const hash = createHash("sha256");
  for (const name of readdirSync(folder).toSorted()) hash.update(readFileSync(join(folder, name)));
  return hash.digest("hex").slice(0, 12);
}

/** How one candidate of client-go is started. Times that are not named are the program's: 3, 2 and 0.5 s. */
export interface ClientGoSettings {
  readonly kubeConfig: string;
  readonly namespace: string;
  readonly name: string;
  readonly identity: string;
  readonly leaseDurationMs?: number;
  readonly renewDeadlineMs?: number;
  readonly retryPeriodMs?: number;
  /** How long a step of the work takes, whatever happens meanwhile. */
  readonly stepMs?: number;
  /** Does not campaign, but tells the record, as client-go reads it, for each line that it gets. */
  readonly show?: boolean;
}

/**
 * Starts the program. It speaks the protocol of our own candidates, in lines of JSON on its standard streams, and is
 * heard like a forked one.
 */
export function startClientGo(
  program: string,
  { kubeConfig, show = false, ...settings }: ClientGoSettings,
): ChildProcess {
  const flags = Object.entries(settings).map(([name, value]) =>
    name.endsWith("Ms") ? `--${dashed(name.slice(0, -2))}=${value}ms` : `--${dashed(name)}=${value}`,
  );
  const child = spawn(program, [`--kubeconfig=${kubeConfig}`, `--show=${show}`, ...flags], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.on("error", () => {}); // it has just died, which `exit` tells
  createInterface({ input: child.stdout }).on("line", (line) => child.emit("message", JSON.parse(line)));
  const send = (message: object): boolean => child.stdin.write(`${JSON.stringify(message)}\n`);
  return Object.assign(child, { send });
}

/** The record as client-go's lock reads it now, and the bytes that its electors compare with those of before. */
export async function seenByClientGo(program: string, settings: ClientGoSettings): Promise<SeenByClientGo> {
  const child = startClientGo(program, { ...settings, show: true });
  try {
    child.send({});
    const [said] = await once(child, "message", { signal: AbortSignal.timeout(10_000) });
    if (said.did !== "seen") throw new Error(`client-go did not read the Lease: ${JSON.stringify(said)}`);
    return { record: said.record, compared: said.compared };
  } finally {
    child.kill("SIGKILL");
  }
}

/** One look of client-go's. */
export interface SeenByClientGo {
  readonly record: LeaderElectionRecord;
  readonly compared: string;
}

function dashed(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
