import { bodyOf, etagOf, metadataOf, type S3Bucket } from "./s3-bucket.ts";
import { statusOf } from "./s3-errors.ts";
import { tombstoneBytes, tombstoneName } from "./s3-trailer.ts";

/** Servers may send the whole of an object instead of its beginning; more of it is not read. */
const mostBytes = 64 * 2 ** 10;

/**
 * The ETag of what stands for a removed key, in quotes; `undefined` if there is anything else or nothing.
 *
 * By GET: versitygw's HEAD reads the metadata first and then the ETag, so it can show a tombstone with the ETag of
 * what was created over it, and whoever writes on that ETag takes it away. Its GET reads the ETag first.
 */
export async function tombstoneOf(bucket: S3Bucket, name: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const wanted = { Key: name, Range: `bytes=0-${tombstoneBytes - 1}` }; // not all of a large value
    const answer = await bucket.send("GetObjectCommand", wanted, signal);
    await bodyOf(answer, mostBytes); // read, or its socket could not be used again
    const etag = metadataOf(answer, tombstoneName) === undefined ? undefined : etagOf(answer);
    return etag === undefined ? undefined : `"${etag}"`;
  } catch (error) {
    // Deleted since by somebody else, it was there when we lost; or there, and empty.
    if (statusOf(error) === 404 || statusOf(error) === 416) return undefined;
    throw error;
  }
}
