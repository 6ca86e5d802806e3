/**
 * Which experts a token goes to, and the statistics that balance losses need. Report section 2.1.2; V2's softmax gates by option.
 */
import { native } from "../native.js";
import type { Parameter } from "../parameter.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { coveredRows, shown } from "./sizes.js";

export type ScoringFunc = "sigmoid" | "softmax";
export type TopkMethod = "greedy" | "group_limited_greedy" | "noaux_tc";

export interface RouterShape {
  readonly nRoutedExperts: number;
  readonly numExpertsPerTok: number;
  readonly nGroup: number;
  readonly topkGroup: number;
  readonly scoringFunc: ScoringFunc;
  readonly topkMethod: TopkMethod;
  readonly normTopkProb: boolean;
  readonly routedScalingFactor: number;
}

export interface Routing {
  /** [rows, k] int32, best first */
  readonly experts: Tensor;
  /** [rows, k] float32 */
  readonly weights: Tensor;
  /** [rows, e] float32: sigmoid or softmax of the logits, without bias */
  readonly scores: Tensor;
}

const scoringCode: Readonly<Record<ScoringFunc, number>> = { sigmoid: 0, softmax: 1 };
/**
 * Experts to send rows to, whatever the logits say: [rows, k], -1 in a row that chooses for itself. The weights are the scores that the logits
 * of now give these experts, so that gradients reach the gate as ever (routing replay: post-training.md 8.4).
 */
export type Replay = Int32Array;

const methodCode: Readonly<Record<TopkMethod, number>> = { greedy: 0, group_limited_greedy: 1, noaux_tc: 2 };

/**
 * Picks K of E experts for each token: choice by score + bias inside the best groups, weights from the unbiased score. Ties go to the lower
 * expert id, so the choice is deterministic.
 * @param logits [rows, e] float32, before the sigmoid
 * @param bias [e] float32, moved by the balancer between steps, never by a gradient; null for gates without one
 * @throws RangeError for sizes that differ
 */
export function routeTokens(
  tape: Tape,
  logits: Tensor,
  bias: Parameter | null,
  shape: RouterShape,
  replay: Replay | null = null,
): Routing {
  const { nRoutedExperts: e, numExpertsPerTok: k } = shape;
  const { rows } = logits;
  const isBiased = !bias || (bias.data.size === e && bias.data.dtype === "float32");
  if (logits.columns !== e || logits.dtype !== "float32" || !isBiased) {
    throw new RangeError(
      `routeTokens: logits ${shown(logits)}, bias ${shown(bias?.data ?? null)}: expected [rows, ${e}] and [${e}], both float32`,
    );
  }
  const experts = tape.empty([rows, k], "int32");
  const weights = tape.empty([rows, k], "float32");
  const scores = tape.empty([rows, e], "float32");
  // A single expert keeps its raw score (model.md A6 step 8). V2's published class scales only what it does not normalise.
  const norm = shape.normTopkProb && k > 1 ? 1 : 0;
  const scale = shape.scoringFunc === "softmax" && norm ? 1 : shape.routedScalingFactor;
  const scoring = scoringCode[shape.scoringFunc];
  native().routerForward(
    experts.address,
    weights.address,
    scores.address,
    logits.address,
    bias?.data.address ?? null,
    rows,
    e,
    k,
    shape.nGroup,
    shape.topkGroup,
    scoring,
    methodCode[shape.topkMethod],
    norm,
    scale,
  );
  if (replay) replayRoutes({ experts, weights, scores }, replay, norm === 1, scale);
  tape.record(() => {
    if (!weights.grad && !scores.grad) return;
    const d = tape.empty(logits.shape, "float32");
    const dweights = weights.grad ?? tape.zeros(weights.shape, "float32");
    native().routerBackward(
      d.address,
      dweights.address,
      scores.grad?.address ?? null,
      experts.address,
      scores.address,
      rows,
      e,
      k,
      scoring,
      norm,
      scale,
    );
    tape.contribute(logits, d);
  });
  return { experts, weights, scores };
}

