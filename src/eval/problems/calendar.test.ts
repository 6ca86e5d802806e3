import { expect, test } from "vitest";
import { dateOf, dayNumber, dayOfYear, daysBeforeMonth, isLeap, isoDate, weekdayOf } from "./calendar.js";

const names = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

test("every day from 1890 to 2210 is the one that JavaScript's own calendar has", () => {
  const from = Date.UTC(1890, 0, 1) / 86_400_000;
  const to = Date.UTC(2211, 0, 1) / 86_400_000;
  const wrong: string[] = [];
  for (let day = from; day < to; day++) {
    const date = new Date(day * 86_400_000);
    const parts = { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
    const wanted = `${date.toISOString().slice(0, 10)} ${names[date.getUTCDay()]} ${day}`;
    const got = `${isoDate(dateOf(day))} ${weekdayOf(day)} ${dayNumber(parts)}`;
    if (got !== wanted) wrong.push(`${got}, expected ${wanted}`);
  }
  expect(wrong).toEqual([]);
});

test("days of the year, by hand", () => {
  expect(dayOfYear({ year: 2023, month: 12, day: 31 })).toBe(365);
  expect(dayOfYear({ year: 2024, month: 12, day: 31 })).toBe(366);
  expect(daysBeforeMonth(2023, 3)).toBe(59);
  expect(daysBeforeMonth(2024, 3)).toBe(60);
  expect([1900, 2000, 2023, 2024, 2100].filter(isLeap)).toEqual([2000, 2024]);
});
