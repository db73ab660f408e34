import { errorCode, InvalidSettingsError, PackageMissingError } from "../errors.ts";
import type { S3Commands, S3Sender } from "./s3-bucket.ts";
import type { S3StorageOptions } from "./s3-settings.ts";
import type { Credentials } from "./storage-url.ts";

/** What a client is made from. */
export interface S3ClientSettings {
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
  readonly forcePathStyle: boolean;
  readonly credentials: Credentials | undefined;
}

/** What we use of `@aws-sdk/client-s3`. */
export interface S3Package extends S3Commands {
  readonly S3Client: new (settings: object) => S3Sender & {
    readonly config: { readonly region: () => Promise<string> };
    destroy(): void;
  };
}

/**
 * The commands of `@aws-sdk/client-s3`, and the client that was passed or one of its own, which ends at `close()`.
 *
 * @throws {PackageMissingError} if the package is not installed.
 */
export async function loadS3(
  settings: S3ClientSettings,
  passed: unknown,
  load: () => Promise<S3Package> = () => import("@aws-sdk/client-s3"),
): Promise<Pick<S3StorageOptions, "client" | "commands" | "onClose">> {
  const commands = await load().catch(explain);
  if (passed !== undefined) {
    const { send } = Object(passed) as Record<string, unknown>; // cast: an object, and send is looked at
    if (typeof send !== "function") {
      throw new InvalidSettingsError(["client must be an S3Client of @aws-sdk/client-s3"], { operation: "open" });
    }
    return { commands, client: passed as S3StorageOptions["client"] }; // cast: it has the one method that we use
  }
  const { region, endpoint, forcePathStyle, credentials } = settings;
  const client = new commands.S3Client({
    maxAttempts: 1, // a repeated write turns its own success into a refusal
    forcePathStyle,
    ignoreConfiguredEndpointUrls: true, // the URL alone says where: two candidates must not look in two places
    ...(region !== undefined && { region }),
    // Other servers than that of AWS do not know all checksums (aws/aws-sdk-js-v3#6810).
    ...(endpoint !== undefined && { endpoint, ...checksumsWhenRequired }),
    ...(credentials !== undefined && {
      credentials: { accessKeyId: credentials.user, secretAccessKey: credentials.password },
    }),
  });
  try {
    await client.config.region();
  } catch (error) {
    client.destroy();
    const name = error instanceof Error ? error.name : typeof error;
    const problem = `the region is not known (${name}): add region=, or set it in the profile of AWS`;
    throw new InvalidSettingsError([problem], { operation: "open" });
  }
  return { commands, client, onClose: () => client.destroy() };
}

const checksumsWhenRequired = {
  requestChecksumCalculation: "WHEN_REQUIRED",
  responseChecksumValidation: "WHEN_REQUIRED",
} as const;

function explain(error: unknown): never {
  if (errorCode(error) !== "ERR_MODULE_NOT_FOUND") throw error;
  const how = "s3: needs the package @aws-sdk/client-s3: npm install @aws-sdk/client-s3";
  throw new PackageMissingError(how, { operation: "open", cause: error });
}
