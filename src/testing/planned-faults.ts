/** How often something planned happens. */
interface FaultCount {
  readonly times?: number;
  readonly skip?: number;
}

interface Planned<Fault, Options> {
  readonly fault: Fault;
  readonly options: Options;
  timesLeft: number;
  skipLeft: number;
}

/**
 * The troubles that lie ahead. Those with a number of `times` come first, in the order in which they were planned; of
 * the others, which last until `clear`, the latest counts.
 */
export class PlannedFaults<Fault, Options extends FaultCount, Call> {
  readonly #hits: (options: Options, call: Call) => boolean;
  #counted: Planned<Fault, Options>[] = [];
  #lasting: Planned<Fault, Options>[] = [];

  /** `hits`: whether what was planned with these options is about a call. */
  constructor(hits: (options: Options, call: Call) => boolean) {
    this.#hits = hits;
  }

  plan(fault: Fault, options: Options): void {
    const { times = Infinity, skip = 0 } = options;
    const planned: Planned<Fault, Options> = { fault, options, timesLeft: times, skipLeft: skip };
    if (times === Infinity) this.#lasting.unshift(planned);
    else this.#counted.push(planned);
  }

  /** The fault that hits this call, which is counted. */
  take(call: Call): Fault | undefined {
    for (const planned of [...this.#counted, ...this.#lasting]) {
      if (!this.#hits(planned.options, call)) continue;
      if (planned.skipLeft > 0) {
        planned.skipLeft -= 1;
        continue;
      }
      planned.timesLeft -= 1;
      if (planned.timesLeft <= 0) this.#counted = this.#counted.filter((other) => other !== planned);
      return planned.fault;
    }
    return undefined;
  }

  clear(): void {
    this.#counted = [];
    this.#lasting = [];
  }
}
