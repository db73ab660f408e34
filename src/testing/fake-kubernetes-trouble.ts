import {
  AccessDeniedError,
  InvalidSettingsError,
  StorageUnavailableError,
  UnknownOutcomeError,
  type TenureError,
} from "../errors.ts";
import type { KubernetesResource, WriteAnswer } from "../kubernetes/kubernetes-resources.ts";
import type { FakeAnswer, RefusalDetails } from "./fake-kubernetes-answer.ts";

/** Who asked, for messages. */
export interface Asked {
  readonly verb: string;
  /** `leases default/billing`. */
  readonly what: string;
  /** The description of the client. */
  readonly server: string;
}

/** What a read becomes: `undefined` for what is absent. */
export function readAnswer(answer: FakeAnswer, asked: Asked): KubernetesResource | undefined {
  if (answer.status === 404 && isOfResource(answer)) return undefined;
  return resourceOf(answer, asked, false);
}

/** What a write becomes: a lost race is a value. */
export function writeAnswer(answer: FakeAnswer, asked: Asked): WriteAnswer {
  const { reason, causes = [] } = detailsOf(answer);
  const lost =
    (answer.status === 409 && (reason === "AlreadyExists" || reason === "Conflict")) ||
    (answer.status === 404 && isOfResource(answer)) ||
    (answer.status === 422 && asked.verb === "patch" && causes.some(({ field }) => field === "metadata.uid"));
  if (lost) return { written: false };
  return { written: true, resource: resourceOf(answer, asked, true) };
}

/** The resource of a success; anything else is thrown. */
export function resourceOf(answer: FakeAnswer, asked: Asked, isWrite: boolean): KubernetesResource {
  if (answer.status < 300 && typeof answer.body !== "string") return answer.body;
  throw troubleOf(answer, asked, isWrite);
}

/** The error of ours for a refusal. */
export function troubleOf(answer: FakeAnswer, { verb, what, server }: Asked, isWrite: boolean): TenureError {
  const { status, retryAfterSeconds } = answer;
  const { message: said, reason, causes = [] } = detailsOf(answer);
  const message = `cannot ${verb} ${what} in ${server}: ${status} ${reason ?? ""} ${said}`;
  const details = { operation: verb, storage: server, ...(isWrite && { applied: "no" as const }) };
  const dying = status === 403 && causes.some((cause) => cause.reason === "NamespaceTerminating");
  if ([400, 404, 413, 422].includes(status) || dying) return new InvalidSettingsError([message], details);
  if (status === 401 || status === 403) return new AccessDeniedError(message, details);
  if (status === 429) {
    const retryAfter = retryAfterSeconds === undefined ? {} : { retryAfterMs: retryAfterSeconds * 1000 };
    return new StorageUnavailableError(message, { ...details, ...retryAfter });
  }
  return isWrite
    ? new UnknownOutcomeError(message, { operation: verb, storage: server })
    : new StorageUnavailableError(message, details);
}

/** Whether a 404 is about the very resource, and not about its type or namespace. */
function isOfResource(answer: FakeAnswer): boolean {
  const { kind, name } = detailsOf(answer);
  return kind !== undefined && kind !== "namespaces" && name !== undefined;
}

function detailsOf({ body }: FakeAnswer): RefusalDetails & { readonly reason?: string; readonly message: string } {
  if (typeof body === "string") return { message: body.trim() };
  const { details, reason, message } = body;
  const known: RefusalDetails = typeof details === "object" && details !== null ? details : {};
  return {
    ...known,
    ...(typeof reason === "string" && { reason }),
    message: typeof message === "string" ? message : "",
  };
}
