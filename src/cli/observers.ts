import { systemRandom } from "../system/random.ts";
import type { Invocation } from "./command.ts";
import type { FlagTable } from "./flags.ts";
import { LeaseObserver, type LeaseObserverOptions } from "./lease-observer.ts";
import type { Place } from "./place.ts";

/** The flags of commands that look at leases for a while. */
export const observerFlags: FlagTable = {
  "lease-duration": {
    value: "15s",
    env: "TENURE_LEASE_DURATION",
    says: "after how long a record counts as expired that names no duration (15s)",
  },
  poll: { value: "2s", says: "how often to read, beside being told (2s)" },
};

/** An observer of one lease, with the durations that the flags say. */
export function observerOf(
  name: string,
  place: Place,
  { flags, clock }: Invocation,
  more?: Pick<LeaseObserverOptions, "onTrouble">,
): LeaseObserver {
  return new LeaseObserver({
    ...more,
    name,
    clock,
    lock: place.lock(name),
    random: systemRandom,
    leaseDurationMs: flags.durationMs("lease-duration") ?? 15e3,
    pollMs: flags.durationMs("poll") ?? 2e3,
  });
}

/** One that goes on while the storage cannot be read, and says so. */
export function patientObserverOf(name: string, place: Place, invocation: Invocation): LeaseObserver {
  const onTrouble = (error: Error): void => invocation.log.warn(error.message, { name });
  return observerOf(name, place, invocation, { onTrouble });
}
