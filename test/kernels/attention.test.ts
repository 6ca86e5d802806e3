/** Attention kernels against a plain double-arithmetic twin: loops over sequences, heads, queries and keys, nothing shared. */
import { describe, expect, test } from "vitest";
import { type DtypeCode, native } from "../../src/tensor/native.js";
import { expectClose, f32, i32, noise, onEveryIsa, type Stored, stored } from "./memory.js";
import { centralDifferences, dot, expectSameBits } from "./oracle.js";

interface Shape {
  readonly lengths: readonly number[];
  readonly heads: number;
  readonly kvHeads: number;
  readonly dn: number;
  readonly dr: number;
  readonly dv: number;
}

const shapes: readonly Shape[] = [
  { lengths: [1], heads: 1, kvHeads: 1, dn: 1, dr: 0, dv: 1 },
  { lengths: [5, 0, 1, 9], heads: 3, kvHeads: 3, dn: 7, dr: 2, dv: 5 },
  { lengths: [33, 70, 1], heads: 2, kvHeads: 2, dn: 16, dr: 8, dv: 24 },
  { lengths: [67], heads: 4, kvHeads: 2, dn: 20, dr: 0, dv: 20 },
  { lengths: [130, 3], heads: 6, kvHeads: 1, dn: 33, dr: 6, dv: 40 },
  { lengths: [2, 330], heads: 2, kvHeads: 1, dn: 5, dr: 3, dv: 18 }, // more than one block of query tiles
  { lengths: [17], heads: 18, kvHeads: 18, dn: 3, dr: 5, dv: 2 }, // more heads than share the memory of dkRope
];
const types: readonly DtypeCode[] = [0, 1];

/** Where each sequence begins, and the number of rows at the end. */
function offsetsOf(lengths: readonly number[]): number[] {
  const offsets = [0];
  for (const length of lengths) offsets.push(offsets.at(-1)! + length);
  return offsets;
}

type Numbers = ArrayLike<number>;

/** o, lse and the probabilities' row sums in double arithmetic; the rope stride is ropeStride. */
function naive(shape: Shape, q: Numbers, kv: Numbers, kRope: Numbers, ropeStride: number, scale: number) {
  const { heads, kvHeads, dn, dr, dv } = shape;
  const offsets = offsetsOf(shape.lengths);
  const rows = offsets.at(-1)!;
  const d = dn + dr;
  const o = new Float64Array(rows * heads * dv);
  const lse = new Float64Array(heads * rows);
  for (let s = 0; s < shape.lengths.length; s++)
    for (let h = 0; h < heads; h++)
      for (let i = offsets[s]!; i < offsets[s + 1]!; i++) {
        const base = (j: number): number => (j * kvHeads + Math.floor((h * kvHeads) / heads)) * (dn + dv);
        const scores: number[] = [];
        for (let j = offsets[s]!; j <= i; j++) {
          let product = 0;
          for (let e = 0; e < dn; e++) product += q[(i * heads + h) * d + e]! * kv[base(j) + e]!;
          for (let e = 0; e < dr; e++) product += q[(i * heads + h) * d + dn + e]! * kRope[j * ropeStride + e]!;
          scores.push(product * scale);
        }
        const most = Math.max(...scores);
        const total = scores.reduce((sum, x) => sum + Math.exp(x - most), 0);
        lse[h * rows + i] = most + Math.log(total);
        for (const [n, x] of scores.entries()) {
          const p = Math.exp(x - most) / total;
          const from = base(offsets[s]! + n) + dn;
          for (let e = 0; e < dv; e++) o[(i * heads + h) * dv + e]! += p * kv[from + e]!;
        }
      }
  return { o, lse };
}

interface Problem {
  readonly shape: Shape;
  readonly rows: number;
  readonly ropeStride: number;
  readonly scale: number;
  readonly q: Stored;
  readonly kv: Stored;
  readonly kRope: Stored;
  readonly dO: Stored;
  readonly offsets: number;
}

