import { SeededRandom } from "../../src/testing/seeded-random.ts";

/** Draws of one kind. */
export class Draws {
  readonly #random: SeededRandom;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** In [0, 1). */
  next(): number {
    return this.#random.next();
  }

  happens(probability: number): boolean {
    return this.#random.next() < probability;
  }

  between(from: number, to: number): number {
    return from + this.#random.next() * (to - from);
  }

  /** Exponential, as gaps between accidents are. */
  gap(mean: number): number {
    return -Math.log(1 - this.#random.next()) * mean;
  }

  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[Math.floor(this.#random.next() * choices.length)] ?? choices[0];
  }

  /** One of a list that may be empty. */
  oneOf<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.#random.next() * items.length)];
  }

  shuffle<T>(items: readonly T[]): T[] {
    const drawn = items.map((item) => ({ item, draw: this.#random.next() }));
    return drawn.sort((one, other) => one.draw - other.draw).map(({ item }) => item);
  }
}

/**
 * All chance of one run, from its seed. Each name has draws of its own, so that a fault that is left out, or a kind of
 * fault that is added to the simulation, does not shift what the others draw.
 */
export class Chance {
  readonly #seed: number;
  readonly #draws = new Map<string, Draws>();

  constructor(seed: number) {
    this.#seed = seed;
  }

  of(name: string): Draws {
    const known = this.#draws.get(name);
    if (known !== undefined) return known;
    const draws = new Draws(this.random(name));
    this.#draws.set(name, draws);
    return draws;
  }

  /** A generator for somebody who draws alone, such as one elector. */
  random(name: string): SeededRandom {
    const text = `${this.#seed} ${name}`;
    return new SeededRandom(hash(text, 0x811c9dc5) + (hash(text, 0x01234567) & 0x1fffff) * 2 ** 32);
  }
}

/** FNV-1a. */
function hash(text: string, basis: number): number {
  let value = basis;
  for (let index = 0; index < text.length; index += 1) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value >>> 0;
}
