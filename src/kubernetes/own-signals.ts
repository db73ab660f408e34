import type { LeaderElectionRecord } from "../lock/leader-election-record.ts";
import { microTime } from "../system/micro-time.ts";
import { confirmationOf, type SentSignal } from "./confirmation.ts";
import { parseWireTime } from "./micro-time.ts";
import { renewTimePattern } from "./multi-cluster-lease.ts";
import { ownNumber, type Sender } from "./own-names.ts";
import { isGoStatus, type ShownLease } from "./shown-lease.ts";

/** A signal before it is sent. */
export interface NewSignal {
  readonly renewTime: string;
  /** The text by which the caller knows it. */
  readonly knownAs: string;
  readonly number: number;
  /** What it says. */
  readonly record: LeaderElectionRecord;
}

/** One signal of this candidate, and what is known of it. */
export interface OwnSignal extends NewSignal {
  readonly order: number;
  /** What the answer of its write told, or the first look that showed it where the answer was lost. */
  answer: { readonly uid: string; readonly generation: number; readonly stampBefore: string | undefined } | undefined;
}

/** The holding that a status has confirmed last. */
export interface OwnHolding {
  readonly signal: OwnSignal;
  /** As the controller counts it. */
  readonly term: number;
}

const mostSignals = 64;
const isSignalText = new RegExp(renewTimePattern);

/** The signals of one candidate: no two have the same text, and each is known by it again. */
export class OwnSignals {
  readonly #sender: Sender;
  readonly #byText = new Map<string, OwnSignal>();
  #lastText = "";
  #order = 0;
  #holding: OwnHolding | undefined;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  /** What was confirmed last; it may have ended since. */
  get holding(): OwnHolding | undefined {
    return this.#holding;
  }

  /** A text that was never used: the one that is wanted, or a microsecond after the last one. */
  freshText(wanted: string, wallMs: number): string {
    const usable = isSignalText.test(wanted) ? wanted : microTime(wallMs * 1000);
    return usable > this.#lastText ? usable : afterText(this.#lastText);
  }

  add(signal: NewSignal): OwnSignal {
    this.#order += 1;
    const added: OwnSignal = { ...signal, order: this.#order, answer: undefined };
    if (signal.renewTime > this.#lastText) this.#lastText = signal.renewTime;
    this.#byText.set(signal.renewTime, added);
    for (const oldest of this.#byText.keys()) {
      if (this.#byText.size <= mostSignals) break;
      this.#byText.delete(oldest);
    }
    return added;
  }

  /** Whether the spec is a signal of this candidate that stands. */
  isOwn({ signal }: ShownLease): boolean {
    return this.#of(signal.holder, signal.renewTime) !== undefined;
  }

  /** The text by which the caller knows this one of its own. */
  knownAs(renewTime: string): string {
    return this.#byText.get(renewTime)?.knownAs ?? renewTime;
  }

  /** A signal whose write was answered, to be judged. */
  sent(signal: OwnSignal): SentSignal | undefined {
    const { answer, order, number, renewTime, record } = signal;
    if (answer === undefined) return undefined;
    const isLater = (text: string): boolean => (this.#byText.get(text)?.order ?? 0) > order;
    return { identity: this.#sender.identity, number, renewTime, term: record.leaderTransitions, ...answer, isLater };
  }

  /** Whether the holder that a status names is this very candidate: others may share its name. */
  holds({ status }: ShownLease): boolean {
    if (status === undefined) return false;
    const { globalHolderIdentity: holder, globalRenewTime: stamp = "" } = status;
    if (this.#of(holder, stamp) !== undefined) return true;
    const number = ownNumber(this.#sender.identity, holder);
    return isGoStatus(status) && number !== undefined && number === this.#holding?.signal.number;
  }

  /** Forgets a signal: whatever becomes of it is no holding. */
  drop({ renewTime }: NewSignal): void {
    this.#byText.delete(renewTime);
  }

  /** Notes what a look tells of the signals that were sent. */
  look(shown: ShownLease): void {
    if (this.#sender.isShared === true) this.#pass(shown);
    const standing = this.#of(shown.signal.holder, shown.signal.renewTime);
    // The answer was lost: this look is later, so what it shows as the stamp before is none too early.
    if (standing !== undefined && standing.answer === undefined && !shown.deleting) this.answered(standing, shown);
    this.#settle(shown);
  }

  /** The write was applied, and this is its answer. */
  answered(signal: OwnSignal, { uid, generation, status }: ShownLease): void {
    signal.answer = { uid, generation, stampBefore: status?.globalRenewTime };
  }

  /** No text of a neighbour is used again: a controller takes what is later, and a pair names one signal. */
  #pass({ signal, status }: ShownLease): void {
    const { identity } = this.#sender;
    const { globalHolderIdentity: holder = "", globalRenewTime = "" } = status ?? {};
    for (const [name, text] of [
      [signal.holder, signal.renewTime],
      [holder, globalRenewTime],
    ] as const) {
      const isNamed = ownNumber(identity, name) !== undefined && isSignalText.test(text);
      if (isNamed && text > this.#lastText) this.#lastText = text;
    }
  }

  #settle(shown: ShownLease): void {
    const {
      globalHolderIdentity: holder = "",
      globalRenewTime: stamp = "",
      globalLeaseTransitions: term,
    } = shown.status ?? {};
    const named = this.#of(holder, stamp);
    if (named !== undefined && term !== undefined) return this.#hold(named, term);
    // A Go controller repeats no text: there only the rows of the table tell.
    for (const signal of this.#byText.values()) {
      const sent = this.sent(signal);
      const verdict = sent && confirmationOf(sent, shown);
      if (verdict?.is === "confirmed") this.#hold(signal, verdict.term);
    }
  }

  /** A look may be older than one before. */
  #hold(signal: OwnSignal, term: number): void {
    if (signal.order >= (this.#holding?.signal.order ?? 0)) this.#holding = { signal, term };
  }

  #of(holder: string, renewTime: string): OwnSignal | undefined {
    const number = ownNumber(this.#sender.identity, holder);
    const signal = this.#byText.get(renewTime);
    return signal?.number === number ? signal : undefined;
  }
}

/** A microsecond later; texts of equal form are ordered as their times are. */
function afterText(text: string): string {
  const { second = 0, nanosecond = 0 } = parseWireTime(text) ?? {};
  return microTime(second * 1_000_000 + Math.floor(nanosecond / 1000) + 1);
}
