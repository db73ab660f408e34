import type * as Tenure from "../../../src/index.ts";
import type * as TenureKubernetes from "../../../src/kubernetes/index.ts";
import type * as TenureStorage from "../../../src/storage/index.ts";
import type * as TenureClock from "../../../src/system/clock.ts";
import type * as TenureTelemetry from "../../../src/telemetry/index.ts";
import { CandidateWork } from "./candidate-work.ts";
import { JournalClient, tell } from "./channel.ts";
import { FailingLock } from "./failing-lock.ts";
import type { CandidateSettings, Command, ToCandidate } from "./protocol.ts";

// One candidate of an election, on file storage if nothing else is named, in a process of its own, on the built
// package. It tells its parent everything that happens, and fails where its parent says. It ends by itself when nothing
// keeps it alive any more.

const settings: CandidateSettings = JSON.parse(process.argv[2] ?? "{}");
// cast: the types are those of the sources that it was built from
const built = async <M>(path: string): Promise<M> => (await import(`${settings.dist}/${path}`)) as M;
const { LeaderElector, StorageLock, StaleTermError, errorCode } = await built<typeof Tenure>("index.js");
const { FileStorage, openStorage } = await built<typeof TenureStorage>("storage/index.js");
const { prometheusMetrics } = await built<typeof TenureTelemetry>("telemetry/index.js");
const { systemClock } = await built<typeof TenureClock>("system/clock.js");

let wallStepMs = 0;
const clock: Tenure.Clock = { ...systemClock, wallMs: () => systemClock.wallMs() + wallStepMs };
const { label } = settings;
const place = await openPlace();
const lock = new FailingLock(place.lock, settings.identity, place.minWriteIntervalMs);
const journal = new JournalClient(StaleTermError);
const work = new CandidateWork(settings, journal, errorCode);
const stop = new AbortController();

const elector = new LeaderElector({
  ...{ lock, clock, name: "lease", ...settings.timing },
  ...(settings.workMs !== undefined && { whenWorkReturns: "resign" as const }),
  callbacks: {
    onStartedLeading: (leadership) => work.run(leadership),
    onStoppedLeading: (reason) => void tell({ did: "onStoppedLeading", term: work.term, reason }),
  },
  onError: (error, where) => void tell({ did: "trouble", where, message: String(error) }),
});
work.meter(prometheusMetrics(elector));
elector.on("elected", ({ term, takeoverMs }) => void tell({ did: "elected", term, takeoverMs }));
elector.on("renewed", ({ term, ms, remainingMs }) => void tell({ did: "renewed", term, ms, remainingMs }));
elector.on("suspect", ({ term }) => void tell({ did: "suspect", term }));
elector.on("draining", ({ term, reason }) => void tell({ did: "draining", term, reason }));
elector.on("stopped", ({ term, reason }) => void tell({ did: "stopped", term, reason }));
elector.on("newLeader", ({ identity, term }) => void tell({ did: "newLeader", identity, term }));
elector.on("watchLive", () => void tell({ did: "watchLive" }));
elector.on("alarm", ({ kind }) => void tell({ did: "alarm", kind }));

/** Where this candidate contends, and how that is closed. */
interface Place {
  readonly lock: Tenure.ResourceLock;
  /** That of the lock, where the elector is to respect it: tests on files and buckets are faster than buckets like. */
  readonly minWriteIntervalMs?: number;
  readonly close: () => Promise<void>;
}

function openPlace(): Promise<Place> {
  if (settings.multiClusterLease !== undefined) return openMultiClusterLease(settings.multiClusterLease);
  return settings.lease === undefined ? openDocument() : openLease(settings.lease);
}

async function openDocument(): Promise<Place> {
  const { directory, pollMs } = settings;
  const storage =
    settings.storage === undefined
      ? new FileStorage({ directory, pollMs, keep: 500, fsync: false })
      : await openStorage(settings.storage, { probe: "never" });
  const lock = new StorageLock({ storage, namespace: "test", name: "lease", label });
  return { lock, close: () => storage.close() };
}

async function openLease(lease: { readonly namespace: string; readonly name: string }): Promise<Place> {
  const { LeaseLock, openKubernetesClient } = await built<typeof TenureKubernetes>("kubernetes/index.js");
  const client = await openKubernetesClient();
  const lock = new LeaseLock({ client, ...lease, label, events: "off" });
  return { lock, close: () => client.close() };
}

async function openMultiClusterLease(lease: { readonly namespace: string; readonly name: string }): Promise<Place> {
  const { MultiClusterLeaseLock, LeaseLock, openKubernetesClient } =
    await built<typeof TenureKubernetes>("kubernetes/index.js");
  const client = await openKubernetesClient();
  const { renewDeadlineMs, retryPeriodMs } = settings.timing;
  const { cluster } = settings;
  const lock = new MultiClusterLeaseLock({
    ...{ client, ...lease, label, renewDeadlineMs, retryPeriodMs },
    ...(cluster !== undefined && {
      ...{ scope: "cluster", label: cluster, within: new LeaseLock({ client, ...lease, label, events: "off" }) },
    }),
  });
  return { lock, minWriteIntervalMs: lock.minWriteIntervalMs, close: () => client.close() };
}

function obey(command: Command): void {
  switch (command.do) {
    case "exit":
      return process.exit(0);
    case "throwUncaught":
      setImmediate(() => {
        throw new Error("nobody catches this");
      });
      return;
    case "stepWall":
      wallStepMs += command.ms;
      return work.watchSuspicion();
    case "dieInRelease":
    case "slowWrite":
      return lock.fail(command);
    default:
      return work.fail(command);
  }
}

process.on("message", (message: ToCandidate) => {
  if ("appended" in message) journal.answered(message);
  else obey(message);
});
process.on("disconnect", () => process.exit(1)); // nobody is there to clean up
process.on("SIGTERM", () => {
  void tell({ did: "stopping", identity: lock.identity });
  stop.abort();
});
process.channel?.unref();

void tell({ did: "ready", identity: lock.identity });
if (settings.face === "acquire") {
  const leadership = await elector.acquire({ signal: stop.signal });
  void tell({ did: "started", term: leadership.term });
} else {
  await elector.run({ signal: stop.signal });
  await place.close();
  await tell({ did: "settled", identity: lock.identity });
}
