import { stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type ProbeReport, probeStorage } from "../storage/probe.ts";
import { openStorage } from "../storage/registry.ts";
import type { VersionedStorage } from "../storage/versioned-storage.ts";
import { attempt } from "./attempt.ts";
import { formatDuration } from "./durations.ts";
import type { Finding } from "./findings.ts";
import type { PlaceCheck, PlaceCheckOptions } from "./place.ts";
import { roundTrips } from "./round-trips.ts";

/** What the checks of a storage need. */
type StorageCheckOptions = Omit<PlaceCheckOptions, "flags">;

/** A key that nobody writes; a read of nothing takes as long as one of a lease. */
const unusedKey = "tenure-probe/round-trip";

/** Opens the storage and says how it is: reachable, safe, allowed, fast enough. */
export async function checkStorage(options: StorageCheckOptions): Promise<PlaceCheck> {
  const opened = await attempt("storage", () => openStorage(options.url, { ...options, probe: "never" }));
  if ("check" in opened) return { findings: [opened] };
  await using storage = opened;
  const findings = [
    await reachability(storage, options),
    ...(await fileRights(storage)),
    await roundTrips(() => storage.read(unusedKey, { signal: options.signal }), options),
  ];
  if (options.probe && !findings.some(({ level }) => level === "failure")) findings.push(...(await probe(options)));
  return { findings, minWriteIntervalMs: storage.capabilities.minWriteIntervalMs };
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
