import type { Agent } from "node:http";
import * as commands from "@aws-sdk/client-s3";
import { S3Storage, type S3StorageOptions } from "../../../src/storage/s3.ts";

/** Nobody may see it. */
export const secret = "secret-key-of-nobody-0123456789";

/** What a connection of a test is made from. */
export interface S3Place extends Partial<S3StorageOptions> {
  readonly endpoint: string;
  readonly bucket: string;
  readonly region?: string;
  readonly agent?: Agent;
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
}

/** A connection with a client of its own, as `open()` makes one. */
export function connectS3(place: S3Place): S3Storage {
  const { endpoint, agent, region = "us-east-1", ...rest } = place;
  const { accessKeyId = "tester", secretAccessKey = secret, ...options } = rest;
  const client = new commands.S3Client({
    maxAttempts: 1,
    region,
    endpoint,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    ...(agent && { requestHandler: { httpAgent: agent } }),
  });
  return new S3Storage({ pollMs: 20, ...options, endpoint, client, commands, onClose: () => client.destroy() });
}
