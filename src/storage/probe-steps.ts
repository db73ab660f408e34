import { bytes, demand, inBatches, sameBytes, type ProbeRun } from "./probe-run.ts";
import type { Version, WriteOutcome } from "./versioned-storage.ts";

/** One question to a place. */
export interface ProbeQuestion {
  readonly id: string;
  /** What has to hold. */
  readonly name: string;
  ask(run: ProbeRun): Promise<void>;
}

const racers = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const rounds = [1, 2, 3] as const;

/** The questions, in order; each works on keys of its own. */
export const probeSteps: readonly ProbeQuestion[] = [
  {
    id: "P1",
    name: "a create on a fresh key is written",
    async ask(run) {
      const { version } = await run.seeded();
      demand(typeof version === "string" && version !== "", "a write came back without a version");
    },
  },
  {
    id: "P2",
    name: "a second create is refused",
    async ask(run) {
      const { key } = await run.seeded();
      demand(!(await run.create(key, bytes("second"), 1)).written, "a second create overwrote the first");
    },
  },
  {
    id: "P3",
    name: "the other connection sees the first value and version",
    async ask(run) {
      const { key, version } = await run.seeded();
      await run.create(key, bytes("second"), 1);
      await demandStored(run, key, { value: bytes("first"), version });
    },
  },
  {
    id: "P4",
    name: "a replace with the right version is written, with a new version",
    async ask(run) {
      const { key, version } = await run.seeded();
      const outcome = await run.replace(key, { value: bytes("second"), expected: version }, 1);
      demand(outcome.written, "a replace with the right version was refused");
      demand(outcome.version !== version, "a replace kept the version");
      await demandStored(run, key, { value: bytes("second"), version: outcome.version });
    },
  },
  {
    id: "P5",
    name: "a replace with the old version is refused and changes nothing",
    async ask(run) {
      const { key, version } = await run.seeded();
      const newer = await run.replace(key, { value: bytes("second"), expected: version }, 1);
      const stale = await run.replace(key, { value: bytes("third"), expected: version });
      demand(!stale.written, "a replace with an old version was written");
      if (newer.written) await demandStored(run, key, { value: bytes("second"), version: newer.version });
    },
  },
  {
    id: "P6",
    name: "a replace with identical bytes gives a new version",
    async ask(run) {
      const { key, version } = await run.seeded();
      const outcome = await run.replace(key, { value: bytes("first"), expected: version });
      demand(outcome.written, "a replace with identical bytes was refused");
      demand(outcome.version !== version, "equal bytes repeat the version");
      const stale = await run.replace(key, { value: bytes("third"), expected: version }, 1);
      demand(!stale.written, "the version before a write of equal bytes still matches");
    },
  },
  {
    id: "P7",
    name: "a replace of a missing key is refused and creates nothing",
    async ask(run) {
      const { version } = await run.seeded();
      const key = run.fresh();
      demand(!(await run.replace(key, { value: bytes("x"), expected: version })).written, "a missing key was replaced");
      demand((await run.read(key, 1)) === undefined, "a refused replace created the key");
    },
  },
  {
    id: "P8",
    name: "a remove with a stale version is refused, and the value is still there",
    async ask(run) {
      const { key, version } = await run.seeded();
      const newer = await run.replace(key, { value: bytes("second"), expected: version });
      demand(!(await run.remove(key, version, 1)).written, "a remove with an old version was written");
      if (newer.written) await demandStored(run, key, { value: bytes("second"), version: newer.version });
    },
  },
  {
    id: "P9",
    name: "a remove with the right version removes",
    async ask(run) {
      const { key, version } = await run.seeded();
      demand((await run.remove(key, version)).written, "a remove with the right version was refused");
      demand((await run.read(key, 1)) === undefined, "a removed key can still be read");
      demand(!(await run.remove(key, version)).written, "a removed key was removed again");
    },
  },
  {
    id: "P10",
    name: "a create after a remove has a version unlike all before",
    async ask(run) {
      const { key, version } = await run.seeded();
      const removal = await run.remove(key, version);
      const again = await run.create(key, bytes("first"));
      demand(again.written, "a create after a remove was refused");
      const before: Version[] = removal.written ? [version, removal.version] : [version];
      demand(!before.includes(again.version), "a version came back after remove and create");
      const stale = await run.replace(key, { value: bytes("x"), expected: version }, 1);
      demand(!stale.written, "a version from before the removal still matches");
    },
  },
  { id: "P11", name: "racing writes have one winner each", ask: raceAll },
  { id: "P12", name: "the settings of the technology keep the promises", ask: (run) => run.askSettings() },
  { id: "P13", name: "odd keys, a long listing and a large value are kept", ask: keepOddities },
  { id: "P14", name: "the scratch keys are gone", ask: (run) => run.clean() },
];

