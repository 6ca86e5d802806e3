import { describe, expect, test } from "vitest";
import { type DtypeCode, type Flag, native } from "../../src/tensor/native.js";
import { expectClose, f32, i32, noise, onEveryIsa, type Stored, stored } from "./memory.js";
import { expectSameBits } from "./oracle.js";

const flags: readonly Flag[] = [0, 1];
const types: readonly DtypeCode[] = [0, 1];
const triples = types.flatMap((c) => types.flatMap((a) => types.map((b) => [c, a, b] as const)));

interface Form {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly lda: number;
  readonly ldb: number;
  readonly ldc: number;
  readonly transA: Flag;
  readonly transB: Flag;
  readonly accumulate: Flag;
}

/** A form whose rows are `gap` elements further apart than they are wide. */
function form(m: number, n: number, k: number, transA: Flag, transB: Flag, accumulate: Flag, gap = 0): Form {
  const lda = (transA ? m : k) + gap;
  const ldb = (transB ? k : n) + gap;
  return { m, n, k, lda, ldb, ldc: n + gap, transA, transB, accumulate };
}

/** The whole of C (gaps keep their old values) in double arithmetic. */
function naive(c: ArrayLike<number>, a: ArrayLike<number>, b: ArrayLike<number>, f: Form): Float64Array {
  const result = Float64Array.from(c);
  for (let i = 0; i < f.m; i++) {
    for (let j = 0; j < f.n; j++) {
      let total = f.accumulate ? c[i * f.ldc + j]! : 0;
      for (let p = 0; p < f.k; p++) {
        const left = f.transA ? a[p * f.lda + i]! : a[i * f.lda + p]!;
        total += left * (f.transB ? b[j * f.ldb + p]! : b[p * f.ldb + j]!);
      }
      result[i * f.ldc + j] = total;
    }
  }
  return result;
}

interface Operands {
  readonly c: Stored;
  readonly a: Stored;
  readonly b: Stored;
}

function operands(f: Form, cType: DtypeCode, aType: DtypeCode, bType: DtypeCode, seed: number): Operands {
  return {
    c: stored(noise(seed, f.m * f.ldc), cType),
    a: stored(noise(seed + 1, (f.transA ? f.k : f.m) * f.lda), aType),
    b: stored(noise(seed + 2, (f.transB ? f.n : f.k) * f.ldb), bType),
  };
}

function run({ c, a, b }: Operands, f: Form): void {
  const { m, n, k, lda, ldb, ldc, transA, transB, accumulate } = f;
  native().gemm(
    c.address,
    a.address,
    b.address,
    m,
    n,
    k,
    lda,
    ldb,
    ldc,
    transA,
    transB,
    accumulate,
    c.type,
    a.type,
    b.type,
  );
}

/** f32 sums of k terms of size at most 1, and one rounding to storage. */
function tolerance(k: number, cType: DtypeCode): [number, number] {
  return [1e-7 * (k + 4), cType === 1 ? 2 ** -8 : 1e-6];
}

function check(f: Form, cType: DtypeCode, aType: DtypeCode, bType: DtypeCode, what: string): void {
  const operand = operands(f, cType, aType, bType, f.m + f.n + f.k);
  const expected = naive(operand.c.rounded, operand.a.rounded, operand.b.rounded, f);
  run(operand, f);
  expectClose(operand.c.read(), expected, ...tolerance(f.k, cType), `${what} ${JSON.stringify(f)}`);
}

test("gemm gives the worked example [[1, 2], [3, 4]] * [[5, 6], [7, 8]]", () => {
  const f = form(2, 2, 2, 0, 0, 0);
  onEveryIsa(() => {
    const operand = { c: stored(4, 0), a: stored([1, 2, 3, 4], 0), b: stored([5, 6, 7, 8], 0) };
    run(operand, f);
    expect([...operand.c.read()]).toEqual([19, 22, 43, 50]);
  });
});

describe.each(triples)("gemm with c, a, b stored as %i, %i, %i", (cType, aType, bType) => {
  test("equals the naive product for all transposes, with and without accumulation, at odd sizes and strides", () => {
    const sizes = [
      [1, 1, 1],
      [7, 33, 5],
      [15, 65, 34],
      [43, 32, 31],
      [3, 100, 67],
    ] as const;
    onEveryIsa((isa) => {
      for (const [m, n, k] of sizes)
        for (const transA of flags)
          for (const transB of flags)
            for (const accumulate of flags)
              check(form(m, n, k, transA, transB, accumulate, m % 4), cType, aType, bType, isa);
    });
  });

  test("equals the naive product when k spans several blocks", () => {
    onEveryIsa((isa) => {
      for (const accumulate of flags) {
        check(form(17, 37, 1031, 1, 0, accumulate), cType, aType, bType, isa);
        check(form(5, 32, 513, 0, 1, accumulate), cType, aType, bType, isa);
      }
    });
  });
});

