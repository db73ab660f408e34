// Goal: the controller knows no technology: it elects on four calls that somebody wrote by hand, and nothing in it, nor
// in the locks, names one (K-115, K-117, K-125, K-126). Method: a controller over such storages; the sources are read.
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { LeaseData, LeaseStorage } from "../../src/storage/lease-storage.ts";
import { MemoryStorage } from "../../src/storage/memory.ts";
import { FaultyStorage } from "../../src/testing/faulty-storage.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { MapStorage } from "../storage/support/map-storage.ts";
import { Cluster } from "./cluster.ts";

const key = "leases/default/billing";
const makers: Readonly<Record<string, (clock: ManualClock) => LeaseStorage>> = {
  "four calls over a map": () => new MapStorage(),
  "the storage in memory": (clock) => new MemoryStorage({ clock }),
  "a slow one": (clock) => {
    const script = () => ({ kind: "delay", beforeMs: 20, afterMs: 20 }) as const;
    return new FaultyStorage(new MemoryStorage({ clock }), { clock, script });
  },
};

test.each(Object.keys(makers))("K-115: a lease is led, renewed, released and led again over %s", async (name) => {
  const clock = new ManualClock();
  const [here, there] = [new Cluster(clock), new Cluster(clock, 2)];
  const storage = makers[name]?.(clock) ?? expect.unreachable("it is in the table");
  const [first, second] = [here.start(storage), there.start(storage)];
  await clock.advance(4_000);
  for (let renewals = 0; renewals < 3; renewals += 1) {
    await here.confirmed("ada", here.signal("ada"));
    await clock.advance(5_000);
  }
  const stored = async (): Promise<LeaseData> => {
    const read = storage.readLease(key);
    await clock.advance(100);
    return (await read).data;
  };
  expect(await stored()).toMatchObject({ holderIdentity: "ada", leaseTransitions: 1, leaseDurationSeconds: 15 });
  here.release("ada");
  await clock.advance(3_000);
  await there.confirmed("bob", there.signal("bob"));
  await clock.advance(3_000);
  expect([here, there].map(({ status }) => status.globalHolderIdentity)).toEqual(["bob", "bob"]);
  expect((await stored()).leaseTransitions).toBeGreaterThan(1);
  await first.stop();
  await second.stop();
});

const root = new URL("../../src/", import.meta.url);
const sources = (folder: string): readonly string[] =>
  readdirSync(new URL(`${folder}/`, root)).map((name) => `${folder}/${name}`);
const textOf = (path: string): string => readFileSync(new URL(path, root), "utf8");
/** Without its comments. */
const codeOf = (path: string): string => textOf(path).replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, "");

test("K-117, K-125: no technology is named in the controller and the locks, but for a flag that stands for a URL", () => {
  const names = /\b(gcs|redis|postgres|sqlite|bucket)|storage\/(memory|file|s3|git)/i;
  const schemes = /["'`](gs|s3|memory|file|git)\b|(Memory|File|S3|Git)Storage/;
  const isNamed = (line: string): boolean => names.test(line) || schemes.test(line);
  const files = ["controller", "lock", "kubernetes"].flatMap(sources);
  expect(files.length).toBeGreaterThan(60);
  const lines = files.flatMap((path) =>
    codeOf(path)
      .split("\n")
      .flatMap((line) => (isNamed(line) ? [path] : [])),
  );
  expect(new Set(lines)).toEqual(new Set(["controller/settings.ts"])); // --gcs-bucket NAME is gs://NAME
  const settings = codeOf("controller/settings.ts").split("\n");
  const allowed = /gcs-bucket|gs:\/\/|\bbucket(\.|\)|\]| ===| !==)/;
  for (const line of settings) if (isNamed(line)) expect(line).toMatch(allowed);
});

test("K-126: no file of the controller imports a driver; they are reached by the registry alone", () => {
  const drivers = [...textOf("storage/registry.ts").matchAll(/import\("\.\/([\w-]+)\.ts"\)/g)].map(([, name]) => name);
  expect(drivers).toEqual(expect.arrayContaining(["memory", "file", "gcs", "s3", "postgres", "redis", "git"]));
  const allowed = ["keys", "lease-codec", "lease-storage", "registry", "versioned-storage", "wrapped-lease-storage"];
  const imports = sources("controller").flatMap((path) =>
    [...textOf(path).matchAll(/from "\.\.\/storage\/([\w-]+)\.ts"/g)].map(([, name]) => name ?? ""),
  );
  expect(imports).toContain("lease-storage");
  for (const name of imports) expect(allowed).toContain(name);
  expect(allowed.filter((name) => drivers.includes(name))).toEqual([]);
  expect(textOf("cli/controller-run.ts")).toMatch(/import \{ openStorage \} from "\.\.\/storage\/registry\.ts"/);
});
