/**
 * Calls of the kernels that do the most work, at random sizes and with operands that begin at odd elements, for kernelCalls.ts: what no list of
 * shapes thought of. Everything comes from one seed, so every recording is the same; sizes stay small, for qemu runs them too.
 */
import { input, type Operand, output, placed, type Recorder, valuesOf } from "./calls.js";
import { given, made, type Storage } from "./operands.js";

const most = 140;

export function randomShapes(r: Recorder): void {
  const below = generator(20_260);
  const size = (): number => 1 + below(most);
  const storage = (): Storage => (below(2) === 0 ? 0 : 1);
  const anywhere = (operand: Operand): Operand => placed(operand, [0, 1, 3, 5, 7][below(5)] ?? 0);
  const read = (length: number, type: Storage = 0): Operand => anywhere(given(length, type));
  const product = (length: number, type: Storage): Operand => anywhere(made(length, type, type ? 0.25 : 1e-3));
  const gradient = (length: number, type: Storage): Operand => anywhere(made(length, type, type ? 0.05 : 1e-4));
  /** The same values again, from another place. */
  const again = (operand: Operand): Operand => anywhere(input(valuesOf(operand), operand.type));
  /** Offsets of `groups` groups, some of them empty, and the rows of all. */
  const split = (groups: number): [Operand, number] => {
    const rows = size();
    const inner = Array.from({ length: groups - 1 }, () => below(rows + 1)).sort((a, b) => a - b);
    return [anywhere(input([0, ...inner, rows], "i32")), rows];
  };
  const typesOf = (): readonly [Storage, Storage, Storage] => {
    const all = [
      [0, 0, 0],
      [1, 1, 1],
      [0, 1, 1],
      [0, 0, 1],
    ] as const;
    return all[below(4)] ?? all[0];
  };

  for (let i = 0; i < 24; i++) {
    const [m, n, k] = [size(), size(), size()];
    const [transA, transB] = [i & 1, (i >> 1) & 1];
    const types = typesOf();
    const [c, a, b] = types;
    // Rows lie apart by more than their length, and the last one ends with its last value.
    const [aRows, aColumns, bRows, bColumns] = [transA ? k : m, transA ? m : k, transB ? n : k, transB ? k : n];
    const [lda, ldb, ldc] = [aColumns + below(6), bColumns + below(6), n + below(6)];
    const [x, y] = [read((aRows - 1) * lda + aColumns, a), read((bRows - 1) * ldb + bColumns, b)];
    const target = product((m - 1) * ldc + n, c);
    r.record("gemm", target, x, y, m, n, k, lda, ldb, ldc, transA, transB, below(2), ...types);
  }
  for (let i = 0; i < 8; i++) {
    const [m, n, k, batch] = [size(), size(), size(), 1 + below(3)];
    const [transA, transB] = [i & 1, (i >> 1) & 1];
    const types = typesOf();
    const [c, a, b] = types;
    const strideB = below(2) * n * k;
    const y = read(strideB ? batch * n * k : n * k, b);
    const sizes = [m, n, k, transA ? m : k, transB ? k : n, n, transA, transB, below(2), ...types];
    r.record(
      "gemmBatched",
      product(batch * m * n, c),
      read(batch * m * k, a),
      y,
      batch,
      m * n,
      m * k,
      strideB,
      ...sizes,
    );
  }
  for (let i = 0; i < 8; i++) {
    const [rows, n, k, types] = [size(), size(), size(), typesOf()];
    const [c, a, b] = types;
    r.record("linearDecode", product(rows * n, c), read(rows * k, a), read(n * k, b), rows, n, k, ...types);
  }
  for (let i = 0; i < 6; i++) {
    const [groups, n, k, type] = [1 + below(4), size(), size(), storage()];
    const [offsets, rows] = split(groups);
    const [x, w, dy] = [read(rows * k, type), read(groups * n * k, type), read(rows * n, type)];
    const form = [type, type, type];
    r.record("groupedGemm", product(rows * n, type), x, w, offsets, groups, n, k, 1, below(2), ...form);
    r.record("groupedGemm", product(rows * k, type), dy, w, offsets, groups, k, n, 0, below(2), ...form);
    r.record("groupedLinearDecode", product(rows * n, type), x, w, offsets, groups, n, k, ...form);
    r.record("groupedGemmWgrad", product(groups * n * k, 0), dy, x, offsets, groups, n, k, type, type);
  }
  for (let i = 0; i < 9; i++) {
    const format = i % 3;
    const [groups, n, k, type, group] = [1 + below(3), size(), size(), storage(), 32 * (1 + below(4))];
    const [offsets, rows] = split(groups);
    const bytes = format === 2 ? Math.ceil(k / 32) * 16 : k; // of a row; int4 comes in whole steps of 32 values
    const q = anywhere(output(new Uint8Array(groups * n * bytes), "u8", 0, 0));
    const scales = anywhere(made(groups * n * Math.ceil(k / group)));
    r.record("quantizeRows", q, scales, read(groups * n * k, type), groups * n, k, group, format, type);
    const [w, s] = [again(q), again(scales)];
    const form = [group, format, type, type];
    r.record("dequantizeRows", product(groups * n * k, type), w, s, groups * n, k, group, format, type);
    const [x, dy] = [read(rows * k, type), read(rows * n, type)];
    r.record("linearDecodeQuantized", product(rows * n, type), x, w, s, offsets, groups, n, k, ...form);
    r.record("groupedGemmQuantized", product(rows * n, type), x, w, s, offsets, groups, n, k, 1, below(2), ...form);
    r.record("groupedGemmQuantized", product(rows * k, type), dy, w, s, offsets, groups, k, n, 0, below(2), ...form);
    const m = size();
    const strides = [groups, m * n, m * k, n, m, n, k, k, k, n];
    const [target, left] = [product(groups * m * n, type), read(groups * m * k, type)];
    r.record("gemmBatchedQuantized", target, left, w, s, ...strides, 1, below(2), ...form);
  }
  for (let i = 0; i < 6; i++) {
    const [rows, dim, type] = [size(), size(), storage()];
    const [x, dy, weight] = [read(rows * dim, type), read(rows * dim, type), read(dim)];
    const rstd = anywhere(made(rows));
    r.record("rmsNormForward", anywhere(made(rows * dim, type)), rstd, x, weight, rows, dim, dim, 1e-5, type);
    const outputs = [gradient(rows * dim, type), gradient(dim, 0)];
    r.record("rmsNormBackward", ...outputs, dy, x, weight, again(rstd), rows, dim, dim, below(2), type);
    const gateUp = read(rows * dim * 2, type);
    r.record("swigluForward", anywhere(made(rows * dim, type)), gateUp, rows, dim, type);
    r.record("swigluBackward", anywhere(made(rows * dim * 2, type)), dy, gateUp, rows, dim, type);
  }
  for (let i = 0; i < 5; i++) {
    const [kvHeads, dn, dr, dv, type] = [1 + below(2), 1 + below(40), 2 * below(10), 1 + below(40), storage()];
    const heads = kvHeads * (1 + below(2));
    const sequences = 1 + below(3);
    const [offsets, rows] = split(sequences);
    const [q, kv] = [read(rows * heads * (dn + dr), type), read(rows * kvHeads * (dn + dv), type)];
    const kRope = dr > 0 ? read(rows * dr, type) : null;
    const [o, lse] = [
      anywhere(made(rows * heads * dv, type, type ? 0.02 : 1e-5)),
      anywhere(made(heads * rows, 0, 1e-5)),
    ];
    const shape = [sequences, rows, heads, kvHeads, dn, dr, dv, dr];
    r.record("attentionForward", o, lse, q, kv, kRope, offsets, offsets, ...shape, 0.3, type);
    const near = (length: number): Operand => anywhere(made(length, type, type ? 0.06 : 1e-4));
    const outputs = [near(rows * heads * (dn + dr)), near(rows * kvHeads * (dn + dv)), dr > 0 ? near(rows * dr) : null];
    const kept = [read(rows * heads * dv, type), q, kv, kRope, again(o), again(lse), offsets];
    r.record("attentionBackward", ...outputs, ...kept, ...shape, dr, 0.3, type);
  }
}

/** Whole numbers below a bound: xorshift of 32 bits, Marsaglia 2003. */
function generator(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}
