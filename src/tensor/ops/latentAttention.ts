/**
 * Decoding in the latent space of MLA: what is written to a latent cache, and attention over it between the two products with kv_b_proj that
 * the naive form makes keys and values with. DeepSeek-V2 report, section 2.1.2; kernels.h has the layouts. No gradients.
 * Sizes that differ are refused with a RangeError before a kernel runs; slots and the block table are read as they are.
 * T rows, H heads, C latent values, R rotated key values, N and V values of a head's key and value part
 */
import { type ComputeDtype, type Dtype, quantFormat } from "../dtype.js";
import { type DtypeCode, native, type QuantFormatCode } from "../native.js";
import type { Parameter } from "../parameter.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { addToQueries, addToValues } from "./adapter.js";
import { fetchAhead, fetchNext } from "./fetchAhead.js";
import { checkTables, type RopeTables } from "./rope.js";
import { shown } from "./sizes.js";

/** How a cache keeps its entries: values as they are, or latents in E4M3 with a scale for each 128 of them beside bf16 keys. */
export type CacheDtype = "float32" | "bfloat16" | "float8_e4m3fn";

const latentGroup = 128;

/**
 * Elements of `dtype` that one entry takes; FP8 entries are counted in bytes (656 for V3: 512 + 4 * 4 + 2 * 64).
 * @throws RangeError for FP8 entries of an odd number of latent values, whose bf16 keys would lie at odd addresses
 */
export function entrySize(c: number, r: number, dtype: CacheDtype): number {
  if (dtype !== "float8_e4m3fn") return c + r;
  if (c % 2 !== 0) throw new RangeError(`a latent cache in FP8 needs an even kv_lora_rank, got ${c}`);
  return c + 4 * Math.ceil(c / latentGroup) + 2 * r;
}

/** One layer of a latent cache, as decoding reads and writes it; generate/latentCache.ts owns the pages. */
export interface LatentCacheView {
  /** [pages, pageSize, entrySize] of a CacheDtype */
  readonly pages: Tensor;
  readonly pageSize: number;
  /** [rows, maxPages] int32 */
  readonly blockTable: Tensor;
  /** [rows] int32: positions a row may see, its own included */
  readonly lengths: Tensor;
  /** [rows] int32: where each row's own entry goes, counted in entries over all pages */
  readonly slots: Tensor;
}

/** The latent rows of a prefill, in the arithmetic's type: latent [T, C] after its norm, kRope [T, R] after the rotation. */
export interface LatentRows {
  readonly latent: Tensor;
  readonly kRope: Tensor;
}

export interface LatentShape {
  readonly heads: number;
  readonly nopeDim: number;
  readonly ropeDim: number;
  readonly latentDim: number;
  readonly vDim: number;
}

/** Puts latent rows into their slots of the cache. */
export function writeLatents({ pages, slots }: Pick<LatentCacheView, "pages" | "slots">, rows: LatentRows): void {
  const { latent, kRope } = rows;
  if (kRope.rows !== latent.rows || kRope.dtype !== latent.dtype) {
    throw new RangeError(
      `writeLatents: latent ${shown(latent)}, kRope ${shown(kRope)}: expected as many rows of one type`,
    );
  }
  checkCount("writeLatents", "slots", slots, latent.rows);
  checkPages("writeLatents", pages, latent.columns, kRope.columns);
  const [to, from, key] = [pages.address, latent.address, kRope.address];
  native().writeLatents(
    to,
    from,
    key,
    slots.address,
    latent.rows,
    latent.columns,
    kRope.columns,
    latent.code,
    pages.code,
  );
}

/** Latent rows as a cache holds them, from their slots. @returns [slots, C] and [slots, R] of `dtype`, new */
export function readLatents(
  tape: Tape,
  { pages, slots }: Pick<LatentCacheView, "pages" | "slots">,
  c: number,
  r: number,
  dtype: ComputeDtype,
): LatentRows {
  const rows = slots.size;
  checkCount("readLatents", "slots", slots, rows);
  checkPages("readLatents", pages, c, r);
  const latent = tape.empty([rows, c], dtype);
  const kRope = tape.empty([rows, r], dtype);
  const [to, key, from] = [latent.address, kRope.address, pages.address];
  native().readLatents(to, key, from, slots.address, rows, c, r, latent.code, pages.code);
  return { latent, kRope };
}

/** Puts rows of kv_a_proj_with_mqa into their slots: the latent normed, the key part rotated. @param z [T, C + R] */
export function appendLatents(
  { pages, slots }: Pick<LatentCacheView, "pages" | "slots">,
  z: Tensor,
  norm: Parameter,
  eps: number,
  tables: RopeTables,
  positions: Tensor,
): void {
  const c = norm.data.size;
  const r = z.columns - c;
  if (r < 0 || norm.data.dtype !== "float32") {
    throw new RangeError(
      `appendLatents: z ${shown(z)}, ${norm.name} ${shown(norm.data)}: expected [rows, C + R] and [C] float32`,
    );
  }
  checkTables("appendLatents", tables, r);
  checkCount("appendLatents", "positions", positions, z.rows);
  checkCount("appendLatents", "slots", slots, z.rows);
  checkPages("appendLatents", pages, c, r);
  const { cos, sin } = tables;
  native().appendLatents(
    pages.address,
    z.address,
    norm.data.address,
    cos.address,
    sin.address,
    positions.address,
    slots.address,
    z.rows,
    c,
    r,
    eps,
    z.code,
    pages.code,
  );
}

