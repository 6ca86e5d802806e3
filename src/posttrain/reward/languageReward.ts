/**
 * The share of a thought's words that are in the wanted language: DeepSeek-R1's remedy against mixing. A language is told by its script, so
 * that English and French are the same here. Formulas and code between backquotes do not count; scripts without spaces are counted by
 * the character.
 */
import { eachSample, type RewardFunction, textWithThought } from "./reward.js";

const scripts: Readonly<Record<string, RegExp>> = {
  zh: /^\p{Script=Han}$/u,
  ja: /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー]$/u,
  ko: /^[\p{Script=Hangul}]+$/u,
  ru: /^\p{Script=Cyrillic}+$/u,
  uk: /^\p{Script=Cyrillic}+$/u,
  ar: /^\p{Script=Arabic}+$/u,
  hi: /^[\p{Script=Devanagari}\p{M}]+$/u,
  th: /^[\p{Script=Thai}\p{M}]$/u,
  el: /^\p{Script=Greek}+$/u,
  he: /^\p{Script=Hebrew}+$/u,
};
const latin = /^\p{Script=Latin}+$/u;
const latinLanguages = "en de fr es it pt nl pl sv da no fi cs hu ro tr vi id".split(" ");

/**
 * @param language ISO 639-1 code
 * @throws RangeError for a language whose script is not known here
 */
export function languageReward({ language }: { readonly language: string }): RewardFunction {
  const script = scripts[language] ?? (latinLanguages.includes(language) ? latin : undefined);
  if (script === undefined) {
    const known = [...Object.keys(scripts), ...latinLanguages].sort().join(", ");
    throw new RangeError(`reward language: no script is known for "${language}"; known are ${known}`);
  }
  return eachSample((sample) => {
    const words = wordsOf(thoughtIn(textWithThought(sample)));
    return words.length === 0 ? null : words.filter((word) => script.test(word)).length / words.length;
  });
}

/** Between the tags; all of a text without them. */
function thoughtIn(text: string): string {
  const begin = text.indexOf("<think>");
  const rest = begin < 0 ? text : text.slice(begin + "<think>".length);
  const end = rest.indexOf("</think>");
  return end < 0 ? rest : rest.slice(0, end);
}

function wordsOf(text: string): string[] {
  const prose = text.replace(/```[\s\S]*?(?:```|$)|`[^`\n]*`|\$\$[^$]*\$\$|\$[^$\n]*\$|\\[a-zA-Z]+/g, " ");
  // A character of Chinese, Japanese or Thai is a word by itself.
  const single = "[\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}ー]";
  return prose.match(new RegExp(`${single}|(?:(?!${single})[\\p{L}\\p{M}])+`, "gu")) ?? [];
}
