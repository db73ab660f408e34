import { InvalidSettingsError } from "../errors.ts";
import type { ControllerSettings } from "./resolve-controller.ts";

/** One setting of the program, as a flag `--<name>` or a variable `TENURE_CONTROLLER_<NAME>`. */
export interface ControllerFlag {
  /** What its value is called in the help; absent: the flag takes none. */
  readonly value?: string;
  /** For the help: unit, bounds and default. */
  readonly says: string;
  /** Where it is no variable of its own. */
  readonly env?: string;
  readonly short?: string;
}

/** The settings of `tenure controller`, by name. */
export const controllerFlags: Readonly<Record<string, ControllerFlag>> = {
  storage: {
    value: "URL",
    short: "s",
    env: "TENURE_STORAGE_URL",
    says: "the storage that all clusters share: gs://bucket",
  },
  "gcs-bucket": { value: "NAME", says: "the same as --storage gs://NAME" },
  namespaces: { value: "A,B", says: "whose MultiClusterLeases are kept, with commas between (all)" },
  "api-group": { value: "GROUP", says: "of the resource (multicluster.core.cnrm.cloud.google.com)" },
  "poll-interval": { value: "2s", says: "between two looks at the storage where nothing is pushed, 100ms to 1m (2s)" },
  "holder-grace": { value: "0s", says: "extra wait before a holder is replaced, 0s to 1h (0s)" },
  "go-lease-duration": {
    value: "15s",
    says: "stands in for the duration that a Go controller leaves out, 1s to 1h (15s)",
  },
  "max-honoured-lease": { value: "1h", says: "a longer stored lease is never taken over, 1s to 24h (1h)" },
  "lease-name": { value: "NAME", says: "the Lease by which replicas elect the one that writes (tenure-controller)" },
  "lease-namespace": { value: "NAMESPACE", says: "where that Lease is (that of the pod, else default)" },
  "http-addr": { value: ":8080", says: "/healthz, /readyz and /metrics; host and port, or off (:8080)" },
  "metrics-addr": { value: ":8080", says: "the same as --http-addr" },
  kubeconfig: { value: "FILE", says: "instead of KUBECONFIG, ~/.kube/config and that of the pod" },
  context: { value: "NAME", says: "instead of the kubeconfig's current context" },
  "allow-exec-credentials": { says: "run the program that the kubeconfig names for credentials (refused)" },
  "shutdown-timeout": { value: "10s", says: "how long a graceful end may take, 1s to 10m (10s)" },
};

/** The prefix of the variables that no other command reads. */
export const variablePrefix = "TENURE_CONTROLLER_";

/** `TENURE_CONTROLLER_POLL_INTERVAL` of `poll-interval`. */
export function variableOf(name: string): string {
  return controllerFlags[name]?.env ?? `${variablePrefix}${name.toUpperCase().replaceAll("-", "_")}`;
}

/** A text and where it came from, for messages. */
export interface SettingText {
  readonly text: string;
  /** `--poll-interval`, or the name of a variable. */
  readonly where: string;
}

/** Everything that the program was told. */
export interface ProgramSettings {
  readonly storageUrl: string;
  readonly controller: ControllerSettings;
  /** `undefined`: no server. */
  readonly http: HttpAddress | undefined;
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  readonly allowExecCredentials: boolean;
  readonly shutdownTimeoutMs: number;
}

/** Where a server listens. */
export interface HttpAddress {
  /** Absent: on every address. */
  readonly host?: string;
  /** 0: one that is free. */
  readonly port: number;
}

/** How texts are read. */
export interface SettingReader {
  /** The flag's text, else that of its variable, else `undefined`. */
  readonly given: (name: string) => SettingText | undefined;
  /** @throws an error that says what is wrong, and where. */
  readonly durationMs: (given: SettingText) => number;
  /** Where the own Lease is, unless it is said. */
  readonly ownNamespace: string;
}

