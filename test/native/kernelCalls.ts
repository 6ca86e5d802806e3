/**
 * Calls of every kernel of kernels.def at odd sizes and in both storage types, plus some large enough for several chunks of the thread
 * pool. A new kernel gets a section here; a test notices if it has none. Sizes are modest: qemu runs them too.
 */
import { type ElementType, ignored, input, type Operand, output, Recorder, valuesOf } from "./calls.js";
import { latents } from "./latentCalls.js";
import { fresh, given, made, madeInts, nameOf, restart, type Storage, storages } from "./operands.js";
import { randomShapes } from "./randomCalls.js";

const sizes = [1, 7, 33, 40_001] as const;

function vectors(r: Recorder): void {
  for (const n of sizes) {
    for (const type of storages) {
      r.record("add", made(n, type), given(n, type), given(n, type), n, type);
      r.record("addScaled", made(n, type), given(n, type), 0.37, n, type);
      r.record("scale", made(n, type), -1.7, n, type);
      r.record("sumSquares", output([0], "f64", 0, 1e-12), given(n, type), n, type);
    }
    r.record("findFp8Nan", output([0], "f64", 0, 0), bytesOf(n), n);
    r.record("fill", made(n), 2.5, n);
    // The random numbers of a seed are the same bits everywhere.
    r.record("randomNormal", output(new Float32Array(n), "f32", 0, 0), n, 2 ** 40 + n, 7, n, 0.02);
    r.record("randomUniform", output(new Float32Array(n), "f32", 0, 0), n, 2 ** 40 + n, 7, n, 0.02);
    for (const type of storages)
      for (const accumulate of [0, 1])
        r.record("dropout", made(n, type), given(n, type), n, 5, n, 0.3, accumulate, type);
    r.record("peakTriad", made(n), given(n), given(n), n);
    r.record("peakUpdate", made(n), made(n), made(n), given(n), n);
    for (const ahead of [0, 16384]) r.record("peakRead", output([0], "f64", 1e-3, 1e-6), given(n), n, ahead);
  }
  r.record("peakFlops", ignored([0], "f64"), 10, 0);
  r.record("peakFlops", ignored([0], "f64"), 10, 1);
  for (const bytes of [1, 2, 4])
    r.record(
      "copyRows",
      output(new Uint8Array((36 * 9 + 7) * bytes), "u8", 0, 0),
      bytesOf(37 * 8 * bytes),
      37,
      7,
      9,
      8,
      bytes,
    );
}

const bytesOf = (length: number): Operand =>
  input(
    Uint8Array.from(fresh(length, 128), (x) => Math.floor(x + 128)),
    "u8",
  );

function formats(r: Recorder): void {
  const half = (length: number): Operand => {
    const bits = Uint16Array.from(fresh(length, 15000), (x) => Math.abs(x) + (x < 0 ? 32768 : 0));
    return input(bits, "f16");
  };
  const types: readonly ElementType[] = ["f32", "bf16", "u8", "f16"];
  for (const n of [1, 7, 33, 1000])
    for (const [from, source] of types.entries())
      for (const [to, target] of types.entries()) {
        const x = source === "u8" ? bytesOf(n) : source === "f16" ? half(n) : input(fresh(n, 3), source);
        r.record("convert", output(new Uint8Array(n), target, 0, 0), x, n, to, from);
      }
  for (const [rows, cols, block] of [
    [3, 5, 2],
    [33, 70, 32],
    [130, 257, 128],
  ] as const)
    for (const type of storages) {
      const blocks = Math.ceil(rows / block) * Math.ceil(cols / block);
      const q = output(new Uint8Array(rows * cols), "u8", 0, 0);
      r.record("quantizeFp8Blocks", q, made(blocks), given(rows * cols, type), rows, cols, block, type);
      const stored = input(valuesOf(q), "u8");
      r.record("dequantizeFp8Blocks", made(rows * cols, type), stored, given(blocks), rows, cols, block, type);
    }
}

