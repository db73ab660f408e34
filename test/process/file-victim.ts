import { FileStorage } from "../../src/storage/file.ts";
import { FileSteps } from "../storage/file-steps.ts";

// A process that makes one write and kills itself with SIGKILL before the given step; it exits with 0 if the write
// ended first.

/** What the parent passes as JSON. */
export interface VictimSettings {
  readonly directory: string;
  readonly operation: "create" | "replace" | "remove";
  /** 0 is the first. */
  readonly dieAtStep: number;
}

const { directory, operation, dieAtStep }: VictimSettings = JSON.parse(process.argv[2] ?? "{}");
const steps = new FileSteps();
let left = dieAtStep;
const storage = new FileStorage({ directory, keep: 2, current: true, fs: steps.fs });
const head = await storage.read("k");
steps.on(
  () => true,
  (run) => {
    if (left === 0) process.kill(process.pid, "SIGKILL");
    left -= 1;
    return run();
  },
);
const value = new TextEncoder().encode("new");
if (operation === "create") await storage.create("k", value);
else if (head === undefined) throw new Error("there is nothing to change");
else if (operation === "replace") await storage.replace("k", value, head.version);
else await storage.remove("k", head.version);
