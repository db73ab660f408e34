import type { Readable } from "node:stream";
import type { Clock } from "../system/clock.ts";
import type { Environment, Flags, FlagTable } from "./flags.ts";
import type { Log } from "./log.ts";
import type { Output } from "./output.ts";

/** What a command gets. */
export interface Invocation {
  readonly flags: Flags;
  readonly output: Output;
  readonly log: Log;
  readonly clock: Clock;
  readonly environment: Environment;
  /** Asked for when it is first needed, like stdout. */
  readonly stdin: () => Readable & { readonly isTTY?: boolean };
  /** Falls at the first SIGINT or SIGTERM. `run` listens for itself. */
  readonly signal: AbortSignal;
}

/** One command of `tenure`. */
export interface Command {
  /** What follows `tenure` on the first line of the help. */
  readonly usage: string;
  /** One sentence. */
  readonly says: string;
  /** Shown first by `--help`. */
  readonly example: string;
  readonly flags: FlagTable;
  /** What a failure ends with, where that is not 1 and 2. */
  readonly failureCode?: number;
  /** Handles SIGINT and SIGTERM by itself. */
  readonly ownSignals?: boolean;
  /** Resolves with the exit code. */
  run(invocation: Invocation): Promise<number>;
}

/** The flags of commands that have a result of their own. */
export const resultFlags: FlagTable = {
  json: { says: "machine-readable result" },
  color: { says: "colours, also without a terminal" },
  "no-color": { says: "no colours" },
};

/** The flags that every command has. */
export const sharedFlags: FlagTable = {
  log: { value: "info", env: "TENURE_LOG", says: "debug, info, warn, error or silent, on stderr (info)" },
  help: { short: "h", says: "this text" },
};

/** The flags of `lease://` and `multiclusterlease://`: which cluster, and as whom. */
export const clusterFlags: FlagTable = {
  kubeconfig: { value: "FILE", says: "of Kubernetes: instead of KUBECONFIG, ~/.kube/config and that of the pod" },
  context: { value: "NAME", says: "of Kubernetes: instead of the kubeconfig's current context" },
  "allow-exec-credentials": { says: "of Kubernetes: run the program that the kubeconfig names for credentials" },
};

/** The flags of commands that look at leases. */
export const placeFlags: FlagTable = {
  storage: {
    value: "URL",
    short: "s",
    env: "TENURE_STORAGE_URL",
    says: "the place: file:///srv/tenure, lease://NAMESPACE, multiclusterlease://NAMESPACE",
  },
  namespace: {
    value: "NAMESPACE",
    short: "n",
    says: "folder of the leases (default); of Kubernetes: where the URL has none",
  },
  ...clusterFlags,
};