function products(r: Recorder): void {
  for (const [m, n, k] of [
    [1, 1, 1],
    [7, 5, 33],
    [33, 70, 17],
    [65, 130, 300],
  ] as const)
    for (const [types, transA, transB] of [
      [[0, 0, 0], 0, 0],
      [[0, 0, 0], 1, 1],
      [[1, 1, 1], 0, 1],
      [[0, 1, 1], 1, 0],
      [[0, 0, 1], 0, 1],
    ] as const) {
      const [c, a, b] = types;
      const [lda, ldb] = [transA ? m : k, transB ? k : n];
      for (const accumulate of [0, 1]) {
        const sizes = [m, n, k, lda, ldb, n, transA, transB, accumulate, ...types];
        r.record("gemm", made(m * n, c, c ? 0.25 : 1e-3), given(m * k, a), given(k * n, b), ...sizes);
      }
      const batch = [3, m * n, m * k, 0, m, n, k, lda, ldb, n, transA, transB, 0, ...types];
      r.record("gemmBatched", made(3 * m * n, c, c ? 0.25 : 1e-3), given(3 * m * k, a), given(k * n, b), ...batch);
      if (transA || !transB) continue;
      r.record("linearDecode", made(m * n, c, c ? 0.25 : 1e-3), given(m * k, a), given(n * k, b), m, n, k, ...types);
    }
  const offsets = [0, 5, 5, 18, 19];
  const [groups, rows] = [4, 19];
  for (const [n, k] of [
    [7, 33],
    [66, 129],
  ] as const)
    for (const type of storages) {
      const o = input(offsets, "i32");
      const near = type ? 0.25 : 1e-3;
      const [x, w] = [given(rows * k, type), given(groups * n * k, type)];
      for (const trans of [0, 1])
        r.record("groupedGemm", made(rows * n, type, near), x, w, o, groups, n, k, trans, 1 - trans, type, type, type);
      r.record(
        "groupedGemmWgrad",
        made(groups * n * k, 0, 1e-3),
        given(rows * n, type),
        x,
        o,
        groups,
        n,
        k,
        type,
        type,
      );
      r.record("groupedLinearDecode", made(rows * n, type, near), x, w, o, groups, n, k, type, type, type);
    }
}

function quantized(r: Recorder): void {
  for (const format of [0, 1, 2])
    for (const [n, k, group] of [
      [5, 33, 32],
      [66, 200, 64],
      [7, 256, 128],
    ] as const)
      for (const type of storages) {
        const [groups, rows] = [3, 14];
        const row = format === 2 ? Math.ceil(k / 32) * 16 : k;
        const q = output(new Uint8Array(groups * n * row), "u8", 0, 0);
        const scales = made(groups * n * Math.ceil(k / group));
        r.record("quantizeRows", q, scales, given(groups * n * k, type), groups * n, k, group, format, type);
        const [w, s] = [input(valuesOf(q), "u8"), input(valuesOf(scales))];
        const form = [group, format, type, type];
        r.record("dequantizeRows", made(groups * n * k, type), w, s, groups * n, k, group, format, type);
        const o = input([0, 3, 3, rows], "i32");
        const near = type ? 0.25 : 1e-3;
        const x = given(rows * k, type);
        r.record("linearDecodeQuantized", made(rows * n, type, near), x, w, s, o, groups, n, k, ...form);
        r.record("fetchWeights", w, s, o, groups, n * row, n * Math.ceil(k / group));
        r.record("fetchWeights", w, null, null, 1, groups * n * row, 0);
        r.record("groupedGemmQuantized", made(rows * n, type, near), x, w, s, o, groups, n, k, 1, 1, ...form);
        const dy = given(rows * n, type);
        r.record("groupedGemmQuantized", made(rows * k, type, near), dy, w, s, o, groups, k, n, 0, 0, ...form);
        const strides = [groups, 4 * n, 4 * k, n, 4, n, k, k, k, n];
        r.record(
          "gemmBatchedQuantized",
          made(4 * groups * n, type, near),
          given(4 * groups * k, type),
          w,
          s,
          ...strides,
          1,
          0,
          ...form,
        );
      }
}

