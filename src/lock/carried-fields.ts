type Fields = Readonly<Record<string, unknown>>;

const maxVersions = 8;

/**
 * The fields of others that were read with the last few versions, so that a write carries them on. It decides nothing:
 * what is not in here is read again.
 */
export class CarriedFields {
  readonly #byVersion = new Map<string, Fields | undefined>();

  /** Whether this version was seen lately. */
  has(version: string): boolean {
    return this.#byVersion.has(version);
  }

  get(version: string): Fields | undefined {
    return this.#byVersion.get(version);
  }

  /** Remembers a version with its fields; the one that was remembered longest ago is dropped. */
  remember(version: string, fields: Fields | undefined): void {
    this.#byVersion.delete(version);
    this.#byVersion.set(version, fields);
    for (const oldest of this.#byVersion.keys()) {
      if (this.#byVersion.size <= maxVersions) return;
      this.#byVersion.delete(oldest);
    }
  }
}
