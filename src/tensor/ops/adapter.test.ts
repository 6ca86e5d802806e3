import { describe, expect, test } from "vitest";
import { expectClose, noise, onEveryIsa } from "../../../test/kernels/memory.js";
import { centralDifferences, dot, expectSameBits } from "../../../test/kernels/oracle.js";
import { Arena } from "../arena.js";
import { type ComputeDtype, type QuantDtype, quantFormat } from "../dtype.js";
import { native } from "../native.js";
import { type Adapter, createParameter, createQuantized, type Parameter, type RowRun } from "../parameter.js";
import { Tape } from "../tape.js";
import { Tensor } from "../tensor.js";
import { foldIntoWeight } from "./adapter.js";
import { absorbQueries, expandValues } from "./latentAttention.js";
import { groupedLinear, linear } from "./linear.js";

const arena = new Arena();
const scale = 1.5;

type Storage = ComputeDtype | QuantDtype;

interface Case {
  /** Rows of each expert; null: one plain matrix over 9 rows. */
  readonly experts: readonly number[] | null;
  readonly n: number;
  readonly k: number;
  /** Rank, and the rows of the matrix that are adapted, of each adapter. */
  readonly adapters: readonly (readonly [rank: number, runs: readonly RowRun[]])[];
}

const whole = (length: number): RowRun[] => [{ start: 0, length }];
const cases: Readonly<Record<string, Case>> = {
  "one adapter over a whole matrix": { experts: null, n: 9, k: 64, adapters: [[7, whole(9)]] },
  "rank 1 over one row of inputs": { experts: null, n: 1, k: 32, adapters: [[1, whole(1)]] },
  "two adapters of other ranks over the halves": {
    experts: null,
    n: 14,
    k: 32,
    adapters: [
      [3, [{ start: 0, length: 7 }]],
      [5, [{ start: 7, length: 7 }]],
    ],
  },
  "one adapter over scattered rows": {
    experts: null,
    n: 17,
    k: 32,
    adapters: [
      [
        4,
        [
          { start: 1, length: 5 },
          { start: 9, length: 3 },
        ],
      ],
    ],
  },
  "experts, one of them idle, the second half alone": {
    experts: [2, 0, 3, 1],
    n: 14,
    k: 32,
    adapters: [[3, [{ start: 7, length: 7 }]]],
  },
};

function parameterOf(name: string, shape: readonly number[], seed: number): Parameter {
  const parameter = createParameter(arena, name, shape, "float32");
  parameter.data.floats().set(noise(seed, parameter.data.size, 0.5));
  return parameter;
}

/** A frozen matrix of random values, or one for each expert. */
function weightOf(shape: readonly number[], storage: Storage): Parameter {
  const exact = { ...parameterOf("w", shape, 5), isTrained: false };
  if (storage === "float32") return exact;
  if (storage === "bfloat16") return { ...exact, data: exact.data.converted(arena, "bfloat16") };
  const quantized = createQuantized(arena, "w", shape, storage, 32);
  const { data, scales } = quantized;
  const k = shape.at(-1) ?? 0;
  const to = scales?.values.address ?? 0;
  native().quantizeRows(data.address, to, exact.data.address, data.size / k, k, 32, quantFormat(storage), 0);
  return quantized;
}

/** What a weight's stored values say. */
function valuesOf({ data, scales, shape }: Parameter): Float32Array {
  if (!scales) return data.toFloats();
  const k = shape.at(-1) ?? 0;
  const y = Tensor.empty(arena, shape, "float32");
  const from = scales.values.address;
  native().dequantizeRows(y.address, data.address, from, y.size / k, k, 32, quantFormat(data.dtype), 0);
  return y.floats();
}

function adaptedWeight({ experts, n, k, adapters }: Case, storage: Storage, dropout = 0): Parameter {
  const perExpert = experts ? [experts.length] : [];
  const weight = weightOf([...perExpert, n, k], storage);
  weight.adapters = adapters.map(([rank, runs], i) => {
    const rows = runs.reduce((sum, { length }) => sum + length, 0);
    const a = parameterOf("a", [...perExpert, rank, k], 20 + i);
    const b = parameterOf("b", [...perExpert, rows, rank], 30 + i);
    for (const part of [a, b]) part.grad = Tensor.zeros(arena, part.shape, "float32");
    return { a, b, scale, dropout, stream: 11 + i, runs };
  });
  return weight;
}