function fp8Training(r: Recorder): void {
  const offsets = [0, 5, 5, 138, 139];
  const [groups, rows] = [4, 139];
  const o = input(offsets, "i32");
  const madeBytes = (length: number): Operand => output(new Uint8Array(length), "u8", 0, 0);
  const exactly = (length: number): Operand => output(new Float32Array(length), "f32", 0, 0);
  const again = (operand: Operand): Operand => input(valuesOf(operand), operand.type);
  for (const k of [1, 33, 130])
    for (const type of storages) {
      const tiles = Math.ceil(k / 128);
      const columnScales = (Math.floor(rows / 128) + groups) * k;
      const x = given(rows * k, type, 3);
      for (const [format, bytes] of [
        [2, rows * k],
        [4, rows * Math.ceil(k / 2) * 3],
      ] as const) {
        const [q, s] = [madeBytes(bytes), exactly(rows * tiles)];
        r.record("fp8QuantizeRows", q, s, x, rows, k, format, type, 1e-4, type);
        const [kept, scales] = [again(q), again(s)];
        r.record("fp8DequantizeRows", made(rows * k, type), kept, scales, rows, k, format, type);
        const [columns, cs] = [madeBytes(rows * k), exactly(columnScales)];
        r.record("fp8QuantizeColumns", columns, cs, kept, scales, o, groups, k, 1, 1e-4, format);
        const n = 70;
        const [w, ws] = [madeBytes(groups * n * k), exactly(groups * tiles)];
        r.record("fp8QuantizeWeights", w, ws, exactly(groups * n * tiles), given(groups * n * k), groups, n, k);
        const weights = [again(w), again(ws)] as const;
        for (const bits of [0, 14]) {
          const near = type ? 0.5 : 2e-3;
          r.record(
            "fp8Forward",
            made(rows * n, type, near),
            kept,
            scales,
            ...weights,
            o,
            groups,
            n,
            k,
            format,
            type,
            bits,
          );
          const [dy, ds] = [madeBytes(rows * n), exactly(rows)];
          const [dc, dcs] = [madeBytes(rows * n), exactly((Math.floor(rows / 128) + groups) * n)];
          const gradient = given(rows * n, type);
          r.record("fp8QuantizeRows", dy, ds, gradient, rows, n, 2, 0, 1e-4, type);
          r.record("fp8QuantizeColumns", dc, dcs, gradient, null, o, groups, n, 0, 1e-4, type);
          const dx = made(rows * k, type, near);
          r.record("fp8InputGradient", dx, again(dy), again(ds), ...weights, o, groups, n, k, 1, type, bits);
          const dw = made(groups * n * k, 0, 2e-3);
          r.record("fp8WeightGradient", dw, again(dc), again(dcs), again(columns), again(cs), o, groups, n, k, bits);
        }
      }
      const [blocks, bs] = [madeBytes(rows * k), exactly(rows * tiles)];
      r.record("fp8QuantizeGradientBlocks", blocks, bs, x, o, groups, k, 0, 1e-4, type);
      // Both halves of [19, 2 * width].
      const gateUp = given(19 * 2 * k, type);
      const [q, s] = [madeBytes(19 * 2 * k), exactly(19 * 2 * tiles)];
      // The activation's last bits may differ, and with them a step of E4M3.
      r.record(
        "fp8SwigluForward",
        output(new Uint8Array(19 * k), "u8", 1, 0),
        made(19 * tiles),
        q,
        s,
        gateUp,
        19,
        k,
        type,
      );
      r.record("fp8SwigluOutput", made(19 * k, type), again(q), again(s), 19, k, type);
      r.record("fp8SwigluBackward", made(19 * 2 * k, type), given(19 * k, type), again(q), again(s), 19, k, type);
    }
}

