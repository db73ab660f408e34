// One elector of a hand-over on a storage: node elector-process.ts URL.
import { StorageLock } from "../src/index.ts";
import { openStorage } from "../src/storage/registry.ts";
import { electorSide } from "./elector-side.ts";

const storage = await openStorage(process.argv[2] ?? "");
electorSide(() => new StorageLock({ storage, namespace: "bench", name: "handover" }));