/** The expert of each row. */
const ownersOf = ({ experts }: Case): number[] =>
  (experts ?? [9]).flatMap((rows, e) => new Array<number>(rows).fill(e));

/** y = W x + s B (A x'), x' being what the adapter sees of x, in double arithmetic. */
function naive(
  given: Case,
  w: ArrayLike<number>,
  x: ArrayLike<number>,
  matrices: readonly { readonly a: ArrayLike<number>; readonly b: ArrayLike<number> }[],
  mask: (adapter: number, i: number) => number = () => 1,
): Float64Array {
  const { n, k, adapters } = given;
  const owners = ownersOf(given);
  const y = new Float64Array(owners.length * n);
  owners.forEach((e, row) => {
    for (let i = 0; i < n; i++)
      for (let p = 0; p < k; p++) y[row * n + i]! += w[(e * n + i) * k + p]! * x[row * k + p]!;
    adapters.forEach(([rank, runs], which) => {
      const { a, b } = matrices[which]!;
      const outputs = runs.flatMap(({ start, length }) => Array.from({ length }, (_, i) => start + i));
      for (let j = 0; j < rank; j++) {
        let t = 0;
        for (let p = 0; p < k; p++) t += a[(e * rank + j) * k + p]! * x[row * k + p]! * mask(which, row * k + p);
        outputs.forEach((at, i) => {
          y[row * n + at]! += scale * b[(e * outputs.length + i) * rank + j]! * t;
        });
      }
    });
  });
  return y;
}

function run(given: Case, weight: Parameter, x: Tensor, tape: Tape, kind: "prefill" | "decode" = "prefill"): Tensor {
  if (!given.experts) return linear(tape, x, weight, kind);
  const ends = given.experts.map((_, e, rows) => rows.slice(0, e + 1).reduce((sum, count) => sum + count, 0));
  return groupedLinear(tape, x, weight, tape.ints([0, ...ends]), kind);
}

const inputOf = (given: Case, dtype: ComputeDtype): Tensor =>
  Tensor.fromFloats(arena, [ownersOf(given).length, given.k], noise(8, ownersOf(given).length * given.k), dtype);

const matricesOf = ({ adapters }: Parameter): { readonly a: Float32Array; readonly b: Float32Array }[] =>
  adapters.map(({ a, b }) => ({ a: a.data.floats(), b: b.data.floats() }));

/** Rounding of the sums of `values`, whose terms are of order one. */
const toleranceOf = (values: ArrayLike<number>, dtype: ComputeDtype): number => {
  const largest = Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  return largest * (dtype === "float32" ? 3e-6 : 2 ** -7);
};

const storages = ["float32", "bfloat16", "float8_e4m3fn", "int8", "int4"] as const;