function rowKernels(r: Recorder): void {
  for (const type of storages)
    for (const [rows, dim] of [
      [1, 1],
      [3, 7],
      [70, 33],
      [300, 130],
    ] as const) {
      const [x, weight, rstd] = [given(rows * dim, type), given(dim), made(rows)];
      r.record("rmsNormForward", made(rows * dim, type), rstd, x, weight, rows, dim, dim, 1e-5, type);
      const [left, right] = [given(rows * dim, type), given(rows * dim, type)];
      const sum = made(rows * dim, type);
      r.record(
        "addRmsNormForward",
        made(rows * dim, type),
        made(rows),
        sum,
        left,
        right,
        weight,
        rows,
        dim,
        1e-5,
        type,
      );
      const kept = input(valuesOf(rstd));
      const dy = given(rows * dim, type);
      const near = type ? 0.05 : 1e-4; // a row of one value has a large 1 / rms
      for (const accumulate of [0, 1]) {
        const [dx, dw] = [made(rows * dim, type, near), made(dim, 0, 1e-4)];
        r.record("rmsNormBackward", dx, dw, dy, x, weight, kept, rows, dim, dim, accumulate, type);
      }
      const gateUp = given(rows * dim * 2, type, 4);
      r.record("swigluForward", made(rows * dim, type), gateUp, rows, dim, type);
      r.record("swigluBackward", made(rows * dim * 2, type), dy, gateUp, rows, dim, type);

      const half = Math.ceil(dim / 2);
      const positions = input(
        Array.from({ length: rows }, (_, i) => (i * 3) % 11),
        "i32",
      );
      const stride = 2 * (2 * half + 1);
      const angles = Array.from(fresh(11 * half, 3));
      const [cos, sin] = [input(angles.map(Math.cos)), input(angles.map(Math.sin))];
      const sizes = [rows, 2, stride, 2 * half + 1, 1, 2 * half, -1];
      r.record("rope", made(rows * stride, type), cos, sin, positions, ...sizes, type);

      const ids = input(
        Array.from({ length: rows }, (_, i) => (i % 6 === 4 ? -1 : (i * i) % 5)),
        "i32",
      );
      const table: Storage = type === 0 ? 1 : 0;
      r.record("embeddingForward", made(rows * dim, type), given(5 * dim, table), ids, rows, dim, 5, type, table);
      r.record("embeddingBackward", made(5 * dim, 0, 1e-4), dy, ids, rows, dim, 5, type);

      const targets = input(
        Array.from({ length: rows }, (_, i) => (i % 5 === 3 ? -1 : (i * 7) % dim)),
        "i32",
      );
      for (const gradient of [0, 1]) {
        const logits = output(fresh(rows * dim, 5), nameOf(type), type ? 1e-3 : 1e-6, type ? 2 ** -7 : 1e-5);
        const scales = gradient ? given(rows) : null;
        const outputs = [made(rows), madeInts(rows), gradient ? made(rows) : null];
        r.record(
          "crossEntropy",
          ...outputs,
          logits,
          targets,
          scales,
          rows,
          dim,
          gradient,
          0.5,
          gradient ? 0.8 : 1,
          type,
        );
      }
    }
  for (const width of [3, ...sizes, 1100]) {
    // A greedy row, a row that is left out, and rows drawn at several temperatures; all ids but the last may be drawn.
    const inverse = input([0, -1, 1, 0.5, 2]);
    const draws = input([0, 0, 0.37, 0, 0.81], "f64");
    r.record("drawTokens", madeInts(5), made(5), given(5 * width), inverse, draws, 5, width, Math.max(1, width - 1));
  }
  const strange = fresh(4 * 40, 3).map((value, i) => (i < 40 ? Number.NaN : i < 80 ? Number.NEGATIVE_INFINITY : value));
  const [ones, halves] = [input([1, 1, 1, 0]), input([0.5, 0.5, 1 - 2 ** -53, 0], "f64")];
  r.record("drawTokens", madeInts(4), made(4), input(strange), ones, halves, 4, 40, 40);
  for (const n of sizes)
    for (const type of storages) {
      const m = output(fresh(n), nameOf(type), 1e-6, type ? 2 ** -7 : 1e-5);
      const v = output(fresh(n).map(Math.abs), nameOf(type), 1e-6, type ? 2 ** -7 : 1e-5);
      r.record("adamw", made(n), made(n, 1), m, v, given(n), n, 0.5, 0.01, 0.9, 0.95, 1e-8, 0.1, 0.5, 0.3, type);
    }
}

