import type { LeaseData } from "../storage/lease-storage.ts";

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

const rest = '"renewTime":"2026-03-01T09:30:00Z","leaseTransitions":1';
const readable = `{"holderIdentity":"secret",${rest}}`;

/** Bodies that are no lease. Each quotes "secret", where it has room for that. */
export const unreadableBodies: readonly Uint8Array[] = [
  "",
  " ",
  "{}",
  "null",
  '"secret"',
  "7",
  "[]",
  `[${readable}]`,
  readable.slice(0, -1),
  `${readable}x`,
  `\ufeff${readable}`,
  `{"holderIdentity":7,${rest}}`,
  `{"holderIdentity":{"secret":1},${rest}}`,
  '{"holderIdentity":"secret","leaseTransitions":1}',
  '{"holderIdentity":"secret","renewTime":null,"leaseTransitions":1}',
  '{"holderIdentity":"secret","renewTime":1772357400,"leaseTransitions":1}',
  '{"holderIdentity":"secret","renewTime":"yesterday","leaseTransitions":1}',
  '{"holderIdentity":"secret","renewTime":"2026-02-30T09:30:00Z","leaseTransitions":1}',
  '{"holderIdentity":"secret","renewTime":"2026-03-01T24:00:00Z","leaseTransitions":1}',
  '{"holderIdentity":"secret","renewTime":"2026-03-01 09:30:00Z","leaseTransitions":1}',
  '{"holderIdentity":"secret","renewTime":"2026-03-01T09:30:00","leaseTransitions":1}',
  '{"holderIdentity":"secret","renewTime":"2026-03-01T09:30:00Z"}',
  ...["null", '"1"', "-1", "1.5", "2147483648", "1e400"].map(
    (term) => `{"holderIdentity":"secret","renewTime":"2026-03-01T09:30:00Z","leaseTransitions":${term}}`,
  ),
  `{"holderIdentity":"secret",${rest},"padding":"${"x".repeat(64 * 1024)}"}`,
  `{"holderIdentity":"secret",${rest},"deep":${"[".repeat(20_000)}${"]".repeat(20_000)}}`,
]
  .map(bytes)
  .concat([Uint8Array.of(0xff, 0xfe, 0x7b, 0x00), Uint8Array.of(...bytes('{"holderIdentity":"'), 0x80, 0x22, 0x7d)]);

/**
 * What the Go types of gke-labs/multicluster-leader-election write, recorded at 1ae5cb1, and what it means.
 *
 * @see https://github.com/gke-labs/multicluster-leader-election
 */
export const goBodies: readonly { readonly body: string; readonly expected: LeaseData }[] = [
  {
    body: '{"holderIdentity":"candidate-a","renewTime":"2026-11-21T09:28:33.175864915Z","leaseTransitions":1}',
    expected: { holderIdentity: "candidate-a", renewTime: "2026-11-21T09:28:33.175864915Z", leaseTransitions: 1 },
  },
  {
    body: '{"holderIdentity":"candidate-a","renewTime":"2026-11-21T09:28:34.17400669Z","leaseTransitions":1}',
    expected: { holderIdentity: "candidate-a", renewTime: "2026-11-21T09:28:34.17400669Z", leaseTransitions: 1 },
  },
  {
    body: '{"holderIdentity":"","renewTime":"0001-01-01T00:00:00Z","leaseTransitions":0}',
    expected: { holderIdentity: "", renewTime: "0001-01-01T00:00:00Z", leaseTransitions: 0 },
  },
  {
    body: '{"holderIdentity":null,"renewTime":"2026-11-21T10:28:34+01:00","leaseTransitions":2147483647}',
    expected: { holderIdentity: "", renewTime: "2026-11-21T10:28:34+01:00", leaseTransitions: 2147483647 },
  },
];
