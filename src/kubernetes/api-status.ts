/** What a `Status` of the API server says; foreign text, so every part is looked at. */
export interface ApiStatus {
  /** One word, or `""`. */
  readonly reason: string;
  readonly details: ApiStatusDetails | undefined;
  /** A version was asked for that the server has not reached: as a cause, or as the first words of its message. */
  readonly isAhead: boolean;
}

/** What a `Status` is about. */
export interface ApiStatusDetails {
  readonly name: string | undefined;
  /** The plural of the resource, whatever the name of this field suggests. */
  readonly kind: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly causes: readonly { readonly reason: string | undefined; readonly field: string | undefined }[];
}

/** Reads the body of a refusal; `undefined` if it is no `Status`: a text, the page of a proxy, nothing at all. */
export function statusOf(text: string | undefined): ApiStatus | undefined {
  if (text === undefined || !text.trimStart().startsWith("{")) return undefined;
  try {
    return readStatus(JSON.parse(text));
  } catch {
    return undefined; // not JSON: no Status
  }
}

/** A `Status` that is parsed already, as an `ERROR` event of a watch has it. */
export function readStatus(value: unknown): ApiStatus | undefined {
  if (field(value, "kind") !== "Status") return undefined;
  const reason = textOf(field(value, "reason"));
  const details = asDetails(field(value, "details"));
  const isCause = details?.causes.some((cause) => cause.reason === "ResourceVersionTooLarge");
  return {
    reason: reason !== undefined && /^\w{1,60}$/.test(reason) ? reason : "",
    details,
    isAhead: isCause === true || /^Too large resource version\b/.test(textOf(field(value, "message")) ?? ""),
  };
}

function asDetails(details: unknown): ApiStatusDetails | undefined {
  if (typeof details !== "object" || details === null) return undefined;
  const [seconds, causes] = [field(details, "retryAfterSeconds"), field(details, "causes")];
  return {
    name: textOf(field(details, "name")),
    kind: textOf(field(details, "kind")),
    retryAfterSeconds: typeof seconds === "number" && seconds > 0 ? seconds : undefined,
    causes: (Array.isArray(causes) ? causes : []).map((cause: unknown) => ({
      reason: textOf(field(cause, "reason")),
      field: textOf(field(cause, "field")),
    })),
  };
}

/** Whether one of the causes has this reason. */
export function causeNamed(status: ApiStatus | undefined, reason: string): boolean {
  return (status?.details?.causes ?? []).some((cause) => cause.reason === reason);
}

/** The fields that the server names; `<nil>` where it does not know better. */
export function fieldsOf(status: ApiStatus | undefined): readonly string[] {
  return (status?.details?.causes ?? []).flatMap(({ field: name }) => (name === undefined ? [] : [name]));
}

function field(value: unknown, name: string): unknown {
  return Reflect.get(Object(value), name);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
