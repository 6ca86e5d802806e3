/**
 * Steps of fine-tuning: which sequences come when, in which micro-batch and on which rank, as a function of a seed and of how many were taken, so
 * that the state is two numbers and a resumed run sees what an uninterrupted one would. post-training.md 3.5.
 *
 * Every epoch goes through all sequences once, in an order of its own. A step takes the next ones of that order, goes on into the next epoch
 * where one ends, and packs what it took: packing never decides what a step learns from. All ranks see the same steps and take their own
 * micro-batches of them, so the world's size, and the budget of a micro-batch, change who computes and not what.
 */
import { createHash } from "node:crypto";
import { hashInts, permuted, stream } from "../../data/random.js";
import type { PackingStrategy } from "./choices.js";
import { packRows, splitSequences } from "./packing.js";
import { countTargets, type SupervisedSequence } from "./sequences.js";

/** How much a step takes, over all ranks: so many sequences, or as many as have at most so many tokens (at least one). */
export type StepSize = { readonly sequences: number } | { readonly tokens: number };

export interface ChatLoaderOptions {
  readonly stepSize: StepSize;
  /** Most tokens of a micro-batch. */
  readonly microBatchTokens: number;
  readonly packing: PackingStrategy;
  /** Ends after so many; null: never. */
  readonly epochs: number | null;
  readonly seed: number;
  readonly rank?: number;
  readonly world?: number;
}

export type MicroBatch = readonly SupervisedSequence[];

export interface ChatStep {
  /** This rank's. All ranks have as many: those at the end may be empty. */
  readonly microBatches: readonly MicroBatch[];
  /** Over all ranks. */
  readonly sequences: number;
  readonly tokens: number;
  /** Targets over all ranks: what the sum of losses is divided by. */
  readonly targets: number;
  /** Epochs gone through after this step, a fraction. */
  readonly epoch: number;
}

/** Where a loader stands; plain JSON. */
export interface ChatLoaderState {
  readonly version: 1;
  readonly seed: number;
  /** Hash of the sequences, which a resumed run must have too. */
  readonly dataKey: string;
  readonly epoch: number;
  /** Sequences taken of this epoch. */
  readonly position: number;
}

export class ChatLoader {
  /** What is gone through: as given, or in pieces. */
  readonly sequences: readonly SupervisedSequence[];
  /** Targets that splitting made first tokens, which nothing predicts. */
  readonly lostTargets: number;
  readonly #options: Required<ChatLoaderOptions>;
  readonly #numTargets: Int32Array;
  #epoch = 0;
  #position = 0;
  #dataKey: string | null = null;

  /** @throws RangeError without sequences or targets, for bad options, or for a sequence longer than a micro-batch that is not to be split */
  constructor(sequences: readonly SupervisedSequence[], options: ChatLoaderOptions) {
    this.#options = checkedOptions({ rank: 0, world: 1, ...options });
    const { packing, microBatchTokens } = options;
    const split = packing === "bfd_split" ? splitSequences(sequences, microBatchTokens) : { sequences, lostTargets: 0 };
    if (split.sequences.length === 0) throw new RangeError("chat loader: no sequences to train on");
    packRows(lengthsOf(split.sequences), microBatchTokens, "none"); // refuses what does not fit before training begins
    this.sequences = split.sequences;
    this.lostTargets = split.lostTargets;
    this.#numTargets = Int32Array.from(split.sequences, countTargets);
    const bare = this.#numTargets.filter((count) => count === 0).length;
    if (bare > 0) throw new RangeError(`chat loader: ${bare} of ${split.sequences.length} sequences have no target`);
  }

