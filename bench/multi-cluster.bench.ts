import { nowMs, type Tenure } from "../test/process/cli-world.ts";
import { atMs, type Candidate } from "../test/process/support/candidate-process.ts";
import { ClusterPair, foundOwnClusters } from "../test/servers/support/cluster-pair.ts";
import { gcsServerIn } from "../test/servers/support/gcs-server.ts";
import { foundRedis } from "../test/servers/support/redis-server.ts";
import { quick as short, TwoClusters, usual, type ClusterName } from "../test/servers/support/two-clusters.ts";
import type { Benchmark, Fact, Prepared } from "./benchmark.ts";

const pushed = "release, storage that pushes";
const polled = "release, storage that is polled";
const crash = "SIGKILL of the leader";
const { leaseDurationMs, retryPeriodMs } = usual;
const ns = 1e6;

/** Elections over two clusters: real processes on two API servers, to the start of the next term in the other one. */
export const benchmark: Benchmark = {
  row: "B14",
  bars: [],
  guards: [
    { of: pushed, atMostNs: 1_000 * ns },
    { of: polled, atMostNs: (retryPeriodMs + 2_000) * ns },
    { of: crash, atMostNs: (leaseDurationMs + retryPeriodMs + 2_000) * ns },
  ],
  notRun: ["the originals: recorded, 47.9 s after a crash and 19.3 s after a release"],
  prepare,
};

async function prepare({ quick }: { readonly quick: boolean }): Promise<Prepared | string> {
  const gcs = gcsServerIn("memory");
  for (const found of [foundOwnClusters, foundRedis, gcs]) {
    if ("missing" in found) return `missing is ${found.missing}`;
  }
  if ("missing" in foundRedis || "missing" in gcs) return "missing are storages";
  await using ends = new AsyncDisposableStack();
  const pair = ends.use(await ClusterPair.start());
  const timing = quick ? short : usual;
  const redis = await foundRedis.start();
  ends.defer(() => redis.stop());
  const bucket = ends.use(await gcs.start());
  const options = { pollMs: 2_000, minWriteIntervalMs: 1_000, probe: "never" };
  const urls = [`${redis.url}?prefix=bench-${process.pid}`, bucket.url(bucket.fresh(), options)];
  const [push, poll] = await Promise.all(urls.map((storageUrl) => Turns.start(pair, { storageUrl, timing })));
  if (push === undefined || poll === undefined) throw new Error("bug: there are two storages");
  for (const turns of [push, poll]) ends.use(turns.clusters);
  const started = ends.move();
  return {
    samplesPerRound: 1,
    sides: {
      [pushed]: { sample: () => push.sample("SIGTERM") },
      [polled]: { sample: () => poll.sample("SIGTERM") },
      [crash]: { sample: () => push.sample("SIGKILL") },
    },
    check: async () => {
      const problems = [...(await push.clusters.problems()), ...(await poll.clusters.problems())];
      if (problems.length > 0) throw new Error(problems.join("\n"));
    },
    facts: () => push.costs(quick ? 2 : 10),
    close: () => started.disposeAsync(),
  };
}

/** One election whose leader goes from one cluster to the other and back. */
class Turns {
  readonly clusters: TwoClusters;
  readonly #controllers: Readonly<Record<ClusterName, Tenure>>;
  #leader: Candidate;
  #standby: Candidate;
  #leads: ClusterName = "a";

  private constructor(clusters: TwoClusters, controllers: Readonly<Record<ClusterName, Tenure>>, sides: Candidate[]) {
    const [leader, standby] = sides;
    if (leader === undefined || standby === undefined) throw new Error("bug: a leader and a standby");
    this.clusters = clusters;
    this.#controllers = controllers;
    [this.#leader, this.#standby] = [leader, standby];
  }

  static async start(pair: ClusterPair, options: Parameters<typeof TwoClusters.open>[1]): Promise<Turns> {
    const clusters = await TwoClusters.open(pair, options);
    const controllers = await clusters.startControllers();
    const leader = await clusters.startLeader("a", "first");
    return new Turns(clusters, controllers, [leader, await clusters.startStandby("b", "second")]);
  }

  /** Nanoseconds from the release, or from the kill, to the start of the next term. */
  async sample(signal: "SIGTERM" | "SIGKILL"): Promise<number> {
    const [leader, standby] = [this.#leader, this.#standby];
    await leader.until("renewed", { after: leader.count("renewed") }); // as in the middle of a term
    const killedMs = nowMs();
    leader.signal(signal);
    const withinMs = 4 * leaseDurationMs;
    const started = await standby.until("started", { withinMs });
    await leader.exited;
    const [release] = leader.releases;
    if (signal === "SIGTERM" && release === undefined) throw new Error("it ended without a release");
    const beginMs = release === undefined ? killedMs : Number(release.atNs) / ns;
    this.#leader = standby;
    this.#standby = await this.clusters.startStandby(this.#leads, "next");
    this.#leads = this.#leads === "a" ? "b" : "a";
    return (atMs(started) - beginMs) * ns;
  }

  /** What a renewal costs, over so many. */
  async costs(renewals: number): Promise<readonly Fact[]> {
    const leader = this.#leader;
    const next = (more: number): Promise<unknown> =>
      leader.until("renewed", { after: leader.count("renewed") + more - 1, withinMs: 120_000 });
    await next(1);
    const before = await this.#counts();
    await next(renewals);
    const after = await this.#counts();
    const each = (index: number): number => ((after[index] ?? 0) - (before[index] ?? 0)) / renewals;
    return [
      { name: "requests of the leader per renewal", value: each(0), unit: "requests", atMost: 2 },
      { name: "writes to the storage per renewal", value: each(1), unit: "writes", atMost: 1 },
      { name: "writes of the status per renewal", value: each(2), unit: "writes", atMost: 1 },
    ];
  }

  async #counts(): Promise<readonly number[]> {
    const metrics = await metricsOf(this.#controllers[this.#leads]);
    const sum = (family: string): number =>
      [...metrics.matchAll(new RegExp(`^tenure_controller_${family}\\{.*\\} (\\d+)$`, "gm"))].reduce(
        (total, [, value]) => total + Number(value),
        0,
      );
    // All candidates of a cluster have one account: its standbys watch, and send nothing.
    const requests = this.clusters.requestsOf(this.#leads, "candidate").length;
    return [requests, sum("global_writes_total"), sum("status_writes_total")];
  }
}

async function metricsOf({ stderr }: Tenure): Promise<string> {
  const port = /listening on port (\d+)/.exec(stderr)?.[1];
  return (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
}
