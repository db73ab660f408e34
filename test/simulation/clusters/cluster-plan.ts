import type { Chance } from "../chance.ts";
import type { FaultName, Plan, Preset } from "../plan.ts";

/** What a network does to requests and answers. */
const networkFaults = [
  ...(["requestLost", "answerLost", "late", "doubled", "reordered", "refused", "failsAfter", "repeated"] as const),
] as const;
/** Of a storage also: old answers to reads, and hints that are lost, late or doubled. */
const storageFaults = [...networkFaults, "stale", "hintLost", "hintLate", "hintDoubled"] as const;

type StorageFault = `storage.${(typeof storageFaults)[number]}`;

/** Every fault that a run of two clusters may draw. */
export const clusterFaultNames: readonly ClusterFault[] = [
  ...networkFaults,
  ...storageFaults.map((name): StorageFault => `storage.${name}`),
  // Links: of one process to its cluster, of one controller to the storage; a whole server that stands.
  ...(["partition", "storagePartition", "hung", "serverPause", "storagePause", "storageAway"] as const),
  ...(["watchLate", "watchCut", "watchesEnd", "compaction"] as const),
  ...(["pause", "suspend", "crash", "wallStep", "drift"] as const),
  ...(["controllerPause", "controllerCrash", "controllerRestart"] as const),
  ...(["edit", "editFlood", "deletion", "finalizerTaken", "recordDeleted"] as const),
  ...(["resign", "stopAndStart", "mixedSpecs", "aimed", "statusLost", "impatient"] as const),
];
export type ClusterFault =
  | (typeof networkFaults)[number]
  | StorageFault
  | ("partition" | "storagePartition" | "hung" | "serverPause" | "storagePause" | "storageAway")
  | ("watchLate" | "watchCut" | "watchesEnd" | "compaction")
  | ("pause" | "suspend" | "crash" | "wallStep" | "drift")
  | ("controllerPause" | "controllerCrash" | "controllerRestart")
  | ("edit" | "editFlood" | "deletion" | "finalizerTaken" | "recordDeleted")
  | ("resign" | "stopAndStart" | "mixedSpecs" | "aimed" | "statusLost" | "impatient");

/** Drawn less often: hands in the resource, and the record itself. */
const rare: ReadonlySet<ClusterFault> = new Set(["deletion", "finalizerTaken", "recordDeleted"]);

/** By which a cluster may lose its MultiClusterLease, and with it what its controller has seen. */
const handsInTheResource: readonly ClusterFault[] = ["deletion", "finalizerTaken"];

/** Whatever these do, no leader is lost to it. */
export const gentle: ReadonlySet<ClusterFault> = new Set(["statusLost", "wallStep", "edit", "editFlood", "mixedSpecs"]);

/** One candidate before its run begins. */
export interface CandidatePlan {
  readonly label: string;
  readonly cluster: number;
  readonly preset: Preset;
}

/** What one seed decides about two clusters before its run begins. */
export interface ClusterPlan {
  readonly seed: number;
  readonly faults: ReadonlySet<ClusterFault>;
  readonly intensity: number;
  readonly candidates: readonly [CandidatePlan, ...CandidatePlan[]];
  /** The number of each cluster. */
  readonly clusters: readonly [number, number, ...number[]];
  /** How many controllers each cluster has. */
  readonly replicas: readonly number[];
  /** Of the network of the clusters, and of the work of all candidates. */
  readonly api: Plan;
  /** Of the network of the storage. */
  readonly storage: Plan;
  /** Upstream's definition of the resource: the fields that we have added are dropped. */
  readonly prunes: boolean;
  /** The storage is away for an hour (#77). */
  readonly hour: boolean;
  /** Who is elected: one candidate of all, or a cluster, in whose name one of its candidates leads (K-56). */
  readonly scope: "process" | "cluster";
}

/** What a caller may fix instead of leaving it to the seed. */
export interface ClusterPlanOptions {
  readonly drift?: number;
  /** Exactly these faults, instead of the drawn ones. */
  readonly faults?: readonly ClusterFault[];
  /** Upstream's definition of the resource, or ours. */
  readonly prunes?: boolean;
  /** Whether the storage is away for an hour. */
  readonly hour?: boolean;
  /** How many take part, 2 to 4, and at least one in each cluster. */
  readonly candidates?: number;
  /** Default 2. */
  readonly clusters?: 2 | 3;
  /** Default `"process"`; in scope `"cluster"` each cluster has two candidates or three. */
  readonly scope?: ClusterPlan["scope"];
}

const usual: Preset = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 };
/** A short one and a long one: each has to wait for what the holder has declared. */
const others: readonly [Preset, ...Preset[]] = [
  usual,
  { leaseDurationMs: 6_000, renewDeadlineMs: 4_000, retryPeriodMs: 1_000 },
  { leaseDurationMs: 60_000, renewDeadlineMs: 40_000, retryPeriodMs: 5_000 },
];

