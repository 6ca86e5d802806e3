/**
 * Several numbers in any order by one rank, so that a + b and b + a are one problem: the combinatorial number system. A rank is the sum of
 * C(c_k, k) + ... + C(c_1, 1) with c_k > ... > c_1 >= 0 in exactly one way; taking k - 1, ..., 0 off these makes equal numbers possible.
 */

/** How many ways there are to choose `many` numbers below `count`, order aside and equal ones allowed. */
export function multisetCount(count: number, many: number): number {
  return binomial(count + many - 1, many);
}

/** The numbers of that rank, the smallest first. */
export function multisetAt(rank: number, many: number): readonly number[] {
  const numbers: number[] = [];
  let left = rank;
  for (let k = many; k > 0; k--) {
    let [low, high] = [k - 1, k];
    while (binomial(high, k) <= left) [low, high] = [high, 2 * high];
    // C(low, k) <= left < C(high, k)
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (binomial(middle, k) <= left) low = middle;
      else high = middle;
    }
    left -= binomial(low, k);
    numbers.push(low - (k - 1));
  }
  return numbers.reverse();
}

/** Exact below 2^53 / many. */
function binomial(n: number, k: number): number {
  let result = 1;
  // Each step is the whole number C(n - k + i, i).
  for (let i = 1; i <= k; i++) result = (result * (n - k + i)) / i;
  return n < k ? 0 : result;
}
