/**
 * Parses JSON so that writing it again changes no number: an integer beyond 2⁵³, which a number of JavaScript cannot
 * hold, stays as its digits (an object made by `JSON.rawJSON`).
 */
export function parseKubernetesJson(text: string): unknown {
  return /\d{16}/.test(text) ? JSON.parse(text, keepDigits) : JSON.parse(text);
}

function keepDigits(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context?.source ?? "";
  if (!/^-?\d+$/.test(source)) return value;
  const raw: unknown = Reflect.get(JSON, "rawJSON"); // in Node 22; not yet in the types of ES2022
  return typeof raw === "function" ? Reflect.apply(raw, JSON, [source]) : value;
}
