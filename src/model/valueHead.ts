/**
 * The head of a scalar reward model: score = w . h (+ b), h the normed final state of a sequence's last token, which has seen all before
 * it. It trains together with the model that it is put on; post-training.md 6.3. It starts at zero, so that every first score is 0 and
 * the first loss of a pair ln 2.
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

export class ValueHead {
  /** [1, hiddenSize] float32 */
  readonly weight: Parameter;
  /** [1] float32; null: none */
  readonly bias: Parameter | null;
  readonly #model: DeepseekV3;

  /** Freed with the model. */
  constructor(model: DeepseekV3, hasBias: boolean) {
    const { arena, config, weights } = model;
    this.#model = model;
    this.weight = createParameter(arena, "value_head.weight", [1, config.hiddenSize], "float32");
    this.bias = hasBias ? createParameter(arena, "value_head.bias", [1], "float32") : null;
    weights.beside.push(...this.parameters);
  }

  get parameters(): readonly Parameter[] {
    return this.bias ? [this.weight, this.bias] : [this.weight];
  }

  /** Scores of the sequences of a batch, without gradients. */
  async scores(batch: Batch): Promise<Float32Array> {
    using tape = new Tape(this.#model.arena, { hasGrad: false });
    return (await this.#forward(tape, batch, null, null)).floats().slice();
  }

  /**
   * In the place of `DeepseekV3.losses`: a loss of the scores, whose gradient, divided by `globalTargets`, goes back through head and
   * model.
   * @param lossOf gets one score for each sequence
   */
  async losses(
    tape: Tape,
    batch: Batch,
    weights: LossWeights,
    lossOf: (scores: Float32Array) => ScoreLoss,
  ): Promise<BatchLosses> {
    const { onDispatched, routers } = this.#model.watchRouters(tape, batch, weights);
    const scores = await this.#forward(tape, batch, onDispatched, weights.deviceCapacity ?? null);
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
    batch: Batch,
    onDispatched: OnDispatched | null,
    deviceCapacity: number | null,
  ): Promise<Tensor> {
    const context = { kind: "prefill", batch, cache: null, deviceCapacity } as const;
    const { normed } = await this.#model.hidden(tape, batch.ids, context, batch.maxSequenceLength, onDispatched);
    tape.beginSegment();
    const last = Array.from(batch.seqOffsets.ints().subarray(1), (end) => end - 1);
    const scores = linear(tape, gatherRows(tape, normed, last), this.weight, "prefill", "float32");
    const { bias } = this;
    if (!bias) return scores;
    const [shift = 0] = bias.data.floats();
    scores.floats().forEach((score, i, values) => {
      values[i] = score + shift;
    });
    tape.record(() => {
      const gradient = bias.grad?.floats();
      for (const each of scores.grad?.floats() ?? []) if (gradient) gradient[0] = (gradient[0] ?? 0) + each;
    });
    return scores;
  }
}
