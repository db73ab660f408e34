import { InvalidSettingsError } from "../errors.ts";
import { systemClock, type Clock } from "../system/clock.ts";
import { printable } from "../system/logger.ts";
import { systemRandom, type Random } from "../system/random.ts";
import { assertKey } from "./keys.ts";
import type { S3Commands, S3Sender } from "./s3-bucket.ts";
import type { Credentials, StorageUrl } from "./storage-url.ts";

/** How an `S3Storage` is made. */
export interface S3StorageOptions {
  /** An `S3Client` of `@aws-sdk/client-s3`, made with `maxAttempts: 1`. Not closed by the storage; see `onClose`. */
  readonly client: S3Sender;
  /** The commands of the same package: `import * as commands from "@aws-sdk/client-s3"`. */
  readonly commands: S3Commands;
  /** Its name, which every candidate of an election has to share. */
  readonly bucket: string;
  /** What the names of all objects begin with, without slashes at its ends; a key of at most 200 bytes, or nothing. */
  readonly prefix?: string | undefined;
  /** Encryption at rest; default `"AES256"`. `"none"` leaves it to the bucket. */
  readonly sse?: "AES256" | "aws:kms" | "none" | undefined;
  /** The key for `sse: "aws:kms"`; default that of the account. */
  readonly kmsKeyId?: string | undefined;
  /** The least time between two writes of one object, in milliseconds; default 0. R2 needs 1000. */
  readonly minWriteIntervalMs?: number | undefined;
  /** How often a watch asks, in milliseconds; at least 10, default 2000. */
  readonly pollMs?: number | undefined;
  /** The greatest size of a value in bytes; at most and by default 16 MiB. */
  readonly maxValueBytes?: number | undefined;
  /** The deadline of calls that name none, in milliseconds; default 10 000. */
  readonly timeoutMs?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  /** Where the client sends to, for the description of the storage. */
  readonly endpoint?: string | undefined;
  /** Called once at `close()`: ends a client that was made for this storage alone. */
  readonly onClose?: (() => void) | undefined;
}

