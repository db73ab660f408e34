// Two processes of one machine meet in a folder; the one that leads is killed, and the other takes over once the lease
// has run out. The same file is both: it starts itself with the folder as argument.
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { LeaderElector, StorageLock } from "tenure";
import { openStorage } from "tenure/storage";

const given = process.argv[2];
const folder = given ?? mkdtempSync(join(tmpdir(), "tenure-example-"));
const label = given === undefined ? "parent" : "child";

await using storage = await openStorage(pathToFileURL(folder).href);
const elector = new LeaderElector({
  lock: new StorageLock({ storage, namespace: "examples", name: "main-job", label }),
  leaseDurationMs: 1_500,
  renewDeadlineMs: 1_000,
  retryPeriodMs: 200,
});

if (given !== undefined) {
  process.on("disconnect", () => process.exit());
  const { term } = await elector.acquire();
  process.send?.(term);
  await new Promise(() => {}); // leads until it is killed; the held term keeps the process alive
}

const child = fork(import.meta.filename, [folder]);
const [childTerm] = await once(child, "message");
console.log(`the child leads, in term ${childTerm}`);
child.kill("SIGKILL");
const killedAtMs = performance.now();
{
  await using leadership = await elector.acquire();
  const waitedMs = performance.now() - killedAtMs;
  console.log(`the parent leads, in term ${leadership.term}`);
  console.log(`it waited for the lease to run out: ${waitedMs > 1_000}`);
}
console.log(`the lease is free: ${(await storage.readLease("leases/examples/main-job")).data.holderIdentity === ""}`);
rmSync(folder, { recursive: true });
