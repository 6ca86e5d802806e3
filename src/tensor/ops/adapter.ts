/**
 * What adapters add to the products of a frozen matrix (LoRA; post-training.md 4.1): y = W x + s B (A x), beside every form that W may be
 * stored in and every kind of product, without touching W. products.ts and linear.ts call this; model code sees nothing of it.
 *
 *   t = s A x        dt = s B^T dy
 *   y += B t         dx += A^T dt    dA += dt x^T    dB += dy t^T
 *
 * A and B are float32 and so is t; it is made again in the backward, where x is at hand for dA anyway. Experts have an A and a B each,
 * and the products run expert by expert. Where a tape drops, A sees x with some values zero and the rest scaled; the mask is drawn by
 * counter, so that a recomputation and the backward meet the same one. T rows, H heads, C latent values, N and V values of a head's key
 * and value part
 */
import type { Arena } from "../arena.js";
import { bytesPerElement } from "../dtype.js";
import { native } from "../native.js";
import type { Adapter, Parameter } from "../parameter.js";
import type { Tape } from "../tape.js";
import { Tensor } from "../tensor.js";
import type { LatentShape } from "./latentAttention.js";

/** Rows in the order of their experts: those of expert e are [offsets[e], offsets[e + 1]). A plain matrix is one expert. */
export type ExpertOffsets = ArrayLike<number>;

/** y += s B (A x), for the rows of each expert. @param x [T, in] @param y [T, out] */
export function addAdapters(tape: Tape, y: Tensor, x: Tensor, weight: Parameter, offsets: ExpertOffsets): void {
  for (const adapter of weight.adapters) {
    const t = lowered(tape, x, adapter, offsets);
    for (const piece of piecesOf(adapter, y, offsets)) {
      const { rows, length, rank, yAddress, bAddress, row } = piece;
      const from = t.address + 4 * row * rank;
      native().gemm(yAddress, from, bAddress, rows, length, rank, rank, rank, y.columns, 0, 1, 1, y.code, 0, 0);
    }
    t.free();
  }
}

/** The backward of `addAdapters`: adds to the gradients of x, A and B. @param dy [T, out] */
export function adapterGradients(tape: Tape, x: Tensor, dy: Tensor, weight: Parameter, offsets: ExpertOffsets): void {
  for (const adapter of weight.adapters) {
    const [rank = 0, k = 0] = adapter.a.shape.slice(-2);
    const dt = tape.zeros([x.rows, rank], "float32");
    for (const { rows, length, yAddress, bAddress, row } of piecesOf(adapter, dy, offsets)) {
      const to = dt.address + 4 * row * rank;
      native().gemm(to, yAddress, bAddress, rows, rank, length, dy.columns, rank, rank, 0, 0, 1, 0, dy.code, 0);
    }
    native().scale(dt.address, adapter.scale, dt.size, 0);
    inputGradient(tape, x, dt, adapter, offsets);
    tape.weightGrad(() => {
      const [da, db] = [adapter.a.grad, adapter.b.grad];
      if (!da || !db) return;
      const input = dropped(tape, x, adapter);
      forExperts(offsets, (e, row, rows) => {
        const to = da.address + 4 * e * rank * k;
        const [left, right] = [dt.address + 4 * row * rank, input.address + bytesPerElement[x.dtype] * row * k];
        native().gemm(to, left, right, rank, k, rows, rank, k, k, 1, 0, 1, 0, 0, x.code);
      });
      if (input !== x) input.free();
      const t = lowered(tape, x, adapter, offsets);
      for (const { rows, length, yAddress, bOffset, row } of piecesOf(adapter, dy, offsets)) {
        const [to, right] = [db.address + 4 * bOffset, t.address + 4 * row * rank];
        native().gemm(to, yAddress, right, length, rank, rows, dy.columns, rank, rank, 1, 0, 1, 0, dy.code, 0);
      }
      t.free();
    });
  }
}

