// Inference that must hold: a user writes no type arguments and no casts for any of these.
import type { LeaderElectorOptions, Leadership, LockOutcome, ResourceLock } from "tenure";
import { TenureError } from "tenure";
import type { Hint, Version, VersionedStorage, WriteOutcome } from "tenure/storage";

declare const leadership: Leadership;
declare const lock: ResourceLock;
declare const storage: VersionedStorage;

/** Exactly the same type, in both directions. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function same<A>(): { as<B>(proof: Same<A, B>): void };

export async function guardGivesWhatTheStepGives(): Promise<void> {
  const row = await leadership.guard(async (term, signal) => ({ term, aborted: signal.aborted }));
  same<typeof row>().as<{ term: number; aborted: boolean }>(true);
}

export async function aWrittenOutcomeHasAVersion(outcome: WriteOutcome, other: LockOutcome): Promise<Version[]> {
  if (!outcome.written || !other.written) return [];
  same<typeof other.term>().as<number | undefined>(true);
  return [outcome.version, other.version];
}

export async function aReadMayFindNothing(): Promise<void> {
  const found = await storage.read("billing");
  same<undefined extends typeof found ? true : false>().as<true>(true);
}

export async function aWatchIsIteratedWithoutACast(signal: AbortSignal): Promise<void> {
  for await (const hint of storage.watch?.("billing", { signal }) ?? []) same<typeof hint>().as<Hint>(true);
}

export async function aLeadershipIsDisposedByItsBlock(acquire: () => Promise<Leadership>): Promise<number> {
  await using current = await acquire();
  return current.term;
}

export const contextGivesTheTypesOfCallbacks: LeaderElectorOptions = {
  lock,
  callbacks: {
    onStartedLeading: async (current) => same<typeof current>().as<Leadership>(true),
    onStoppedLeading: (reason) => void reason.toUpperCase(),
    onNewLeader: (identity) => void identity.toUpperCase(),
  },
};

export function anErrorIsNarrowedByItsCode(error: unknown): string | undefined {
  return error instanceof TenureError && error.code === "LEADERSHIP_LOST" ? error.operation : undefined;
}
