/**
 * Words in all capitals, counted over tokens of the Penn Treebank kind: marks are tokens of their own, and English contractions come apart
 * (DON'T is DO and N'T, both in capitals). IF-Eval's capital-word instruction counts these. Evaluation specification, 5.5.
 */

/** Tokens that hold a capital letter and no small one; digits and marks inside do not matter ("A1", "U.S.", "STATE-OF-THE-ART"). */
export function capitalWords(text: string): string[] {
  return treebankWords(text).filter((word) => /\p{Uppercase}/u.test(word) && !/\p{Lowercase}|\p{Lt}/u.test(word));
}

/** Words and marks in order. Points inside words stay: only those at an end could matter, and they change no word's case. */
function treebankWords(text: string): string[] {
  return (
    text
      // Marks that always stand alone; commas and colons only where no digit follows.
      .replace(/(?:--+|\.{2,}|[;@#$%&?!*"“”‘’«»()[\]{}<>]|[,:](?!\d))/gu, " $& ")
      // A closing quote, then contractions: the verb's end is a token.
      .replace(/(?<=[^'\s])'(?=\s|$)/g, " '")
      .replace(/(?<=[^\s'])(?:'(?:s|m|d|ll|re|ve)|n't)(?![\p{L}\p{N}_])/giu, " $&")
      .replace(/\b(can)(not)\b|\b(gim)(me)\b|\b(gon)(na)\b|\b(got)(ta)\b|\b(lem)(me)\b|\b(wan)(na)\b/gi, splitPair)
      .split(/\s+/u)
      .filter((word) => word !== "")
  );
}

function splitPair(whole: string, ...groups: readonly unknown[]): string {
  const [first, second] = groups.filter((group) => typeof group === "string" && whole.includes(group));
  return `${first} ${second}`;
}
