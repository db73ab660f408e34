import { GCSStorage, type GCSClient, type GCSStorageOptions } from "../../../src/storage/gcs.ts";
import { versionedStorageSuite } from "../../../src/testing/versioned-storage-suite.ts";
import { GcsDoor } from "./gcs-door.ts";
import { doubleBucket, GcsDouble } from "./gcs-double.ts";

/** What the double asks for, and nothing may show. */
export const secretToken = "ya29.secret-of-the-token";

/** Cases of what a bucket cannot do: several objects at once, and objects that expire. */
export const suiteBeyondBuckets: typeof versionedStorageSuite = versionedStorageSuite.filter(
  ({ needs = [] }) => needs.includes("transact") || needs.includes("expiry"),
);
/** All the others. */
export const suiteOfBuckets: typeof versionedStorageSuite = versionedStorageSuite.filter(
  (each) => !suiteBeyondBuckets.includes(each),
);

/** A driver that polls quickly and waits for nothing. */
export function quickGCS(client: GCSClient, options: Partial<GCSStorageOptions> = {}): GCSStorage {
  return new GCSStorage({ client, bucket: doubleBucket, minWriteIntervalMs: 0, pollMs: 10, ...options });
}

/** A double, and the doors to it. */
export class GcsPlace implements AsyncDisposable {
  readonly double: GcsDouble;
  readonly #doors: GcsDoor[] = [];

  private constructor(double: GcsDouble) {
    this.double = double;
  }

  static async make(): Promise<GcsPlace> {
    return new GcsPlace(await GcsDouble.start({ token: secretToken }));
  }

  connect(): GCSStorage {
    return quickGCS(this.double.client());
  }

  async faults(): Promise<GcsDoor> {
    const { double } = this;
    const door = await GcsDoor.open({ port: double.port, connect: (port) => quickGCS(double.client(port)) });
    this.#doors.push(door);
    return door;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const door of this.#doors) await door[Symbol.asyncDispose]();
    await this.double[Symbol.asyncDispose]();
  }
}
