import type { NewSignal } from "./own-signals.ts";
import { ownNumber, type Sender } from "./own-names.ts";
import { isFree, isGoStatus, type ShownLease } from "./shown-lease.ts";

/**
 * Under which of its names a candidate signals. A controller that reads `leaseTransitions` counts a new term of the
 * same holder by it; a Go controller, and one behind upstream's definition, count a change of the holder only: there
 * each term gets a name of its own, by what the statuses have named so far.
 */
export class TermNames {
  readonly #sender: Sender;
  #highestNamed = 0;
  #isGo = false;
  #isPruned: boolean;

  constructor(sender: Sender) {
    this.#sender = sender;
    this.#isPruned = sender.isShared === true; // until a signal shows it: a neighbour's name says nothing of its term
  }

  /** Whether a Go controller answers here, by the last stamp that was seen. */
  get isGo(): boolean {
    return this.#isGo;
  }

  /** The largest number of a name that is known to be used; 0: none. */
  get highest(): number {
    return this.#highestNamed;
  }

  /** A neighbour has used names up to this number, or may have. */
  noteUsed(number: number): void {
    this.#highestNamed = Math.max(this.#highestNamed, number);
  }

  /** `isOwn`: whether the spec is a signal of this candidate. */
  look(shown: ShownLease, isOwn: boolean): void {
    const { status } = shown;
    if (status?.globalRenewTime !== undefined) this.#isGo = isGoStatus(status);
    if (isOwn || this.#isNeighbour(shown)) this.#isPruned = !keepsTerm(shown);
    this.#highestNamed = Math.max(this.#highestNamed, this.named(shown) ?? 0);
  }

  /** Whether a signal that was sent to ask for a term lacks it: what becomes of it may be no term of its own. */
  isUncounted(answer: ShownLease, number: number): boolean {
    return !keepsTerm(answer) && this.named(answer) === number;
  }

  #isNeighbour({ signal }: ShownLease): boolean {
    const { identity, isShared } = this.#sender;
    return isShared === true && signal.renewTime !== "" && ownNumber(identity, signal.holder) !== undefined;
  }

  /** Which of one's own names the status names as the holder. */
  named(shown: ShownLease | undefined): number | undefined {
    const { identity } = this.#sender;
    return shown?.status === undefined ? undefined : ownNumber(identity, shown.status.globalHolderIdentity);
  }

  /** For a renewal or a release of what `held` confirmed. */
  held(shown: ShownLease | undefined, held: Pick<NewSignal, "number"> | undefined): number {
    return this.named(shown) ?? held?.number ?? 1;
  }

  /**
   * For a new term. `releaseFirst`: an older name of this candidate holds the lease, and the controller would make no
   * term of a new name before that is free.
   */
  asked(shown: ShownLease | undefined): { readonly number: number; readonly releaseFirst?: number } {
    const named = this.named(shown);
    if (!this.#isGo && !this.#isPruned) return { number: named ?? 1 };
    const number = this.#highestNamed + 1;
    const isHeld = named !== undefined && shown?.status !== undefined && !isFree(shown.status);
    return isHeld && !this.#isGo ? { number, releaseFirst: named } : { number };
  }
}

function keepsTerm({ resource }: ShownLease): boolean {
  const spec: unknown = resource["spec"];
  return typeof spec === "object" && spec !== null && Reflect.get(spec, "leaseTransitions") !== undefined;
}
