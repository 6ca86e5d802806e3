/**
 * Exact match and F1 of CMRC 2018 (Chinese reading comprehension). Evaluation specification, 7.5; worked number 13.7.
 *
 * F1 rests on the longest common run of units: a Chinese character is a unit, a run of letters and digits of other scripts is one. The run
 * must be contiguous in both (the official script's variable says LCS, but it is a common substring).
 * Deviation: every Unicode punctuation mark and symbol is dropped, where the script has a list of some thirty.
 */

export interface CmrcScore {
  readonly exactMatch: 0 | 1;
  readonly f1: number;
}

/** The best exact match and the best F1 over the gold answers. */
export function cmrcScore(predicted: string, golds: readonly string[]): CmrcScore {
  const ours = unitsOf(predicted);
  let [exactMatch, f1]: [0 | 1, number] = [0, 0];
  for (const gold of golds) {
    const theirs = unitsOf(gold);
    if (ours.join("") === theirs.join("")) exactMatch = 1;
    const run = longestCommonRun(ours, theirs);
    if (run === 0) continue;
    const [precision, recall] = [run / ours.length, run / theirs.length];
    f1 = Math.max(f1, (2 * precision * recall) / (precision + recall));
  }
  return { exactMatch, f1 };
}

/** Lower-case units without punctuation. Marks go before runs are cut, so "3.5" is the one unit "35". */
function unitsOf(text: string): string[] {
  const bare = text.toLowerCase().replace(/[\p{P}\p{S}]/gu, "");
  return bare.match(/\p{Script=Han}|[^\p{Script=Han}\s]+/gu) ?? [];
}

function longestCommonRun(a: readonly string[], b: readonly string[]): number {
  let best = 0;
  // lengths[j]: length of the common run ending at the previous a and at b[j - 1].
  let lengths = new Int32Array(b.length + 1);
  for (const unit of a) {
    const next = new Int32Array(b.length + 1);
    for (const [j, other] of b.entries()) {
      if (unit !== other) continue;
      const length = lengths[j]! + 1;
      next[j + 1] = length;
      best = Math.max(best, length);
    }
    lengths = next;
  }
  return best;
}
