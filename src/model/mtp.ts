/**
 * A multi-token-prediction module: from the hidden state of token i and the embedding of token i + k it predicts token i + k + 1 with its
 * own block and norm and the model's shared embedding and head. Report section 2.2; model.md A9.
 * Deviations from the printed formula, as the released weights need them: the embedding half comes first in the concatenation, and the
 * hidden state is the one after `model.norm` (a switch of the config).
 */
import type { Communicator } from "../distributed/communicator.js";
import type { ComputeDtype } from "../tensor/dtype.js";
import { concatColumns } from "../tensor/ops/elementwise.js";
import { embedding } from "../tensor/ops/embedding.js";
import { linear } from "../tensor/ops/linear.js";
import type { RowKind } from "../tensor/ops/products.js";
import { rmsNorm } from "../tensor/ops/rmsNorm.js";
import type { RopeTables } from "../tensor/ops/rope.js";
import type { Parameter } from "../tensor/parameter.js";
import type { Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import { type AttentionContext, Block } from "./block.js";
import type { ModelConfig } from "./config.js";
import type { Dispatched } from "./moe.js";
import type { Weights } from "./weights.js";

export interface MtpOutput {
  /** [T, hiddenSize] after the block: what the next depth takes if hidden states are passed before the norm */
  readonly hidden: Tensor;
  /** [T, hiddenSize] after shared_head.norm: what the head reads, and the next depth by default */
  readonly normed: Tensor;
}

export class MtpModule {
  readonly enorm: Parameter;
  readonly hnorm: Parameter;
  readonly ehProj: Parameter;
  readonly block: Block;
  readonly sharedHeadNorm: Parameter;
  readonly #eps: number;

  /** @param depth 1 for the first module; it is stored as layer numHiddenLayers + depth - 1 */
  constructor(weights: Weights, config: ModelConfig, depth: number, experts: Communicator) {
    const layer = config.numHiddenLayers + depth - 1;
    const prefix = `model.layers.${layer}`;
    this.#eps = config.rmsNormEps;
    this.enorm = weights.norm(`${prefix}.enorm.weight`, config.hiddenSize);
    this.hnorm = weights.norm(`${prefix}.hnorm.weight`, config.hiddenSize);
    this.ehProj = weights.matrix(`${prefix}.eh_proj.weight`, config.hiddenSize, 2 * config.hiddenSize);
    this.block = new Block(weights, config, layer, experts);
    this.sharedHeadNorm = weights.norm(`${prefix}.shared_head.norm.weight`, config.hiddenSize);
  }

  /**
   * @param previous [T, hiddenSize]: state of the main model or of the depth before
   * @param ids [T] int32: the token k places on; -1 (past the sequence's end) embeds as zero and concerns only rows without a target
   * @param context positions are those of `previous`, not shifted
   */
  async forward(
    tape: Tape,
    previous: Tensor,
    ids: Tensor,
    embedTokens: Parameter,
    context: AttentionContext,
    tables: RopeTables,
    onDispatched: ((layer: number, dispatched: Dispatched) => void) | null,
  ): Promise<MtpOutput> {
    const kind: RowKind = context.kind;
    const embedded = embedding(tape, ids, embedTokens, previous.dtype as ComputeDtype);
    const e = rmsNorm(tape, embedded, this.enorm, this.#eps);
    const h = rmsNorm(tape, previous, this.hnorm, this.#eps);
    const joined = linear(tape, concatColumns(tape, e.y, h.y), this.ehProj, kind);
    const hidden = await this.block.forward(tape, joined, context, tables, onDispatched);
    return { hidden, normed: rmsNorm(tape, hidden, this.sharedHeadNorm, this.#eps).y };
  }
}