/** Every option with its value. */
export interface ResolvedS3Settings {
  readonly description: string;
  /** `""`, or with a slash at its end. */
  readonly prefix: string;
  /** What is sent with each write. */
  readonly encryption: Readonly<Record<string, string>>;
  readonly minWriteIntervalMs: number;
  readonly pollMs: number;
  readonly maxValueBytes: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

const largestValueBytes = 16 * 2 ** 20;
/** S3 takes names of 1024 bytes; a key has at most 800. */
const longestPrefixBytes = 200;
const longestMs = 2 ** 31 - 1;
const encryptions: readonly unknown[] = ["AES256", "aws:kms", "none"];

/** @throws {InvalidSettingsError} naming all problems. */
export function s3Settings(options: S3StorageOptions): ResolvedS3Settings {
  const { client, bucket, prefix = "", sse = "AES256", kmsKeyId, minWriteIntervalMs = 0 } = options;
  const { pollMs = 2_000, maxValueBytes = largestValueBytes, timeoutMs = 10_000 } = options;
  const { clock = systemClock, random = systemRandom, endpoint } = options;
  const problems = [
    ...(typeof Object(client).send === "function" ? [] : ["client must have a method send(command)"]),
    ...bucketProblems(bucket),
    ...prefixProblems(prefix),
    ...(encryptions.includes(sse) ? [] : [`sse (${shown(sse)}) must be one of ${encryptions.join(", ")}`]),
    ...(kmsKeyId === undefined || sse === "aws:kms" ? [] : ["kmsKeyId is for sse=aws:kms only"]),
    ...(kmsKeyId === undefined || /^[\w:/.-]+$/.test(kmsKeyId) ? [] : ["kmsKeyId must be the id of a key of KMS"]),
    ...wholeNumber({ minWriteIntervalMs }, 0, longestMs),
    ...wholeNumber({ pollMs }, 10, longestMs),
    ...wholeNumber({ maxValueBytes }, 1, largestValueBytes),
    ...wholeNumber({ timeoutMs }, 1, longestMs),
  ];
  if (problems.length > 0) throw new InvalidSettingsError(problems, { operation: "open" });
  const at = endpoint === undefined ? "" : ` at ${new URL(endpoint).host}`;
  return {
    description: `s3://${bucket}${prefix === "" ? "" : `/${prefix}`}${at}`,
    prefix: prefix === "" ? "" : `${prefix}/`,
    encryption: {
      ...(sse !== "none" && { ServerSideEncryption: sse }),
      ...(kmsKeyId !== undefined && { SSEKMSKeyId: kmsKeyId }),
    },
    ...{ minWriteIntervalMs, pollMs, maxValueBytes, timeoutMs, clock, random },
  };
}

const parameters = {
  region: { type: "text", default: undefined },
  endpoint: { type: "text", default: undefined },
  forcePathStyle: { type: "flag", default: false },
  sse: { type: "choice", default: "AES256", of: ["AES256", "aws:kms", "none"] },
  kmsKeyId: { type: "text", default: undefined },
  minWriteIntervalMs: { type: "integer", default: 0, most: longestMs },
} as const;

/** What a URL says: of the storage, and of the client that is to be made for it. */
export interface S3UrlOptions {
  readonly storage: Omit<S3StorageOptions, "client" | "commands">;
  readonly client: {
    readonly region: string | undefined;
    readonly endpoint: string | undefined;
    readonly forcePathStyle: boolean;
    readonly credentials: Credentials | undefined;
  };
}

/**
 * The options that `s3://bucket/prefix?region=eu-central-1` stands for.
 *
 * @throws {InvalidSettingsError} naming all problems.
 */
export function s3UrlOptions(url: StorageUrl): S3UrlOptions {
  const { region, endpoint, forcePathStyle, probe: _probe, ...rest } = url.parameters(parameters);
  const problems = [
    ...bucketProblems(url.host),
    ...prefixProblems(prefixOf(url)),
    ...(region === undefined || /^[a-z0-9-]+$/.test(region) ? [] : [`region (${shown(region)}) is no region`]),
    ...(endpoint === undefined ? [] : endpointProblems(endpoint)),
  ];
  if (problems.length > 0) throw new InvalidSettingsError(problems, { operation: "open" });
  return {
    storage: { ...rest, bucket: url.host, prefix: prefixOf(url), endpoint },
    client: { region, endpoint, forcePathStyle, credentials: url.credentials() },
  };
}

/** Whether the URL names the service of AWS itself, which enforces conditions. */
export function isAws(url: StorageUrl): boolean {
  return url.parameters(parameters).endpoint === undefined;
}

function prefixOf(url: StorageUrl): string {
  return url.path.replace(/^\/|\/$/g, "");
}

function bucketProblems(bucket: unknown): string[] {
  if (typeof bucket === "string" && /^[a-z0-9][a-z0-9._-]{1,253}[a-z0-9]$/i.test(bucket)) return [];
  return [`bucket (${shown(bucket)}) must be the name of a bucket, as in s3://bucket/prefix`];
}

function prefixProblems(prefix: unknown): string[] {
  if (prefix === "") return [];
  try {
    assertKey(String(prefix));
  } catch (error) {
    return [`prefix: ${error instanceof Error ? error.message : "is no key"}`];
  }
  const bytes = Buffer.byteLength(String(prefix));
  return bytes <= longestPrefixBytes ? [] : [`prefix has ${bytes} bytes, ${longestPrefixBytes} are allowed`];
}

function endpointProblems(endpoint: string): string[] {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol)) {
    return ["endpoint must be a URL, like https://s3.example.com"];
  }
  const isGoogle = /(^|\.)storage\.googleapis\.com$/.test(url.hostname);
  const isHere = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  return [
    ...(isGoogle ? ["endpoint is Google's, whose conditions have other headers; use gs: instead of s3:"] : []),
    ...(url.username + url.password === "" ? [] : ["endpoint must hold no credentials; they belong before the bucket"]),
    ...(url.protocol === "https:" || isHere ? [] : ["endpoint must be https:, since it is not on loopback"]),
    ...(url.search + url.hash === "" ? [] : ["endpoint must have neither query nor fragment"]),
  ];
}

function wholeNumber(named: Readonly<Record<string, unknown>>, least: number, greatest: number): string[] {
  return Object.entries(named)
    .filter(([, value]) => !(Number.isInteger(value) && Number(value) >= least && Number(value) <= greatest))
    .map(([name, value]) => `${name} (${shown(value)}) must be a whole number from ${least} to ${greatest}`);
}

function shown(value: unknown): string {
  return printable(typeof value === "string" ? `"${value}"` : String(value), 80);
}