/** Reads and checks all settings. @throws {InvalidSettingsError} with every problem; nothing was sent. */
export function readSettings(reader: SettingReader): ProgramSettings {
  const problems: string[] = [];
  const text = (name: string): string | undefined => reader.given(name)?.text;
  const duration = durationReader(reader, problems);
  const controller: ControllerSettings = {
    ...listOf("namespaces", text("namespaces")),
    ...present("group", text("api-group")),
    ...present("pollIntervalMs", duration("poll-interval", 100, 60_000)),
    ...present("holderGraceMs", duration("holder-grace", 0, 3_600_000)),
    ...present("goLeaseDurationMs", duration("go-lease-duration", 1_000, 3_600_000)),
    ...present("maxHonouredLeaseMs", duration("max-honoured-lease", 1_000, 86_400_000)),
    ...present("leaseName", text("lease-name")),
    leaseNamespace: text("lease-namespace") ?? reader.ownNamespace,
    ...present("shutdownTimeoutMs", duration("shutdown-timeout", 1_000, 600_000)),
  };
  const settings: ProgramSettings = {
    storageUrl: storageUrl(reader, problems),
    controller,
    http: httpAddress(reader, problems),
    kubeconfig: text("kubeconfig"),
    context: text("context"),
    allowExecCredentials: isOn(reader, problems),
    shutdownTimeoutMs: controller.shutdownTimeoutMs ?? 10_000,
  };
  if (problems.length > 0) throw new InvalidSettingsError(problems);
  return settings;
}

function durationReader(reader: SettingReader, problems: string[]) {
  return (name: string, least: number, most: number): number | undefined => {
    const given = reader.given(name);
    if (given === undefined) return undefined;
    try {
      const ms = reader.durationMs(given);
      if (ms >= least && ms <= most) return ms;
      problems.push(`${given.where}: ${given.text} must be ${least} to ${most} ms`);
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
    return undefined;
  };
}

function storageUrl({ given }: SettingReader, problems: string[]): string {
  const [url, bucket] = [given("storage"), given("gcs-bucket")];
  if (url !== undefined && bucket !== undefined) {
    problems.push(`${url.where} and ${bucket.where} both name a storage: one of both`);
  }
  if (url === undefined && bucket === undefined) {
    problems.push("no storage: write --storage gs://bucket, or set TENURE_STORAGE_URL");
  }
  if (bucket !== undefined && !/^[a-z0-9][-a-z0-9_.]{1,221}$/.test(bucket.text)) {
    problems.push(`${bucket.where}: "${bucket.text}" is no name of a bucket`);
  }
  if (url !== undefined && /^(memory|lease):/i.test(url.text)) {
    problems.push(`${url.where}: no two clusters meet in ${url.text.slice(0, 20)}: name a storage that they share`);
  }
  return url?.text ?? `gs://${bucket?.text ?? ""}`;
}

function httpAddress({ given }: SettingReader, problems: string[]): HttpAddress | undefined {
  const [http, metrics] = [given("http-addr"), given("metrics-addr")];
  if (http !== undefined && metrics !== undefined && http.text !== metrics.text) {
    problems.push(`${http.where} and ${metrics.where} differ: there is one server`);
  }
  const address = http ?? metrics ?? { text: ":8080", where: "--http-addr" };
  if (address.text === "off" || address.text === "0") return undefined;
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]]*)):(\d{1,5})$/.exec(address.text);
  const port = Number(found?.[3]);
  if (found === null || port > 65_535) {
    problems.push(`${address.where}: "${address.text}" is no address: write :8080, 127.0.0.1:8080, [::1]:8080 or off`);
    return undefined;
  }
  const host = found[1] ?? found[2];
  return { port, ...(host !== undefined && host !== "" && { host }) };
}

/** A flag that takes no value; its variable says `true` or `false`. */
function isOn({ given }: SettingReader, problems: string[]): boolean {
  const told = given("allow-exec-credentials");
  if (told === undefined || told.text === "false") return false;
  if (told.text !== "true") problems.push(`${told.where}: "${told.text}" is neither true nor false`);
  return true;
}

function listOf(name: "namespaces", text: string | undefined): { readonly namespaces?: readonly string[] } {
  if (text === undefined) return {};
  return { [name]: text.split(",").map((part) => part.trim()) };
}

function present<Name extends string, T>(name: Name, value: T | undefined): { readonly [key in Name]?: T } {
  const field: object = value === undefined ? {} : { [name]: value };
  return field;
}
