import type { KubernetesResource } from "../kubernetes/kubernetes-resources.ts";

/** What a list or a watch selects. */
export interface Selectors {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** Whether a resource is selected. */
export type Selection = (resource: KubernetesResource) => boolean;

/** Understands `a=b`, `a==b`, `a!=b`, `a` and `!a` in labels, and equality of name and namespace in fields. */
export function selection({ labelSelector = "", fieldSelector = "" }: Selectors): Selection {
  const tests = [...parts(labelSelector).map(labelTest), ...parts(fieldSelector).map(fieldTest)];
  return (resource) => tests.every((test) => test(resource));
}

function parts(selector: string): readonly string[] {
  return selector.split(",").filter((part) => part !== "");
}

function labelTest(part: string): Selection {
  const compared = /^([^=!]+)(==|=|!=)(.*)$/.exec(part);
  if (compared === null) {
    const absent = part.startsWith("!");
    const label = absent ? part.slice(1) : part;
    return ({ metadata }) => (metadata?.labels?.[label] === undefined) === absent;
  }
  const [, label = "", operator, value] = compared;
  return ({ metadata }) => (metadata?.labels?.[label] === value) === (operator !== "!=");
}

function fieldTest(part: string): Selection {
  const compared = /^metadata\.(name|namespace)(==|=|!=)(.*)$/.exec(part);
  if (compared === null) throw new RangeError(`field label not supported: ${part}`);
  const [, field, operator, value] = compared;
  return ({ metadata }) => (metadata?.[field === "name" ? "name" : "namespace"] === value) === (operator !== "!=");
}
