/**
 * The gate of a MoE layer: logits in float32, the choice of experts, and the losses that keep the experts evenly used. Report section
 * 2.1.2; V2 report eq. 23-31; model.md A6-A8.
 */
import { linear } from "../tensor/ops/linear.js";
import type { RowKind } from "../tensor/ops/products.js";
import {
  expertCounts,
  type Replay,
  type RouterShape,
  type Routing,
  routerStatistics,
  routeTokens,
} from "../tensor/ops/router.js";
import type { Parameter } from "../tensor/parameter.js";
import type { Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";
import type { Batch } from "./batch.js";
import type { ModelConfig } from "./config.js";
import type { Weights } from "./weights.js";

/** Factors of the balance losses; all zero switches them off. */
export interface BalanceFactors {
  /** alpha of V3's sequence-wise loss, or alpha1 of V2's expert-level loss: the same formula on the gate's own scores. */
  readonly sequence: number;
  /** alpha2 of V2: balance over groups of experts (devices). */
  readonly device: number;
  /** alpha3 of V2: balance of tokens received per group. */
  readonly communication: number;
  /** Whether f counts the plain top-K of the unbiased scores (the report's form) or the experts routed to. */
  readonly counts: "top" | "routed";
}

export const noBalanceLoss: BalanceFactors = { sequence: 0, device: 0, communication: 0, counts: "top" };

/** What a router learned about one batch. */
export interface RouterReport {
  /** [sequences, e]: assignments, for the bias update and the metrics */
  readonly counts: Int32Array;
  /** Sum over the batch's sequences of the weighted losses (the mean over the global batch is the caller's division). */
  readonly balanceLoss: number;
}

export class Router {
  readonly weight: Parameter;
  /** Null for gates that choose without a bias. */
  readonly eScoreCorrectionBias: Parameter | null;
  readonly #shape: RouterShape;

  constructor(weights: Weights, prefix: string, config: ModelConfig) {
    this.weight = weights.exactMatrix(`${prefix}.weight`, config.nRoutedExperts, config.hiddenSize);
    this.eScoreCorrectionBias =
      config.topkMethod === "noaux_tc"
        ? weights.buffer(`${prefix}.e_score_correction_bias`, config.nRoutedExperts)
        : null;
    this.#shape = config;
  }

  /** @param x [T, hiddenSize], normed; logits are float32 whatever its type (pitfall G16) */
  forward(tape: Tape, x: Tensor, kind: RowKind, replay: Replay | null = null): Routing {
    const logits = linear(tape, x, this.weight, kind, "float32");
    return routeTokens(tape, logits, this.eScoreCorrectionBias, this.#shape, replay);
  }

  /**
   * Counts and balance losses of one batch; the gradient of the losses enters the tape.
   * @param globalSequences sequences of the whole step over all micro-batches and ranks: losses are means over them
   */
  report(tape: Tape, routing: Routing, batch: Batch, factors: BalanceFactors, globalSequences: number): RouterReport {
    const { nRoutedExperts: e, numExpertsPerTok: k, nGroup, topkGroup } = this.#shape;
    const routed = expertCounts(tape, routing, batch.seqOffsets).ints();
    const hasLoss = factors.sequence !== 0 || factors.device !== 0 || factors.communication !== 0;
    if (!hasLoss) return { counts: routed.slice(), balanceLoss: 0 };
    const normalize = this.#shape.scoringFunc === "sigmoid";
    const { meanScores, topCounts } = routerStatistics(tape, routing, batch.seqOffsets, k, normalize);
    const chosen = factors.counts === "top" ? topCounts.ints() : routed;
    const offsets = batch.seqOffsets.ints();
    const means = meanScores.floats();
    const gradient = new Float32Array(batch.numSequences * e);
    const experts = routing.experts.ints();
    const f = new Float64Array(e);
    const coefficient = new Float64Array(e);
    let loss = 0;
    for (let s = 0; s < batch.numSequences; s++) {
      const [begin, end] = [offsets[s] ?? 0, offsets[s + 1] ?? 0];
      const length = end - begin;
      if (length === 0) continue;
      for (let i = 0; i < e; i++) f[i] = (e / (k * length)) * (chosen[s * e + i] ?? 0);
      for (let i = 0; i < e; i++) coefficient[i] = factors.sequence * (f[i] ?? 0);
      if (factors.device !== 0 || factors.communication !== 0) {
        const perGroup = e / nGroup;
        const sent = groupTokens(experts, begin, end, k, perGroup, nGroup);
        for (let g = 0; g < nGroup; g++) {
          const meanF = f.subarray(g * perGroup, (g + 1) * perGroup).reduce((sum, value) => sum + value, 0) / perGroup;
          const sentF = (nGroup / (topkGroup * length)) * (sent[g] ?? 0);
          for (let i = g * perGroup; i < (g + 1) * perGroup; i++) {
            coefficient[i] = (coefficient[i] ?? 0) + factors.device * meanF + factors.communication * sentF;
          }
        }
      }
      for (let i = 0; i < e; i++) {
        loss += (coefficient[i] ?? 0) * (means[s * e + i] ?? 0);
        gradient[s * e + i] = (coefficient[i] ?? 0) / globalSequences;
      }
    }
    if (tape.hasGrad) {
      // f counts, so it is a constant; the loss is linear in the means and its gradient is the coefficients.
      const { tensor, accumulate } = tape.target(meanScores);
      if (accumulate) throw new Error("internal: mean scores already have a gradient");
      tensor.floats().set(gradient);
    }
    return { counts: routed.slice(), balanceLoss: loss };
  }
}

/** Tokens of rows [begin, end) that go to at least one expert of each group. */
function groupTokens(
  experts: Int32Array,
  begin: number,
  end: number,
  k: number,
  perGroup: number,
  groups: number,
): Int32Array {
  const sent = new Int32Array(groups);
  for (let t = begin; t < end; t++) {
    const seen = new Set<number>();
    for (let j = 0; j < k; j++) seen.add(Math.floor((experts[t * k + j] ?? 0) / perGroup));
    for (const group of seen) sent[group] = (sent[group] ?? 0) + 1;
  }
  return sent;
}
