/**
 * Word problems with dates: days between, dates before and after, days of the week, whole years. Working is by the day of the year: the days
 * before the month, and the day. Leap years are told where they count.
 */
import { boxed, isInteger, isText } from "./answers.js";
import {
  type CalendarDate,
  dateOf,
  dayNumber,
  dayOfYear,
  daysBeforeMonth,
  daysOfYear,
  isLeap,
  isoDate,
  weekdayOf,
} from "./calendar.js";
import type { Draft, Family, Kind } from "./problem.js";
import type { Wording } from "./wording.js";

/** First dates are of 1960 to 2039. */
const [firstYear, lastYear] = [1960, 2040];
const firstDay = dayNumber({ year: firstYear, month: 1, day: 1 });
const numDays = dayNumber({ year: lastYear, month: 1, day: 1 }) - firstDay;

export const dates: Family = {
  about: "days between dates, dates before and after, days of the week, whole years",
  splitKey: "dates",
  levels: [
    { about: "1 to 27 days; 1 to 9 years", kinds: kindsOf([1, 27], [366, 3650]) },
    { about: "28 to 365 days; 10 to 49 years", kinds: kindsOf([28, 365], [3651, 18_250]) },
    { about: "366 to 3,000 days; 50 to 99 years", kinds: kindsOf([366, 3000], [18_251, 36_500]) },
  ],
  close: boxed,
  check: (problem, response) => (/^\d+$/.test(problem.answer) ? isInteger : isText)(response, problem.answer),
};

type Range = readonly [least: number, most: number];

/** @param gap days from one date to the other @param age the same, where whole years are asked */
function kindsOf(gap: Range, age: Range): readonly Kind[] {
  const kind = (name: string, [least, most]: Range, make: (from: number, to: number, w: Wording) => Draft): Kind => ({
    name,
    bases: [numDays, most - least + 1],
    make: ([first = 0, span = 0], wording) => make(firstDay + first, firstDay + first + least + span, wording),
  });
  return [
    kind("between", gap, between),
    kind("after", gap, after),
    kind("before", gap, before),
    kind("weekday", gap, weekday),
    {
      name: "years",
      // Not from a 29 February, whose next years have none.
      bases: [lastYear - firstYear, 12, 28, age[1] - age[0] + 1],
      make: ([year = 0, month = 0, day = 0, span = 0], wording) => {
        const from = dayNumber({ year: firstYear + year, month: month + 1, day: day + 1 });
        return wholeYears(from, from + age[0] + span, wording);
      },
    },
  ];
}

function between(from: number, to: number, wording: Wording): Draft {
  const [a, b, gap] = [iso(from), iso(to), to - from];
  return {
    prompt: wording.ask(
      `How many days are there from ${a} to ${b}?`,
      `A shop opens on ${a} and closes for good on ${b}. How many days after the opening is that?`,
      `A ship leaves the harbour on ${a} and comes back on ${b}. How many days later is that?`,
      `How many days after ${a} is ${b}?`,
      `A repair begins on ${a} and ends on ${b}. How many days lie between the two dates?`,
    ),
    answer: String(gap),
    work: gapWork(from, to),
    thought: [
      `${wording.pick("From", "I count from")} ${a} to ${b}, by the days of the year.`,
      ...gapWork(from, to),
      `${wording.pick("So there are", "That makes")} ${gap} days.`,
      `${wording.pick("Let me check:", "To verify:", "Is that right?")} ${a} and ${gap} days more.`,
      ...forwardWork(from, gap),
      `That is ${b}, as given.`,
    ],
    slip: { work: gapWork(from, to).slice(0, -1), answer: String(slippedGap(from, to, wording)) },
  };
}

/** One too many (both ends counted), or a leap year or month taken for another. */
function slippedGap(from: number, to: number, wording: Wording): number {
  return to - from + wording.pick(1, dateOf(from).month === dateOf(to).month ? 2 : -1);
}

