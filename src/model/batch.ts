/**
 * What one forward pass reads: packed rows of token ids with their positions and sequence borders, and, for training, the targets of the
 * main head and of each MTP depth. model.md A9 shows the alignment.
 */
import type { Arena } from "../tensor/arena.js";
import type { Replay } from "../tensor/ops/router.js";
import { Tensor } from "../tensor/tensor.js";

export interface Batch extends Disposable {
  /** [rows] int32 */
  readonly ids: Tensor;
  /** [rows] int32, counted from each sequence's start, which may lie before its first row */
  readonly positions: Tensor;
  /** [sequences + 1] int32 */
  readonly seqOffsets: Tensor;
  readonly numSequences: number;
  readonly maxSequenceLength: number;
  /** [rows] int32, -1 = none; null without targets */
  readonly targets: Tensor | null;
  /** [rows] float32: factor of the gradient of each row's loss; null = 1 each */
  readonly scales: Tensor | null;
  /** For depth k = 1..D: the token k places on (-1 where the sequence has none) and its successor, the target. */
  readonly mtp: readonly { readonly ids: Tensor; readonly targets: Tensor; readonly scales: Tensor | null }[];
  /** Rows with a target: main, then each depth. */
  readonly numTargets: readonly number[];
  /** Experts that layers with experts must choose; null = each gate chooses. */
  readonly replays: ReadonlyMap<number, Replay> | null;
}

/** A record of post-training: its tokens, and which of them the model is taught to say. */
export interface SupervisedSequence {
  readonly ids: ArrayLike<number>;
  /** Not 0: token i is a target. That of the first token counts for nothing: no row predicts it. */
  readonly isTarget: ArrayLike<number>;
  /** Factor of the gradient of token i's loss; default 1 each. */
  readonly scales?: ArrayLike<number>;
  /** Of layers with experts, by their number: experts of each token, [tokens, k]; see Replay. */
  readonly routes?: ReadonlyMap<number, Replay>;
}

/**
 * Rows of equal length, as the pre-training loader gives them.
 * @param tokens [sequences, length + 1]: each row's inputs and, shifted by one, its targets; a negative token is padding
 * @param mtpDepth number of MTP modules to align for
 */
export function trainingBatch(arena: Arena, tokens: Int32Array, length: number, mtpDepth: number): Batch {
  const width = length + 1;
  const sequences = tokens.length / width;
  if (!Number.isInteger(sequences)) throw new RangeError(`batch: ${tokens.length} tokens are not rows of ${width}`);
  const lengths = new Array<number>(sequences).fill(length);
  // Token `ahead` places after row i of sequence s, or -1 past its end.
  const shifted = (ahead: number): Int32Array => {
    const result = new Int32Array(sequences * length);
    for (let s = 0; s < sequences; s++) {
      for (let i = 0; i < length; i++) {
        const at = i + ahead;
        result[s * length + i] = at < width ? (tokens[s * width + at] ?? -1) : -1;
      }
    }
    return result;
  };
  return assemble(arena, shifted(0), lengths, mtpDepth, shifted);
}

/**
 * Sequences of any lengths without targets, for inference.
 * @param sequences token ids of each @param starts positions that each has behind it already; default: none
 */
export function inferenceBatch(
  arena: Arena,
  sequences: readonly ArrayLike<number>[],
  starts: readonly number[] = [],
): Batch {
  const lengths = sequences.map((sequence) => sequence.length);
  const ids = Int32Array.from(sequences.flatMap((sequence) => Array.from(sequence)));
  return assemble(arena, ids, lengths, 0, null, starts);
}

/** Sequences of any lengths whose own tokens are the targets (scoring): row i predicts token i + 1, depth k token i + 1 + k. */
export function scoringBatch(arena: Arena, sequences: readonly ArrayLike<number>[], mtpDepth: number): Batch {
  const lengths = sequences.map((sequence) => sequence.length);
  const shifted = (ahead: number): Int32Array =>
    Int32Array.from(
      sequences.flatMap((sequence) =>
        Array.from(sequence, (_, i) => (i + ahead < sequence.length ? (sequence[i + ahead] ?? -1) : -1)),
      ),
    );
  return assemble(arena, shifted(0), lengths, mtpDepth, shifted);
}

/**
 * Records packed without seeing each other: positions and attention begin anew with each, and no target, of the main head or of an MTP
 * depth, lies beyond a record's end. post-training.md 3.5.
 */
