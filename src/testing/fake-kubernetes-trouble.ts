import { apiError, type ApiCall } from "../kubernetes/api-error.ts";
import type { KubernetesResource, WriteAnswer } from "../kubernetes/kubernetes-resources.ts";
import type { FakeAnswer } from "./fake-kubernetes-answer.ts";

/** What a read becomes: `undefined` for what is absent. */
export function answerOfRead(answer: FakeAnswer, call: ApiCall): KubernetesResource | undefined {
  return resourceOf(answer) ?? troubleOf(answer, call, "absent");
}

/** What a write becomes: a lost race is a value. */
export function answerOfWrite(answer: FakeAnswer, call: ApiCall): WriteAnswer {
  const resource = resourceOf(answer);
  if (resource !== undefined) return { written: true, resource };
  troubleOf(answer, call, "lost");
  return { written: false };
}

/** Throws what the table of answers makes of a refusal, unless that is this value. */
export function troubleOf(answer: FakeAnswer, call: ApiCall, value?: "absent" | "lost"): undefined {
  const { status, body, retryAfterSeconds } = answer;
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const verdict = apiError(call, {
    ...{ status, text },
    ...(retryAfterSeconds !== undefined && { retryAfter: String(retryAfterSeconds) }),
  });
  if (verdict === value) return undefined;
  throw typeof verdict === "string" ? new Error(`bug: a ${call.operation} cannot be ${verdict}`) : verdict;
}

/** The resource of a success. */
export function resourceOf({ status, body }: FakeAnswer): KubernetesResource | undefined {
  return status < 300 && typeof body !== "string" ? body : undefined;
}
