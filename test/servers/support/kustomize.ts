import { loadYaml } from "@kubernetes/client-node";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { KubernetesResource } from "../../../src/kubernetes/kubernetes-resources.ts";
import { buildGoServer, type GoServer } from "./go-server.ts";

export const kustomize: GoServer = {
  name: "kustomize",
  version: "v5.8.2", // 5.8.3 wants a newer Go
  module: "sigs.k8s.io/kustomize/kustomize/v5",
};

/** One document of YAML. */
export interface Manifest {
  /** What servers get: reading it as a resource drops what its type does not know, and misspelled fields with it. */
  readonly text: string;
  /** The same, to look at. */
  readonly resource: KubernetesResource;
}

/** The folder of what users apply. */
export const deploy: string = fileURLToPath(new URL("../../../deploy", import.meta.url));

/** What a folder of `deploy/` stands for. @throws {Error} with what the program said. */
export async function renderedFolder(folder: string): Promise<Manifest[]> {
  return run(await buildGoServer(kustomize), join(deploy, folder));
}

/** An overlay of a user, on these folders of `deploy/`. @throws {Error} with what the program said. */
export async function rendered(overlay: {
  readonly resources: readonly string[];
  readonly components?: readonly string[];
  readonly namespace?: string;
}): Promise<Manifest[]> {
  const program = await buildGoServer(kustomize);
  const folder = mkdtempSync(join(tmpdir(), "tenure-kustomize-"));
  try {
    const { resources, components = [], ...rest } = overlay;
    const placed = (paths: readonly string[]): string[] => paths.map((path) => relative(folder, join(deploy, path)));
    const kustomization = { ...rest, resources: placed(resources), components: placed(components) };
    writeFileSync(join(folder, "kustomization.yaml"), JSON.stringify(kustomization)); // JSON is YAML
    return run(program, folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function run(program: string, folder: string): Manifest[] {
  const { status, stdout, stderr, error } = spawnSync(program, ["build", folder], { encoding: "utf8" });
  if (status !== 0) throw new Error(`kustomize build ${folder}: ${error?.message ?? stderr}`);
  return manifestsOf(stdout);
}

/** The documents of a YAML text. */
export function manifestsOf(text: string): Manifest[] {
  return text.split(/^---$/m).map((each) => ({ text: each, resource: loadYaml<KubernetesResource>(each) }));
}
