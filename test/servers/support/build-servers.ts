// Builds the programs that take longer than a test may wait for: node test/servers/support/build-servers.ts
import { clientGoElector } from "./client-go-elector.ts";
import { buildGoServer } from "./go-server.ts";
import { findKubePrograms } from "./kube-programs.ts";
import { kustomize } from "./kustomize.ts";

const programs = findKubePrograms();
if ("missing" in programs) throw new Error(`missing is ${programs.missing}`);
await programs.make();
for (const program of [clientGoElector, kustomize]) await buildGoServer(program);
