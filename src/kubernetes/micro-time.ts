import { microTime } from "../system/micro-time.ts";

/** A moment that a text with up to nine fraction digits names. */
export interface WireTime {
  /** Whole seconds since 1970. */
  readonly second: number;
  /** 0 to 999 999 999. */
  readonly nanosecond: number;
}

const pattern = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))$/;

const secondsOfDay = 86_400;

/**
 * Reads a time as others write it: any offset, no fraction or up to nine digits of it. `undefined` for anything else.
 * Whether a time *changed* is a matter of its text; this is for whether one is *later*.
 */
export function parseWireTime(text: string): WireTime | undefined {
  const found = pattern.exec(text);
  if (found === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = found.slice(1, 7).map(Number);
  const [fraction = "", sign, offsetHour = "0", offsetMinute = "0"] = found.slice(7);
  if (month < 1 || month > 12 || day < 1 || day > daysOfMonth(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 59 || Number(offsetHour) > 23 || Number(offsetMinute) > 59) return undefined;
  const offset = (Number(offsetHour) * 3600 + Number(offsetMinute) * 60) * (sign === "-" ? -1 : 1);
  const inDay = hour * 3600 + minute * 60 + second;
  return {
    second: daysSince1970(year, month, day) * secondsOfDay + inDay - offset,
    nanosecond: Number(fraction.padEnd(9, "0")),
  };
}

/** Negative, zero or positive, as the first is earlier, the same moment, or later. */
export function compareWireTimes(first: WireTime, second: WireTime): number {
  return first.second - second.second || first.nanosecond - second.nanosecond;
}

/** Whether the first time is later than the second; what is no time is later than nothing. */
export function isLater(first: string | undefined, second: string | undefined): boolean {
  const [one, other] = [parseWireTime(first ?? ""), parseWireTime(second ?? "")];
  if (one === undefined) return false;
  return other === undefined || compareWireTimes(one, other) > 0;
}

/** The same moment as a MicroTime: UTC, exactly six digits, what is finer cut off; `undefined` for what is no time. */
export function microTimeInUtc(text: string): string | undefined {
  const time = parseWireTime(text);
  if (time === undefined) return undefined;
  try {
    return microTime(time.second * 1_000_000 + Math.floor(time.nanosecond / 1000));
  } catch {
    return undefined; // an offset that leads out of the years that can be written
  }
}

function daysOfMonth(year: number, month: number): number {
  if (month === 2) return isLeap(year) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

function isLeap(year: number): boolean {
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
}

/** Days from 1970-01-01 in the Gregorian calendar; years are counted from March, so that a leap day is the last one. */
function daysSince1970(year: number, month: number, day: number): number {
  const [from, sinceMarch] = month > 2 ? [year, month - 3] : [year - 1, month + 9];
  const leapDays = Math.floor(from / 4) - Math.floor(from / 100) + Math.floor(from / 400);
  return from * 365 + leapDays + Math.floor((153 * sinceMarch + 2) / 5) + day - 1 - 719_468;
}
