import type { Draws } from "./chance.ts";

/** What cannot be read: held by nobody known, never taken over (F3). */
const unreadable: readonly [string, ...string[]] = [
  "{}",
  "[]",
  "null",
  "{",
  "",
  '\uFEFF{"holderIdentity":"x"}',
  '{"holderIdentity":"x","renewTime":"2026-01-01T00:00:00.000000Z","leaseTransitions":2147483647}',
  '{"holderIdentity":7,"renewTime":"2026-01-01T00:00:00.000000Z","leaseTransitions":1}',
];

/** Durations that no candidate may take as they are (F11, F12). */
const durations: readonly [unknown, ...unknown[]] = [0, -1, "15", null, 1.5, undefined, 1_000_000_000, 2_147_483_647];

/**
 * What a vandal makes of the stored value: something unreadable; the same record with another duration; or a record of
 * a stranger, whose term fits, with such a duration.
 */
export function hostileValue(stored: Uint8Array, draws: Draws, mark: number): Uint8Array {
  const encoder = new TextEncoder();
  const fields = draws.happens(0.4) ? undefined : parse(stored);
  if (fields === undefined) return encoder.encode(draws.pick(unreadable));
  const leaseDurationSeconds = draws.pick(durations);
  const term = Number(fields["leaseTransitions"]) + 1;
  const renewTime = `2026-01-01T00:00:00.${String(mark).padStart(6, "0")}Z`; // a pair names one write, a stranger's too
  const stranger = { holderIdentity: "stranger", renewTime, leaseTransitions: term };
  const changes = draws.happens(0.5) ? stranger : {};
  return encoder.encode(JSON.stringify({ ...fields, ...changes, leaseDurationSeconds }));
}

/** Another hand changes what is not ours, and leaves the rest. */
export function editedValue(stored: Uint8Array, mark: number): Uint8Array {
  const fields = parse(stored);
  return fields === undefined ? stored : new TextEncoder().encode(JSON.stringify({ ...fields, note: mark }));
}

function parse(value: Uint8Array): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(value));
    // cast: an object that is no array has named fields
    return typeof parsed === "object" && parsed !== null ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined; // hostile already
  }
}
