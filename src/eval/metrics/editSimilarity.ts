/**
 * How alike two texts are, letter by letter: 1 - d / max(length), d the Levenshtein distance (insertions, deletions and replacements cost
 * 1). Code completion reports it beside exact match. Characters are code points: an emoji is one.
 */

/** @returns 0..1; two empty texts are alike (1) */
export function editSimilarity(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  const longer = Math.max(left.length, right.length);
  return longer === 0 ? 1 : 1 - levenshtein(left, right) / longer;
}

/** The least number of insertions, deletions and replacements that turn one list of characters into the other. */
export function levenshtein(a: readonly string[], b: readonly string[]): number {
  let previous = Int32Array.from({ length: b.length + 1 }, (_, j) => j);
  for (const [i, char] of a.entries()) {
    const row = new Int32Array(b.length + 1);
    row[0] = i + 1;
    for (const [j, other] of b.entries()) {
      const replaced = previous[j]! + (char === other ? 0 : 1);
      row[j + 1] = Math.min(replaced, previous[j + 1]! + 1, row[j]! + 1);
    }
    previous = row;
  }
  return previous[b.length]!;
}
