/** Decoding over the paged latent cache against plain attention over the gathered latent, in double arithmetic. */
import { describe, expect, test } from "vitest";
import { type DtypeCode, native } from "../../src/tensor/native.js";
import { latentEntries } from "./latentEntries.js";
import { expectClose, i32, noise, onEveryIsa, type Stored, stored } from "./memory.js";
import { expectSameBits } from "./oracle.js";

interface Shape {
  readonly lengths: readonly number[];
  readonly heads: number;
  readonly c: number;
  readonly dr: number;
  readonly pageSize: number;
}

const shapes: readonly Shape[] = [
  { lengths: [1], heads: 1, c: 1, dr: 1, pageSize: 1 },
  { lengths: [5, 0, 33], heads: 3, c: 7, dr: 2, pageSize: 4 },
  { lengths: [64, 65, 256, 257], heads: 16, c: 32, dr: 8, pageSize: 16 },
  { lengths: [700, 12], heads: 70, c: 33, dr: 0, pageSize: 64 },
  { lengths: [301, 64, 1, 0, 130], heads: 21, c: 136, dr: 6, pageSize: 64 },
];
const typePairs = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
  [0, 2],
  [1, 2],
] as const;

interface Problem extends Shape {
  readonly q: Stored;
  readonly cache: Pick<Stored, "address" | "type" | "rounded">;
  readonly table: Int32Array;
  readonly maxPages: number;
  readonly scale: number;
}

/** Every row gets pages of its own, scattered over the cache; unused table entries are -1. */
function problem(shape: Shape, type: DtypeCode, cacheType: DtypeCode): Problem {
  const { lengths, heads, c, dr, pageSize } = shape;
  const needed = lengths.map((length) => Math.ceil(length / pageSize));
  const maxPages = Math.max(...needed) + 1;
  const total = needed.reduce((a, b) => a + b, 0) + 2;
  const step = [7, 5, 3, 11, 13].find((s) => total % s !== 0)!;
  const table = new Int32Array(lengths.length * maxPages).fill(-1);
  let next = 1;
  for (const [r, pages] of needed.entries())
    for (let i = 0; i < pages; i++) table[r * maxPages + i] = (next++ * step) % total;
  return {
    ...shape,
    q: stored(noise(1, lengths.length * heads * (c + dr), 2), type),
    cache:
      cacheType === 2
        ? latentEntries(2, total * pageSize, c, dr)
        : stored(noise(2, total * pageSize * (c + dr), 2), cacheType),
    table,
    maxPages,
    scale: 1.5 / Math.sqrt(c + dr),
  };
}

function naive(p: Problem): Float64Array {
  const width = p.c + p.dr;
  const o = new Float64Array(p.lengths.length * p.heads * p.c);
  for (const [r, length] of p.lengths.entries()) {
    const latent: Float32Array[] = [];
    for (let i = 0; i < length; i++) {
      const slot = p.table[r * p.maxPages + Math.floor(i / p.pageSize)]! * p.pageSize + (i % p.pageSize);
      latent.push(p.cache.rounded.subarray(slot * width, (slot + 1) * width));
    }
    for (let h = 0; h < p.heads; h++) {
      const at = (r * p.heads + h) * width;
      const scores = latent.map((row) => row.reduce((s, x, e) => s + x * p.q.rounded[at + e]!, 0) * p.scale);
      const most = Math.max(...scores);
      const weights = scores.map((s) => Math.exp(s - most));
      const total = weights.reduce((a, b) => a + b, 0);
      for (const [i, row] of latent.entries())
        for (let e = 0; e < p.c; e++) o[(r * p.heads + h) * p.c + e]! += (weights[i]! / total) * row[e]!;
    }
  }
  return o;
}

function decode(p: Problem, rows: readonly number[] = p.lengths.map((_, r) => r)): Float32Array {
  const width = p.heads * (p.c + p.dr);
  const q = stored(
    rows.flatMap((r) => [...p.q.rounded.subarray(r * width, (r + 1) * width)]),
    p.q.type,
  );
  const o = stored(new Float32Array(rows.length * p.heads * p.c).fill(5), p.q.type);
  const table = i32(rows.flatMap((r) => [...p.table.subarray(r * p.maxPages, (r + 1) * p.maxPages)]));
  const lengths = i32(rows.map((r) => p.lengths[r]!));
  native().mlaDecode(
    o.address,
    q.address,
    p.cache.address,
    table.address,
    lengths.address,
    rows.length,
    p.heads,
    p.c,
    p.dr,
    p.pageSize,
    p.maxPages,
    p.scale,
    p.q.type,
    p.cache.type,
  );
  return o.read();
}

describe.each(typePairs)("mlaDecode of type %i over a cache of type %i", (type, cacheType) => {
  // bf16 dot products round probabilities, and FP8 entries, to bf16: 2^-9 of each score and value.
  const tolerance = type === 0 ? 3e-6 : cacheType === 2 ? 2 ** -6 : 2 ** -7;

  test.each(shapes)("equals attention over the gathered latent: $lengths, $heads heads, $c + $dr", (shape) => {
    const p = problem(shape, type, cacheType);
    const expected = naive(p);
    onEveryIsa((isa) => expectClose(decode(p), expected, tolerance, tolerance, isa));
  });

  test("a row alone equals the row in a batch, and threads do not change a bit", () => {
    // Enough work to be shared among threads.
    const p = problem({ lengths: [300, 17, 600, 1], heads: 11, c: 20, dr: 4, pageSize: 32 }, type, cacheType);
    const row = p.heads * p.c;
    onEveryIsa(() => {
      expectSameBits(() => [decode(p)]);
      const all = decode(p);
      for (const r of [0, 1, 2, 3]) expect([...decode(p, [r])]).toEqual([...all.subarray(r * row, (r + 1) * row)]);
      expect([...decode(p, [3, 2])].slice(row)).toEqual([...all.subarray(2 * row, 3 * row)]);
    });
  });
});

test("a sequence of more than 64 pieces still equals the naive result", () => {
  const p = problem({ lengths: [17000], heads: 1, c: 2, dr: 1, pageSize: 64 }, 0, 0);
  const expected = naive(p);
  onEveryIsa((isa) => expectClose(decode(p), expected, 3e-6, 3e-6, isa));
});

test("no rows are legal", () => {
  expect(decode(problem(shapes[1]!, 0, 0), [])).toHaveLength(0);
});
