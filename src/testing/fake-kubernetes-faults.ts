import type { FakeAnswer } from "./fake-kubernetes-answer.ts";
import { PlannedFaults } from "./planned-faults.ts";

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

/** A request, as far as faults tell them apart. */
interface FakeRequest {
  readonly verb: FakeVerb;
  readonly plural: string;
}

/** The troubles of one client, or of all of a server. */
export class KubernetesFaults extends PlannedFaults<KubernetesFault, KubernetesFaultOptions, FakeRequest> {
  constructor() {
    super(hits);
  }
}

function hits({ on = "any", plural }: KubernetesFaultOptions, asked: FakeRequest): boolean {
  const { verb } = asked;
  if (plural !== undefined && plural !== asked.plural) return false;
  if (on === "any") return verb !== "watch";
  return on === "write" ? verb === "create" || verb === "replace" || verb === "patch" : on === verb;
}