/**
 * Queries against latents: the key half of kv_b_proj folded in, the other part rotated.
 * @param q [T, H * (N + R)], not rotated @param kvB [H * (N + V), C] @returns [T, H * (C + R)], new
 */
export function absorbQueries(
  tape: Tape,
  q: Tensor,
  kvB: Parameter,
  tables: RopeTables,
  positions: Tensor,
  shape: LatentShape,
): Tensor {
  const { heads, nopeDim: n, ropeDim: r, latentDim: c, vDim: v } = shape;
  checkHeads("absorbQueries", q, n + r, shape);
  checkMatrix("absorbQueries", kvB, shape);
  checkTables("absorbQueries", tables, r);
  checkCount("absorbQueries", "positions", positions, q.rows);
  const { cos, sin } = tables;
  const y = tape.empty([q.rows, heads * (c + r)], q.dtype);
  native().absorbQueries(
    y.address,
    q.address,
    kvB.data.address,
    kvB.scales?.values.address ?? null,
    cos.address,
    sin.address,
    positions.address,
    q.rows,
    heads,
    n,
    r,
    c,
    v,
    kvB.scales?.group ?? c,
    q.code,
    storageCode(kvB),
  );
  fetchAhead(kvB, null); // Its other half is read next.
  addToQueries(tape, y, q, kvB, shape);
  return y;
}

/** Every row attends to its own first `lengths` entries. @param q [T, H * (C + R)] absorbed @returns [T, H * C], new */
export function attendLatents(
  tape: Tape,
  q: Tensor,
  cache: LatentCacheView,
  shape: LatentShape,
  scale: number,
): Tensor {
  const { heads, ropeDim: r, latentDim: c } = shape;
  const { pages, pageSize, blockTable, lengths } = cache;
  checkHeads("attendLatents", q, c + r, shape);
  checkCount("attendLatents", "lengths", lengths, q.rows);
  if (blockTable.rows !== q.rows || blockTable.dtype !== "int32" || pages.shape[1] !== pageSize) {
    throw new RangeError(
      `attendLatents: block table ${shown(blockTable)}, pages ${shown(pages)}: expected [${q.rows}, maxPages] int32, pages of ${pageSize}`,
    );
  }
  checkPages("attendLatents", pages, c, r);
  const y = tape.empty([q.rows, heads * c], q.dtype);
  native().mlaDecode(
    y.address,
    q.address,
    pages.address,
    blockTable.address,
    lengths.address,
    q.rows,
    heads,
    c,
    r,
    pageSize,
    blockTable.columns,
    scale,
    q.code,
    pages.code,
  );
  return y;
}

/** Results in latent space to values: the value half of kv_b_proj. @param latent [T, H * C] @returns [T, H * V], new */
export function expandValues(tape: Tape, latent: Tensor, kvB: Parameter, shape: LatentShape): Tensor {
  const { heads, nopeDim: n, latentDim: c, vDim: v } = shape;
  checkHeads("expandValues", latent, c, shape);
  checkMatrix("expandValues", kvB, shape);
  const y = tape.empty([latent.rows, heads * v], latent.dtype);
  native().expandValues(
    y.address,
    latent.address,
    kvB.data.address,
    kvB.scales?.values.address ?? null,
    latent.rows,
    heads,
    n,
    c,
    v,
    kvB.scales?.group ?? c,
    latent.code,
    storageCode(kvB),
  );
  fetchNext(kvB);
  addToValues(tape, y, latent, kvB, shape);
  return y;
}

function storageCode({ data, scales }: Parameter): DtypeCode | QuantFormatCode {
  const dtype: Dtype = data.dtype;
  return scales ? quantFormat(dtype) : data.code;
}

function checkHeads(op: string, x: Tensor, headDim: number, { heads }: LatentShape): void {
  if (x.columns === heads * headDim) return;
  throw new RangeError(
    `${op}: rows ${shown(x)}, expected [rows, ${heads * headDim}]: ${heads} heads of ${headDim} values`,
  );
}

function checkMatrix(op: string, kvB: Parameter, { heads, nopeDim, vDim, latentDim }: LatentShape): void {
  const rows = heads * (nopeDim + vDim);
  if (kvB.shape.length === 2 && kvB.shape[0] === rows && kvB.shape[1] === latentDim) return;
  throw new RangeError(`${op}: ${kvB.name} ${shown(kvB)}, expected [${rows}, ${latentDim}]`);
}

function checkCount(op: string, what: string, x: Tensor, rows: number): void {
  if (x.size === rows && x.dtype === "int32") return;
  throw new RangeError(`${op}: ${what} ${shown(x)}, expected [${rows}] int32, one for each row`);
}

function checkPages(op: string, pages: Tensor, c: number, r: number): void {
  const size = entrySize(c, r, pages.dtype as CacheDtype);
  if (pages.shape.length === 3 && pages.shape[2] === size) return;
  throw new RangeError(
    `${op}: pages ${shown(pages)}, expected [pages, pageSize, ${size}]: ${c} latent and ${r} key values`,
  );
}