function experts(r: Recorder): void {
  for (const [rows, e, k, groups, kept] of [
    [1, 4, 1, 1, 1],
    [9, 12, 3, 4, 2],
    [70, 33, 8, 3, 2],
    [400, 64, 6, 8, 4],
  ] as const) {
    const offsets = input([0, Math.floor(rows / 3), rows], "i32");
    for (const [scoring, method, norm] of [
      [0, 2, 1],
      [1, 0, 0],
      [1, 1, 0],
    ] as const) {
      const [chosen, weights, scores] = [madeInts(rows * k), made(rows * k), made(rows * e)];
      const bias = method === 2 ? given(e, 0, 0.1) : null;
      const rules = [rows, e, k, groups, kept, scoring, method, norm, 2.5];
      r.record("routerForward", chosen, weights, scores, given(rows * e, 0, 3), bias, ...rules);
      const [picked, s] = [input(valuesOf(chosen), "i32"), input(valuesOf(scores))];
      const [dweights, dscores] = [given(rows * k), given(rows * e)];
      r.record("routerBackward", made(rows * e, 0, 1e-5), dweights, dscores, picked, s, rows, e, k, scoring, norm, 2.5);
      r.record("routerStatistics", made(2 * e), madeInts(2 * e), s, offsets, 2, e, k, norm);
      r.record("routerStatisticsBackward", made(rows * e), given(2 * e), s, offsets, 2, e, norm);
      r.record("expertCounts", madeInts(2 * e), picked, offsets, 2, e, k);

      const [starts, rowSlot, slotRow] = [madeInts(e + 1), madeInts(rows * k), madeInts(rows * k)];
      r.record("moeSort", starts, rowSlot, slotRow, picked, rows, k, e);
      const [order, back] = [input(valuesOf(rowSlot), "i32"), input(valuesOf(slotRow), "i32")];
      const [slots, dim] = [rows * k, 37];
      for (const type of storages) {
        const [x, y, w] = [given(rows * dim, type), given(slots * dim, type), given(slots)];
        r.record("permuteForward", made(slots * dim, type), x, order, slots, k, dim, type);
        r.record("permuteBackward", made(rows * dim, type), y, back, rows, k, dim, 1, type);
        r.record("combineForward", made(rows * dim, type), y, w, back, method === 0 ? null : x, rows, k, dim, type);
        r.record("combineBackward", made(slots * dim, type), made(slots, 0, 1e-5), x, y, w, back, rows, k, dim, type);
      }
    }
  }
}

function attention(r: Recorder): void {
  for (const type of storages) {
    for (const [heads, kvHeads, dn, dr, dv, ends] of [
      [1, 1, 1, 0, 1, [1]],
      [4, 2, 7, 0, 5, [3, 3, 10]],
      [3, 3, 16, 8, 16, [1, 40, 77]],
      [2, 2, 33, 6, 17, [150]],
    ] as const) {
      const rows = ends.at(-1) ?? 0;
      const offsets = input([0, ...ends], "i32");
      const [stride, backStride] = [dr + 3, dr + 1];
      const [q, kv] = [given(rows * heads * (dn + dr), type), given(rows * kvHeads * (dn + dv), type)];
      const kRope = dr > 0 ? given((rows - 1) * stride + dr, type) : null;
      const [o, lse] = [made(rows * heads * dv, type, type ? 0.02 : 1e-5), made(heads * rows, 0, 1e-5)];
      const shape = [ends.length, rows, heads, kvHeads, dn, dr, dv, stride];
      r.record("attentionForward", o, lse, q, kv, kRope, offsets, offsets, ...shape, 0.3, type);
      const near = type ? 0.06 : 1e-4;
      const [dq, dkv] = [made(rows * heads * (dn + dr), type, near), made(rows * kvHeads * (dn + dv), type, near)];
      const dkRope = dr > 0 ? made((rows - 1) * backStride + dr, type, near) : null;
      const [kept, sums] = [input(valuesOf(o), nameOf(type)), input(valuesOf(lse))];
      const d = given(rows * heads * dv, type);
      const sizes = [...shape, backStride, 0.3];
      r.record("attentionBackward", dq, dkv, dkRope, d, q, kv, kRope, kept, sums, offsets, ...sizes, type);
    }
    for (const [heads, c, dr, page, lengths] of [
      [1, 1, 2, 1, [1]],
      [3, 33, 6, 16, [5, 16, 0, 47]],
      [16, 64, 16, 64, [300, 1]],
    ] as const) {
      const rows = lengths.length;
      const pages = Math.ceil(Math.max(...lengths) / page);
      const table = Array.from({ length: rows * pages }, (_, i) => (i * 5 + 2) % (rows * pages));
      const cache = given(rows * pages * page * (c + dr), type);
      const q = given(rows * heads * (c + dr), type);
      const out = made(rows * heads * c, type, type ? 0.02 : 1e-5);
      const shape = [rows, heads, c, dr, page, pages];
      r.record("mlaDecode", out, q, cache, input(table, "i32"), input(lengths, "i32"), ...shape, 0.2, type, type);
    }
  }
}

