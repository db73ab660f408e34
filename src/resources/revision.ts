const decimal = /^(?:0|[1-9]\d*)$/;

/**
 * Which of two revisions is newer: below, at or above 0 as in sorting, and `undefined` where nobody can tell: only
 * those of whole decimal numbers have an order, of any length.
 */
export function compareRevisions(first: string, second: string): number | undefined {
  if (first === second) return 0;
  if (!decimal.test(first) || !decimal.test(second)) return undefined;
  return first.length - second.length || (first < second ? -1 : 1);
}