export function supervisedBatch(arena: Arena, sequences: readonly SupervisedSequence[], mtpDepth: number): Batch {
  const each = <T>(ahead: number, read: (sequence: SupervisedSequence, at: number) => T, none: T): T[] =>
    sequences.flatMap((sequence) =>
      Array.from(sequence.ids, (_, i) => (i + ahead < sequence.ids.length ? read(sequence, i + ahead) : none)),
    );
  const shifted = (ahead: number): Int32Array => Int32Array.from(each(ahead, ({ ids }, at) => ids[at] ?? -1, -1));
  const supervised = (ahead: number): Int32Array =>
    Int32Array.from(each(ahead, ({ ids, isTarget }, at) => (isTarget[at] ? (ids[at] ?? -1) : -1), -1));
  const scales = sequences.some((sequence) => sequence.scales)
    ? (ahead: number): Float32Array =>
        Float32Array.from(each(ahead, (sequence, at) => (sequence.scales ? (sequence.scales[at] ?? 0) : 1), 0))
    : null;
  const lengths = sequences.map(({ ids }) => ids.length);
  const supervision = { supervised, scales, replays: replaysOf(sequences) };
  return assemble(arena, shifted(0), lengths, mtpDepth, shifted, [], supervision);
}

/** Sequences without routes choose for themselves. */
function replaysOf(sequences: readonly SupervisedSequence[]): Batch["replays"] {
  const known = sequences.find(({ routes }) => routes !== undefined);
  if (!known?.routes) return null;
  return new Map(
    [...known.routes].map(([layer, first]) => {
      const k = first.length / known.ids.length;
      const each = sequences.map(({ ids, routes }) => routes?.get(layer) ?? new Int32Array(ids.length * k).fill(-1));
      const all = new Int32Array(each.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const routes of each) {
        all.set(routes, at);
        at += routes.length;
      }
      return [layer, all] as const;
    }),
  );
}

/** What of a batch is supervised where not every token is. */
interface Supervision {
  /** Token `ahead` places after each row if it is a target, else -1. */
  readonly supervised: (ahead: number) => Int32Array;
  readonly scales: ((ahead: number) => Float32Array) | null;
  readonly replays: Batch["replays"];
}

function assemble(
  arena: Arena,
  ids: Int32Array,
  lengths: readonly number[],
  mtpDepth: number,
  shifted: ((ahead: number) => Int32Array) | null,
  starts: readonly number[] = [],
  { supervised, scales, replays }: Supervision = { supervised: shifted ?? (() => ids), scales: null, replays: null },
): Batch {
  const positions = new Int32Array(ids.length);
  const offsets = new Int32Array(lengths.length + 1);
  let row = 0;
  lengths.forEach((length, s) => {
    for (let i = 0; i < length; i++) positions[row++] = (starts[s] ?? 0) + i;
    offsets[s + 1] = row;
  });
  const targets = shifted && supervised(1);
  const mtpTargets = shifted ? Array.from({ length: mtpDepth }, (_, k) => supervised(k + 2)) : [];
  const owned: Tensor[] = [];
  const own = (values: Int32Array): Tensor => {
    const tensor = Tensor.fromInts(arena, values);
    owned.push(tensor);
    return tensor;
  };
  const ownScales = (ahead: number): Tensor | null => {
    if (!scales) return null;
    const tensor = Tensor.fromFloats(arena, [ids.length], scales(ahead));
    owned.push(tensor);
    return tensor;
  };
  return {
    ids: own(ids),
    positions: own(positions),
    seqOffsets: own(offsets),
    numSequences: lengths.length,
    maxSequenceLength: Math.max(0, ...lengths),
    targets: targets && own(targets),
    scales: ownScales(1),
    mtp: shifted
      ? mtpTargets.map((values, k) => ({ ids: own(shifted(k + 1)), targets: own(values), scales: ownScales(k + 2) }))
      : [],
    numTargets: targets ? [targets, ...mtpTargets].map(countTargets) : [],
    replays,
    [Symbol.dispose](): void {
      for (const tensor of owned) tensor.free();
    },
  };
}

/** Rows with a target. */
function countTargets(targets: Int32Array): number {
  let count = 0;
  for (let i = 0; i < targets.length; i++) if ((targets[i] ?? -1) >= 0) count++;
  return count;
}