  /** The next step; null at the end of the last epoch. Every rank must ask for the same steps. */
  next(): ChatStep | null {
    const taken = this.#take();
    if (taken.length === 0) return null;
    const { rank, world, microBatchTokens, packing } = this.#options;
    const chosen = taken.map((index) => this.sequences[index]!);
    const rows = packRows(lengthsOf(chosen), microBatchTokens, packing);
    return {
      microBatches: shareOf(rows, chosen, rank, world),
      sequences: chosen.length,
      tokens: chosen.reduce((sum, { ids }) => sum + ids.length, 0),
      targets: taken.reduce((sum, index) => sum + this.#numTargets[index]!, 0),
      epoch: this.#epoch + this.#position / this.sequences.length,
    };
  }

  /** Steps from here to the end of the last epoch; null if there is none. */
  remainingSteps(): number | null {
    if (this.#options.epochs === null) return null;
    const { epoch, position } = { epoch: this.#epoch, position: this.#position };
    let count = 0;
    while (this.#take().length > 0) count++;
    this.#epoch = epoch;
    this.#position = position;
    return count;
  }

  state(): ChatLoaderState {
    const { seed } = this.#options;
    return { version: 1, seed, dataKey: this.#key(), epoch: this.#epoch, position: this.#position };
  }

  /** Continues where a state was taken. @throws RangeError if it belongs to other sequences or another seed */
  restore(state: ChatLoaderState): void {
    const expect = (what: string, found: unknown, expected: unknown): void => {
      if (found !== expected) {
        throw new RangeError(`chat loader state: ${what} is ${String(found)}, expected ${String(expected)}`);
      }
    };
    expect("version", state.version, 1);
    expect("seed", state.seed, this.#options.seed);
    expect("the hash of the sequences", state.dataKey, this.#key());
    const { epoch, position } = state;
    if (!Number.isSafeInteger(epoch) || epoch < 0) {
      throw new RangeError(`chat loader state: epoch is ${epoch}, expected a count`);
    }
    if (!Number.isSafeInteger(position) || position < 0 || position >= this.sequences.length) {
      throw new RangeError(`chat loader state: position is ${position}, expected 0 to ${this.sequences.length - 1}`);
    }
    this.#epoch = epoch;
    this.#position = position;
  }

  /** Indices of the sequences of the next step, in their order; moves on. */
  #take(): number[] {
    const { stepSize, epochs, seed } = this.#options;
    const size = this.sequences.length;
    const taken: number[] = [];
    let tokens = 0;
    while (epochs === null || this.#epoch < epochs) {
      const index = permuted(this.#position, size, hashInts(seed, stream.chat, this.#epoch));
      tokens += this.sequences[index]!.ids.length;
      const isFull = "sequences" in stepSize ? taken.length === stepSize.sequences : tokens > stepSize.tokens;
      if (isFull && taken.length > 0) break;
      taken.push(index);
      this.#position++;
      if (this.#position === size) {
        this.#epoch++;
        this.#position = 0;
      }
    }
    return taken;
  }

  #key(): string {
    if (this.#dataKey === null) {
      const hash = createHash("sha256");
      for (const { ids, isTarget } of this.sequences) {
        hash.update(Int32Array.of(ids.length)).update(ids).update(isTarget);
      }
      this.#dataKey = hash.digest("hex");
    }
    return this.#dataKey;
  }
}

/** Rows of one rank: heaviest first, each to the rank with the fewest rows, of those the one with the fewest tokens. */
function shareOf(
  rows: readonly number[][],
  chosen: readonly SupervisedSequence[],
  rank: number,
  world: number,
): MicroBatch[] {
  const batches = rows.map((row) => row.map((i) => chosen[i]!));
  const weight = (batch: MicroBatch): number => batch.reduce((sum, { ids }) => sum + ids.length, 0);
  const ordered = batches.map((batch) => ({ batch, tokens: weight(batch) })).sort((a, b) => b.tokens - a.tokens); // stable
  const ranks = Array.from({ length: world }, (_, n) => ({ n, batches: [] as MicroBatch[], tokens: 0 }));
  for (const { batch, tokens } of ordered) {
    const next = ranks.reduce((best, each) => {
      const order = each.batches.length - best.batches.length || each.tokens - best.tokens;
      return order < 0 ? each : best;
    });
    next.batches.push(batch);
    next.tokens += tokens;
  }
  const most = Math.ceil(rows.length / world);
  const mine = ranks[rank]?.batches ?? [];
  return Array.from({ length: most }, (_, i) => mine[i] ?? []);
}

function lengthsOf(sequences: readonly SupervisedSequence[]): Int32Array {
  return Int32Array.from(sequences, ({ ids }) => ids.length);
}

function checkedOptions(options: Required<ChatLoaderOptions>): Required<ChatLoaderOptions> {
  const count = (what: string, value: number): void => {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new RangeError(`chat loader: ${what} must be 1 or more, got ${value}`);
  };
  const { stepSize, microBatchTokens, epochs, rank, world } = options;
  if ("sequences" in stepSize) count("sequences of a step", stepSize.sequences);
  else count("tokens of a step", stepSize.tokens);
  count("tokens of a micro-batch", microBatchTokens);
  if (epochs !== null) count("epochs", epochs);
  count("the world", world);
  if (!(Number.isInteger(rank) && rank >= 0 && rank < world)) {
    throw new RangeError(`chat loader: rank ${rank} is outside a world of ${world}`);
  }
  return options;
}
