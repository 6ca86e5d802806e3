/**
 * Words as n-grams are made of them: lower case, white space collapsed, punctuation left where it stands (post-training.md 2.4). Scripts that
 * write no spaces have a word a character, else a whole Chinese text would be one word.
 */

const unspaced = String.raw`\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}`;
const word = new RegExp(`[${unspaced}]|[^\\s${unspaced}]+`, "gu");

export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(word) ?? [];
}

/** Texts that differ only in case and white space are the same. */
export function normalised(text: string): string {
  return text.toLowerCase().trim().replace(/\s+/g, " ");
}

/** Every run of n words; of a text with fewer, nothing. */
export function ngrams(words: readonly string[], n: number): string[] {
  return Array.from({ length: Math.max(0, words.length - n + 1) }, (_, i) => words.slice(i, i + n).join(" "));
}
