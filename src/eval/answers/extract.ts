/**
 * Finds the answer in what a model wrote: the box first, then what is said to be the answer, then the last formula, then the last number.
 * Spec: post-training.md section 5.4. All patterns are linear in the text, which may be long and hostile.
 */
import { lastBox } from "./box.js";

/** Where an answer may be looked for, best first. */
export type AnswerPlace = "box" | "statement" | "formula" | "number";

export interface ExtractedAnswer {
  readonly text: string;
  readonly place: AnswerPlace;
}

export const answerPlaces: readonly AnswerPlace[] = ["box", "statement", "formula", "number"];

/**
 * @param places where to look, in this order. Default: all of them; rewards ask for the box alone
 * @returns null if there is no answer in any of these places
 */
export function extractAnswer(text: string, places: readonly AnswerPlace[] = answerPlaces): ExtractedAnswer | null {
  const spoken = afterThought(text);
  for (const place of places) {
    const found = finders[place](spoken);
    if (found !== null && found !== "") return { text: found, place };
  }
  return null;
}

/** What follows the last `</think>`; all of a text that has none. */
export function afterThought(text: string): string {
  const end = text.lastIndexOf("</think>");
  return end < 0 ? text : text.slice(end + "</think>".length);
}

const finders: Readonly<Record<AnswerPlace, (text: string) => string | null>> = {
  box: lastBox,
  statement: lastStatement,
  formula: lastFormula,
  number: lastNumber,
};

/** After the last "answer is", "answer:" or 答案是, to the end of the sentence. */
function lastStatement(text: string): string | null {
  let start = -1;
  for (const found of text.matchAll(/answer(?: is|:)|答案(?:是|为|：|:)/gi)) start = found.index + found[0].length;
  if (start < 0) return null;
  const line =
    text
      .slice(start)
      .replace(/^[\s:：*]+/, "")
      .split("\n", 1)[0] ?? "";
  // A full stop inside a number or a formula does not end the sentence.
  const end = /[.。](?=\s|$)/.exec(line);
  return (end ? line.slice(0, end.index) : line).replace(/[\s*]+$/, "");
}

/** The last formula between `$$`, `\[ \]`, `$` or `\( \)`; the last two on one line. */
function lastFormula(text: string): string | null {
  let last: { readonly end: number; readonly text: string } | null = null;
  const offer = (end: number, inner: string): void => {
    if (inner.trim() !== "" && (last === null || end > last.end)) last = { end, text: inner.trim() };
  };
  for (const [open, close, mayBreak] of [
    ["\\[", "\\]", true],
    ["\\(", "\\)", false],
  ] as const) {
    const end = text.lastIndexOf(close);
    const start = end < 0 ? -1 : text.lastIndexOf(open, end);
    const inner = start < 0 ? "" : text.slice(start + 2, end);
    if (mayBreak || !inner.includes("\n")) offer(end, inner);
  }
  // Dollars take turns at opening and closing.
  const dollars = [...text.matchAll(/\\\$|\$\$|\$/g)].filter(({ 0: mark }) => mark !== "\\$");
  for (let i = 0; i + 1 < dollars.length; i++) {
    const [open, close] = [dollars[i], dollars[i + 1]];
    if (open === undefined || close === undefined || open[0] !== close[0]) continue;
    const inner = text.slice(open.index + open[0].length, close.index);
    if (open[0] === "$" && inner.includes("\n")) continue;
    offer(close.index, inner);
    i++;
  }
  return (last as { readonly text: string } | null)?.text ?? null;
}

/** The last number that no letter stands before. */
export function lastNumber(text: string): string | null {
  let last: string | null = null;
  for (const found of text.matchAll(/(?<![\p{L}\d.,_])-?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:\s*\/\s*\d+)?/gu)) {
    last = found[0].replace(/,+$/, "");
  }
  return last;
}

/** GSM8K's strict form: the last `#### 42` in the last 300 characters, without `,` and `$`. Also how its gold answers are written. */
export function extractGsm8k(text: string): string | null {
  let last: string | null = null;
  for (const [, number] of text.slice(-300).matchAll(/#### (-?[0-9.,]+)/g)) last = number ?? null;
  return last === null ? null : last.replace(/[,$]/g, "");
}
