/** Counts what becomes of records on their way to sequences: kept, cut, dropped and why. */
import { type LengthSummary, lengthSummary } from "../../data/lengthSummary.js";
import type { MaskedIds } from "./render.js";
import { countTargets, type Fitting, fitSequence, type Overlong } from "./sequences.js";

export interface SequenceReport {
  /** Sequences kept; of pairs, both. */
  readonly sequences: number;
  readonly tokens: number;
  readonly targets: number;
  /** Of the sequences kept. */
  readonly lengths: LengthSummary;
  readonly truncated: number;
  /** Records, or sequences of them, that were too long, or had no target within the limit. */
  readonly dropped: { readonly overlong: number; readonly lostTargets: number };
  /** Turns of the assistant that the mode wants and nothing learns from. */
  readonly skippedTurns: number;
  /** Records whose texts spell control tokens. */
  readonly spellingTokens: number;
}

export class Tally {
  skippedTurns = 0;
  spellingTokens = 0;
  readonly #limit: number | null;
  readonly #lengths: number[] = [];
  #targets = 0;
  readonly #fittings: Record<Fitting, number> = { whole: 0, truncated: 0, overlong: 0, "lost targets": 0 };

  /** @param limit most tokens of a sequence; null: none */
  constructor(limit: number | null) {
    this.#limit = limit;
  }

  /** @returns the sequence within the limit, or null where it is dropped */
  fit<Sequence extends MaskedIds>(given: Sequence, overlong: Overlong): Sequence | null {
    const limit = this.#limit ?? Math.max(2, given.ids.length);
    const { fitting, sequence } = fitSequence(given, limit, overlong);
    this.#fittings[fitting]++;
    if (sequence !== null) this.#count(sequence);
    return sequence;
  }

  /** Whether all are within the limit; else their record is dropped. */
  fitAll(given: readonly MaskedIds[]): boolean {
    const limit = this.#limit ?? Number.POSITIVE_INFINITY;
    const isWhole = given.every(({ ids }) => ids.length <= limit);
    this.#fittings[isWhole ? "whole" : "overlong"]++;
    if (isWhole) for (const sequence of given) this.#count(sequence);
    return isWhole;
  }

  report(): SequenceReport {
    const lengths = Float64Array.from(this.#lengths);
    return {
      sequences: lengths.length,
      tokens: lengths.reduce((sum, length) => sum + length, 0),
      targets: this.#targets,
      lengths: lengthSummary(lengths),
      truncated: this.#fittings.truncated,
      dropped: { overlong: this.#fittings.overlong, lostTargets: this.#fittings["lost targets"] },
      skippedTurns: this.skippedTurns,
      spellingTokens: this.spellingTokens,
    };
  }

  #count(sequence: MaskedIds): void {
    this.#lengths.push(sequence.ids.length);
    this.#targets += countTargets(sequence);
  }
}