function problem(shape: Shape, type: DtypeCode, seed = 1): Problem {
  const { heads, kvHeads, dn, dr, dv } = shape;
  const offsets = offsetsOf(shape.lengths);
  const rows = offsets.at(-1)!;
  const ropeStride = dr + 3;
  return {
    shape,
    rows,
    ropeStride,
    scale: 1.3 / Math.sqrt(dn + dr),
    q: stored(noise(seed, rows * heads * (dn + dr), 2), type),
    kv: stored(noise(seed + 1, rows * kvHeads * (dn + dv), 2), type),
    kRope: stored(noise(seed + 2, rows * ropeStride, 2), type),
    dO: stored(noise(seed + 3, rows * heads * dv), type),
    offsets: i32(offsets).address,
  };
}

/** The last rows of each sequence alone, against keys of all: `from` rows of a sequence are left out. */
function continued(p: Problem, o: Stored, from: readonly number[]): void {
  const { heads, kvHeads, dn, dr, dv, lengths } = p.shape;
  const offsets = offsetsOf(lengths);
  const width = heads * (dn + dr);
  const kept = lengths.flatMap((length, s) =>
    Array.from({ length: length - from[s]! }, (_, i) => offsets[s]! + from[s]! + i),
  );
  const all = p.q.read();
  const q = stored(Float32Array.from(kept.flatMap((row) => [...all.slice(row * width, (row + 1) * width)])), o.type);
  native().attentionForward(
    o.address,
    f32(heads * kept.length).address,
    q.address,
    p.kv.address,
    dr > 0 ? p.kRope.address : null,
    i32(offsetsOf(lengths.map((length, s) => length - from[s]!))).address,
    p.offsets,
    lengths.length,
    kept.length,
    heads,
    kvHeads,
    dn,
    dr,
    dv,
    p.ropeStride,
    p.scale,
    o.type,
  );
}

function forward(p: Problem, o: Stored, lse: number): void {
  const { heads, kvHeads, dn, dr, dv, lengths } = p.shape;
  const rope = dr > 0 ? p.kRope.address : null;
  native().attentionForward(
    o.address,
    lse,
    p.q.address,
    p.kv.address,
    rope,
    p.offsets,
    p.offsets,
    lengths.length,
    p.rows,
    heads,
    kvHeads,
    dn,
    dr,
    dv,
    p.ropeStride,
    p.scale,
    o.type,
  );
}

interface Gradients {
  readonly dq: Stored;
  readonly dkv: Stored;
  readonly dkRope: Stored;
}

function backward(p: Problem, o: Stored, lse: number): Gradients {
  const { heads, kvHeads, dn, dr, dv, lengths } = p.shape;
  const filled = (length: number): Stored => stored(new Float32Array(length).fill(7), o.type);
  const dq = filled(p.rows * heads * (dn + dr));
  const dkv = filled(p.rows * kvHeads * (dn + dv));
  const dkRope = filled(p.rows * (dr + 1));
  native().attentionBackward(
    dq.address,
    dkv.address,
    dr > 0 ? dkRope.address : null,
    p.dO.address,
    p.q.address,
    p.kv.address,
    dr > 0 ? p.kRope.address : null,
    o.address,
    lse,
    p.offsets,
    lengths.length,
    p.rows,
    heads,
    kvHeads,
    dn,
    dr,
    dv,
    p.ropeStride,
    dr + 1,
    p.scale,
    o.type,
  );
  return { dq, dkv, dkRope };
}

