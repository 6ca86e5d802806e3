/**
 * The head of a scalar reward model: score = w . h (+ b), h the normed final state of a sequence's last token, which has seen all before
 * it. It trains together with the model that it is put on; post-training.md 6.3. It starts at zero, so that every first score is 0 and
 * the first loss of a pair ln 2.
 *
 * Pooled by sum, each token of the answer has a value w . h and the score is their sum (+ b): where two answers begin alike the values
 * cancel, so that the gradient of a pair begins at the token where one went wrong. A small model learns sooner that way (docs/rewards.md).
 */
import { gatherRows } from "../tensor/ops/elementwise.js";
import { linear } from "../tensor/ops/linear.js";
import { createParameter, type Parameter } from "../tensor/parameter.js";
import { Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Batch } from "./batch.js";
import type { BatchLosses, DeepseekV3, LossWeights, OnDispatched } from "./deepseekV3.js";

/** A loss of the scores of a batch, summed, with its derivative by each score. */
export interface ScoreLoss {
  readonly loss: number;
  readonly gradients: ArrayLike<number>;
}

/** Of which tokens a score is made: the last, or all of the answer. */
export const poolings = ["last", "sum"] as const;
export type Pooling = (typeof poolings)[number];

export interface ValueHeadOptions {
  readonly hasBias: boolean;
  /** Default last. */
  readonly pooling?: Pooling;
}

/** Sequences to score. */
export interface ScoredBatch {
  readonly batch: Batch;
  /** Tokens of each sequence that come before its answer. */
  readonly promptLengths: readonly number[];
}

export class ValueHead {
  /** [1, hiddenSize] float32 */
  readonly weight: Parameter;
  /** [1] float32; null: none */
  readonly bias: Parameter | null;
  readonly pooling: Pooling;
  readonly #model: DeepseekV3;

  /** Freed with the model. */
  constructor(model: DeepseekV3, { hasBias, pooling = "last" }: ValueHeadOptions) {
    const { arena, config, weights } = model;
    this.#model = model;
    this.pooling = pooling;
    this.weight = createParameter(arena, "value_head.weight", [1, config.hiddenSize], "float32");
    this.bias = hasBias ? createParameter(arena, "value_head.bias", [1], "float32") : null;
    weights.beside.push(...this.parameters);
  }

  get parameters(): readonly Parameter[] {
    return this.bias ? [this.weight, this.bias] : [this.weight];
  }

  /** Scores of the sequences of a batch, without gradients. */
  async scores(scored: ScoredBatch): Promise<Float32Array> {
    using tape = new Tape(this.#model.arena, { hasGrad: false });
    return (await this.#forward(tape, scored, null, null)).floats().slice();
  }

  /**
   * In the place of `DeepseekV3.losses`: a loss of the scores, whose gradient, divided by `globalTargets`, goes back through head and
   * model.
   * @param lossOf gets one score for each sequence
   */
  async losses(
    tape: Tape,
    scored: ScoredBatch,
    weights: LossWeights,
    lossOf: (scores: Float32Array) => ScoreLoss,
  ): Promise<BatchLosses> {
    const { batch } = scored;
    const { onDispatched, routers } = this.#model.watchRouters(tape, batch, weights);
    const scores = await this.#forward(tape, scored, onDispatched, weights.deviceCapacity ?? null);
    const { loss, gradients } = lossOf(scores.floats().slice());
    if (tape.hasGrad) {
      const { tensor, accumulate } = tape.target(scores);
      if (accumulate) throw new Error("internal: scores already have a gradient");
      tensor.floats().set(Float32Array.from(gradients, (gradient) => gradient / weights.globalTargets));
    }
    return { main: loss, mtp: [], correct: [], targets: [batch.numSequences], routers };
  }

  /** [sequences, 1] float32 */
  async #forward(
    tape: Tape,
    { batch, promptLengths }: ScoredBatch,
    onDispatched: OnDispatched | null,
    deviceCapacity: number | null,
  ): Promise<Tensor> {
    const context = { kind: "prefill", batch, cache: null, deviceCapacity } as const;
    const { normed } = await this.#model.hidden(tape, batch.ids, context, batch.maxSequenceLength, onDispatched);
    tape.beginSegment();
    const ends = [...batch.seqOffsets.ints()];
    const spans = promptLengths.map((length, i): readonly [number, number] => {
      const [begin = 0, end = 0] = [ends[i], ends[i + 1]];
      return [this.pooling === "sum" ? Math.min(begin + length, end - 1) : end - 1, end];
    });
    const rows = spans.flatMap(([begin, end]) => Array.from({ length: end - begin }, (_, i) => begin + i));
    const values = linear(tape, gatherRows(tape, normed, rows), this.weight, "prefill", "float32");
    const scores = this.pooling === "sum" ? sums(tape, values, spans) : values;
    const { bias } = this;
    if (!bias) return scores;
    const [shift = 0] = bias.data.floats();
    scores.floats().forEach((score, i, all) => {
      all[i] = score + shift;
    });
    tape.record(() => {
      const gradient = bias.grad?.floats();
      for (const each of scores.grad?.floats() ?? []) if (gradient) gradient[0] = (gradient[0] ?? 0) + each;
    });
    return scores;
  }
}

/** Of values of consecutive rows, as many as each span has. @param values [rows, 1] float32 @returns [spans, 1] float32, new */
function sums(tape: Tape, values: Tensor, spans: readonly (readonly [number, number])[]): Tensor {
  const y = tape.empty([spans.length, 1], "float32");
  const summed = y.floats();
  const each = values.floats();
  const owner = Int32Array.from(spans.flatMap(([begin, end], i) => Array.from({ length: end - begin }, () => i)));
  summed.fill(0);
  owner.forEach((i, row) => {
    summed[i] = (summed[i] ?? 0) + (each[row] ?? 0);
  });
  tape.record(() => {
    const gradient = y.grad?.floats();
    if (!gradient) return;
    const { tensor, accumulate } = tape.target(values);
    if (accumulate) throw new Error("internal: values of a head are read once");
    const slopes = tensor.floats();
    owner.forEach((i, row) => {
      slopes[row] = gradient[i] ?? 0;
    });
  });
  return y;
}