function after(from: number, to: number, wording: Wording): Draft {
  const [a, b, gap] = [iso(from), iso(to), to - from];
  return {
    prompt: `${wording.ask(
      `Which date is ${gap} days after ${a}?`,
      `A shop opens on ${a} and closes for good ${gap} days later. On which date?`,
      `A parcel is sent on ${a} and arrives ${gap} days later. On which date does it arrive?`,
      `What is the date ${gap} days after ${a}?`,
      `A tree is planted on ${a} and blossoms ${gap} days later. On which date?`,
    )} Write it as YYYY-MM-DD.`,
    answer: b,
    work: forwardWork(from, gap),
    thought: [
      `${wording.pick(`I start at ${a} and go`, `From ${a} I go`)} ${gap} days on, by the days of the year.`,
      ...forwardWork(from, gap),
      `${wording.pick("So it is", "That is")} ${b}.`,
      `${wording.pick("Let me check:", "To verify:", "Is that right?")} the days from ${a} to ${b}.`,
      ...gapWork(from, to),
      `That is ${gap}, as asked.`,
    ],
    slip: { work: forwardWork(from, gap).slice(0, -1), answer: iso(to + wording.pick(-1, 1, 2)) },
  };
}

function before(from: number, to: number, wording: Wording): Draft {
  const [a, b, gap] = [iso(from), iso(to), to - from];
  return {
    prompt: `${wording.ask(
      `Which date is ${gap} days before ${b}?`,
      `A museum opened on ${b}. Work on it had begun ${gap} days earlier. On which date?`,
      `A journey of ${gap} days ended on ${b}. On which date, ${gap} days earlier, did it begin?`,
      `What is the date ${gap} days before ${b}?`,
      `A bill is due on ${b} and was written ${gap} days before. On which date was it written?`,
    )} Write it as YYYY-MM-DD.`,
    answer: a,
    work: backwardWork(to, gap),
    thought: [
      `${wording.pick(`I start at ${b} and go`, `From ${b} I go`)} ${gap} days back, by the days of the year.`,
      ...backwardWork(to, gap),
      `${wording.pick("So it is", "That is")} ${a}.`,
      `${wording.pick("Let me check:", "To verify:", "Is that right?")} ${a} and ${gap} days more.`,
      ...forwardWork(from, gap),
      `That is ${b}, as given.`,
    ],
    slip: { work: backwardWork(to, gap).slice(0, -1), answer: iso(from + wording.pick(-1, 1, 2)) },
  };
}

function weekday(from: number, to: number, wording: Wording): Draft {
  const [a, b, gap, first, last] = [iso(from), iso(to), to - from, weekdayOf(from), weekdayOf(to)];
  const rest = gap % 7;
  const work = [
    ...gapWork(from, to),
    `${gap}=7*${Math.floor(gap / 7)}+${rest}`,
    rest === 0 ? `${first}` : Array.from({ length: rest + 1 }, (_, i) => weekdayOf(from + i)).join(", "),
  ];
  return {
    prompt: wording.ask(
      `${a} is a ${first}. What day of the week is ${b}?`,
      `A market is held on ${a}, a ${first}. What day of the week is ${b}, when the next one is held?`,
      `A bridge was closed on ${a}, a ${first}, and opened again on ${b}. What day of the week was that?`,
      `If ${a} is a ${first}, which day of the week is ${b}?`,
    ),
    answer: last,
    work,
    thought: [
      `${wording.pick("First", "To begin with")} the days from ${a} to ${b}. Every 7 days it is ${first} again.`,
      ...work,
      `${wording.pick("So it is a", "That makes a")} ${last}.`,
      `${wording.pick("Let me check:", "To verify:", "Is that right?")} back from ${last}, ${gap} days.`,
      rest === 0 ? last : Array.from({ length: rest + 1 }, (_, i) => weekdayOf(to - i)).join(", "),
      `and ${Math.floor(gap / 7)} whole weeks, which change nothing: ${first}, as given.`,
    ],
    slip: { work: work.slice(0, -1), answer: weekdayOf(to + wording.pick(-1, 1)) },
  };
}

