import type { Random } from "../system/random.ts";

/**
 * Chance from a seed: the same seed gives the same draws, so a run can be repeated. The generator is sfc32 (PractRand);
 * never use it for secrets.
 *
 * Two candidates need two seeds: with the same one they would draw the same identity.
 */
export class SeededRandom implements Random {
  /** What to write into a failing test's message. */
  readonly seed: number;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    this.seed = seed;
    this.#a = seed | 0;
    this.#b = Math.floor(seed / 2 ** 32) | 0;
    this.#c = 0x9e3779b9;
    for (let round = 0; round < 15; round += 1) this.#draw(); // as the author of sfc32 mixes a seed in
  }

  next(): number {
    return this.#draw() / 2 ** 32;
  }

  uuid(): string {
    let hex = "";
    for (let word = 0; word < 4; word += 1) hex += this.#draw().toString(16).padStart(8, "0");
    const variant = ((parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
    return [
      hex.slice(0, 8),
      hex.slice(8, 12),
      `4${hex.slice(13, 16)}`,
      variant + hex.slice(17, 20),
      hex.slice(20),
    ].join("-");
  }

  /** An unsigned 32-bit integer. */
  #draw(): number {
    const drawn = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + drawn) | 0;
    return drawn >>> 0;
  }
}
