/** Choices of words, drawn by counter: the same seed and problem always say the same. */
import { hashInts } from "../../data/random.js";
import type { Phrasing } from "./problem.js";

export class Wording {
  readonly phrasing: Phrasing;
  readonly #key: number;
  #draws = 0;

  /** @param keys what the problem was drawn by */
  constructor(phrasing: Phrasing, ...keys: readonly number[]) {
    this.phrasing = phrasing;
    this.#key = hashInts(...keys);
  }

  /** A whole number from 0 to below `count`. */
  below(count: number): number {
    return hashInts(this.#key, this.#draws++) % count;
  }

  /** One of several ways to say the same. */
  pick<T>(first: T, ...others: readonly T[]): T {
    return others[this.below(others.length + 1) - 1] ?? first;
  }

  /** The same in another order. */
  shuffled<T>(items: readonly T[]): readonly T[] {
    const result = [...items];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [result[i], result[j]] = [result[j] as T, result[i] as T]; // both lie inside
    }
    return result;
  }

  /** One of several questions; the first where the phrasing is plain. */
  ask(plain: string, ...others: readonly string[]): string {
    const chosen = this.pick(plain, ...others);
    return this.phrasing === "plain" ? plain : chosen;
  }
}
