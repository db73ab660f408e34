import type * as Tenure from "../../../src/index.ts";
import type { AppendAnswer, FromCandidate, ReportBody } from "./protocol.ts";

/** The machine's monotonic clock: every process reads the same one. */
export function nowNs(): bigint {
  return process.hrtime.bigint();
}

/** Tells the parent, who may be gone; resolves when the message has left this process. */
export function tell(body: ReportBody): Promise<void> {
  return send({ ...body, atNs: String(nowNs()) });
}

function send(message: FromCandidate): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) return resolve();
    process.send(message, undefined, undefined, () => resolve());
  });
}

/** The guarded resource, seen from a candidate: the parent compares the term and appends in one step. */
export class JournalClient {
  readonly #StaleTermError: typeof Tenure.StaleTermError;
  readonly #waiting = new Map<number, (answer: AppendAnswer) => void>();
  #appends = 0;

  constructor(staleTermError: typeof Tenure.StaleTermError) {
    this.#StaleTermError = staleTermError;
  }

  /** @throws {StaleTermError} if the journal has accepted a larger term. */
  async append(entry: { readonly term: number; readonly identity: string; readonly beginNs: bigint }): Promise<void> {
    const append = (this.#appends += 1);
    const answered = new Promise<AppendAnswer>((resolve) => this.#waiting.set(append, resolve));
    await send({ append, term: entry.term, identity: entry.identity, beginNs: String(entry.beginNs) });
    const { accepted, acceptedTerm } = await answered;
    if (!accepted) throw new this.#StaleTermError("the journal has accepted a larger term", { acceptedTerm });
  }

  answered(answer: AppendAnswer): void {
    this.#waiting.get(answer.appended)?.(answer);
    this.#waiting.delete(answer.appended);
  }
}