describe.each(Object.entries(cases))("%s", (_, given) => {
  test.each(
    storages.flatMap((storage) => (["float32", "bfloat16"] as const).map((dtype) => [storage, dtype] as const)),
  )("a product over weights in %s, x in %s, equals the naive one, in prefill and decoding", (storage, dtype) => {
    const weight = adaptedWeight(given, storage);
    const x = inputOf(given, dtype);
    const expected = naive(given, valuesOf(weight), x.toFloats(), matricesOf(weight));
    onEveryIsa((isa) => {
      for (const kind of ["prefill", "decode"] as const) {
        using tape = new Tape(arena, { hasGrad: false });
        const y = run(given, weight, x, tape, kind);
        expectClose(y.toFloats(), expected, toleranceOf(expected, dtype), 0, `${isa} ${kind}`);
      }
      expectSameBits(() => {
        using tape = new Tape(arena, { hasGrad: false });
        return [run(given, weight, x, tape).toFloats()];
      });
    });
  });

  test.each(["prefill", "decode"] as const)("a row has the same bits alone and among others (%s)", (kind) => {
    const alone = { ...given, experts: null };
    const weight = adaptedWeight(alone, "bfloat16");
    const x = Tensor.fromFloats(arena, [9, given.k], noise(8, 9 * given.k), "bfloat16");
    onEveryIsa(() => {
      using tape = new Tape(arena, { hasGrad: false });
      const all = linear(tape, x, weight, kind).toFloats();
      for (let row = 0; row < 9; row++) {
        const one = linear(tape, x.rowsFrom(row, 1), weight, kind).toFloats();
        expect(one).toEqual(all.subarray(row * given.n, (row + 1) * given.n));
      }
    });
  });

  test.each([
    ["float32", 0],
    ["float8_e4m3fn", 0],
    ["int8", 0],
    ["int4", 0],
    ["int8", 0.3],
  ] as const)("gradients over weights in %s with dropout %f are central differences", async (storage, dropout) => {
    const weight = adaptedWeight(given, storage, dropout);
    const x = inputOf(given, "float32");
    const w = valuesOf(weight);
    const seed = 77;
    const ones = Tensor.fromFloats(arena, x.shape, new Float32Array(x.size).fill(1));
    const masks = weight.adapters.map(({ stream }) => {
      const mask = Tensor.empty(arena, x.shape, "float32");
      native().dropout(mask.address, ones.address, x.size, seed, stream, dropout, 0, 0);
      return mask.floats();
    });
    const maskOf = (adapter: number, i: number): number => masks[adapter]![i]!;
    for (const deferWeightGrads of [false, true]) {
      for (const { a, b } of weight.adapters) for (const part of [a, b]) part.grad?.fill(0);
      using tape = new Tape(arena, { hasGrad: true, dropoutSeed: seed, deferWeightGrads });
      const y = run(given, weight, x, tape);
      expectClose(y.floats(), naive(given, w, x.floats(), matricesOf(weight), maskOf), 1e-4, 0, "with dropout");
      const dy = noise(9, y.size);
      tape.target(y).tensor.floats().set(dy);
      await tape.backward();
      const dx = x.grad?.toFloats() ?? [];
      tape.runDeferred();
      const check = (
        actual: ArrayLike<number>,
        at: Float32Array,
        f: (v: Float64Array) => Float64Array,
        what: string,
      ): void => {
        const slope = centralDifferences((v) => dot(dy, f(v)), at, 1e-2); // Linear in each, so any step will do.
        expectClose(actual, slope, toleranceOf(slope, "float32") * 2, 0, what);
      };
      check(dx, x.floats().slice(), (v) => naive(given, w, v, matricesOf(weight), maskOf), "dx");
      const matrices = matricesOf(weight);
      weight.adapters.forEach(({ a, b }, i) => {
        const withOne = (part: "a" | "b") => (v: Float64Array) =>
          naive(
            given,
            w,
            x.floats(),
            matrices.map((own, j) => (j === i ? { ...own, [part]: v } : own)),
            maskOf,
          );
        check(a.grad?.floats() ?? [], matrices[i]!.a, withOne("a"), `dA ${i}`);
        check(b.grad?.floats() ?? [], matrices[i]!.b, withOne("b"), `dB ${i}`);
      });
      expect(weight.grad).toBeNull();
      x.grad?.free();
      x.grad = null;
    }
  });

  test("gradients of inputs in bfloat16 are those of float32, rounded", async () => {
    const gradientsIn = async (dtype: ComputeDtype): Promise<ArrayLike<number>[]> => {
      const weight = adaptedWeight(given, "bfloat16");
      const x = Tensor.fromFloats(
        arena,
        inputOf(given, "bfloat16").shape,
        inputOf(given, "bfloat16").toFloats(),
        dtype,
      );
      using tape = new Tape(arena, { hasGrad: true });
      const y = run(given, weight, x, tape);
      const dy = Tensor.fromFloats(arena, y.shape, noise(9, y.size), "bfloat16").toFloats();
      y.grad = Tensor.fromFloats(arena, y.shape, dy, dtype);
      await tape.backward();
      const parts = weight.adapters.flatMap(({ a, b }) => [a.grad?.floats() ?? [], b.grad?.floats() ?? []]);
      return [x.grad?.toFloats() ?? [], ...parts];
    };
    const exact = await gradientsIn("float32");
    (await gradientsIn("bfloat16")).forEach((values, i) => {
      expectClose(
        values,
        exact[i]!,
        i === 0 ? toleranceOf(exact[i]!, "bfloat16") : toleranceOf(exact[i]!, "float32"),
        0,
      );
    });
  });

  test("folded into a weight and out again it leaves the weight, and in between the product is the same", () => {
    for (const [storage, rounding] of [
      ["float32", 2e-6],
      ["bfloat16", 2 ** -6],
    ] as const) {
      const weight = adaptedWeight(given, storage);
      const before = valuesOf(weight).slice();
      const x = inputOf(given, "float32");
      const expected = naive(given, before, x.floats(), matricesOf(weight));
      const { adapters } = weight;
      for (const adapter of adapters) foldIntoWeight(arena, weight, adapter, 1);
      weight.adapters = [];
      using tape = new Tape(arena, { hasGrad: false });
      const merged = run(given, weight, x, tape).floats();
      const sums = storage === "float32" ? toleranceOf(expected, "float32") : 2 ** -6 * Math.sqrt(given.k);
      expectClose(merged, expected, sums, 0, storage);
      for (const adapter of adapters) foldIntoWeight(arena, weight, adapter, -1);
      expectClose(valuesOf(weight), before, rounding, 0, storage);
    }
  });
});