async function demandStored(
  run: ProbeRun,
  key: string,
  { value, version }: { readonly value: Uint8Array; readonly version: Version },
): Promise<void> {
  const stored = await run.read(key, 1);
  demand(stored !== undefined, "an acknowledged write cannot be read");
  demand(sameBytes(stored.value, value), "another value is there than the one that was acknowledged");
  demand(stored.version === version, "another version is there than the one that was acknowledged");
}

async function raceAll(run: ProbeRun): Promise<void> {
  for (const _round of rounds) {
    const fresh = run.fresh();
    const created = await oneWinner(run, { what: "creates", key: fresh }, (racer) =>
      run.create(fresh, bytes(`${racer}`), side(racer)),
    );
    await demandWinner(run, fresh, created);
    const a = await run.seeded();
    const replaced = await oneWinner(run, { what: "replaces", key: a.key }, (racer) => replaceBy(run, a, racer));
    await demandWinner(run, a.key, replaced);
    const b = await run.seeded();
    const remove = (racer: number): Promise<WriteOutcome> => run.remove(b.key, b.version, side(racer));
    const removed = await oneWinner(run, { what: "removes", key: b.key }, remove);
    if (removed !== undefined) await demandGone(run, b.key);
    await raceMixed(run);
  }
}

async function raceMixed(run: ProbeRun): Promise<void> {
  const at = await run.seeded();
  const winner = await oneWinner(run, { what: "removes and replaces", key: at.key }, (racer) =>
    racer % 2 === 0 ? run.remove(at.key, at.version, side(racer >> 1)) : replaceBy(run, at, racer),
  );
  if (winner === undefined) return;
  await (winner % 2 === 0 ? demandGone(run, at.key) : demandWinner(run, at.key, winner));
}

function side(racer: number): 0 | 1 {
  return racer % 2 === 0 ? 0 : 1;
}

function replaceBy(run: ProbeRun, at: { key: string; version: Version }, racer: number): Promise<WriteOutcome> {
  return run.replace(at.key, { value: bytes(`${racer}`), expected: at.version }, side(racer >> 1));
}

/** The racer that won, or `undefined` if an end is in doubt: then only "at most one" can be demanded. */
async function oneWinner(
  run: ProbeRun,
  { what, key }: { readonly what: string; readonly key: string },
  write: (racer: number) => Promise<WriteOutcome>,
): Promise<number | undefined> {
  const { winners, doubt } = await run.race(
    key,
    racers.map((racer) => () => write(racer)),
  );
  demand(winners.length <= 1, `${winners.length} of 8 racing ${what} won`);
  demand(winners.length === 1 || doubt, `none of 8 racing ${what} won`);
  return doubt ? undefined : winners[0];
}

async function demandWinner(run: ProbeRun, key: string, racer: number | undefined): Promise<void> {
  if (racer === undefined) return;
  const stored = await run.read(key, 1);
  demand(
    stored !== undefined && sameBytes(stored.value, bytes(`${racer}`)),
    "another value is there than the winner's",
  );
}

async function demandGone(run: ProbeRun, key: string): Promise<void> {
  demand((await run.read(key)) === undefined, "a key whose removal won a race is still there");
}

const oddNames = ["%2e", "@", "a.lock", "con", "A", "a", "a/b", "ä€🜁", "-x", "a b", "a\\b", "a+b&c=d", "{x}"];

async function keepOddities(run: ProbeRun): Promise<void> {
  const odd = oddNames.map((name) => `${run.prefix}odd/${name}`);
  const isShort = run.quick || (await run.isSlow());
  const many = Array.from({ length: isShort ? 0 : 1001 }, (_, index) => `${run.prefix}many/${index}`);
  const size = Math.min(2 ** 20, run.maxValueBytes);
  const large = new Uint8Array(size).fill(0xa5).fill(0, 0, size >> 1);
  await inBatches([...odd, ...many], async (key) => {
    demand((await run.create(key, bytes(key))).written, "a create on a fresh key was refused");
  });
  for (const key of odd) {
    const stored = await run.read(key, 1);
    demand(stored !== undefined && sameBytes(stored.value, bytes(key)), "two keys share a place, or one was lost");
  }
  const { key } = await run.seeded(large);
  demand(sameBytes((await run.read(key, 1))?.value ?? bytes(""), large), `${size} bytes did not come back unchanged`);
  const listed = (await run.listed()).map((entry) => entry.key);
  const seen = new Set(listed);
  demand(seen.size === listed.length, "a listing shows a key twice");
  demand(
    [...odd, ...many].every((each) => seen.has(each)),
    "a listing misses keys",
  );
  demand(
    listed.every((each) => each.startsWith(run.prefix)),
    "a listing shows foreign keys",
  );
}
