/**
 * Rewards for the right answer: 1 or 0, and null where the gold answer cannot be read (not 1, which would reward everything). An answer is
 * looked for after the thought alone; where the thought was not closed there is none. Spec: post-training.md sections 5.3 to 5.5.
 */
import { type AnswerPlace, afterThought, extractAnswer } from "../../eval/answers/extract.js";
import { isReadable, verify } from "../../eval/answers/verify.js";
import { goldAnswer } from "./gold.js";
import { eachSample, isStillThinking, type RewardFunction, type RewardSample, textWithThought } from "./reward.js";

export interface AnswerOptions {
  /** Column of the gold answer. Default: `answer`, `gold` or `solution`. */
  readonly column?: string;
}

/** The box holds what is mathematically equal to the gold answer. */
export function boxedReward(options: AnswerOptions = {}): RewardFunction {
  return mathsReward("boxed", ["box"], options);
}

/** The answer, wherever it stands, is mathematically equal to the gold answer. */
export function accuracyReward(options: AnswerOptions = {}): RewardFunction {
  return mathsReward("accuracy", ["box", "statement", "formula", "number"], options);
}

function mathsReward(name: string, places: readonly AnswerPlace[], { column }: AnswerOptions): RewardFunction {
  return eachSample((sample) => {
    const gold = goldAnswer(sample, column ?? null, name);
    if (!isReadable(gold)) return null;
    const answer = answerOf(sample, places);
    return answer !== null && verify(gold, answer).equal ? 1 : 0;
  });
}

/** The answer is the gold text, but for case and white space. */
export function exactReward({ column }: AnswerOptions = {}): RewardFunction {
  return eachSample((sample) => {
    const gold = goldAnswer(sample, column ?? null, "exact");
    const answer = answerOf(sample, ["box", "statement"]) ?? lastLine(sample);
    return plain(answer) === plain(gold) ? 1 : 0;
  });
}

/** The letter of a multiple choice: in the box, after "answer is", or the last one that stands alone. */
export function choiceReward({ column }: AnswerOptions = {}): RewardFunction {
  return eachSample((sample) => {
    const gold = letterIn(goldAnswer(sample, column ?? null, "choice"));
    if (gold === null) return null;
    return choiceOf(sample) === gold ? 1 : 0;
  });
}

function answerOf(sample: RewardSample, places: readonly AnswerPlace[]): string | null {
  const text = textWithThought(sample);
  return isStillThinking(text) ? null : (extractAnswer(text, places)?.text ?? null);
}

function choiceOf(sample: RewardSample): string | null {
  const said = answerOf(sample, ["box", "statement"]);
  const letter = said === null ? null : letterIn(said);
  if (letter !== null) return letter;
  const text = textWithThought(sample);
  if (isStillThinking(text)) return null;
  let last: string | null = null;
  // The article A and the pronoun I are no choices where they begin a sentence.
  for (const found of afterThought(text).matchAll(/(?<![\p{L}\d])([A-J])(?=[).:,\s]*$|[).:])/gmu))
    last = found[1] ?? null;
  return last;
}

/** `B`, `(B)`, `\text{B}`, `B. because`: a letter from A to J that no letter touches. */
function letterIn(text: string): string | null {
  const found = /^[\s("'*]*(?:\\(?:text|textbf|mathrm|mathbf)\s*\{\s*\(?)?([A-Ja-j])(?![\p{L}\d])/u.exec(text);
  return found?.[1]?.toUpperCase() ?? null;
}

function lastLine(sample: RewardSample): string {
  const text = textWithThought(sample);
  if (isStillThinking(text)) return "";
  return afterThought(text).trim().split("\n").at(-1) ?? "";
}

function plain(text: string): string {
  return text
    .toLowerCase()
    .replace(/\s+/g, " ")
    .trim()
    .replace(/[.。]$/, "");
}