/** dq, dkv, dkRope by the chain rule over explicit probabilities, in double arithmetic. */
function naiveBackward(p: Problem, q: Numbers, kv: Numbers, kRope: Numbers, dO: Numbers) {
  const { heads, kvHeads, dn, dr, dv, lengths } = p.shape;
  const offsets = offsetsOf(lengths);
  const d = dn + dr;
  const { lse } = naive(p.shape, q, kv, kRope, p.ropeStride, p.scale);
  const dq = new Float64Array(q.length);
  const dkv = new Float64Array(kv.length);
  const dkRope = new Float64Array(p.rows * (dr + 1)).fill(7);
  for (let r = 0; r < p.rows; r++) dkRope.fill(0, r * (dr + 1), r * (dr + 1) + dr);
  for (let s = 0; s < lengths.length; s++)
    for (let h = 0; h < heads; h++)
      for (let i = offsets[s]!; i < offsets[s + 1]!; i++) {
        const base = (j: number): number => (j * kvHeads + Math.floor((h * kvHeads) / heads)) * (dn + dv);
        const at = (i * heads + h) * d;
        const ps: number[] = [];
        const dps: number[] = [];
        for (let j = offsets[s]!; j <= i; j++) {
          let score = 0;
          for (let e = 0; e < dn; e++) score += q[at + e]! * kv[base(j) + e]!;
          for (let e = 0; e < dr; e++) score += q[at + dn + e]! * kRope[j * p.ropeStride + e]!;
          ps.push(Math.exp(score * p.scale - lse[h * p.rows + i]!));
          let dp = 0;
          for (let e = 0; e < dv; e++) dp += dO[(i * heads + h) * dv + e]! * kv[base(j) + dn + e]!;
          dps.push(dp);
        }
        const mean = dot(ps, dps);
        for (const [n, prob] of ps.entries()) {
          const j = offsets[s]! + n;
          const ds = prob * (dps[n]! - mean) * p.scale;
          for (let e = 0; e < dn; e++) {
            dq[at + e]! += ds * kv[base(j) + e]!;
            dkv[base(j) + e]! += ds * q[at + e]!;
          }
          for (let e = 0; e < dr; e++) {
            dq[at + dn + e]! += ds * kRope[j * p.ropeStride + e]!;
            dkRope[j * (dr + 1) + e]! += ds * q[at + dn + e]!;
          }
          for (let e = 0; e < dv; e++) dkv[base(j) + dn + e]! += prob * dO[(i * heads + h) * dv + e]!;
        }
      }
  return { dq, dkv, dkRope };
}

test("the naive gradients equal central differences of the naive forward", () => {
  const p = problem(shapes[1]!, 0);
  const [q, kv, kRope, dO] = [p.q.rounded, p.kv.rounded, p.kRope.rounded, p.dO.rounded];
  const g = naiveBackward(p, q, kv, kRope, dO);
  const loss = (a: Numbers, b: Numbers, c: Numbers): number =>
    dot(naive(p.shape, a, b, c, p.ropeStride, p.scale).o, dO);
  expectClose(
    g.dq,
    centralDifferences((x) => loss(x, kv, kRope), q),
    1e-8,
    1e-7,
    "dq",
  );
  expectClose(
    g.dkv,
    centralDifferences((x) => loss(q, x, kRope), kv),
    1e-8,
    1e-7,
    "dkv",
  );
  const dr = p.shape.dr;
  const rope = centralDifferences((x) => loss(q, kv, x), kRope);
  for (let r = 0; r < p.rows; r++)
    expectClose(
      g.dkRope.subarray(r * (dr + 1), r * (dr + 1) + dr),
      rope.subarray(r * p.ropeStride, r * p.ropeStride + dr),
      1e-8,
      1e-7,
      `dkRope of row ${r}`,
    );
});

