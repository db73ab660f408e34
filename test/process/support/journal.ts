import type { Step } from "./history.ts";
import type { AppendAnswer, AppendRequest } from "./protocol.ts";

/**
 * The guarded resource: an append log that lives in one process and compares the term in the same step. It refuses a
 * smaller term, and an equal one of another identity.
 */
export class Journal {
  readonly #fenced: boolean;
  #last: { readonly term: number; readonly identity: string } | undefined;
  readonly accepted: Step[] = [];
  readonly rejected: Step[] = [];

  constructor(fenced: boolean) {
    this.#fenced = fenced;
  }

  /** `actor`: who really asks, whatever identity it bears. */
  append({ append, term, identity, beginNs }: AppendRequest, actor: string): AppendAnswer {
    const step: Step = { actor, term, beginNs: BigInt(beginNs), endNs: process.hrtime.bigint() };
    const last = this.#last ?? { term, identity };
    const isStale = term < last.term || (term === last.term && identity !== last.identity);
    const accepted = !isStale || !this.#fenced;
    (accepted ? this.accepted : this.rejected).push(step);
    if (accepted && !isStale) this.#last = { term, identity };
    return { appended: append, accepted, acceptedTerm: this.#last?.term ?? 0 };
  }

  /** The accepted steps of one process. */
  of({ actor }: { readonly actor: string }): Step[] {
    return this.accepted.filter((step) => step.actor === actor);
  }
}
