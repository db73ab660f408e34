import type { CampaignContext } from "./campaign-context.ts";
import type { Readings } from "./election-state.ts";

/** Who hears the news inside the campaign. */
export interface NewsListener {
  /** A write of the term was confirmed. */
  renewed(validUntilMs: number): void;
  newLeader(identity: string): unknown;
  reopenWatch(): void;
}

/** Tells what the folded events amount to, in their order: to the listeners outside, the log, and the pieces inside. */
export class CampaignNews {
  readonly #context: CampaignContext;
  readonly #listener: NewsListener;

  constructor(context: CampaignContext, listener: NewsListener) {
    this.#context = context;
    this.#listener = listener;
  }

  tell(now: Readings): void {
    const { state, emit, parts, settings } = this.#context;
    for (let effect = state.effects.shift(); effect !== undefined; effect = state.effects.shift()) {
      switch (effect.kind) {
        case "alarm":
          // The message quotes foreign text: as a field, for a console would take a "%s" in a message for its own.
          parts.logger.warn("alarm", { name: settings.name, alarm: effect.alarm, message: effect.message });
          emit("alarm", { kind: effect.alarm, message: effect.message });
          break;
        case "warning":
          parts.logger.warn("warning", { name: settings.name, message: effect.message });
          break;
        case "newLeader":
          emit("newLeader", { identity: effect.identity, term: effect.term });
          this.#callNewLeader(effect.identity);
          break;
        case "renewed":
          this.#tellRenewed(effect.write.sentAtMs, effect.slow, now);
          break;
        case "reopenWatch":
          this.#listener.reopenWatch();
          break;
      }
    }
  }

  #tellRenewed(sentAtMs: number, slow: boolean, now: Readings): void {
    const { state, clocks, emit } = this.#context;
    const { term } = state;
    if (term === undefined) return;
    // Only a renewal that was sent after the clocks became suspect clears the suspicion.
    if (term.suspectSeq === undefined) clocks.rebase();
    this.#listener.renewed(term.validUntilMs);
    const remainingMs = Math.max(0, term.validUntilMs - now.leaderMs);
    emit("renewed", { term: term.number, ms: now.leaderMs - sentAtMs, remainingMs, slow });
  }

  #callNewLeader(identity: string): void {
    const told = new Promise((resolve) => {
      resolve(this.#listener.newLeader(identity));
    });
    told.catch((error: unknown) => this.#context.trouble(error, "onNewLeader"));
  }
}
