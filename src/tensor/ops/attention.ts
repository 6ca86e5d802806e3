/**
 * Causal attention in MLA form (keys and values per head from kv, one rotated key part shared by all heads) and, with ropeDim 0 and fewer
 * key heads, plain grouped-query attention; and the absorbed form of MLA over the latent cache. Report section 2.1.1.
 */
import { native } from "../native.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { coveredRows, shown } from "./sizes.js";

export interface AttentionShape {
  readonly heads: number;
  /** Heads of kv; equal to `heads` in MLA. */
  readonly kvHeads: number;
  /** Values of a key that come from kv. */
  readonly nopeDim: number;
  /** Values of a key that all heads share; 0 in grouped-query attention. */
  readonly ropeDim: number;
  readonly vDim: number;
  /** Softmax scale, YaRN's magnitude included. */
  readonly scale: number;
}

/**
 * @param q [rows, heads * (nopeDim + ropeDim)]
 * @param kv [rows, kvHeads * (nopeDim + vDim)], per head key part then value
 * @param kRope [rows, ropeDim], or null if ropeDim is 0
 * @param seqOffsets [sequences + 1] int32: rows of each sequence; attention never crosses them
 * @returns [rows, heads * vDim], new
 * @throws RangeError for sizes that differ
 */
export function attention(
  tape: Tape,
  q: Tensor,
  kv: Tensor,
  kRope: Tensor | null,
  seqOffsets: Tensor,
  shape: AttentionShape,
): Tensor {
  const { heads, kvHeads, nopeDim: dn, ropeDim: dr, vDim: dv, scale } = shape;
  const { rows, code } = q;
  if (kv.rows !== rows) throw new RangeError(`attention: ${rows} queries and ${kv.rows} keys, which must be as many`);
  const sequences = seqOffsets.size - 1;
  const o = tape.empty([rows, heads * dv], q.dtype);
  const lse = attendBack(tape, o, q, { kv, kRope, offsets: seqOffsets }, seqOffsets, shape);
  for (const read of [q, kv, kRope, o]) if (read) read.isReadInBackward = tape.hasGrad;
  tape.record(() => {
    if (!o.grad) return;
    const dq = tape.empty(q.shape, q.dtype);
    const dkv = tape.empty(kv.shape, kv.dtype);
    const dkRope = kRope ? tape.empty(kRope.shape, kRope.dtype) : null;
    native().attentionBackward(
      dq.address,
      dkv.address,
      dkRope?.address ?? null,
      o.grad.address,
      q.address,
      kv.address,
      kRope?.address ?? null,
      o.address,
      lse.address,
      seqOffsets.address,
      sequences,
      rows,
      heads,
      kvHeads,
      dn,
      dr,
      dv,
      dr,
      dr,
      scale,
      code,
    );
    tape.contribute(q, dq);
    tape.contribute(kv, dkv);
    if (kRope && dkRope) tape.contribute(kRope, dkRope);
  });
  return o;
}

/** Keys and values that may reach further back than the queries. */
export interface SeenKeys {
  /** [keys, kvHeads * (nopeDim + vDim)] */
  readonly kv: Tensor;
  /** [keys, ropeDim], or null if ropeDim is 0 */
  readonly kRope: Tensor | null;
  /** [sequences + 1] int32: keys of each sequence, whose last ones are those of its queries */
  readonly offsets: Tensor;
}

/**
 * The forward alone, for queries that continue sequences. Their bits are those of a pass over the whole sequences if the keys before the
 * queries are a multiple of 64.
 * @param q [rows, heads * (nopeDim + ropeDim)] @param seqOffsets [sequences + 1] int32: queries of each sequence
 * @param o [rows, heads * vDim], overwritten
 * @returns [heads, rows] float32, logarithms of the sums of exponentials, new
 * @throws RangeError for sizes that differ
 */
export function attendBack(
  tape: Tape,
  o: Tensor,
  q: Tensor,
  { kv, kRope, offsets }: SeenKeys,
  seqOffsets: Tensor,
  shape: AttentionShape,
): Tensor {
  const { heads, kvHeads, nopeDim: dn, ropeDim: dr, vDim: dv, scale } = shape;
  const { rows, code } = q;
  checkSizes(o, q, { kv, kRope, offsets }, seqOffsets, shape);
  const lse = tape.empty([heads, rows], "float32");
  native().attentionForward(
    o.address,
    lse.address,
    q.address,
    kv.address,
    kRope?.address ?? null,
    seqOffsets.address,
    offsets.address,
    seqOffsets.size - 1,
    rows,
    heads,
    kvHeads,
    dn,
    dr,
    dv,
    dr,
    scale,
    code,
  );
  return lse;
}

function checkSizes(o: Tensor, q: Tensor, keys: SeenKeys, seqOffsets: Tensor, shape: AttentionShape): void {
  const { heads, kvHeads, nopeDim: dn, ropeDim: dr, vDim: dv } = shape;
  const { kv, kRope, offsets } = keys;
  const isSameType = kv.dtype === q.dtype && o.dtype === q.dtype && (!kRope || kRope.dtype === q.dtype);
  const fitHeads = q.columns === heads * (dn + dr) && kv.columns === kvHeads * (dn + dv) && heads % kvHeads === 0;
  const fitsKey = kRope ? kRope.columns === dr && kRope.rows === kv.rows : dr === 0;
  if (!isSameType || !fitHeads || !fitsKey || o.rows !== q.rows || o.columns !== heads * dv) {
    throw new RangeError(
      `attention: o ${shown(o)}, q ${shown(q)}, kv ${shown(kv)}, kRope ${shown(kRope)} do not fit ${heads} heads, ${kvHeads} kv heads, ` +
        `${dn} + ${dr} and ${dv} values: expected [rows, ${heads * dv}], [rows, ${heads * (dn + dr)}], ` +
        `[keys, ${kvHeads * (dn + dv)}] and [keys, ${dr}] of one type`,
    );
  }
  const isCovered = coveredRows(seqOffsets) === q.rows && coveredRows(offsets) === kv.rows;
  if (!isCovered || offsets.size !== seqOffsets.size) {
    throw new RangeError(
      `attention: sequences ${shown(seqOffsets)} to ${coveredRows(seqOffsets)} and ${shown(offsets)} to ${coveredRows(offsets)}, ` +
        `expected as many of both, to ${q.rows} queries and ${kv.rows} keys`,
    );
  }
}
