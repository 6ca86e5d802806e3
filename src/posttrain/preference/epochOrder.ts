/**
 * Which records a step learns from where each is a pair, or an answer with a verdict: all of them once an epoch, in an order of each
 * epoch's own. A step never holds a record twice unless it goes on into the next epoch. Where it stands is a count, so a resumed run
 * takes what an uninterrupted one would.
 */
import { createHash } from "node:crypto";
import { hashInts, permuted, stream } from "../../data/random.js";
import type { MaskedIds } from "../data/render.js";

export interface EpochOrderOptions {
  readonly size: number;
  /** Records a step, over all processes. */
  readonly perStep: number;
  readonly epochs: number;
  readonly seed: number;
  /** Hash of the records, which a resumed run must have too. */
  readonly dataKey: string;
}

/** Plain JSON. */
export interface EpochOrderState {
  readonly version: 1;
  readonly seed: number;
  readonly dataKey: string;
  readonly taken: number;
}

export class EpochOrder {
  readonly #options: EpochOrderOptions;
  #taken = 0;

  /** @throws RangeError without records, or for counts below 1 */
  constructor(options: EpochOrderOptions) {
    for (const [what, value] of Object.entries({
      "records to learn from": options.size,
      "records a step": options.perStep,
      epochs: options.epochs,
    })) {
      if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`${what} must be 1 or more, got ${value}`);
    }
    this.#options = options;
  }

  /** Indices of the next step's records; none after the last epoch. Every process asks for the same. */
  next(): number[] {
    const { size, perStep, epochs, seed } = this.#options;
    const count = Math.min(perStep, size * epochs - this.#taken);
    return Array.from({ length: count }, () => {
      const epoch = Math.floor(this.#taken / size);
      return permuted(this.#taken++ % size, size, hashInts(seed, stream.chat, epoch));
    });
  }

  state(): EpochOrderState {
    const { seed, dataKey } = this.#options;
    return { version: 1, seed, dataKey, taken: this.#taken };
  }

  /** Goes on where a state was taken. @throws RangeError if it belongs to other records or another seed */
  restore(state: EpochOrderState): void {
    const { size, epochs } = this.#options;
    for (const [name, expected] of Object.entries({ ...this.state(), taken: state.taken })) {
      const found = state[name as keyof EpochOrderState];
      if (found === expected) continue;
      if (name === "dataKey") {
        throw new RangeError(
          "the records are not those that the run began with; go on with the same files, options and held-out share",
        );
      }
      throw new RangeError(`order of the records: ${name} of the checkpoint is ${found}, expected ${expected}`);
    }
    if (!Number.isSafeInteger(state.taken) || state.taken < 0 || state.taken > size * epochs) {
      throw new RangeError(
        `order of the records: ${state.taken} were taken, expected 0 to ${size * epochs} (${size} records, ${epochs} epochs)`,
      );
    }
    this.#taken = state.taken;
  }
}

/** A hash of sequences with their masks, for `dataKey`. @param further what else tells records apart, one value for each */
export function hashSequences(sequences: Iterable<MaskedIds>, further: Iterable<number> = []): string {
  const hash = createHash("sha256");
  for (const { ids, isTarget } of sequences) hash.update(Int32Array.of(ids.length)).update(ids).update(isTarget);
  hash.update(Float64Array.from(further));
  return hash.digest("hex");
}
