import type { ApiAnswer } from "./api-error.ts";

/**
 * What an injected client resolved with, or its refusal, as an answer; any other failure is thrown on. Its error has
 * the status as the number `code`, and the body as text that nobody parsed.
 */
export async function answerOf(sent: Promise<unknown>): Promise<ApiAnswer> {
  try {
    return { status: 200, text: JSON.stringify(await sent) ?? "" };
  } catch (error) {
    const status = statusCodeOf(error);
    if (status === undefined) throw error;
    const [body, headers] = [field(error, "body"), field(error, "headers")];
    const retryAfter = field(headers, "retry-after");
    return {
      status,
      retryAfter: typeof retryAfter === "string" ? retryAfter : undefined,
      text: typeof body === "string" ? body : JSON.stringify(body),
    };
  }
}

/** Only 100 to 599 is one: an abort is a `DOMException` of code 20. The older `Watch` says it as `statusCode`. */
export function statusCodeOf(error: unknown): number | undefined {
  const found = [field(error, "code"), field(error, "statusCode")];
  return found.find((code): code is number => typeof code === "number" && code >= 100 && code <= 599);
}

function field(value: unknown, name: string): unknown {
  return Reflect.get(Object(value), name);
}
