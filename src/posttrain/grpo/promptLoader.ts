/**
 * Which prompts a step of reinforcement learning asks: all of them once an epoch, in an order of each epoch's own. Where it stands is a count,
 * so a resumed run asks what an uninterrupted one would.
 */
import { hashInts, permuted, stream } from "../../data/random.js";

/** Plain JSON. */
export interface PromptLoaderState {
  readonly taken: number;
}

export class PromptLoader {
  readonly #numPrompts: number;
  readonly #seed: number;
  #taken = 0;

  constructor(numPrompts: number, seed: number) {
    if (numPrompts < 1) throw new RangeError("there are no prompts to ask");
    this.#numPrompts = numPrompts;
    this.#seed = seed;
  }

  /** Times that all prompts were asked, a fraction. */
  get epoch(): number {
    return this.#taken / this.#numPrompts;
  }

  /** @returns indices of the next prompts; those of one epoch are all different */
  next(count: number): number[] {
    return Array.from({ length: count }, () => {
      const epoch = Math.floor(this.#taken / this.#numPrompts);
      const place = this.#taken++ % this.#numPrompts;
      return permuted(place, this.#numPrompts, hashInts(this.#seed, stream.prompts, epoch));
    });
  }

  state(): PromptLoaderState {
    return { taken: this.#taken };
  }

  /** @throws RangeError for what is no state */
  restore({ taken }: PromptLoaderState): void {
    if (!Number.isSafeInteger(taken) || taken < 0) throw new RangeError(`prompts taken is ${taken}, expected a count`);
    this.#taken = taken;
  }
}
