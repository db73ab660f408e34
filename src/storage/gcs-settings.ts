import { InvalidKeyError, InvalidSettingsError } from "../errors.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { printable } from "../system/logger.ts";
import { systemRandom, type Random } from "../system/random.ts";
import { endpointOf, endpointProblem, isGCSClient, type GCSClient, type GCSEndpoint } from "./gcs-client.ts";
import { assertKey } from "./keys.ts";
import type { StorageUrl } from "./storage-url.ts";

/** How a `GCSStorage` is made. */
export interface GCSStorageOptions {
  /** A `Storage` of `@google-cloud/storage`: where requests go, and with which credentials. Never closed by us. */
  readonly client: GCSClient;
  /** Its name; it has to exist. */
  readonly bucket: string;
  /** What the names of all objects begin with, without a slash at the end; default none. */
  readonly prefix?: string | undefined;
  /** The project that pays, for buckets whose requester pays. */
  readonly userProject?: string | undefined;
  /**
   * How far two writes of one key are apart at the least, in milliseconds; default 1000, which is what Google allows
   * for one object. Less is for emulators.
   */
  readonly minWriteIntervalMs?: number | undefined;
  /** How often a watch asks whether anything changed, in milliseconds; at least 10, default 2000. Each costs a read. */
  readonly pollMs?: number | undefined;
  /** The greatest size of a value in bytes; at most and by default 16 MiB. */
  readonly maxValueBytes?: number | undefined;
  /** The deadline of calls that name none, in milliseconds; default 10 000. */
  readonly timeoutMs?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}

/** Every option with its value. */
export interface ResolvedGCSSettings {
  readonly client: GCSClient;
  readonly endpoint: GCSEndpoint;
  readonly bucket: string;
  /** `""`, or with its slash at the end. */
  readonly root: string;
  readonly userProject: string | undefined;
  readonly minWriteIntervalMs: number;
  readonly pollMs: number;
  readonly maxValueBytes: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

const largestValueBytes = 16 * 2 ** 20;
const longestMs = 2 ** 31 - 1;
/** An object's name has 1024 bytes; a key takes up to 800 of them, and one is the slash between. */
const longestPrefixBytes = 1024 - 800 - 1;

/** @throws {InvalidSettingsError} naming all problems. */
export function gcsSettings(options: GCSStorageOptions): ResolvedGCSSettings {
  const { client, bucket, prefix = "", userProject } = options;
  const { minWriteIntervalMs = 1000, pollMs = 2000, maxValueBytes = largestValueBytes, timeoutMs = 10_000 } = options;
  const { clock = systemClock, random = systemRandom } = options;
  const isClient = isGCSClient(client);
  const problem = isClient ? endpointProblem(client.apiEndpoint) : undefined;
  const problems = [
    ...(isClient ? [] : ["client must be a Storage of @google-cloud/storage"]),
    ...(problem === undefined ? [] : [`apiEndpoint ${problem}`]),
    ...bucketProblems(bucket),
    ...prefixProblems(prefix),
    ...projectProblems(userProject),
    ...wholeNumber({ minWriteIntervalMs }, 0, longestMs),
    ...wholeNumber({ pollMs }, 10, longestMs),
    ...wholeNumber({ maxValueBytes }, 1, largestValueBytes),
    ...wholeNumber({ timeoutMs }, 1, longestMs),
  ];
  if (problems.length > 0) throw new InvalidSettingsError(problems, { operation: "open" });
  const root = prefix === "" ? "" : `${prefix}/`;
  const numbers = { minWriteIntervalMs, pollMs, maxValueBytes, timeoutMs };
  return { client, endpoint: endpointOf(client), bucket, root, userProject, ...numbers, clock, random };
}

const parameters = {
  apiEndpoint: { type: "text", default: undefined },
  userProject: { type: "text", default: undefined },
  minWriteIntervalMs: { type: "integer", default: 1000, most: longestMs },
} as const;

/** What `gs://bucket/prefix?pollMs=5000` stands for; the client is another matter. */
export type GCSUrlOptions = Omit<GCSStorageOptions, "client"> & { readonly apiEndpoint: string | undefined };

/** @throws {InvalidSettingsError} naming all problems. */
export function gcsUrlOptions(url: StorageUrl): GCSUrlOptions {
  const { probe: _probe, ...values } = url.parameters(parameters);
  const problems = [
    ...bucketProblems(url.host),
    ...(url.credentials() === undefined ? [] : ["gs: takes no user info; credentials come from the environment"]),
    ...(values.apiEndpoint === undefined ? [] : [endpointProblem(values.apiEndpoint)])
      .filter((problem) => problem !== undefined)
      .map((problem) => `apiEndpoint ${problem}`),
  ];
  if (problems.length > 0) throw new InvalidSettingsError(problems, { operation: "open" });
  return { ...values, bucket: url.host, prefix: url.path.replace(/^\/|\/$/g, "") };
}

function bucketProblems(bucket: unknown): string[] {
  if (typeof bucket === "string" && /^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/.test(bucket)) return [];
  const grammar = "3 to 222 lower-case letters, digits, dots, - and _";
  return [`bucket (${shown(bucket)}) must be the name of a bucket: ${grammar}; a URL reads gs://bucket/prefix`];
}

function prefixProblems(prefix: unknown): string[] {
  if (prefix === "") return [];
  if (typeof prefix !== "string") return [`prefix (${shown(prefix)}) must be text`];
  const bytes = new TextEncoder().encode(prefix).length;
  if (bytes > longestPrefixBytes) return [`prefix has ${bytes} bytes, ${longestPrefixBytes} are allowed`];
  try {
    assertKey(prefix);
    return [];
  } catch (error) {
    return error instanceof InvalidKeyError ? [`prefix: ${error.message}`] : ["prefix is unreadable"];
  }
}

function projectProblems(userProject: unknown): string[] {
  if (userProject === undefined) return [];
  if (typeof userProject === "string" && /^[a-z0-9.:-]{1,100}$/.test(userProject)) return [];
  return [`userProject (${shown(userProject)}) must be the id or number of a project`];
}

function wholeNumber(named: Readonly<Record<string, unknown>>, least: number, greatest: number): string[] {
  return Object.entries(named)
    .filter(([, value]) => !(Number.isInteger(value) && Number(value) >= least && Number(value) <= greatest))
    .map(([name, value]) => `${name} (${shown(value)}) must be a whole number from ${least} to ${greatest}`);
}

function shown(value: unknown): string {
  return printable(typeof value === "string" ? `"${value}"` : String(value), 80);
}
