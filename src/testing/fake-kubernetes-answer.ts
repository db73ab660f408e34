import type { KubernetesResource } from "../kubernetes/kubernetes-resources.ts";

/**
 * What a `FakeKubernetes` answers to one request: an HTTP status and a body, which is text for 429 and unknown types.
 */
export interface FakeAnswer {
  readonly status: number;
  readonly body: KubernetesResource | string;
  readonly retryAfterSeconds?: number;
}

/** What a refusal says beside its status and reason. */
export interface RefusalDetails {
  /** The plural of what was asked for; absent where the type itself is unknown. */
  readonly kind?: string;
  readonly group?: string;
  readonly name?: string;
  readonly retryAfterSeconds?: number;
  readonly causes?: readonly { readonly reason?: string; readonly message?: string; readonly field?: string }[];
}

/** For a version that the server has not reached; it answers so after it has waited for it. */
export function tooLargeVersion(): FakeAnswer {
  const causes = [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }];
  const words = { reason: "Timeout", message: "Too large resource version" };
  return refusal(504, words, { causes, retryAfterSeconds: 1 });
}

/** A refusal as Kubernetes words it: a `Status` with a reason for programs and a message for people. */
export function refusal(
  status: number,
  { reason, message }: { readonly reason: string; readonly message: string },
  details: RefusalDetails = {},
): FakeAnswer {
  const body = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, details };
  return { status, body: { ...body, code: status } };
}
