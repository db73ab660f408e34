import type { Bar, Prepared } from "./benchmark.ts";

/** The samples of one side, sorted, one list for each round. */
export type Samples = Readonly<Record<string, readonly (readonly number[])[]>>;

/** How a ratio came out: the median of the rounds, and its range. */
export interface Ratio extends Bar {
  readonly median: number;
  readonly least: number;
  readonly greatest: number;
}

/** Runs all sides once to warm up, and then `rounds` times, beginning with another side each time. */
export async function measure({ sides, samplesPerRound }: Prepared, rounds: number): Promise<Samples> {
  const names = Object.keys(sides);
  const samples: Record<string, (readonly number[])[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = -1; round < rounds; round += 1) {
    const first = Math.max(round, 0) % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      const taken = await sampled(sides[name]?.sample, samplesPerRound);
      if (round >= 0) samples[name]?.push(taken);
    }
  }
  return samples;
}

async function sampled(sample: (() => number | Promise<number>) | undefined, count: number): Promise<number[]> {
  if (sample === undefined) throw new Error("bug: a side without a sample");
  const taken: number[] = [];
  for (let index = 0; index < count; index += 1) taken.push(await sample());
  return taken.toSorted((one, other) => one - other);
}

/** The value below which that share of the sorted values lies. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** The median of values in any order. */
export function median(values: readonly number[]): number {
  return quantile(
    values.toSorted((one, other) => one - other),
    0.5,
  );
}

/** The median of the per-round ratios of the medians. */
export function ratioOf(bar: Bar, samples: Samples): Ratio {
  const base = samples[bar.to] ?? [];
  const ratios = (samples[bar.of] ?? []).map((taken, round) => quantile(taken, 0.5) / quantile(base[round] ?? [], 0.5));
  return { ...bar, median: median(ratios), least: Math.min(...ratios), greatest: Math.max(...ratios) };
}
