// Started by git-faults.test.ts, to be killed: writes one key as fast as it can, and prints what was acknowledged.
import { GitStorage } from "../../../src/storage/git.ts";

const storage = new GitStorage({ url: process.argv[2] ?? "", timeoutMs: 60_000 });
for (let count = 0; ; count += 1) {
  const stored = await storage.read("a");
  const value = new TextEncoder().encode(`${process.pid}.${count}`);
  const outcome = await (stored === undefined
    ? storage.create("a", value)
    : storage.replace("a", value, stored.version));
  if (outcome.written) process.stdout.write(`${process.pid}.${count}\n`);
}
