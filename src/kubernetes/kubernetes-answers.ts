import { CorruptDataError, InvalidSettingsError, StorageUnavailableError, ValueTooLargeError } from "../errors.ts";
import { apiError, describe, whereOf, type ApiAnswer, type ApiCall } from "./api-error.ts";
import { asPage, asResource, parsed } from "./kubernetes-resource-shape.ts";
import type { KubernetesResource, ResourcePage, WriteAnswer } from "./kubernetes-resources.ts";

/** No resource is larger: etcd takes 1.5 MiB. */
export const maxResourceBytes: number = 2 * 2 ** 20;
/** Of one page. */
export const maxPageBytes: number = 64 * 2 ** 20;

/** The body of a write as it is sent. @throws {ValueTooLargeError} before anything is. */
export function encodeBody(call: ApiCall, body: object): string {
  const text = JSON.stringify(body);
  const length = Buffer.byteLength(text);
  if (length <= maxResourceBytes) return text;
  const why = `${length} bytes are more than the ${maxResourceBytes} that a resource may have`;
  throw new ValueTooLargeError(describe(call, why), { ...whereOf(call), limit: maxResourceBytes });
}

/**
 * A PUT without a uid creates what is absent, and one without a version overwrites what somebody else wrote.
 *
 * @throws {InvalidSettingsError} before anything is sent.
 */
export function checkCondition(call: ApiCall, { metadata }: KubernetesResource): void {
  const lacks = (["uid", "resourceVersion"] as const).filter((name) => (metadata?.[name] ?? "") === "");
  if (lacks.length === 0) return;
  const problem = describe(call, `its body needs metadata.${lacks.join(" and metadata.")}`);
  throw new InvalidSettingsError([problem], { ...whereOf(call), applied: "no" });
}

/** What became of a write. */
export function writeAnswer(call: ApiCall, answer: ApiAnswer): WriteAnswer {
  const resource = isSuccess(answer) ? asResource(parsed(answer.text ?? ""), call.name) : undefined;
  if (resource !== undefined) return { written: true, resource };
  const verdict = apiError(call, answer);
  if (verdict === "lost") return { written: false };
  throw thrown(call, verdict);
}

/** What a read found. */
export function readAnswer(call: ApiCall, answer: ApiAnswer): KubernetesResource | undefined {
  if (isSuccess(answer) && answer.text === undefined) throw tooLarge(call, maxResourceBytes);
  const resource = isSuccess(answer) ? asResource(parsed(answer.text ?? ""), call.name) : undefined;
  if (resource !== undefined) return resource;
  const verdict = apiError(call, answer);
  if (verdict === "absent") return undefined;
  throw thrown(call, verdict);
}

/** One page of a list. */
export function listAnswer(call: ApiCall, answer: ApiAnswer): ResourcePage {
  if (isSuccess(answer) && answer.text === undefined) throw tooLarge(call, maxPageBytes);
  const page = isSuccess(answer) ? asPage(parsed(answer.text ?? "")) : undefined;
  if (page !== undefined) return page;
  throw thrown(call, apiError(call, answer));
}

/** The table gives a word only where the call knows it; anything else is trouble all the same. */
export function thrown(call: ApiCall, verdict: ReturnType<typeof apiError>): Error {
  if (typeof verdict !== "string") return verdict;
  return new StorageUnavailableError(describe(call, `the answer makes no sense here (${verdict})`), whereOf(call));
}

function isSuccess({ status }: ApiAnswer): boolean {
  return status >= 200 && status < 300;
}

function tooLarge(call: ApiCall, limitBytes: number): CorruptDataError {
  return new CorruptDataError(describe(call, `the answer has more than ${limitBytes} bytes`), whereOf(call));
}
