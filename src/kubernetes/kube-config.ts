import { errorCode, InvalidSettingsError, PackageMissingError } from "../errors.ts";
import { printable } from "../system/logger.ts";
import type { KubeConfigLike } from "./kubernetes-credentials.ts";

/** What is used of `@kubernetes/client-node`, if no `KubeConfig` is given. */
export interface KubeConfigPackage {
  readonly KubeConfig: new () => KubeConfigLike & { loadFromDefault(): void };
}

/** Which kubeconfig, and which context of it. */
export interface KubeConfigChoice {
  /** Absent: what `loadFromDefault()` finds, which is `KUBECONFIG`, `~/.kube/config`, or that of the pod. */
  readonly file?: string | undefined;
  /** Absent: its current one. */
  readonly context?: string | undefined;
}

/** What is used of the package where there is a choice. */
export interface KubeConfigChoicePackage {
  readonly KubeConfig: new () => ChosenKubeConfig;
}

interface ChosenKubeConfig extends KubeConfigLike {
  loadFromDefault(): void;
  loadFromFile(file: string): void;
  setCurrentContext(context: string): void;
  getContexts(): readonly { readonly name: string }[];
}

/**
 * Loads the kubeconfig that was chosen, by `@kubernetes/client-node`.
 *
 * @throws {InvalidSettingsError} if there is none, it cannot be read, or it has no such context.
 * @throws {PackageMissingError} if the package is absent, or cannot run on this Node.
 */
export async function loadKubeConfig(
  { file, context }: KubeConfigChoice,
  load: () => Promise<KubeConfigChoicePackage> = loadPackage,
): Promise<KubeConfigLike> {
  const { KubeConfig } = await load().catch(explain);
  const kubeConfig = new KubeConfig();
  reading(file === undefined ? "the kubeconfig" : `the kubeconfig "${printable(file)}"`, () => {
    if (file === undefined) kubeConfig.loadFromDefault();
    else kubeConfig.loadFromFile(file);
  });
  if (file === undefined) checkFound(kubeConfig);
  if (context === undefined) return kubeConfig;
  const names = kubeConfig.getContexts().map(({ name }) => name);
  if (!names.includes(context)) {
    const there = names.map((name) => `"${printable(name)}"`).join(", ");
    throw invalid(`the kubeconfig has no context "${printable(context)}"; it has ${there || "none"}`);
  }
  kubeConfig.setCurrentContext(context);
  return kubeConfig;
}

/** The same without a choice, for what knows no more of the package. */
export async function loadDefaultKubeConfig(
  load: () => Promise<KubeConfigPackage> = loadPackage,
): Promise<KubeConfigLike> {
  const { KubeConfig } = await load().catch(explain);
  const kubeConfig = new KubeConfig();
  reading("the kubeconfig", () => kubeConfig.loadFromDefault());
  checkFound(kubeConfig);
  return kubeConfig;
}

/** Its name is no literal here: its types need those of `ws`, which it does not bring (client-node 2.0.1). */
function loadPackage(name: string = "@kubernetes/client-node"): Promise<KubeConfigChoicePackage> {
  return import(name) as Promise<KubeConfigChoicePackage>; // cast: the one class of it that is used
}

function reading(what: string, read: () => void): void {
  try {
    read();
  } catch (error) {
    // Without its cause: an error of YAML quotes lines of the file, and these hold keys and tokens.
    const name = errorCode(error) ?? (error instanceof Error ? error.name : typeof error);
    throw invalid(`${what} cannot be read (${printable(name, 40)})`);
  }
}

/** Where nothing is found, the package makes up a server that hardly anybody runs. */
function checkFound(kubeConfig: KubeConfigLike): void {
  const cluster = kubeConfig.getCurrentCluster();
  if (cluster?.server !== "http://localhost:8080" || cluster.skipTLSVerify === true) return;
  throw invalid("no kubeconfig was found: set KUBECONFIG, or run in a cluster");
}

/** A package that is there and cannot be loaded is one that needs a newer Node. */
function explain(cause: unknown): never {
  const name = "@kubernetes/client-node";
  const how =
    errorCode(cause) === "ERR_MODULE_NOT_FOUND"
      ? `needs the package ${name}: npm install ${name}`
      : `the package ${name} cannot be loaded on Node ${process.versions.node}: version 2 needs 22.19, 1.4 runs below`;
  throw new PackageMissingError(`kubernetes: ${how}`, { operation: "open", cause });
}

function invalid(problem: string): InvalidSettingsError {
  return new InvalidSettingsError([problem], { operation: "open" });
}
