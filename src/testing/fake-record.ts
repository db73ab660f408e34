import type { Version } from "../storage/versioned-storage.ts";

/** What is stored behind one or more `FakeLock`s: any value, and a version that never repeats. */
export class FakeRecord {
  #raw: unknown;
  #version = "v0" as Version; // cast: the brand is made here; v0 is never shown, for nothing is stored yet
  #writes = 0;
  #microseconds = 0;
  readonly #listeners = new Set<() => void>();

  /** What is stored, or `undefined` if there is nothing. */
  get stored(): { readonly raw: unknown; readonly version: Version } | undefined {
    return this.#raw === undefined ? undefined : { raw: this.#raw, version: this.#version };
  }

  /** Stores a value under a new version. */
  put(raw: unknown): Version {
    this.#raw = structuredClone(raw);
    this.#writes += 1;
    this.#version = `v${this.#writes}` as Version; // cast: the brand is made here
    this.tell();
    return this.#version;
  }

  erase(): void {
    this.#raw = undefined;
    this.tell();
  }

  /** 1, 2, 3 …: what makes a time of this record unlike every other one. */
  nextMicrosecond(): number {
    this.#microseconds += 1;
    return this.#microseconds;
  }

  /** Calls every listener, as after a change. */
  tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  /** Calls `listener` after each change; the returned function ends that. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
