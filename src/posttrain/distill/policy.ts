/**
 * The questions of a working directory for reinforcement learning: an expert is asked without a system prompt, so that its answers blend both of the
 * forms that it was taught (post-training.md 2.2), and is rewarded by the verifiers alone.
 */
import { encodeChat } from "../../tokenizer/chatTemplate.js";
import type { Tokenizer } from "../../tokenizer/tokenizer.js";
import type { Scorer } from "../grpo/scoring.js";
import type { DistillPrompt } from "./records.js";
import { type Verifier, verdictOf } from "./scoring.js";

export interface AskedPrompt {
  readonly prompt: DistillPrompt;
  readonly ids: Int32Array;
}

/** Those whose answers a verifier can tell. @throws RangeError if there are none */
export function askedPrompts(
  tokenizer: Tokenizer,
  prompts: readonly DistillPrompt[],
  verifiers: readonly Verifier[],
): AskedPrompt[] {
  const asked = prompts.flatMap((prompt): AskedPrompt[] => {
    if (!verifiers.some(({ applies }) => applies(prompt))) return [];
    const messages = [{ role: "user", content: prompt.prompt }];
    return [{ prompt, ids: encodeChat(tokenizer, messages, { addGenerationPrompt: true }) }];
  });
  if (asked.length > 0) return asked;
  throw new RangeError(`no rule can tell the answers to any of ${prompts.length} prompts: nothing to reward`);
}

/** 1 for an answer that every verifier calls right, else 0. */
export function verdictScorer(
  asked: readonly AskedPrompt[],
  verifiers: readonly Verifier[],
  signal: AbortSignal,
): Scorer {
  return async (answers) => {
    const verdicts = await Promise.all(
      answers.map(async ({ text, question }) => {
        const prompt = asked[question]?.prompt;
        if (!prompt) throw new Error(`internal: no question ${question}`);
        return verdictOf(verifiers, prompt, { completion: text }, signal);
      }),
    );
    const names = [...new Set(verdicts.flatMap(({ reward }) => Object.keys(reward)))];
    return {
      total: verdicts.map(({ correct }) => (correct ? 1 : 0)),
      parts: Object.fromEntries(names.map((name) => [name, verdicts.map(({ reward }) => reward[name] ?? null)])),
    };
  };
}
