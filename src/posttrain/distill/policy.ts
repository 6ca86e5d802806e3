/**
 * The questions of a working directory for reinforcement learning: an expert is asked without a system prompt, so that its answers blend both of the
 * forms that it was taught (post-training.md 2.2), and is rewarded by the rule alone.
 */
import { encodeChat } from "../../tokenizer/chatTemplate.js";
import type { Tokenizer } from "../../tokenizer/tokenizer.js";
import type { Scorer } from "../grpo/scoring.js";
import type { DistillPrompt } from "./records.js";
import type { CheckerRules } from "./scoring.js";

export interface AskedPrompt {
  readonly prompt: DistillPrompt;
  readonly ids: Int32Array;
}

/** Those whose answers a rule can tell. @throws RangeError if there are none */
export function askedPrompts(
  tokenizer: Tokenizer,
  prompts: readonly DistillPrompt[],
  rules: CheckerRules,
): AskedPrompt[] {
  const asked = prompts.flatMap((prompt): AskedPrompt[] => {
    if (prompt.checker === undefined || rules[prompt.checker] === undefined) return [];
    const messages = [{ role: "user", content: prompt.prompt }];
    return [{ prompt, ids: encodeChat(tokenizer, messages, { addGenerationPrompt: true }) }];
  });
  if (asked.length > 0) return asked;
  throw new RangeError(`no rule can tell the answers to any of ${prompts.length} prompts: nothing to reward`);
}

/** What the rule says; an answer that it cannot tell is not rewarded. */
export function ruleScorer(asked: readonly AskedPrompt[], rules: CheckerRules, signal: AbortSignal): Scorer {
  return async (answers) => {
    const values = await Promise.all(
      answers.map(async ({ text, question }) => {
        const prompt = asked[question]?.prompt;
        const rule = prompt?.checker === undefined ? undefined : rules[prompt.checker];
        if (!prompt || !rule) throw new Error(`internal: no rule for question ${question}`);
        return rule(prompt, text, signal);
      }),
    );
    const total = values.map((value) => value ?? 0);
    return { total, parts: { accuracy: values } };
  };
}
