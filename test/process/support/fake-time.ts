import { existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const library = [
  "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
  "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
  "/usr/lib64/faketime/libfaketimeMT.so.1",
  "/usr/lib/faketime/libfaketimeMT.so.1",
].find((path) => existsSync(path));

/** Whether libfaketime is installed, which steps the wall clock of a process from outside. */
export const hasFakeTime: boolean = library !== undefined;

/** The wall clock of one process, by libfaketime; its monotonic clock stays the real one. */
export class FakeTime {
  readonly #file: string;

  constructor(directory: string, name: string) {
    this.#file = join(directory, `@time-${name}`);
    this.set(0);
  }

  /** What the process has to be started with. */
  get env(): Readonly<Record<string, string>> {
    return {
      LD_PRELOAD: library ?? "",
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
  }

  /** From now on the process reads a wall clock that is so far ahead, or behind. */
  set(seconds: number): void {
    writeFileSync(`${this.#file}.next`, `${seconds < 0 ? "" : "+"}${seconds}\n`);
    renameSync(`${this.#file}.next`, this.#file); // never half a number
  }
}
