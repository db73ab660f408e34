import { printable } from "../system/logger.ts";

const maxSegmentBytes = 253;

/** Where the lease of an election is kept: `leases/<namespace>/<name>`, as in gke-labs/multicluster-leader-election. */
export function leasePlace(namespace: string, name: string): string {
  return `leases/${namespace}/${name}`;
}

/**
 * Why `text` cannot be the namespace or the name of a lease, `[]` if it can: it has to be one segment of a key. The
 * storage checks the whole key again; here the mistake is found before anything is sent.
 */
export function segmentProblems(option: string, text: unknown): string[] {
  if (typeof text !== "string") return [`${option} must be text, not ${typeof text}`];
  const problem = segmentProblem(text);
  return problem === undefined ? [] : [`${option} ("${printable(text, 80)}") ${problem}`];
}

function segmentProblem(text: string): string | undefined {
  if (text === "") return "must not be empty";
  if (text === "." || text === "..") return 'must not be "." or ".."';
  if (text.includes("/")) return 'must not contain "/"';
  if (/\p{Cc}/u.test(text)) return "must not contain control characters";
  if (/\p{Surrogate}/u.test(text)) return "must be well-formed Unicode";
  if (text.normalize("NFC") !== text) return "must be in Unicode normal form C";
  const bytes = encodedBytes(text);
  return bytes > maxSegmentBytes ? `has ${bytes} bytes in its encoded form, ${maxSegmentBytes} are allowed` : undefined;
}

/** Bytes other than `a-z 0-9 - _ .` are written as three. */
function encodedBytes(text: string): number {
  let bytes = 0;
  for (const byte of new TextEncoder().encode(text)) bytes += /[a-z0-9\-_.]/.test(String.fromCharCode(byte)) ? 1 : 3;
  return bytes;
}
