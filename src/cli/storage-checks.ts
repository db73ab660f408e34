import { stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { resolveDurations } from "../election/durations.ts";
import { errorCode } from "../errors.ts";
import { type ProbeReport, probeStorage } from "../storage/probe.ts";
import { openStorage } from "../storage/registry.ts";
import type { VersionedStorage } from "../storage/versioned-storage.ts";
import type { Clock } from "../system/clock.ts";
import type { Logger } from "../system/logger.ts";
import { formatDuration } from "./durations.ts";
import type { Finding } from "./findings.ts";
import type { Timing } from "./run-settings.ts";

/** What the checks of a storage need. */
export interface StorageCheckOptions {
  readonly url: string;
  readonly timing: Timing;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether the storage may be written to, below `tenure-probe/`. */
  readonly probe: boolean;
  readonly signal: AbortSignal;
}

const reads = 20;
/** A key that nobody writes; a read of nothing takes as long as one of a lease. */
const unusedKey = "tenure-probe/round-trip";

/** Opens the storage and says how it is: reachable, safe, allowed, fast enough. */
export async function checkStorage(
  options: StorageCheckOptions,
): Promise<{ findings: Finding[]; storage?: VersionedStorage }> {
  const opened = await attempt("storage", () => openStorage(options.url, { ...options, probe: "never" }));
  if ("check" in opened) return { findings: [opened] };
  await using storage = opened;
  const findings = [
    await reachability(storage, options),
    ...(await fileRights(storage)),
    await roundTrips(storage, options),
  ];
  if (options.probe && !findings.some(({ level }) => level === "failure")) findings.push(...(await probe(options)));
  return { findings, storage };
}

async function reachability(storage: VersionedStorage, { signal }: StorageCheckOptions): Promise<Finding> {
  const { status, reasons, latencyMs } = await storage.health({ signal });
  const { reach, durability } = storage.capabilities;
  const answer = `${storage.description}: ${status} in ${formatDuration(latencyMs)}`;
  const found = `${answer}, seen by this ${reach}, ${durability}`;
  const why = reasons.length === 0 ? found : `${found}: ${reasons.join("; ")}`;
  if (status === "unhealthy") {
    // Its health is a text; what a read throws has a code, which decides the repair.
    const read = await attempt("storage", async () => ({ stored: await storage.read(unusedKey, { signal }) }));
    const repair = "make the storage answer, then look again";
    return "check" in read ? read : { check: "storage", level: "failure", found: why, repair };
  }
  if (durability === "may-lose") {
    const repair = "a failover can undo an acknowledged write: fence what the leader does by its term";
    return { check: "storage", level: "warning", found: why, repair };
  }
  return { check: "storage", level: status === "healthy" ? "ok" : "info", found: why };
}

/** Whoever may write a record may depose: that should be nobody else. */
async function fileRights(storage: VersionedStorage): Promise<Finding[]> {
  if (!storage.description.startsWith("file:")) return [];
  const path = fileURLToPath(storage.description);
  try {
    const { mode } = await stat(path);
    const found = `mode ${(mode & 0o7777).toString(8).padStart(4, "0")} of ${path}`;
    if ((mode & 0o022) === 0) return [{ check: "rights", level: "ok", found }];
    return [
      {
        check: "rights",
        level: "warning",
        found: `${found}: others may write, and depose`,
        repair: `chmod go-w ${path}`,
      },
    ];
  } catch {
    return []; // not made yet: the first write makes it, with the right mode
  }
}

async function roundTrips(storage: VersionedStorage, { clock, timing, signal }: StorageCheckOptions): Promise<Finding> {
  const timesMs: number[] = [];
  const measured = await attempt("round trips", async () => {
    for (let count = 0; count < reads; count++) {
      const sentMs = clock.monotonicMs();
      await storage.read(unusedKey, { signal });
      timesMs.push(clock.monotonicMs() - sentMs);
    }
    return timesMs.sort((a, b) => a - b);
  });
  if ("check" in measured) return measured;
  const [p50 = 0, most = 0] = [measured[reads / 2], measured[reads - 1]];
  return judgeRoundTrips({ p50, most }, timing);
}

/** A term survives answers that are always late by d as long as max(I, d) + d < V. */
export function judgeRoundTrips(
  { p50, most }: { readonly p50: number; readonly most: number },
  timing: Timing,
): Finding {
  const { renewDeadlineMs, renewIntervalMs } = resolveDurations(timing);
  const times = `reads take ${formatDuration(p50)}, at most ${formatDuration(most)} of ${reads}`;
  const found = `${times}; a term lasts ${formatDuration(renewDeadlineMs)}`;
  const repair = "choose a longer --lease-duration and --renew-deadline, or a storage that is nearer";
  if (Math.max(renewIntervalMs, most) + most >= renewDeadlineMs)
    return { check: "round trips", level: "failure", found, repair };
  if (most > renewDeadlineMs / 4) return { check: "round trips", level: "warning", found, repair };
  return { check: "round trips", level: "ok", found };
}

async function probe(options: StorageCheckOptions): Promise<Finding[]> {
  const { clock, signal, url } = options;
  const first = await openStorage(url, { ...options, probe: "never" });
  const connections = [first];
  // two connections of a storage in memory share its data only where they are one
  const alone = first.capabilities.reach === "process";
  const connect = async (): Promise<VersionedStorage> =>
    connections.pop() ?? (alone ? first : await openStorage(url, { ...options, probe: "never" }));
  const report = await attempt("probe", () => probeStorage(connect, { clock, signal }));
  return "check" in report ? [report] : judgeProbe(report);
}

/** One finding for all that went well, one for each step that did not. */
export function judgeProbe({ verdict, steps, requests, elapsedMs }: ProbeReport): Finding[] {
  const cost = `${requests} calls in ${formatDuration(elapsedMs)}`;
  if (verdict === "safe") {
    return [{ check: "probe", level: "ok", found: `enforces its conditions: ${steps.length} steps, ${cost}` }];
  }
  const safe = steps.filter((step) => step.verdict === "safe").length;
  const summary: Finding = { check: "probe", level: "info", found: `${safe} of ${steps.length} steps passed, ${cost}` };
  const bad = steps.filter((step) => step.verdict !== "safe");
  return [
    summary,
    ...bad.map((step): Finding => {
      const found = `${step.id} ${step.name}: ${step.detail}`;
      if (step.verdict === "unsafe") {
        const repair = "choose another storage: on this one two may lead at once";
        return { check: "probe", level: "failure", found, repair };
      }
      return {
        check: "probe",
        level: "warning",
        found,
        repair: "grant what the step names, or make it answer, then look again",
      };
    }),
  ];
}

const repairs: Readonly<Record<string, string>> = {
  INVALID_SETTINGS: "correct the URL",
  ACCESS_DENIED: "grant the right that is named",
  PACKAGE_MISSING: "install the package that is named",
  UNSAFE_STORAGE: "choose another storage: on this one two may lead at once",
};

async function attempt<T extends object>(check: string, call: () => Promise<T>): Promise<T | Finding> {
  try {
    return await call();
  } catch (error) {
    const code = errorCode(error);
    const found = error instanceof Error ? error.message : String(error);
    const repair = repairs[code ?? ""] ?? "make the storage answer, then look again";
    return { check, level: "failure", found, repair, ...(code !== undefined && { code }) };
  }
}
