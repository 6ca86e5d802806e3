/**
 * How lm-eval reads and compares answers of mathematics in tasks older than math_verify: AIME, hendrycks_math and AGIEval's two tasks without
 * choices. Answers are equal if their texts are, after MATH's normaliser. Tasks of our own compare formulas instead (mathAnswers.ts).
 */
import { lastBox } from "../answers/box.js";
import { normalizeHendrycks } from "../answers/hendrycks.js";
import type { Scorer } from "../taskFile.js";

/** What stands between the first and the last dollar sign; without two of them the whole text. */
export function betweenDollars(text: string): string {
  const first = text.indexOf("$");
  const last = text.lastIndexOf("$");
  return first === last ? text : text.slice(first + 1, last);
}

/** AIME: the last box, else what is between dollars. */
export function boxOrDollars(text: string): string {
  return lastBox(text) ?? betweenDollars(text);
}

/**
 * AGIEval: the last box, else the last line with something between dollars, else what follows the last equals sign, else the last number;
 * of an equation the right side. Null for none of them, and for a box that is not closed.
 */
export function agievalAnswer(text: string): string | null {
  if (text.includes("\\boxed")) return rightSide(lastBox(text));
  const between = [...text.matchAll(/\$(.*)\$/g)].at(-1)?.[1];
  if (between) return rightSide(between);
  if (text.includes("=")) return (rightSide(text) ?? "").replace(/\.+$/, "");
  return [...text.matchAll(/\$?\d+(?:\.\d+)?(?![\p{L}\p{N}_])/gu)].at(-1)?.[0] ?? null;
}

function rightSide(answer: string | null): string | null {
  return answer?.includes("=") ? answer.slice(answer.lastIndexOf("=") + 1).replace(/^ +/, "") : answer;
}

/**
 * @param read what an answer says; null: nothing, which is wrong
 * @param readGold of the right answer; default: as it stands
 */
export function textScorer(
  metric: string,
  read: (answer: string) => string | null,
  readGold: (gold: string) => string | null = (gold) => gold,
): Scorer {
  return ({ target, responses: [response = ""] }) => {
    const [answer, gold] = [read(response), readGold(String(target))];
    const isRight = answer !== null && gold !== null && normalizeHendrycks(answer) === normalizeHendrycks(gold);
    return { metrics: { [metric]: isRight ? 1 : 0 } };
  };
}
