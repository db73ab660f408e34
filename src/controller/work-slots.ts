/** Lets so many calls be at work at once; the others wait in the order in which they came. */
export class WorkSlots {
  readonly #most: number;
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** How many calls are at work. */
  get taken(): number {
    return this.#taken;
  }

  /** Runs `call` once there is a slot, and gives that back when it has settled. */
  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.#taken >= this.#most) await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    else this.#taken += 1;
    try {
      return await call();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#taken -= 1;
      else next(); // the slot passes on without being free in between
    }
  }
}
