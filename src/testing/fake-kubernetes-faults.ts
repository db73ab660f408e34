import type { FakeAnswer } from "./fake-kubernetes-answer.ts";

/** What a `FakeKubernetesClient` can be asked. */
export type FakeVerb = "read" | "create" | "replace" | "patch" | "list" | "watch";

/** Which requests a fault hits. */
export interface KubernetesFaultOptions {
  /** `"write"` is create, replace and patch; default `"any"`, which is all but `watch`. */
  readonly on?: FakeVerb | "write" | "any";
  /** Only requests about these resources, `"events"` for example. */
  readonly plural?: string;
  /** How many requests it hits; default: all, until `heal()`. */
  readonly times?: number;
  /** How many matching requests pass before the first one that it hits; default 0. */
  readonly skip?: number;
}

/** What happens to a request that is hit. */
export type KubernetesFault =
  | { readonly kind: "fail"; readonly error: unknown; readonly applied: boolean }
  | { readonly kind: "hang"; readonly applied: boolean }
  | { readonly kind: "refuse"; readonly answer: FakeAnswer }
  | { readonly kind: "delay"; readonly requestMs: number; readonly answerMs: number };

interface PlannedFault extends KubernetesFaultOptions {
  readonly fault: KubernetesFault;
  timesLeft: number;
  skipLeft: number;
}

/** The troubles that lie ahead: those with `times` first, in order; of the others, the latest counts. */
export class KubernetesFaults {
  #counted: PlannedFault[] = [];
  #lasting: PlannedFault[] = [];

  plan(fault: KubernetesFault, options: KubernetesFaultOptions): void {
    const { times = Infinity, skip = 0 } = options;
    const planned: PlannedFault = { ...options, fault, timesLeft: times, skipLeft: skip };
    if (times === Infinity) this.#lasting.unshift(planned);
    else this.#counted.push(planned);
  }

  /** The fault that hits this request, which is counted. */
  take(verb: FakeVerb, plural: string): KubernetesFault | undefined {
    for (const planned of [...this.#counted, ...this.#lasting]) {
      if (!matches(planned, verb, plural)) continue;
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

function matches({ on = "any", plural }: KubernetesFaultOptions, verb: FakeVerb, asked: string): boolean {
  if (plural !== undefined && plural !== asked) return false;
  if (on === "any") return verb !== "watch";
  return on === "write" ? verb === "create" || verb === "replace" || verb === "patch" : on === verb;
}
