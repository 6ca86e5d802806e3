/**
 * The score of a needle test without a judge: the share of key words that the answer holds, case ignored. RULER's tasks score by gold
 * strings in the same way. Evaluation specification, section 6.
 */

/** @throws RangeError without key words or with an empty one, which every answer would hold */
export function keywordShare(answer: string, keywords: readonly string[]): number {
  if (keywords.length === 0) throw new RangeError("keywordShare: no key words to look for");
  if (keywords.includes("")) throw new RangeError("keywordShare: an empty key word is in every answer");
  const text = answer.toLowerCase();
  return keywords.filter((keyword) => text.includes(keyword.toLowerCase())).length / keywords.length;
}
