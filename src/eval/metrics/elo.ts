/**
 * Elo ratings, as programming contests use them: what score a rating expects against others, and which rating the places taken in contests
 * are worth. Evaluation specification, 5.11.
 */

/** The place taken in a contest, 1 is first, and the ratings of all others in it. */
export interface ContestPlace {
  readonly place: number;
  readonly opponents: readonly number[];
}

/** The expected score, 0..1, of a player rated `rating` against one rated `opponent`. */
export function eloExpectedScore(rating: number, opponent: number): number {
  return 1 / (1 + 10 ** ((opponent - rating) / 400));
}

/** The place that a rating expects in a contest: first, plus each other's chance to be ahead. */
export function eloExpectedPlace(rating: number, opponents: readonly number[]): number {
  return opponents.reduce((place, opponent) => place + eloExpectedScore(opponent, rating), 1);
}

/**
 * The rating that expects the places taken, in sum over the contests; to a hundredth.
 * @returns Infinity if first everywhere and -Infinity if last: no finite rating expects that
 * @throws RangeError for no contest or a place outside 1..opponents + 1
 */
export function eloPerformance(contests: readonly ContestPlace[]): number {
  if (contests.length === 0) throw new RangeError("eloPerformance: no contests to rate");
  let [taken, last] = [0, 0];
  for (const { place, opponents } of contests) {
    if (!(place >= 1 && place <= opponents.length + 1)) {
      throw new RangeError(`eloPerformance: place must be in 1..${opponents.length + 1}, got ${place}`);
    }
    taken += place;
    last += opponents.length + 1;
  }
  if (taken === contests.length) return Number.POSITIVE_INFINITY;
  if (taken === last) return Number.NEGATIVE_INFINITY;
  // A higher rating expects a smaller place: widen until the answer lies between, then halve.
  const expects = (rating: number): number =>
    contests.reduce((sum, { opponents }) => sum + eloExpectedPlace(rating, opponents), 0);
  let [low, high] = [0, 4000];
  while (expects(low) < taken) low -= 4000;
  while (expects(high) > taken) high += 4000;
  while (high - low > 0.01) {
    const middle = (low + high) / 2;
    if (expects(middle) > taken) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
