import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { ClusterPair } from "./cluster-pair.ts";
import { describeOn, type FoundServer } from "./found-server.ts";
import { TwoClusters, type TwoClustersOptions } from "./two-clusters.ts";

/** One scenario: its own namespaces, processes and storage. */
export type ClustersScenario = (
  title: string,
  play: (clusters: TwoClusters) => Promise<void>,
  options?: TwoClustersOptions | (() => Promise<TwoClustersOptions>),
) => void;

/** A suite on two clusters: scenarios run side by side, since they wait for leases to run out and hardly compute. */
export function onTwoClusters(
  found: FoundServer<ClusterPair>,
  body: (scenario: ClustersScenario, pair: () => ClusterPair) => void,
): void {
  vi.setConfig({ maxConcurrency: 3, testTimeout: 180_000 });
  describeOn(found, (start) => {
    let started: ClusterPair | undefined;
    beforeAll(async () => {
      started = await start();
    });
    afterAll(() => started?.[Symbol.asyncDispose]());
    const pair = (): ClusterPair => started ?? expect.unreachable("the clusters are started before");
    body((title, play, options) => {
      test.concurrent(title, async () => {
        await using clusters = await TwoClusters.open(
          pair(),
          typeof options === "function" ? await options() : options,
        );
        await play(clusters);
        expect(await clusters.problems()).toEqual([]); // whatever it was that happened
      });
    }, pair);
  });
}