/** Ids, targets and experts outside their range, numbers that are not finite: legal, and never a reason to leave a buffer. */
function strangeInput(r: Recorder): void {
  const bad = [-1, 2_000_000_000, 2, -2_000_000_000, 3, 0, -1];
  const n = bad.length;
  for (const type of storages) {
    const ids = input(bad, "i32");
    r.record("embeddingForward", made(n * 9, type), given(27, type), ids, n, 9, 3, type, type);
    r.record("embeddingBackward", made(27), given(n * 9, type), ids, n, 9, 3, type);
    r.record("crossEntropy", made(n), madeInts(n), made(n), made(n * 3, type), ids, null, n, 3, 1, 1, 1, type);
    const lost = input([-1, 1, 0, -1, -1, -1], "i32"); // the second of three rows has no expert at all
    const [x, y, w] = [given(27, type), given(18, type), given(6)];
    r.record("permuteBackward", made(27, type), y, lost, 3, 2, 9, 0, type);
    r.record("combineForward", made(27, type), y, w, lost, null, 3, 2, 9, type);
    r.record("combineBackward", made(18, type), made(6), x, y, w, lost, 3, 2, 9, type);
  }
  r.record("moeSort", madeInts(4), madeInts(n), madeInts(n), input(bad, "i32"), n, 1, 3);
  const logits = fresh(5 * 12, 3);
  logits.set([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY], 10);
  logits.fill(Number.NaN, 24, 36);
  for (const method of [0, 1, 2])
    for (const scoring of [0, 1]) {
      const rules = [5, 12, 4, 3, 2, scoring, method, 1, 2.5];
      r.record("routerForward", madeInts(20), made(20), made(60), input(logits), null, ...rules);
    }
}

/** No rows, or rows of nothing: null pointers and buffers of no bytes. */
function emptySizes(r: Recorder): void {
  for (const type of storages) {
    const none = given(0, type);
    r.record("add", made(0, type), none, null, 0, type);
    r.record("sumSquares", output([5], "f64", 0, 0), none, 0, type);
    r.record("rmsNormBackward", null, made(5), null, null, given(5), null, 0, 5, 5, 1, type);
    r.record("swigluForward", made(0, type), none, 0, 3, type);
    r.record("embeddingBackward", made(6), none, null, 0, 2, 3, type);
    r.record("crossEntropy", made(0), null, null, made(0, type), null, null, 0, 3, 1, 1, 1, type);
    r.record("drawTokens", null, null, null, null, null, 0, 3, 3);
    r.record("permuteForward", made(0, type), none, null, 0, 2, 3, type);
    r.record("combineForward", made(0, type), none, null, null, null, 0, 2, 3, type);
    r.record("gemm", made(0, type), none, none, 0, 3, 2, 2, 3, 3, 0, 0, 0, type, type, type);
    r.record("gemm", made(6, type), none, none, 2, 3, 0, 0, 3, 3, 0, 0, 0, type, type, type);
    const offsets = input([0, 0, 0], "i32");
    r.record("groupedGemm", made(0, type), none, given(12, type), offsets, 2, 3, 2, 1, 0, type, type, type);
    r.record("groupedGemmWgrad", made(12), none, none, offsets, 2, 3, 2, type, type);
    r.record(
      "attentionForward",
      made(0, type),
      made(0),
      none,
      none,
      none,
      input([0], "i32"),
      input([0], "i32"),
      0,
      0,
      2,
      2,
      4,
      2,
      4,
      2,
      1,
      type,
    );
    r.record("mlaDecode", made(0, type), none, given(6, type), null, null, 0, 2, 2, 1, 2, 1, 1, type, type);
    r.record("adamw", made(0), null, made(0, type), made(0, type), null, 0, 1, 0.1, 0.9, 0.95, 1e-8, 0, 1, 1, type);
  }
  r.record("moeSort", output([7, 7, 7], "i32", 0, 0), null, null, null, 0, 2, 2);
  r.record("routerForward", madeInts(0), made(0), made(0), null, null, 0, 4, 2, 1, 1, 0, 2, 1, 1);
  r.record("expertCounts", madeInts(0), null, input([0], "i32"), 0, 4, 2);
  r.record("copyRows", output([], "u8", 0, 0), null, 0, 3, 3, 3, 4);
}

/** Every call, recorded on the portable path. */
export function recordKernelCalls(): Recorder {
  restart();
  const recorder = new Recorder();
  const parts = [
    ...[vectors, formats, products, quantized, fp8Training, rowKernels],
    ...[experts, attention, latents, strangeInput, emptySizes, randomShapes],
  ];
  for (const part of parts) part(recorder);
  return recorder;
}