/** Draws a run: a subset of the faults, each with probability one half, and a set-up. */
export function drawClusterPlan(seed: number, chance: Chance, options: ClusterPlanOptions = {}): ClusterPlan {
  const drawn = clusterFaultNames.filter((name) => chance.of(`plan ${name}`).happens(rare.has(name) ? 0.2 : 0.5));
  const faults = new Set(options.faults ?? drawn);
  // Who remembers no term, because both are gone, is left to the fence.
  if (faults.has("recordDeleted")) for (const name of handsInTheResource) faults.delete(name);
  const draws = chance.of("clusters");
  const drawnCount = 2 + Math.floor(draws.next() * 3);
  const { scope = "process" } = options;
  const clusters: ClusterPlan["clusters"] = options.clusters === 3 ? [0, 1, 2] : [0, 1];
  const homes = scope === "cluster" ? drawHomes(clusters, chance) : homesOf(clusters, options.candidates ?? drawnCount);
  const candidates = drawCandidates({ homes, clusters, chance, faults });
  const intensity = draws.between(0.2, 1.5);
  const common: Plan = {
    ...{ seed, faults: new Set(), intensity, candidates: candidates.length, preset: longestOf(candidates) },
    watch: draws.pick(["records", "bare", "none"]),
    versions: draws.pick(["counter", "opaque", "content"]),
    minWriteIntervalMs: draws.pick([0, 0, 1_000]),
    ...{ slowWriteMs: 0, roundTripMs: draws.pick([2, 20, 60]) },
    work: draws.pick(["short", "long"]),
    ...{ whenWorkReturns: "keep", onMissing: "create", termFloor: false, multiLock: false },
    drift: options.drift ?? draws.pick([0, 0.0005, 0.02, 0.05, 0.19]),
  };
  const replicas = [draws.pick([1, 2]), draws.pick([1, 2])];
  for (const _more of clusters.slice(2)) replicas.push(chance.of("more clusters").pick([1, 2]));
  const slowWriteMs = draws.pick([0, 0, 100]);
  const [drawnPrunes, drawnHour] = [draws.happens(0.2), faults.has("storageAway") && draws.happens(0.05)];
  return {
    ...{ seed, faults, candidates, clusters, intensity, replicas, scope },
    api: { ...common, faults: new Set([...networkFaults.filter((name) => faults.has(name)), ...watchFaults(faults)]) },
    storage: {
      ...common,
      slowWriteMs,
      faults: new Set<FaultName>(storageFaults.filter((name) => faults.has(`storage.${name}`))),
    },
    prunes: options.prunes ?? drawnPrunes,
    hour: options.hour ?? drawnHour,
  };
}

/** A watch of a cluster loses nothing in between: what is lost, ends it. */
function watchFaults(faults: ReadonlySet<ClusterFault>): readonly FaultName[] {
  const names: FaultName[] = [];
  if (faults.has("watchLate")) names.push("hintLate");
  if (faults.has("watchCut")) names.push("hintLost");
  return names;
}

/** In which cluster each candidate is; `undefined`: anywhere. */
type Homes = readonly (number | undefined)[];

/** One in each cluster at least; the others anywhere. */
function homesOf(clusters: ClusterPlan["clusters"], count: number): Homes {
  return Array.from({ length: Math.max(count, clusters.length) }, (_, index) => clusters[index]);
}

/** Two or three in each. */
function drawHomes(clusters: ClusterPlan["clusters"], chance: Chance): Homes {
  const draws = chance.of("homes");
  return clusters.flatMap((cluster) => Array.from({ length: draws.pick([2, 3]) }, () => cluster));
}

function drawCandidates({
  homes,
  clusters,
  chance,
  faults,
}: Pick<ClusterPlan, "clusters" | "faults"> & {
  readonly homes: Homes;
  readonly chance: Chance;
}): ClusterPlan["candidates"] {
  const draws = chance.of("candidates");
  const draw = (index: number): CandidatePlan => {
    const cluster = homes[index] ?? draws.oneOf(clusters.toReversed()) ?? 0;
    const preset = faults.has("mixedSpecs") ? draws.pick(others) : usual;
    return { label: `c${index}-${"abc"[cluster] ?? ""}`, cluster, preset };
  };
  return [draw(0), ...Array.from({ length: homes.length - 1 }, (_, index) => draw(index + 1))];
}

/** How long the others wait for the lease of this candidate: those of other clusters let its neighbours go first. */
export function waitOf({ leaseDurationMs, retryPeriodMs }: Preset, scope: ClusterPlan["scope"]): number {
  return leaseDurationMs + (scope === "cluster" ? 3 * retryPeriodMs : 0);
}

/** The preset that asks for the longest wait. */
export function longestOf([first, ...more]: ClusterPlan["candidates"]): Preset {
  return more.reduce(
    (longest, { preset }) => (preset.leaseDurationMs > longest.leaseDurationMs ? preset : longest),
    first.preset,
  );
}