/** Puts other experts in the place of those chosen; in the kernel's order of arithmetic, so that equal experts get equal bits. */
function replayRoutes({ experts, weights, scores }: Routing, replay: Replay, norm: boolean, scale: number): void {
  const { rows, columns: k } = experts;
  const e = scores.columns;
  if (replay.length !== rows * k) {
    throw new Error(`internal: ${replay.length} experts to replay, the gate sends ${rows} rows to ${k} each`);
  }
  const [ids, shares, all] = [experts.ints(), weights.floats(), scores.floats()];
  const { fround } = Math;
  for (let row = 0; row < rows; row++) {
    if ((replay[row * k] ?? -1) < 0) continue;
    let total = 0;
    for (let j = row * k; j < (row + 1) * k; j++) {
      const expert = replay[j] ?? -1;
      if (expert < 0 || expert >= e) throw new Error(`internal: expert ${expert} to replay, of ${e}`);
      ids[j] = expert;
      const score = all[row * e + expert] ?? 0;
      shares[j] = score;
      total = fround(total + score);
    }
    const divisor = fround(total + fround(1e-20));
    for (let j = row * k; j < (row + 1) * k; j++) {
      const share = norm ? fround((shares[j] ?? 0) / divisor) : (shares[j] ?? 0);
      shares[j] = fround(share * fround(scale));
    }
  }
}

export interface RouterStatistics {
  /** [sequences, e] float32: mean over a sequence's rows of the score (normalised over all experts if asked). */
  readonly meanScores: Tensor;
  /** [sequences, e] int32: rows whose plain top-K of the unbiased scores holds the expert. */
  readonly topCounts: Tensor;
}

/**
 * Per-sequence score means and counts, differentiable through the means.
 * @param normalize divide each row's scores by their sum over all experts first (sigmoid scores; pitfall G25)
 */
export function routerStatistics(
  tape: Tape,
  routing: Routing,
  seqOffsets: Tensor,
  k: number,
  normalize: boolean,
): RouterStatistics {
  const { scores } = routing;
  const e = scores.columns;
  checkSequences("routerStatistics", scores, seqOffsets);
  const sequences = seqOffsets.size - 1;
  const meanScores = tape.empty([sequences, e], "float32");
  const topCounts = tape.empty([sequences, e], "int32");
  const flag = normalize ? 1 : 0;
  native().routerStatistics(
    meanScores.address,
    topCounts.address,
    scores.address,
    seqOffsets.address,
    sequences,
    e,
    k,
    flag,
  );
  tape.record(() => {
    if (!meanScores.grad) return;
    if (!scores.grad) tape.target(scores).tensor.fill(0);
    const dscores = tape.target(scores).tensor;
    native().routerStatisticsBackward(
      dscores.address,
      meanScores.grad.address,
      scores.address,
      seqOffsets.address,
      sequences,
      e,
      flag,
    );
  });
  return { meanScores, topCounts };
}

/** Assignments (row, slot) per expert and sequence: [sequences, e] int32. */
export function expertCounts(tape: Tape, routing: Routing, seqOffsets: Tensor): Tensor {
  const e = routing.scores.columns;
  checkSequences("expertCounts", routing.scores, seqOffsets);
  const sequences = seqOffsets.size - 1;
  const counts = tape.empty([sequences, e], "int32");
  native().expertCounts(
    counts.address,
    routing.experts.address,
    seqOffsets.address,
    sequences,
    e,
    routing.experts.columns,
  );
  return counts;
}

/** @throws RangeError unless the offsets end with the rows */
function checkSequences(op: string, scores: Tensor, seqOffsets: Tensor): void {
  if (coveredRows(seqOffsets) === scores.rows) return;
  throw new RangeError(
    `${op}: sequences ${shown(seqOffsets)} to ${coveredRows(seqOffsets)}, expected to the ${scores.rows} rows of scores ${shown(scores)}`,
  );
}
