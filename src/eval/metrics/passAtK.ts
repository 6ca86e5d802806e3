/**
 * Metrics over several samples of one problem: pass@k, the vote of k samples, the mean of n. Evaluation specification, 7.6; worked
 * numbers 13.3. pass@k is the unbiased estimate of Chen et al. 2021: the chance that k samples drawn from n, of which c are right, hold a
 * right one.
 */

/**
 * @param n samples taken
 * @param c right ones among them
 * @throws RangeError unless 0 <= c <= n and 1 <= k <= n, all whole
 */
export function passAtK(n: number, c: number, k: number): number {
  for (const [name, value, least, most] of [
    ["n", n, 1, Number.MAX_SAFE_INTEGER],
    ["c", c, 0, n],
    ["k", k, 1, n],
  ] as const) {
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new RangeError(
        `passAtK: ${name} must be a whole number in ${least}..${most}, got ${value} (n ${n}, c ${c}, k ${k})`,
      );
    }
  }
  if (n - c < k) return 1;
  // The quotient of the binomials as a product, which never leaves 0..1.
  let none = 1;
  for (let i = n - c + 1; i <= n; i++) none *= 1 - k / i;
  return 1 - none;
}

/** The share of right samples: avg@n, which is pass@1 over n samples. */
export function averageAtN(isRight: readonly boolean[]): number {
  if (isRight.length === 0) throw new RangeError("averageAtN: no samples to average");
  return isRight.filter(Boolean).length / isRight.length;
}

/**
 * The most frequent answer of k samples (maj@k, cons@k); of equally frequent ones the one that came first.
 * @param answers normalised; null for a sample without an answer, which has no vote
 * @returns null if no sample has an answer
 */
export function majorityAnswer(answers: readonly (string | null)[]): string | null {
  const votes = new Map<string, number>();
  for (const answer of answers) if (answer !== null) votes.set(answer, (votes.get(answer) ?? 0) + 1);
  let best: string | null = null;
  for (const [answer, count] of votes) if (best === null || count > (votes.get(best) ?? 0)) best = answer;
  return best;
}