test("gemm equals the naive product when rows and columns span several blocks", () => {
  onEveryIsa((isa) => {
    check(form(530, 70, 19, 0, 1, 0), 0, 0, 0, isa);
    check(form(300, 33, 12, 1, 0, 0), 0, 1, 0, isa);
    check(form(30, 1100, 9, 0, 0, 1), 1, 1, 1, isa);
  });
});

test("gemm with an empty sum gives zeros, or leaves C alone when it accumulates; empty outputs touch nothing", () => {
  onEveryIsa(() => {
    for (const cType of types) {
      const ones = (): Operands => ({ c: stored([1, 1, 1, 1, 1, 1], cType), a: stored(1, 0), b: stored(1, 0) });
      let operand = ones();
      run(operand, form(2, 3, 0, 0, 0, 0));
      expect([...operand.c.read()]).toEqual([0, 0, 0, 0, 0, 0]);
      operand = ones();
      run(operand, form(2, 3, 0, 0, 0, 1));
      run(operand, form(0, 3, 1, 0, 0, 0));
      run(operand, form(2, 0, 1, 0, 0, 0));
      expect([...operand.c.read()]).toEqual([1, 1, 1, 1, 1, 1]);
    }
  });
});

test("gemm lets a NaN and an infinity of A reach their own row alone, in full and in edge tiles", () => {
  onEveryIsa(() => {
    for (const type of types) {
      const f = form(19, 35, 3, 0, 0, 0);
      const values = noise(5, 19 * 3);
      values[4 * 3 + 2] = Number.NaN;
      values[18 * 3] = Number.POSITIVE_INFINITY;
      const operand = {
        c: stored(19 * 35, 0),
        a: stored(values, type),
        b: stored(new Float32Array(105).fill(1), type),
      };
      run(operand, f);
      const rows = Array.from({ length: 19 }, (_, i) => [...operand.c.read().subarray(i * 35, (i + 1) * 35)]);
      for (const [i, row] of rows.entries()) {
        if (i === 4) expect(row.every(Number.isNaN)).toBe(true);
        else if (i === 18) expect(row.every((value) => value === Number.POSITIVE_INFINITY)).toBe(true);
        else expect(row.every(Number.isFinite)).toBe(true);
      }
    }
  });
});

describe.each(types)("gemm with storage type %i", (type) => {
  test("gives the same bits on 1, 2 and 3 threads", () => {
    for (const [transA, transB] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const f = form(300, 200, 530, transA, transB, 1);
      expectSameBits(() => {
        const operand = operands(f, type, type, type, 9);
        run(operand, f);
        return [operand.c.read()];
      });
    }
  });

  test.each([101, 96])("gives a row alone, and a column alone, the bits they have among %i columns", (n) => {
    const f = form(103, n, 530, 0, 1, 1);
    const [elementBytes, lastRow, lastColumn] = [type ? 2 : 4, f.m - 1, f.n - 1];
    onEveryIsa(() => {
      for (const cType of types) {
        const whole = operands(f, cType, type, type, 3);
        run(whole, f);
        const all = whole.c.read();
        const before = whole.c.rounded;
        for (const row of [0, 13, 14, lastRow]) {
          const a = { ...whole.a, address: whole.a.address + row * f.lda * elementBytes };
          const c = stored(before.subarray(row * f.ldc, (row + 1) * f.ldc), cType);
          run({ c, a, b: whole.b }, { ...f, m: 1 });
          expect([...c.read()]).toEqual([...all.subarray(row * f.ldc, (row + 1) * f.ldc)]);
        }
        const columnOf = (values: Float32Array, column: number): number[] =>
          Array.from({ length: f.m }, (_, i) => values[i * f.ldc + column]!);
        for (const column of [0, 31, 64, lastColumn]) {
          const b = { ...whole.b, address: whole.b.address + column * f.ldb * elementBytes };
          const c = stored(columnOf(before, column), cType);
          run({ c, a: whole.a, b }, { ...f, n: 1, ldc: 1 });
          expect([...c.read()]).toEqual(columnOf(all, column));
        }
      }
    });
  });

  test.each([9, 101])(
    "batches of %i rows with strides, shared operands included, equal one product after the other",
    (m) => {
      const f = form(m, 21, 40, 0, 1, 1, 2);
      const batch = 3;
      onEveryIsa((isa) => {
        for (const [strideA, strideB] of [
          [f.m * f.lda, f.n * f.ldb],
          [0, f.n * f.ldb],
          [f.m * f.lda, 0],
        ] as const) {
          const strideC = f.m * f.ldc;
          const c = stored(noise(1, batch * strideC), type);
          const a = stored(noise(2, batch * f.m * f.lda), type);
          const b = stored(noise(3, batch * f.n * f.ldb), type);
          const expected = Float64Array.from(c.rounded);
          for (let i = 0; i < batch; i++) {
            const left = a.rounded.subarray(i * strideA);
            expected.set(
              naive(c.rounded.subarray(i * strideC, (i + 1) * strideC), left, b.rounded.subarray(i * strideB), f),
              i * strideC,
            );
          }
          native().gemmBatched(
            c.address,
            a.address,
            b.address,
            batch,
            strideC,
            strideA,
            strideB,
            f.m,
            f.n,
            f.k,
            f.lda,
            f.ldb,
            f.ldc,
            f.transA,
            f.transB,
            f.accumulate,
            type,
            type,
            type,
          );
          expectClose(c.read(), expected, ...tolerance(f.k, type), isa);
        }
      });
    },
  );
});

