/**
 * The form of an answer: a thought, if there is one, opened once at the beginning and closed, an answer behind it, and in that exactly one box, or
 * a program where one is asked for. post-training.md 2.4, 5.3, 5.4.
 */
import { lastBox } from "../../eval/answers/box.js";
import { lastFence } from "../../eval/problems/answers.js";
import { thinkBegin, thinkEnd } from "../../tokenizer/specialTokens.js";
import type { DistillPrompt } from "./records.js";

export type Ending = "box" | "program" | "free";

/** How an answer to a prompt has to end. */
export function endingOf({ checker, answer }: DistillPrompt): Ending {
  if (checker === "tests") return "program";
  return checker !== undefined && answer !== undefined ? "box" : "free";
}

/** What is wrong with a completion's form; null: nothing. */
export function formatProblem(completion: string, ending: Ending): string | null {
  const begins = occurrences(completion, thinkBegin);
  const ends = occurrences(completion, thinkEnd);
  if (begins > 1 || ends > 1) return "several thoughts";
  if (begins !== ends) return "a thought that is not closed";
  if (begins === 1 && !completion.trimStart().startsWith(thinkBegin)) return "a thought amid the answer";
  const at = completion.indexOf(thinkEnd);
  if (begins === 1 && at < completion.indexOf(thinkBegin)) return "a thought that is not closed";
  const answer = at < 0 ? completion : completion.slice(at + thinkEnd.length);
  if (answer.trim() === "") return "no answer";
  if (ending === "program") return lastFence(completion) === null ? "no program" : null;
  if (ending === "free") return null;
  if (occurrences(answer, "\\boxed") + occurrences(answer, "\\fbox") > 1) return "several boxes";
  return lastBox(answer) === null ? "no box" : null;
}

function occurrences(text: string, part: string): number {
  return text.split(part).length - 1;
}
