/**
 * A wall time as RFC 3339 text in UTC with exactly six fraction digits, `2026-03-01T09:30:00.000123Z`: the form that
 * Kubernetes calls MicroTime, and that Go reads.
 *
 * @param us Microseconds since 1970; a fraction is cut off. Years 0 to 9999.
 * @throws {RangeError} outside of these years, and for what is not a number.
 */
export function microTime(us: number): string {
  const wholeUs = Math.floor(us);
  const ms = Math.floor(wholeUs / 1000);
  const text = new Date(ms).toISOString(); // throws a RangeError for NaN and beyond the year 275760
  if (text.length !== 24) throw new RangeError(`${us} µs since 1970 lie outside of the years 0 to 9999`);
  return `${text.slice(0, 23)}${String(wholeUs - ms * 1000).padStart(3, "0")}Z`;
}
