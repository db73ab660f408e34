import type { ResourceLock } from "../../src/lock/resource-lock.ts";

/**
 * A lock of a user's own around another one, as one that counts calls would be: when a write is answered, its code runs
 * before the elector hears of the answer, or between two steps of hearing it, and asks whether it still leads.
 */
export function peekingLock(lock: ResourceLock, peek: () => void, drawHops: () => number): ResourceLock {
  const peeked = <T>(answer: Promise<T>): Promise<T> => {
    const later = (hops: number): void => (hops === 0 ? peek() : queueMicrotask(() => later(hops - 1)));
    void answer.then(
      () => later(drawHops()),
      () => {}, // nobody asks after a failure
    );
    return answer;
  };
  const { identity, description, minWriteIntervalMs } = lock;
  const watch = lock.watch?.bind(lock);
  return {
    ...{ identity, description },
    ...(minWriteIntervalMs !== undefined && { minWriteIntervalMs }),
    ...(watch !== undefined && { watch }),
    get: (options) => lock.get(options),
    create: (record, options) => peeked(lock.create(record, options)),
    update: (record, expected, options) => peeked(lock.update(record, expected, options)),
  };
}
