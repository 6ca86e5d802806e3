/**
 * Tokens to expert order and back: sort the (token, slot) pairs by expert, gather rows, and after the experts add each token's results
 * with its routing weights.
 */
import { native } from "../native.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";

/** A stable sort of slots by expert; slot = token * k + j. */
export interface ExpertOrder {
  /** [e + 1] int32: sorted rows of expert i are [offsets[i], offsets[i + 1]) */
  readonly offsets: Tensor;
  /** [rows * k] int32: sorted row -> slot */
  readonly rowSlot: Tensor;
  /** [rows * k] int32: slot -> sorted row; -1 for a slot without an expert */
  readonly slotRow: Tensor;
  readonly numTokens: number;
  readonly slotsPerToken: number;
  /** Rows that have an expert. */
  readonly numSorted: number;
}

/** @param experts [rows, k] int32; -1 marks a slot that is left out */
export function sortByExpert(tape: Tape, experts: Tensor, numExperts: number): ExpertOrder {
  const rows = experts.rows;
  const k = experts.columns;
  const offsets = tape.empty([numExperts + 1], "int32");
  const rowSlot = tape.empty([rows * k], "int32");
  const slotRow = tape.empty([rows * k], "int32");
  native().moeSort(offsets.address, rowSlot.address, slotRow.address, experts.address, rows, k, numExperts);
  return { offsets, rowSlot, slotRow, numTokens: rows, slotsPerToken: k, numSorted: offsets.ints()[numExperts] ?? 0 };
}

/** @param x [tokens, dim] @returns [sorted rows, dim] in expert order, new */
export function permute(tape: Tape, x: Tensor, order: ExpertOrder): Tensor {
  const dim = x.columns;
  const { numTokens, slotsPerToken: k, numSorted } = order;
  if (x.rows !== numTokens) throw new RangeError(`permute: x has ${x.rows} rows, the order ${numTokens} tokens`);
  const y = tape.empty([numSorted, dim], x.dtype);
  native().permuteForward(y.address, x.address, order.rowSlot.address, numSorted, k, dim, x.code);
  tape.record(() => {
    if (!y.grad) return;
    const dx = tape.target(x);
    native().permuteBackward(
      dx.tensor.address,
      y.grad.address,
      order.slotRow.address,
      numTokens,
      k,
      dim,
      dx.accumulate,
      x.code,
    );
  });
  return y;
}

/**
 * out[t] = shared[t] + sum over slots j of weights[t, j] * y[row of (t, j)]; float32 sums in order of j.
 * @param y [sorted rows, dim] @param weights [tokens, k] float32 @param shared [tokens, dim] or null
 * @returns [tokens, dim], new
 */
export function combine(tape: Tape, y: Tensor, weights: Tensor, order: ExpertOrder, shared: Tensor | null): Tensor {
  const dim = y.columns;
  const { numTokens, slotsPerToken: k } = order;
  if (weights.rows !== numTokens || weights.columns !== k || (shared && shared.rows !== numTokens)) {
    throw new RangeError(`combine: weights [${weights.shape.join(", ")}] do not fit ${numTokens} tokens of ${k} slots`);
  }
  const out = tape.empty([numTokens, dim], y.dtype);
  native().combineForward(
    out.address,
    y.address,
    weights.address,
    order.slotRow.address,
    shared?.address ?? null,
    numTokens,
    k,
    dim,
    y.code,
  );
  tape.record(() => {
    if (!out.grad) return;
    const dy = tape.empty(y.shape, y.dtype);
    const dweights = tape.empty(weights.shape, "float32");
    native().combineBackward(
      dy.address,
      dweights.address,
      out.grad.address,
      y.address,
      weights.address,
      order.slotRow.address,
      numTokens,
      k,
      dim,
      y.code,
    );
    tape.contribute(y, dy);
    tape.contribute(weights, dweights);
    const last = shared && tape.takeGrad(out);
    if (shared && last) tape.contribute(shared, last);
  });
  return out;
}
