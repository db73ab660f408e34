// Misuse that must not compile: each line below has its reason, and an expectation that is not met is an error itself.
import type {
  ConditionalUpdateFailedError,
  LeaderElectorOptions,
  Leadership,
  LockOutcome,
  ResourceLock,
  StopReason,
  TenureError,
  TenureErrorCode,
} from "tenure";
import type { Hint, LeaseStorage, Stored, Version, VersionedStorage, WriteOutcome } from "tenure/storage";

declare const leadership: Leadership;
declare const lock: ResourceLock;
declare const storage: VersionedStorage;
declare const leases: LeaseStorage;
declare const stored: Stored;
declare const outcome: WriteOutcome;
declare const lockOutcome: LockOutcome;
declare const hint: Hint;
declare const error: TenureError;
declare const bytes: Uint8Array;

// @ts-expect-error a version is what a storage gave, never a text of one's own
export const version: Version = "1";

// @ts-expect-error a version has no order: it is neither a number nor compared as one
export const next: number = stored.version + 1;

// @ts-expect-error the expected version is not optional: there is no unconditional write
void storage.replace("billing", bytes);

// @ts-expect-error the value comes before the version
void storage.replace("billing", stored.version, bytes);

// @ts-expect-error a value is bytes; encoding is the caller's choice
void storage.create("billing", "text");

// @ts-expect-error a lost race has no version: look at `written` first
export const lost: Version = outcome.version;

// @ts-expect-error the same for locks
export const lostToo: Version = lockOutcome.version;

// @ts-expect-error a hint may carry nothing: it says "look again", no more
export const seen: Stored = hint.seen;

// @ts-expect-error an absent key is undefined, not an error: it has to be looked at
export const value: Uint8Array = (await storage.read("billing")).value;

// @ts-expect-error watching is something that a storage may lack
storage.watch("billing", { signal: leadership.signal });

// @ts-expect-error a record that only says who holds the lease is none
void lock.create({ holderIdentity: "ada" });

// @ts-expect-error a generation is opaque text, never a number
void leases.writeLease("billing", { holderIdentity: "", renewTime: "", leaseTransitions: 1 }, 7);

// @ts-expect-error a term is what the election gave
leadership.term = 2;

// @ts-expect-error nobody but the elector ends a term
leadership.signal.abort();

// @ts-expect-error whether a term is held is asked at every use, never kept as a flag
export const held: boolean = leadership.isHeld;

// @ts-expect-error a guarded step is a function: a promise has begun already, before the term was looked at
void leadership.guard(Promise.resolve(1));

// @ts-expect-error an elector without a lock cannot elect
export const noLock: LeaderElectorOptions = {};

// @ts-expect-error durations are numbers of milliseconds; text with a unit belongs to the command line
export const text: LeaderElectorOptions = { lock, leaseDurationMs: "15s" };

// @ts-expect-error seconds exist on the wire only
export const seconds: LeaderElectorOptions = { lock, leaseDurationSeconds: 15 };

// @ts-expect-error an option is left out, not set to undefined
export const unset: LeaderElectorOptions = { lock, retryPeriodMs: undefined };

// @ts-expect-error a missing record is created or waited for; there is no third way
export const third: LeaderElectorOptions = { lock, onMissing: "ignore" };

// @ts-expect-error the codes are a closed list, so a typing error in a comparison is found
export const typo: boolean = error.code === "LEADERSHIP_LOSS";

// @ts-expect-error and so are the reasons
export const reason: StopReason = "timeout";

// @ts-expect-error a code is not any text
export const code: TenureErrorCode = "ELOST" as string;

// @ts-expect-error what a write says about itself is "no" or "unknown", nothing between
export const applied: ConditionalUpdateFailedError["applied"] = "maybe";