describe.each(types)("attention with storage type %i", (type) => {
  const tolerance = type === 0 ? 3e-6 : 2 ** -8;

  test.each(shapes)("forward equals the naive twin: $lengths, $heads/$kvHeads heads, $dn + $dr, $dv", (shape) => {
    const p = problem(shape, type);
    const expected = naive(shape, p.q.rounded, p.kv.rounded, p.kRope.rounded, p.ropeStride, p.scale);
    onEveryIsa((isa) => {
      const o = stored(new Float32Array(expected.o.length).fill(9), type);
      const lse = f32(expected.lse.length);
      forward(p, o, lse.address);
      expectClose(o.read(), expected.o, tolerance, tolerance, `o ${isa}`);
      expectClose(lse.values, expected.lse, 2e-6, 2e-6, `lse ${isa}`);
    });
  });

  test.each(shapes)("backward equals the naive gradients: $lengths, $heads/$kvHeads heads, $dn + $dr, $dv", (shape) => {
    const p = problem(shape, type, 20);
    const { o, lse } = naive(shape, p.q.rounded, p.kv.rounded, p.kRope.rounded, p.ropeStride, p.scale);
    const expected = naiveBackward(p, p.q.rounded, p.kv.rounded, p.kRope.rounded, p.dO.rounded);
    const output = stored(Float32Array.from(o), type);
    const kept = f32(lse);
    const absolute = type === 0 ? 1e-5 : 0.03; // bf16: delta comes from the rounded output, and values reach about 8
    onEveryIsa((isa) => {
      const g = backward(p, output, kept.address);
      expectClose(g.dq.read(), expected.dq, absolute, 2 * tolerance, `dq ${isa}`);
      expectClose(g.dkv.read(), expected.dkv, absolute, 2 * tolerance, `dkv ${isa}`);
      if (shape.dr > 0) expectClose(g.dkRope.read(), expected.dkRope, absolute, 2 * tolerance, `dkRope ${isa}`);
    });
  });

  test("threads do not change a bit", () => {
    const p = problem({ lengths: [150, 40], heads: 6, kvHeads: 3, dn: 20, dr: 4, dv: 12 }, type, 40);
    onEveryIsa(() => {
      expectSameBits(() => {
        const o = stored(p.rows * 6 * 12, type);
        const lse = f32(6 * p.rows);
        forward(p, o, lse.address);
        const g = backward(p, o, lse.address);
        return [o.read(), lse.values.slice(), g.dq.read(), g.dkv.read(), g.dkRope.read()];
      });
    });
  });

  test("a row's output depends only on the rows before it: a shorter sequence gives the same bits", () => {
    const shape = { lengths: [140], heads: 2, kvHeads: 1, dn: 9, dr: 4, dv: 17 };
    const p = problem(shape, type, 50);
    onEveryIsa(() => {
      const o = stored(140 * 2 * 17, type);
      const lse = f32(2 * 140);
      forward(p, o, lse.address);
      for (const length of [1, 63, 65, 100]) {
        const short = stored(length * 2 * 17, type);
        const cut = { ...p, shape: { ...shape, lengths: [length] }, rows: length, offsets: i32([0, length]).address };
        forward(cut, short, f32(2 * length).address);
        expect([...short.read()]).toEqual([...o.read().subarray(0, length * 2 * 17)]);
      }
    });
  });

  test("queries that continue sequences have the bits of a pass over the whole of them", () => {
    const shape = { lengths: [140, 0, 330, 5], heads: 2, kvHeads: 1, dn: 9, dr: 4, dv: 17 };
    const p = problem(shape, type, 51);
    const width = 2 * 17;
    onEveryIsa(() => {
      const whole = stored(p.rows * width, type);
      forward(p, whole, f32(2 * p.rows).address);
      for (const from of [
        [64, 0, 320, 0],
        [128, 0, 64, 0],
      ]) {
        const offsets = offsetsOf(shape.lengths);
        const expected = shape.lengths.flatMap((length, s) => [
          ...whole.read().subarray((offsets[s]! + from[s]!) * width, (offsets[s]! + length) * width),
        ]);
        const o = stored(expected.length, type);
        continued(p, o, from);
        expect([...o.read()]).toEqual(expected);
      }
    });
  });

  test("no sequences and empty sequences are legal", () => {
    const p = problem({ lengths: [0, 0], heads: 2, kvHeads: 2, dn: 4, dr: 2, dv: 4 }, type);
    const o = stored(4, type);
    forward(p, o, f32(4).address);
    forward({ ...p, shape: { ...p.shape, lengths: [] } }, o, f32(4).address);
    expect(backward(p, o, f32(4).address).dq.read()).toHaveLength(0);
  });
});

test("very large scores neither overflow nor lose the largest key", () => {
  const shape = { lengths: [80], heads: 1, kvHeads: 1, dn: 1, dr: 0, dv: 1 };
  const p = { ...problem(shape, 0), scale: 1000 };
  const expected = naive(shape, p.q.rounded, p.kv.rounded, p.kRope.rounded, p.ropeStride, p.scale);
  onEveryIsa((isa) => {
    const o = stored(80, 0);
    forward(p, o, f32(80).address);
    expectClose(o.read(), expected.o, 1e-3, 1e-3, isa);
  });
});
