// Writes deploy/crd.yaml from src/kubernetes/multi-cluster-lease-crd.ts; a test compares the two.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { multiClusterLeaseCrd } from "../src/kubernetes/multi-cluster-lease-crd.ts";

const folder = join(import.meta.dirname, "..", "deploy");
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, "crd.yaml"), multiClusterLeaseCrd());
console.log("deploy/crd.yaml is written");
