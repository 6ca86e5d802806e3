/**
 * Days of the Gregorian calendar as numbers. Day 0 is 1970-01-01, a Thursday. Years are counted from March, so that the leap day ends a
 * year and months have lengths that one formula gives; 400 years have 146,097 days.
 */

export interface CalendarDate {
  readonly year: number;
  /** 1 to 12 */
  readonly month: number;
  readonly day: number;
}

export const weekdays = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"] as const;

const daysOfEra = 146_097;
/** Days from 0000-03-01 to 1970-01-01. */
const epoch = 719_468;

export function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

export function daysOfYear(year: number): number {
  return isLeap(year) ? 366 : 365;
}

/** @param year from 0 on */
export function dayNumber({ year, month, day }: CalendarDate): number {
  const fromMarch = (month + 9) % 12;
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - 400 * era;
  const dayOfYear = daysBeforeMonthFromMarch(fromMarch) + day - 1;
  const leaps = Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100);
  return daysOfEra * era + 365 * yearOfEra + leaps + dayOfYear - epoch;
}

export function dateOf(number: number): CalendarDate {
  const shifted = number + epoch;
  const era = Math.floor(shifted / daysOfEra);
  const dayOfEra = shifted - daysOfEra * era;
  // Leap days up to this one, taken off: 1,460 days are 4 years without theirs, and so on.
  const leaps = Math.floor(dayOfEra / 1460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096);
  const yearOfEra = Math.floor((dayOfEra - leaps) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = ((fromMarch + 2) % 12) + 1;
  const year = 400 * era + yearOfEra + (month <= 2 ? 1 : 0);
  return { year, month, day: dayOfYear - daysBeforeMonthFromMarch(fromMarch) + 1 };
}

/** Days of a year before one of its months; 0 for January. */
export function daysBeforeMonth(year: number, month: number): number {
  return dayNumber({ year, month, day: 1 }) - dayNumber({ year, month: 1, day: 1 });
}

/** 1 for the first of January. */
export function dayOfYear({ year, month, day }: CalendarDate): number {
  return daysBeforeMonth(year, month) + day;
}

export function weekdayOf(number: number): (typeof weekdays)[number] {
  return weekdays[(((number + 3) % 7) + 7) % 7] ?? "Monday";
}

export function isoDate({ year, month, day }: CalendarDate): string {
  return `${String(year).padStart(4, "0")}-${String(month).padStart(2, "0")}-${String(day).padStart(2, "0")}`;
}

/** Five months from March have 153 days. */
function daysBeforeMonthFromMarch(month: number): number {
  return Math.floor((153 * month + 2) / 5);
}
