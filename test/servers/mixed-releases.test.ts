// Goal: while a fleet is updated, or set back, its workloads and controllers are of two releases, and at most one
// leads throughout (K-111). Method: the previous release, which TENURE_TEST_PREVIOUS names, beside this build on two
// API servers, in both orders; a journal as judge.
//
// There is nothing to mix before the first release. That it would work is shown with an older commit as the release:
//   mkdir /tmp/old && git archive COMMIT | tar -x -C /tmp/old && ln -s "$PWD/node_modules" /tmp/old/node_modules
//   (cd /tmp/old && node scripts/build.mjs && npm pack --ignore-scripts)
//   TENURE_TEST_PREVIOUS=/tmp/old/tenure-0.1.0.tgz npx vitest run --project servers test/servers/mixed-releases.test.ts
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Candidate } from "../process/support/candidate-process.ts";
import { foundClusters } from "./support/cluster-pair.ts";
import { onTwoClusters } from "./support/clusters-scenario.ts";
import { PreviousRelease, wantedRelease } from "./support/previous-release.ts";
import { patienceMs, quick, usual, works, writes } from "./support/two-clusters.ts";

type Release = "previous" | "this";
/** An update, and the way back. */
const orders: readonly (readonly [Release, Release])[] = [
  ["previous", "this"],
  ["this", "previous"],
];
const withinMs = patienceMs;

const changelog = readFileSync(new URL("../../CHANGELOG.md", import.meta.url), "utf8");
const wanted = wantedRelease(changelog, process.env["TENURE_TEST_PREVIOUS"]);

describe("the release before this one", () => {
  test("is what somebody names; without that none is missing until the changelog names one", () => {
    const released = "# Changelog\n\n## Unreleased\n\n## 0.2.0 (2026-12-01)\n\n## 0.1.0 (2026-11-22)\n";
    expect(wantedRelease("# Changelog\n\n## Unreleased\n\n### Added\n\n- 1.2.3\n", undefined)).toEqual({ is: "none" });
    expect(wantedRelease(released, undefined)).toEqual({ is: "missing", version: "0.2.0" });
    expect(wantedRelease(released, "")).toEqual({ is: "missing", version: "0.2.0" });
    expect(wantedRelease(released, "0.1.0")).toEqual({ is: "given", spec: "0.1.0" });
  });
});

if (wanted.is === "none") {
  console.warn("not run: K-111 (the changelog names no release; TENURE_TEST_PREVIOUS takes a tarball or a version)");
} else {
  const missing =
    wanted.is === "missing" && `the package of ${wanted.version} (TENURE_TEST_PREVIOUS: tarball, version)`;
  onTwoClusters(missing === false ? foundClusters : { name: "K-111", missing }, (scenario) => {
    let previous: PreviousRelease | undefined;
    beforeAll(() => {
      previous = new PreviousRelease("spec" in wanted ? wanted.spec : expect.unreachable("it is missing"));
      console.log(`K-111: this build beside ${previous.version}`);
    });
    afterAll(() => previous?.[Symbol.dispose]());
    const controllerOf = (release: Release): { readonly program?: string } =>
      release === "previous" && previous !== undefined ? { program: previous.program } : {};
    const candidateOf = (release: Release): { readonly dist?: string } =>
      release === "previous" && previous !== undefined ? { dist: previous.dist } : {};

    for (const [first, second] of orders) {
      scenario(
        `K-111: under controllers of ${first} and ${second} release candidates of both lead in turn, one at a time`,
        async (clusters) => {
          const controllers = [
            await clusters.startController("a", controllerOf(first)),
            await clusters.startController("b", controllerOf(second)),
          ];
          for (const each of controllers) await writes(each);
          const leader = await clusters.startLeader("a", `a-${first}`, candidateOf(first));
          const beside = await clusters.startStandby("a", `a-${second}`, candidateOf(second));
          const across = await clusters.startStandby("b", `b-${first}`, candidateOf(first));
          await pause(2 * quick.leaseDurationMs); // one leads throughout
          expect([leader.count("stopped"), beside.count("started"), across.count("started")]).toEqual([0, 0, 0]);
          const terms = [termOf(leader)];
          leader.signal("SIGTERM");
          const next = await Promise.any([beside, across].map((one) => started(one)));
          terms.push(termOf(next));
          await works(next);
          const last = next === beside ? across : beside;
          const again = await clusters.startStandby("b", `b-${second}`, candidateOf(second));
          next.signal("SIGKILL");
          const third = await Promise.any([last, again].map((one) => started(one)));
          terms.push(termOf(third));
          await works(third);
          expect(terms).toEqual([...new Set(terms)].toSorted((one, other) => one - other));
        },
      );

      scenario(
        `K-111: replicas of a controller go from ${first} to ${second} release, and the leader of each stays`,
        async (clusters) => {
          const old = {
            a: await clusters.startController("a", controllerOf(first)),
            b: await clusters.startController("b", controllerOf(first)),
          };
          await Promise.all([writes(old.a), writes(old.b)]);
          const leader = await clusters.startLeader("a", `a-${first}`, candidateOf(first));
          const standby = await clusters.startStandby("b", `b-${second}`, candidateOf(second));
          for (const each of ["a", "b"] as const) {
            const fresh = await clusters.startController(each, controllerOf(second));
            await pause(usual.retryPeriodMs); // both run
            old[each].kill("SIGTERM");
            await Promise.all([writes(fresh), old[each].ended]);
            await renews(leader, 3);
            expect([leader.count("stopped"), standby.count("started")], `after cluster ${each}`).toEqual([0, 0]);
          }
          await clusters.bothShow(leader);
          leader.signal("SIGTERM");
          const { term } = await standby.until("started", { withinMs });
          expect(term).toBeGreaterThan(termOf(leader));
          await works(standby);
        },
        { timing: usual },
      );
    }
  });
}

function termOf(candidate: Candidate): number {
  return candidate.all("started")[0]?.term ?? Number.NaN;
}

async function started(candidate: Candidate): Promise<Candidate> {
  await candidate.until("started", { withinMs });
  return candidate;
}

async function renews(candidate: Candidate, times: number): Promise<void> {
  await candidate.until("renewed", { after: candidate.count("renewed") + times - 1, withinMs });
}
