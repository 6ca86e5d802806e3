/** Generated problems as questions for reinforcement learning: token ids, the rule that scores an answer, and the held-out ones to measure on. */
import { check, problemAt } from "../../eval/problems/families.js";
import type { FamilyName, Phrasing, Problem } from "../../eval/problems/problem.js";
import type { LanguageModel } from "../../generate/languageModel.js";
import { encodeChat } from "../../tokenizer/chatTemplate.js";
import type { Tokenizer } from "../../tokenizer/tokenizer.js";
import type { Scorer } from "./scoring.js";

export interface ProblemChoice {
  readonly families: readonly FamilyName[];
  /** Null: all in turn. */
  readonly level: number | null;
  readonly phrasing: Phrasing;
  readonly seed: number;
}

export interface AskedProblem {
  readonly problem: Problem;
  readonly ids: Int32Array;
}

/** Problems of the families in turn, as chats that end where the answer begins. @param system none: there is no system message */
export function askedProblems(
  tokenizer: Tokenizer,
  split: "train" | "heldout",
  count: number,
  { families, level, phrasing, seed }: ProblemChoice,
  system: string | null = null,
): AskedProblem[] {
  const before = system === null ? [] : [{ role: "system", content: system }];
  return Array.from({ length: count }, (_, i) => {
    const family = families[i % families.length];
    if (family === undefined) throw new RangeError("no family of problems was named");
    const index = Math.floor(i / families.length);
    const problem = problemAt(family, split, seed, index, level ?? undefined, phrasing);
    const messages = [...before, { role: "user", content: problem.prompt }];
    return { problem, ids: encodeChat(tokenizer, messages, { addGenerationPrompt: true }) };
  });
}

/** 1 for a right answer in the form that is asked for, else 0. */
export function problemScorer(problems: readonly AskedProblem[]): Scorer {
  return async (answers) => {
    const total = answers.map(({ text, question }) => {
      const asked = problems[question];
      if (!asked) throw new Error(`internal: no question ${question}`);
      return check(asked.problem, text) ? 1 : 0;
    });
    return { total, parts: { correct: total } };
  };
}

export interface Accuracy {
  readonly accuracy: number;
  /** Mean tokens of an answer. */
  readonly length: number;
  /** Share cut at the limit. */
  readonly truncated: number;
}

/** Greedy answers to problems. */
export async function problemAccuracy(
  model: LanguageModel,
  problems: readonly AskedProblem[],
  maxTokens: number,
): Promise<Accuracy> {
  const sums = { right: 0, tokens: 0, cut: 0 };
  await Promise.all(
    problems.map(async ({ problem, ids }) => {
      let text = "";
      const room = Math.min(maxTokens, model.info.maxPositions - ids.length);
      for await (const event of model.stream({ prompt: ids, maxTokens: room })) {
        text += event.text;
        if (event.type !== "finish") continue;
        if (event.reason === "error") throw new Error(`the model failed: ${event.error ?? "no reason given"}`);
        sums.tokens += event.completionTokens;
        sums.cut += event.reason === "length" ? 1 : 0;
      }
      sums.right += check(problem, text) ? 1 : 0;
    }),
  );
  const n = problems.length;
  return { accuracy: sums.right / n, length: sums.tokens / n, truncated: sums.cut / n };
}
