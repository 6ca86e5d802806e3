/**
 * Rewards for the form of an answer. Each looks at the whole completion, with the `<think>` of the prompt if the template wrote it there.
 * Spec: post-training.md section 5.3.
 */
import { lastFence } from "./fence.js";
import { eachSample, type RewardFunction, textWithThought } from "./reward.js";

/** One thought, which begins the completion and is closed. */
export function thinkFormatReward(): RewardFunction {
  return eachSample((sample) => {
    const text = textWithThought(sample);
    return text.startsWith("<think>") && text.indexOf("<think>", 1) < 0 && text.includes("</think>") ? 1 : 0;
  });
}

/** `<think>`, `</think>`, `<answer>` and `</answer>`, each on a line of its own, in this order, from the first character to the last. */
export function thinkAnswerFormatReward(): RewardFunction {
  return eachSample((sample) => (isThinkAnswer(textWithThought(sample)) ? 1 : 0));
}

function isThinkAnswer(text: string): boolean {
  const begin = "<think>\n";
  const middle = "\n</think>\n<answer>\n";
  const end = "\n</answer>";
  const at = text.indexOf(middle, begin.length);
  return text.startsWith(begin) && at >= 0 && text.endsWith(end) && text.length - end.length >= at + middle.length;
}

const tags = ["<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>"];

/** A quarter for each of the four tags that is there exactly once. */
export function tagCountReward(): RewardFunction {
  return eachSample((sample) => {
    const text = textWithThought(sample);
    return tags.filter((tag) => text.split(tag).length === 2).length / 4;
  });
}

/** "Step 1:", numbered lines, bullets, and words that begin a step; three of them are enough for 1. */
export function reasoningStepsReward(): RewardFunction {
  const marker = /Step \d+:|^\d+\.|^[-*]\s|First,|Second,|Next,|Finally,/gm;
  return eachSample((sample) => Math.min(1, [...textWithThought(sample).matchAll(marker)].length / 3));
}

/** The layout of think and answer, with a fenced block of code in the answer; in the wanted language, where one is wanted. */
export function codeFormatReward({ language = null }: { readonly language?: string | null } = {}): RewardFunction {
  return eachSample((sample) => {
    const text = textWithThought(sample);
    if (!isThinkAnswer(text)) return 0;
    const fence = lastFence(text.slice(text.indexOf("\n<answer>\n")));
    return fence !== null && (language === null || fence.language === language.toLowerCase()) ? 1 : 0;
  });
}