test("the worked example of a merge: W = I, A = [[1, 2]], B = [[0.5], [-1]], scale 2", () => {
  const weight = createParameter(arena, "w", [2, 2], "float32");
  weight.data.floats().set([1, 0, 0, 1]);
  const [a, b] = [parameterOf("a", [1, 2], 1), parameterOf("b", [2, 1], 2)];
  a.data.floats().set([1, 2]);
  b.data.floats().set([0.5, -1]);
  const adapter: Adapter = { a, b, scale: 2, dropout: 0, stream: 0, runs: whole(2) };
  foldIntoWeight(arena, weight, adapter, 1);
  expect([...weight.data.floats()]).toEqual([2, 2, -2, -3]);
  foldIntoWeight(arena, weight, adapter, -1);
  expect([...weight.data.floats()]).toEqual([1, 0, 0, 1]);
});

test("nothing is folded into a quantised weight", () => {
  const given = cases["one adapter over a whole matrix"]!;
  const weight = adaptedWeight(given, "int8");
  const before = valuesOf(weight).slice();
  expect(() => foldIntoWeight(arena, weight, weight.adapters[0]!, 1)).toThrow(
    "w is quantised (int8): an adapter is not merged",
  );
  expect(valuesOf(weight)).toEqual(before);
});

test.each(storages)("absorbed queries and expanded values see an adapter over kv_b_proj in %s", (storage) => {
  const shape = { heads: 3, nopeDim: 5, ropeDim: 4, latentDim: 32, vDim: 7 };
  const { heads: h, nopeDim: n, ropeDim: r, latentDim: c, vDim: v } = shape;
  const given: Case = { experts: null, n: h * (n + v), k: c, adapters: [[3, whole(h * (n + v))]] };
  const adapted = adaptedWeight(given, storage);
  // The same matrix with the adapter folded in, in float32: what the absorbed form is of.
  const merged = parameterOf("merged", [h * (n + v), c], 1);
  merged.data.floats().set(valuesOf(adapted));
  foldIntoWeight(arena, merged, adapted.adapters[0]!, 1);
  const rows = 6;
  const q = Tensor.fromFloats(arena, [rows, h * (n + r)], noise(3, rows * h * (n + r)));
  const latent = Tensor.fromFloats(arena, [rows, h * c], noise(4, rows * h * c));
  const half = Tensor.fromFloats(arena, [8, r / 2], noise(6, 4 * r));
  const positions = Tensor.fromInts(arena, [0, 1, 2, 3, 4, 5]);
  const tables = { cos: half, sin: half };
  onEveryIsa((isa) => {
    using tape = new Tape(arena, { hasGrad: false });
    const both = (weight: Parameter): Float32Array[] => [
      absorbQueries(tape, q, weight, tables, positions, shape).toFloats(),
      expandValues(tape, latent, weight, shape).toFloats(),
    ];
    const expected = both(merged);
    both(adapted).forEach((values, i) => {
      expectClose(values, expected[i]!, toleranceOf(expected[i]!, "float32"), 0, `${isa} ${i}`);
    });
    // A row alone has the bits that it has among others.
    const one = absorbQueries(tape, q.rowsFrom(5, 1), adapted, tables, positions.view(5, [1]), shape).toFloats();
    expect(one).toEqual(both(adapted)[0]!.subarray(5 * h * (c + r)));
  });
});