function wholeYears(from: number, to: number, wording: Wording): Draft {
  const [a, b] = [dateOf(from), dateOf(to)];
  const isReached = a.month < b.month || (a.month === b.month && a.day <= b.day);
  const apart = b.year - a.year;
  const age = isReached ? apart : apart - 1;
  const work = [
    `${b.year}-${a.year}=${apart}`,
    `${monthDay(b)} is ${isReached ? "not before" : "before"} ${monthDay(a)}: ${isReached ? `${age}` : `${apart}-1=${age}`}`,
  ];
  const [reached, next] = [a.year + age, a.year + age + 1];
  return {
    prompt: wording.ask(
      `How many whole years are there from ${isoDate(a)} to ${isoDate(b)}?`,
      `A bridge was opened on ${isoDate(a)}. For how many whole years has it been open on ${isoDate(b)}?`,
      `A shop opened on ${isoDate(a)}. How old is it, in whole years, on ${isoDate(b)}?`,
      `A tree was planted on ${isoDate(a)}. How many whole years old is it on ${isoDate(b)}?`,
    ),
    answer: String(age),
    work,
    thought: [
      `${wording.pick("First", "To begin with")} the years alone, then whether the day of ${isoDate(a)} has come again in ${b.year}.`,
      ...work,
      `${wording.pick("So there are", "That makes")} ${age} whole years.`,
      `${wording.pick("Let me check:", "To verify:", "Is that right?")} ${age} years after ${isoDate(a)} it is ${reached}-${monthDay(a)},`,
      `which is not after ${isoDate(b)}; one year more is ${next}-${monthDay(a)}, which is after it.`,
    ],
    slip: { work: work.slice(0, 1), answer: String(isReached ? apart - 1 : apart) },
  };
}

function iso(day: number): string {
  return isoDate(dateOf(day));
}

function monthDay(date: CalendarDate): string {
  return isoDate(date).slice(5);
}

/** `2021-03-04: 59+4=63`, with a word about a leap year where it moves the day. */
function dayLine(date: CalendarDate): string {
  const before = daysBeforeMonth(date.year, date.month);
  const leap = isLeap(date.year) && date.month > 2 ? " (leap year)" : "";
  return `${isoDate(date)}: ${before}+${date.day}=${before + date.day}${leap}`;
}

/** Days between by the days of the year. */
function gapWork(from: number, to: number): readonly string[] {
  const [a, b] = [dateOf(from), dateOf(to)];
  const lines = [dayLine(a), dayLine(b)];
  if (a.year === b.year) return [...lines, `${dayOfYear(b)}-${dayOfYear(a)}=${to - from}`];
  let sum = daysOfYear(a.year) - dayOfYear(a);
  lines.push(`${a.year}: ${daysOfYear(a.year)}-${dayOfYear(a)}=${sum}`);
  for (let year = a.year + 1; year < b.year; year++) {
    lines.push(`${year}: ${sum}+${daysOfYear(year)}=${sum + daysOfYear(year)}`);
    sum += daysOfYear(year);
  }
  return [...lines, `${b.year}: ${sum}+${dayOfYear(b)}=${sum + dayOfYear(b)}`];
}

/** Some days on, year by year. */
function forwardWork(from: number, gap: number): readonly string[] {
  const start = dateOf(from);
  let [year, day] = [start.year, dayOfYear(start)];
  const lines = [dayLine(start), `${day}+${gap}=${day + gap}`];
  day += gap;
  for (; day > daysOfYear(year); year++) {
    lines.push(`${year}: ${day}-${daysOfYear(year)}=${day - daysOfYear(year)}`);
    day -= daysOfYear(year);
  }
  return [...lines, monthLine(year, day)];
}

/** Some days back, year by year. */
function backwardWork(to: number, gap: number): readonly string[] {
  const end = dateOf(to);
  let [year, day] = [end.year, dayOfYear(end)];
  const lines = [dayLine(end)];
  let missing = gap;
  while (missing >= day) {
    lines.push(`${year}: ${missing}-${day}=${missing - day}`);
    missing -= day;
    year--;
    day = daysOfYear(year);
  }
  return [...lines, `${year}: ${day}-${missing}=${day - missing}`, monthLine(year, day - missing)];
}

/** From the day of a year to the date. */
function monthLine(year: number, day: number): string {
  const date = dateOf(dayNumber({ year, month: 1, day: 1 }) + day - 1);
  const before = daysBeforeMonth(year, date.month);
  return `${day}-${before}=${day - before}: ${isoDate(date)}${isLeap(year) && date.month > 2 ? " (leap year)" : ""}`;
}
