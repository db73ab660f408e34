import type { Chance } from "./chance.ts";
import type { FaultName, Plan } from "./plan.ts";
import type { World } from "./world.ts";

/** What happens to one request. Times are true milliseconds. */
export interface Passage {
  readonly requestMs: number;
  readonly answerMs: number;
  readonly requestLost: boolean;
  readonly answerLost: boolean;
  /** The answer waits until a later one has overtaken it. */
  readonly overtaken: boolean;
  /** The request arrives a second time, this much later. */
  readonly doubledMs: number | undefined;
  /** The first delivery is not answered, but the second one is: a proxy lost the answer, and asked again. */
  readonly repeated: boolean;
  /** Refused by the server before it did anything. */
  readonly refused: { readonly retryAfterMs: number } | undefined;
  /** Applied, and then answered with trouble. */
  readonly failsAfter: boolean;
  /** A read is answered as of this much earlier. */
  readonly staleMs: number;
}

/** What happens to one hint; `undefined`: lost. */
export interface HintPassage {
  readonly delayMs: number;
  readonly againMs: number | undefined;
}

/** The network between one host and the servers: draws what becomes of each message. */
export interface Network {
  passage(from: string, kind: "read" | "write"): Passage;
  hint(to: string): HintPassage | undefined;
  /** For so long, what happens now may still have consequences. */
  untroubledAfter(ms: number): void;
}

/** What a partition cuts. */
export type Cut = "requests" | "answers" | "both";

/** What a server that refuses asks for at most. */
export const longestRetryAfterMs = 20_000;

/** The wire between all candidates and the servers, disturbed as planned until it heals. */
export class SimNetwork implements Network {
  readonly #plan: Plan;
  readonly #chance: Chance;
  readonly #world: World;
  readonly #cuts = new Map<string, Cut>();
  readonly #hungUntil = new Map<string, number>();
  #serverStandsUntilMs = 0;
  #overload = { untilMs: 0, tells: false };
  #healed = false;
  /** When the last call that was disturbed has ended, at its deadline at the latest. */
  troubleUntilMs = 0;
  /** Requests by candidate and minute, for the pace that is promised. */
  readonly requests = new Map<string, number>();

  constructor({ plan, chance, world }: { readonly plan: Plan; readonly chance: Chance; readonly world: World }) {
    this.#plan = plan;
    this.#chance = chance;
    this.#world = world;
  }

  heal(): void {
    this.#healed = true;
    this.#cuts.clear();
    this.#hungUntil.clear();
    this.#serverStandsUntilMs = 0;
    this.#overload = { untilMs: 0, tells: false };
  }

  cut(who: string, cut: Cut, forMs: number): void {
    this.#cuts.set(who, cut);
    this.#world.after(forMs, () => this.#cuts.delete(who));
  }

  /** The connection takes what is sent, and moves none of it until then. */
  hang(who: string, untilMs: number): void {
    this.#hungUntil.set(who, untilMs);
  }

  pauseServer(untilMs: number): void {
    this.#serverStandsUntilMs = Math.max(this.#serverStandsUntilMs, untilMs);
  }

  /** Until then everything is refused: too many requests, or rights that were taken away. It may tell how long. */
  overload(untilMs: number, tells: boolean): void {
    this.#overload = { untilMs, tells };
  }

  passage(from: string, kind: "read" | "write"): Passage {
    const minute = `${from} ${Math.floor(this.#world.nowMs / 60_000)}`;
    this.requests.set(minute, (this.requests.get(minute) ?? 0) + 1);
    const { nowMs } = this.#world;
    const [cut, isWrite] = [this.#cuts.get(from), kind === "write"];
    const standsMs = Math.max(0, Math.max(this.#serverStandsUntilMs, this.#hungUntil.get(from) ?? 0) - nowMs);
    const overloaded = nowMs < this.#overload.untilMs;
    const refused = this.#strikes("refused", 0.04) || overloaded;
    const retryAfterMs = !refused || (overloaded && !this.#overload.tells) ? 0 : this.#retryAfterMs();
    const repeated = !refused && isWrite && this.#strikes("repeated", 0.08);
    const doubledMs = !refused && isWrite && this.#strikes("doubled", 0.05) ? this.#draw("doubled", 5_000) : undefined;
    const passage = {
      requestMs: this.#halfMs() + this.#lateMs() + standsMs + (isWrite ? this.#plan.slowWriteMs : 0),
      answerMs: this.#halfMs() + this.#lateMs(),
      requestLost: cut === "requests" || cut === "both" || this.#strikes("requestLost", 0.05),
      answerLost: cut === "answers" || cut === "both" || this.#strikes("answerLost", 0.05),
      overtaken: this.#strikes("reordered", 0.05),
      doubledMs: repeated ? this.#draw("repeated", 500) : doubledMs,
      repeated,
      refused: refused ? { retryAfterMs } : undefined,
      failsAfter: isWrite && this.#strikes("failsAfter", 0.04),
      staleMs: !isWrite && this.#strikes("stale", 0.1) ? this.#draw("stale", 10_000) : 0,
    };
    if (!this.#healed) this.#noteTrouble(passage);
    return passage;
  }

  hint(to: string): HintPassage | undefined {
    const cut = this.#cuts.get(to);
    if (cut === "answers" || cut === "both" || this.#strikes("hintLost", 0.2)) return undefined;
    const hungMs = Math.max(0, (this.#hungUntil.get(to) ?? 0) - this.#world.nowMs);
    const delayMs =
      this.#plan.roundTripMs / 2 + hungMs + (this.#strikes("hintLate", 0.2) ? this.#draw("hintLate", 9_000) : 0);
    const againMs = this.#strikes("hintDoubled", 0.2) ? delayMs + this.#draw("hintDoubled", 5_000) : undefined;
    if (!this.#healed) this.untroubledAfter(againMs ?? delayMs);
    return { delayMs, againMs };
  }

  #noteTrouble({ requestMs, answerMs, requestLost, answerLost, overtaken, doubledMs = 0, refused }: Passage): void {
    const { renewDeadlineMs } = this.#plan.preset;
    // A caller waits for what is lost until its deadline, by a clock that may be slow.
    const deadlineMs = Math.max(1_000, renewDeadlineMs / 2) / (1 - this.#plan.drift);
    const lost = requestLost || answerLost ? deadlineMs : 0;
    const arrivesMs = requestMs + doubledMs + answerMs + (overtaken ? 9_000 : 0) + (refused?.retryAfterMs ?? 0);
    this.untroubledAfter(Math.max(lost, arrivesMs));
  }

  /** For so long, what happens now may still have consequences. */
  untroubledAfter(ms: number): void {
    this.troubleUntilMs = Math.max(this.troubleUntilMs, this.#world.nowMs + ms);
  }

  #strikes(name: FaultName, probability: number): boolean {
    if (this.#healed || !this.#plan.faults.has(name)) return false;
    return this.#chance.of(name).happens(Math.min(0.5, probability * this.#plan.intensity));
  }

  #draw(name: FaultName, mostMs: number): number {
    return this.#chance.of(name).between(0, mostMs);
  }

  #halfMs(): number {
    return (this.#plan.roundTripMs / 2) * this.#chance.of("round trip").between(0.5, 1.5);
  }

  #lateMs(): number {
    return this.#strikes("late", 0.08) ? this.#draw("late", 9_000) : 0;
  }

  #retryAfterMs(): number {
    const draws = this.#chance.of("refused");
    return draws.happens(0.3) ? draws.between(0, longestRetryAfterMs) : 0;
  }
}
