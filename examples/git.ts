// Two candidates meet in a Git repository; whoever leads writes what it has done to a branch, as a file that people and
// git can read. Pass the storage URL of a repository of yours, or one is made for the time being. It needs git 2.30.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { LeaderElector, StorageLock } from "tenure";
import { openStorage } from "tenure/storage";

const folder = mkdtempSync(join(tmpdir(), "tenure-example-"));
const given = process.argv[2];
if (given === undefined) execFileSync("git", ["init", "--quiet", "--bare", folder]);
const repository = given ?? `git+${pathToFileURL(folder).href}`;

await using leases = await openStorage(repository); // layout=refs: one ref for each lease
await using state = await openStorage(`${repository}?layout=tree&branch=state`); // one file for each key

async function lead(label: string): Promise<void> {
  const elector = new LeaderElector({
    lock: new StorageLock({ storage: leases, namespace: "examples", name: "git", label }),
    leaseDurationMs: 15_000, // against a host: a minute
    renewDeadlineMs: 10_000,
    retryPeriodMs: 2_000,
  });
  await using leadership = await elector.acquire();
  const before = await state.read("releases/last.json");
  const value = new TextEncoder().encode(`${JSON.stringify({ by: label, term: leadership.term })}\n`);
  const outcome = await leadership.guard(() =>
    before === undefined
      ? state.create("releases/last.json", value)
      : state.replace("releases/last.json", value, before.version),
  );
  console.log(`${label} has written in term ${leadership.term}: ${outcome.written}`);
}

await lead("ada");
await lead("bob");

const last = await state.read("releases/last.json");
console.log(`the branch says ${new TextDecoder().decode(last?.value).trim()}`);
if (given === undefined) {
  const git = (...args: string[]): string => execFileSync("git", ["-C", folder, ...args], { encoding: "utf8" }).trim();
  console.log(`git says ${git("show", "state:releases/last.json")}, in ${git("rev-list", "--count", "state")} commits`);
  console.log(`the lease is ${git("for-each-ref", "--format=%(refname)", "refs/tenure")}`);
}
rmSync(folder, { recursive: true });
