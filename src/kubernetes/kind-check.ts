import type { ReflectorTally } from "./reflector-counts.ts";
import { headOf, type ResourceHead } from "../resources/identity.ts";

/** Leaves out what is not of the kind that is followed, and what has no name; both are counted. */
export class KindCheck {
  readonly #tally: ReflectorTally;
  #kind: string | undefined;

  constructor(kind: string | undefined, tally: ReflectorTally) {
    this.#kind = kind;
    this.#tally = tally;
  }

  /** The kind of a bookmark, which the server makes by itself, or of a list. */
  learn(kind: unknown): void {
    if (typeof kind !== "string") return;
    const single = kind.replace(/List$/, "");
    if (single !== "") this.#kind ??= single;
  }

  /** The head of a resource that counts. One without a kind does: in a list of a built-in kind none has it. */
  headOf(resource: object): ResourceHead | undefined {
    const kind: unknown = Reflect.get(resource, "kind");
    const isForeign = kind === "Status" || (this.#kind !== undefined && kind !== this.#kind);
    if (kind !== undefined && isForeign) return this.#leaveOut("kind");
    return headOf(resource) ?? this.#leaveOut("nameless");
  }

  #leaveOut(reason: "kind" | "nameless"): undefined {
    this.#tally.skip(reason);
  }
}