/**
 * What adapters over kv_b_proj add to absorbed queries (latentAttention.ts): s (q B_K) A, B_K being a head's rows of the key part.
 * @param q [T, H * (N + R)] @param y [T, H * (C + R)]
 */
export function addToQueries(tape: Tape, y: Tensor, q: Tensor, kvB: Parameter, shape: LatentShape): void {
  const { heads: h, nopeDim: n, ropeDim: r, latentDim: c, vDim: v } = shape;
  for (const { a, b, scale } of kvB.adapters) {
    const [rank = 0] = a.shape;
    const t = Tensor.empty(tape.arena, [q.rows, h * rank], "float32");
    const [to, key, value] = [t.address, b.data.address, a.data.address];
    const [wide, far] = [h * (n + r), h * rank];
    const batch = [h, rank, n + r, (n + v) * rank, q.rows, rank, n, wide, rank, far] as const;
    native().gemmBatched(to, q.address, key, ...batch, 0, 0, 0, 0, q.code, 0);
    native().scale(to, scale, t.size, 0);
    const back = [h, c + r, rank, 0, q.rows, c, rank, far, c, h * (c + r)] as const;
    native().gemmBatched(y.address, to, value, ...back, 0, 0, 1, y.code, 0, 0);
    t.free();
  }
}

/** The same for results that are expanded to values: s B_V (A latent). @param latent [T, H * C] @param y [T, H * V] */
export function addToValues(tape: Tape, y: Tensor, latent: Tensor, kvB: Parameter, shape: LatentShape): void {
  const { heads: h, nopeDim: n, latentDim: c, vDim: v } = shape;
  for (const { a, b, scale } of kvB.adapters) {
    const [rank = 0] = a.shape;
    const m = latent.rows;
    const t = Tensor.empty(tape.arena, [m * h, rank], "float32");
    native().gemm(t.address, latent.address, a.data.address, m * h, rank, c, c, c, rank, 0, 1, 0, 0, latent.code, 0);
    native().scale(t.address, scale, t.size, 0);
    const from = b.data.address + 4 * n * rank;
    const batch = [h, v, rank, (n + v) * rank, m, v, rank, h * rank, rank, h * v] as const;
    native().gemmBatched(y.address, t.address, from, ...batch, 0, 1, 1, y.code, 0, 0);
    t.free();
  }
}

/**
 * W += factor * s B A, in the type W has.
 * @param arena for a copy of B meanwhile @throws RangeError for a quantised matrix, which no sum fits into
 */
export function foldIntoWeight(
  arena: Arena,
  { name, data, shape, scales }: Parameter,
  adapter: Adapter,
  factor: 1 | -1,
): void {
  if (scales) {
    throw new RangeError(
      `${name} is quantised (${data.dtype}): an adapter is not merged into it in place; keep it unmerged, or write a merged checkpoint`,
    );
  }
  const [n = 0, k = 0] = shape.slice(-2);
  const { a, b, runs, scale } = adapter;
  const [rank = 0] = a.shape.slice(-2);
  const scaled = Tensor.empty(arena, b.shape, "float32");
  scaled.bytes().set(b.data.bytes());
  native().scale(scaled.address, factor * scale, scaled.size, 0);
  const rows = b.shape.at(-2) ?? 0;
  for (let e = 0; e < b.data.size / (rows * rank); e++) {
    let done = e * rows;
    for (const { start, length } of runs) {
      const to = data.address + bytesPerElement[data.dtype] * (e * n + start) * k;
      const [left, right] = [scaled.address + 4 * done * rank, a.data.address + 4 * e * rank * k];
      native().gemm(to, left, right, length, k, rank, rank, k, k, 0, 0, 1, data.code, 0, 0);
      done += length;
    }
  }
  scaled.free();
}

