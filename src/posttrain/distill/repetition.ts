/** How much of a text says again what it has said: a model in a loop repeats long runs of words. post-training.md 2.4, 5.3. */
import { splitThought } from "../data/thoughts.js";
import { ngrams, wordsOf } from "./words.js";

/** Share of a text's n-grams that occurred before: 1 - distinct / all; 0 where there are none. */
export function repetitionShare(text: string, n: number): number {
  const all = ngrams(wordsOf(text), n);
  return all.length === 0 ? 0 : 1 - new Set(all).size / all.length;
}

/** The greater share of a completion's thought and its answer, each by itself: the answer may well repeat what the thought found out. */
export function completionRepetition(completion: string, n: number): number {
  const { thought, answer } = splitThought({ role: "assistant", content: completion });
  return Math.max(repetitionShare(thought ?? "", n), repetitionShare(answer, n));
}
