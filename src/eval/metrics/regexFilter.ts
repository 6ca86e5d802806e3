/**
 * Answers cut out of generated text by a regular expression, the harness's `regex` filter, and the expressions of the benchmarks that use
 * it: GSM8K, MGSM, BBH. Evaluation specification, 3.2, 3.19, 3.21 and 8.8.
 *
 * Each of the number benchmarks has two filters: the strict one wants the phrase that the worked examples end with, the flexible one takes
 * the last number. Results give both, since a chat model may score .20 by one and .78 by the other (section 14).
 */

/** What stands for an answer that is not there; its share is reported beside the score. */
export const invalidAnswer = "[invalid]";

export interface RegexFilter {
  /** With the flag `g`. */
  readonly regex: RegExp;
  /** Which of all matches counts. */
  readonly select: "first" | "last";
}

/** The first group of the chosen match that holds something, trimmed; the whole match of a regex without groups. */
export function applyRegexFilter(text: string, { regex, select }: RegexFilter): string {
  const matches = [...text.matchAll(regex)];
  const match = select === "first" ? matches[0] : matches.at(-1);
  if (!match) return invalidAnswer;
  const found = match.length === 1 ? match[0] : match.slice(1).find((group) => group);
  return found === undefined ? "" : found.trim();
}

/** `#### 42`, the first one. */
export const gsm8kStrict: RegexFilter = { regex: /#### (-?[0-9.,]+)/g, select: "first" };

/** `The answer is 42.` of the eight worked examples of the chain-of-thought variant. */
export const gsm8kCotStrict: RegexFilter = { regex: /The answer is (-?[0-9.,]+)\./g, select: "first" };

/** The last number; two or more of digits, points, commas and dollars also count as one, so "17." keeps its point here. */
export const lastNumber: RegexFilter = { regex: /(-?[$0-9.,]{2,})|(-?[0-9]+)/g, select: "last" };

/** `the answer is (A).`: up to the last character of the line, which is the final point. */
export const bbhAnswer: RegexFilter = { regex: /(?<=the answer is )(.*)(?=.)/g, select: "first" };

export type MgsmLanguage = "bn" | "de" | "en" | "es" | "fr" | "ja" | "ru" | "sw" | "te" | "th" | "zh";

/**
 * The phrase before the number with which the worked examples of each language end. en and zh are printed in the specification; the others
 * are the same sentence in that language, with an optional copula where translations differ.
 */
export const mgsmStrict: Readonly<Record<MgsmLanguage, RegexFilter>> = {
  bn: { regex: /উত্তর হল (-?[0-9.,]+)/g, select: "first" },
  de: { regex: /Die Antwort (?:lautet|ist) (-?[0-9.,]+)/g, select: "first" },
  en: { regex: /The answer is (-?[0-9.,]+)/g, select: "first" },
  es: { regex: /La respuesta es (-?[0-9.,]+)/g, select: "first" },
  fr: { regex: /La réponse est (-?[0-9.,]+)/g, select: "first" },
  ja: { regex: /答えは\s?(-?[0-9.,]+)\s?です。/g, select: "first" },
  ru: { regex: /Ответ\s?[—–:-]\s?(-?[0-9.,]+)/g, select: "first" },
  sw: { regex: /Jibu ni (-?[0-9.,]+)/g, select: "first" },
  te: { regex: /సమాధానం (-?[0-9.,]+)/g, select: "first" },
  th: { regex: /คำตอบคือ (-?[0-9.,]+)/g, select: "first" },
  zh: { regex: /答案是 (-?[0-9.,]+)。/g, select: "first" },
};