/** s A x with each expert's own A: [T, rank] float32, the caller's to free. */
function lowered(tape: Tape, x: Tensor, adapter: Adapter, offsets: ExpertOffsets): Tensor {
  const { a, scale } = adapter;
  const [rank = 0, k = 0] = a.shape.slice(-2);
  const t = Tensor.empty(tape.arena, [x.rows, rank], "float32");
  const input = dropped(tape, x, adapter);
  forExperts(offsets, (e, row, rows) => {
    const [to, w] = [t.address + 4 * row * rank, a.data.address + 4 * e * rank * k];
    const from = input.address + bytesPerElement[x.dtype] * row * k;
    native().gemm(to, from, w, rows, rank, k, k, k, rank, 0, 1, 0, 0, x.code, 0);
  });
  if (input !== x) input.free();
  native().scale(t.address, scale, t.size, 0);
  return t;
}

/** dx += A^T dt, past the mask. */
function inputGradient(tape: Tape, x: Tensor, dt: Tensor, adapter: Adapter, offsets: ExpertOffsets): void {
  const [rank = 0, k = 0] = adapter.a.shape.slice(-2);
  const seed = dropoutSeed(tape, adapter);
  const target = tape.target(x);
  const into = seed === null ? target : { tensor: tape.zeros(x.shape, x.dtype), accumulate: 1 as const };
  if (!into.accumulate) throw new Error(`internal: ${adapter.a.name} adds to a gradient before its matrix does`);
  const dx = into.tensor;
  forExperts(offsets, (e, row, rows) => {
    const [to, w] = [dx.address + bytesPerElement[x.dtype] * row * k, adapter.a.data.address + 4 * e * rank * k];
    native().gemm(to, dt.address + 4 * row * rank, w, rows, k, rank, rank, k, k, 0, 0, 1, dx.code, 0, 0);
  });
  if (seed === null) return;
  const { address } = target.tensor;
  native().dropout(address, dx.address, x.size, seed, adapter.stream, adapter.dropout, 1, x.code);
}

/** What A sees of x: x itself, or a copy with some values dropped, the caller's to free. */
function dropped(tape: Tape, x: Tensor, adapter: Adapter): Tensor {
  const seed = dropoutSeed(tape, adapter);
  if (seed === null) return x;
  const copy = Tensor.empty(tape.arena, x.shape, x.dtype);
  native().dropout(copy.address, x.address, x.size, seed, adapter.stream, adapter.dropout, 0, x.code);
  return copy;
}

function dropoutSeed({ hasGrad, dropoutSeed: seed }: Tape, { dropout }: Adapter): number | null {
  return hasGrad && dropout > 0 ? seed : null;
}

interface Piece {
  /** First of the expert's rows, and how many. */
  readonly row: number;
  readonly rows: number;
  /** Columns of y that a run is, and where they and the rows of B for them begin. */
  readonly length: number;
  readonly yAddress: number;
  readonly bOffset: number;
  readonly bAddress: number;
  readonly rank: number;
}

/** The products that an adapter's B takes part in: one for each expert and run of rows. */
function piecesOf({ b, runs }: Adapter, y: Tensor, offsets: ExpertOffsets): Piece[] {
  const [bRows = 0, rank = 0] = b.shape.slice(-2);
  const pieces: Piece[] = [];
  forExperts(offsets, (e, row, rows) => {
    let done = e * bRows;
    for (const { start, length } of runs) {
      const yAddress = y.address + bytesPerElement[y.dtype] * (row * y.columns + start);
      const bOffset = done * rank;
      pieces.push({ row, rows, length, yAddress, bOffset, bAddress: b.data.address + 4 * bOffset, rank });
      done += length;
    }
  });
  return pieces;
}

/** Experts that have rows. */
function forExperts(offsets: ExpertOffsets, use: (expert: number, row: number, rows: number) => void): void {
  for (let e = 0; e + 1 < offsets.length; e++) {
    const [row = 0, end = 0] = [offsets[e], offsets[e + 1]];
    if (end > row) use(e, row, end - row);
  }
}
