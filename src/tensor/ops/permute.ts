/**
 * Tokens to expert order and back: sort the (token, slot) pairs by expert, gather rows, and after the experts add each token's results
 * with its routing weights.
 */
import { native } from "../native.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { shown } from "./sizes.js";

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
  if (experts.dtype !== "int32") {
    throw new RangeError(`sortByExpert: experts ${shown(experts)}, expected [rows, k] int32`);
  }
  const offsets = tape.empty([numExperts + 1], "int32");
  const rowSlot = tape.empty([rows * k], "int32");
  const slotRow = tape.empty([rows * k], "int32");
  native().moeSort(offsets.address, rowSlot.address, slotRow.address, experts.address, rows, k, numExperts);
  return { offsets, rowSlot, slotRow, numTokens: rows, slotsPerToken: k, numSorted: offsets.intAt(numExperts) };
}

/** @param x [tokens, dim] @returns [sorted rows, dim] in expert order, new */
export function permute(tape: Tape, x: Tensor, order: ExpertOrder): Tensor {
  const dim = x.columns;
  const { numTokens, slotsPerToken: k, numSorted } = order;
  if (x.rows !== numTokens) throw new RangeError(`permute: x ${shown(x)}, expected the ${numTokens} rows of the order`);
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
  const { numTokens, slotsPerToken: k, numSorted } = order;
  const isWeighed = weights.rows === numTokens && weights.columns === k && weights.dtype === "float32";
  const isShared = !shared || (shared.rows === numTokens && shared.columns === dim && shared.dtype === y.dtype);
  if (y.rows !== numSorted || !isWeighed || !isShared) {
    throw new RangeError(
      `combine: y ${shown(y)}, weights ${shown(weights)}, shared ${shown(shared)}: expected [${numSorted}, ${dim}], ` +
        `[${numTokens}, ${k}] float32 and [${numTokens}, ${dim}] ${y.dtype}`,
    );
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
