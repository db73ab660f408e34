import { etagOf, type S3Answer, type S3Bucket } from "./s3-bucket.ts";
import { tombstoneBytes } from "./s3-trailer.ts";

/** One object, as a listing shows it. */
export interface ListedObject {
  /** Its name, with the prefix of the storage. */
  readonly name: string;
  readonly etag: string;
  /** Whether it stands for a removed key. */
  readonly isTombstone: boolean;
}

/** How `listObjects` asks. */
export interface ListObjectsOptions {
  /** What the names begin with. */
  readonly prefix: string;
  /** How many a page may hold; default what the server takes, 1000. */
  readonly pageSize?: number;
}

/** All objects whose names begin so, page by page; rejects rather than stopping at a page. */
export async function* listObjects(
  bucket: S3Bucket,
  { prefix, pageSize }: ListObjectsOptions,
  signal: AbortSignal,
): AsyncGenerator<readonly ListedObject[], void, undefined> {
  let token: string | undefined;
  do {
    const answer = await bucket.send(
      "ListObjectsV2Command",
      {
        Prefix: prefix,
        EncodingType: "url", // XML has no way to write some characters of names
        ...(pageSize !== undefined && { MaxKeys: pageSize }),
        ...(token !== undefined && { ContinuationToken: token }),
      },
      signal,
    );
    yield objectsOf(answer, prefix);
    const next = answer["NextContinuationToken"];
    if (answer["IsTruncated"] === true && (typeof next !== "string" || next === token)) {
      throw new TypeError("the listing is cut, and does not say how it goes on");
    }
    token = answer["IsTruncated"] === true ? String(next) : undefined;
  } while (token !== undefined);
}

function objectsOf(answer: S3Answer, prefix: string): readonly ListedObject[] {
  const { Contents: contents = [], EncodingType: encoding, KeyCount: count } = answer;
  // A success that is no listing (a proxy's page) has neither a count nor a name in it.
  if (!Array.isArray(contents) || (typeof count !== "number" && typeof answer["Name"] !== "string")) {
    throw new TypeError("the answer is no listing");
  }
  return contents.flatMap((entry: unknown) => {
    const object = Object(entry) as S3Answer; // cast: an object; every field is looked at
    const [name, etag, size] = [nameOf(object["Key"], encoding === "url"), etagOf(object), object["Size"]];
    if (name === undefined || etag === undefined) throw new TypeError("the listing has an object without name or ETag");
    return name.startsWith(prefix) ? [{ name, etag, isTombstone: size === tombstoneBytes }] : [];
  });
}

function nameOf(key: unknown, isEncoded: boolean): string | undefined {
  if (typeof key !== "string" || key === "") return undefined;
  return isEncoded ? decodeURIComponent(key.replaceAll("+", "%20")) : key;
}