const offsetsOfGroups = [0, 5, 5, 36, 37, 37, 90, 90] as const;
const groups = offsetsOfGroups.length - 1;

describe.each(triples)("grouped products with c, a, b stored as %i, %i, %i", (cType, aType, bType) => {
  test("groupedGemm equals one naive product per expert, empty experts included", () => {
    const [n, k, rows] = [37, 51, 90];
    const offsets = i32(offsetsOfGroups);
    onEveryIsa((isa) => {
      for (const transB of flags)
        for (const accumulate of flags) {
          const c = stored(noise(1, rows * n), cType);
          const a = stored(noise(2, rows * k), aType);
          const b = stored(noise(3, groups * n * k), bType);
          const expected = new Float64Array(rows * n);
          for (let e = 0; e < groups; e++) {
            const [from, to] = [offsetsOfGroups[e]!, offsetsOfGroups[e + 1]!];
            const f = form(to - from, n, k, 0, transB, accumulate);
            const before = c.rounded.subarray(from * n, to * n);
            expected.set(naive(before, a.rounded.subarray(from * k), b.rounded.subarray(e * n * k), f), from * n);
          }
          const [cAt, aAt, bAt] = [c.address, a.address, b.address];
          native().groupedGemm(cAt, aAt, bAt, offsets.address, groups, n, k, transB, accumulate, cType, aType, bType);
          expectClose(c.read(), expected, ...tolerance(k, cType), `${isa} transB ${transB} accumulate ${accumulate}`);
        }
    });
  });
});

describe.each(types.flatMap((dy) => types.map((x) => [dy, x] as const)))(
  "groupedGemmWgrad with dy, x stored as %i, %i",
  (dyType, xType) => {
    test("adds dy^T x of each expert's rows, and nothing for an empty expert", () => {
      const [n, k, rows] = [35, 18, 90];
      const offsets = i32(offsetsOfGroups);
      onEveryIsa((isa) => {
        const dw = stored(noise(1, groups * n * k), 0);
        const dy = stored(noise(2, rows * n), dyType);
        const x = stored(noise(3, rows * k), xType);
        const expected = new Float64Array(groups * n * k);
        for (let e = 0; e < groups; e++) {
          const from = offsetsOfGroups[e]!;
          const f = form(n, k, offsetsOfGroups[e + 1]! - from, 1, 0, 1);
          const before = dw.rounded.subarray(e * n * k, (e + 1) * n * k);
          expected.set(naive(before, dy.rounded.subarray(from * n), x.rounded.subarray(from * k), f), e * n * k);
        }
        native().groupedGemmWgrad(dw.address, dy.address, x.address, offsets.address, groups, n, k, dyType, xType);
        expectClose(dw.read(), expected, ...tolerance(60, 0), isa);
      });
    });
  },
);

test("grouped products give the same bits on 1, 2 and 3 threads", () => {
  const [n, k, rows] = [96, 70, 90];
  const offsets = i32(offsetsOfGroups);
  for (const type of types)
    expectSameBits(() => {
      const c = stored(rows * n, type);
      const a = stored(noise(2, rows * k), type);
      const b = stored(noise(3, groups * n * k), type);
      const dw = f32(groups * n * k);
      native().groupedGemm(c.address, a.address, b.address, offsets.address, groups, n, k, 1, 0, type, type, type);
      native().groupedGemmWgrad(dw.address, c.address, a.address, offsets.address, groups, n, k, type, type);
      return [c.read(), dw.values];
    });
});
