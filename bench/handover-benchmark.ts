import type { Benchmark, Prepared } from "./benchmark.ts";
import { Handover } from "./handover.ts";

/** What a hand-over is measured on. */
export interface HandoverPlace {
  /** The script of a bare side, beside this file. */
  readonly bare: string;
  /** Starts the server, or says what is missing. */
  start(): Promise<{ readonly url: string; close(): Promise<void> } | string>;
}

const bare = "bare push and write";
const driver = "push and write through the driver";
const elector = "hand-over by push";

/**
 * A graceful hand-over, from the send of the release to the start of the next term, against its bare floor. All sides
 * are two processes with the same rests: what has just run is faster than what comes after a rest.
 */
export function handoverBenchmark(place: HandoverPlace): Benchmark {
  return {
    row: "B1",
    bars: [
      { of: driver, to: bare, atMost: 2 },
      { of: elector, to: bare, atMost: 2 },
    ],
    guards: [],
    notRun: ["other storages, and polling"],
    prepare: ({ quick }) => prepare(place, quick),
  };
}

async function prepare(place: HandoverPlace, quick: boolean): Promise<Prepared | string> {
  const server = await place.start();
  if (typeof server === "string") return server;
  const scripts = { [bare]: place.bare, [driver]: "driver-process.ts", [elector]: "elector-process.ts" };
  const measured: [string, Handover][] = [];
  for (const [name, script] of Object.entries(scripts)) measured.push([name, await Handover.start(script, server.url)]);
  let samples = 0;
  return {
    samplesPerRound: quick ? 5 : 50,
    sides: Object.fromEntries(
      measured.map(([name, handover]) => [
        name,
        {
          sample: () => {
            samples += 1;
            return handover.sample();
          },
        },
      ]),
    ),
    check: () => {
      const terms = measured.reduce((sum, [, handover]) => sum + handover.terms, 0);
      if (terms !== samples + measured.length) throw new Error(`${samples} hand-overs began ${terms} terms`);
    },
    close: async () => {
      for (const [, handover] of measured) handover.close();
      await server.close();
    },
  };
}
