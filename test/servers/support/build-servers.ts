// Builds the servers that take longer than a test may wait for: node test/servers/support/build-servers.ts
import { findKubePrograms } from "./kube-programs.ts";

const programs = findKubePrograms();
if ("missing" in programs) throw new Error(`missing is ${programs.missing}`);
await programs.make();
