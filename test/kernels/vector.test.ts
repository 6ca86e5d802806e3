import { describe, expect, test } from "vitest";
import { type DtypeCode, native } from "../../src/tensor/native.js";
import { expectClose, f32, i32, isas, noise, onEveryIsa, stored } from "./memory.js";
import { expectSameBits } from "./oracle.js";

const types: readonly DtypeCode[] = [0, 1];
const sizes = [0, 1, 7, 33, 1000] as const;

describe.each(types)("vectors with storage type %i", (type) => {
  const rounding = type === 0 ? 2 ** -24 : 2 ** -8;

  test.each(sizes)("add, addScaled and scale equal the naive forms and stop at the end, %i values", (n) => {
    const [a, b] = [stored(noise(61, n + 5), type), stored(noise(62, n + 5), type)];
    onEveryIsa((isa) => {
      const check = (act: (y: number) => void, expected: (i: number) => number, what: string): void => {
        const y = stored(a.rounded, type);
        act(y.address);
        const values = Float64Array.from(y.rounded, (v, i) => (i < n ? expected(i) : v));
        expectClose(y.read(), values, rounding, rounding, `${what} ${isa}`);
        expect([...y.read().subarray(n)]).toEqual([...y.rounded.subarray(n)]);
      };
      check(
        (y) => native().add(y, a.address, b.address, n, type),
        (i) => a.rounded[i]! + b.rounded[i]!,
        "add",
      );
      check(
        (y) => native().addScaled(y, b.address, 0.75, n, type),
        (i) => a.rounded[i]! + 0.75 * b.rounded[i]!,
        "addScaled",
      );
      check(
        (y) => native().scale(y, -3, n, type),
        (i) => -3 * a.rounded[i]!,
        "scale",
      );
    });
  });

  test.each([...sizes, 16_384, 40_001])("sumSquares sums in double arithmetic, %i values", (n) => {
    const x = stored(noise(63, n, 3), type);
    const expected = x.rounded.reduce((total, v) => total + v * v, 0);
    onEveryIsa((isa) => {
      const out = native().alloc(8);
      native().sumSquares(out.address, x.address, n, type);
      expectClose(new Float64Array(out.buffer, 0, 1), [expected], 0, 1e-13, isa);
    });
  });

  test("sumSquares neither overflows nor hides what is not finite", () => {
    onEveryIsa(() => {
      const out = native().alloc(8);
      const sum = (values: number[]): number => {
        native().sumSquares(out.address, stored(values, type).address, values.length, type);
        return new Float64Array(out.buffer, 0, 1)[0]!;
      };
      expect(sum([2 ** 100, 2 ** 100])).toBe(2 ** 201);
      expect(sum([2 ** -100, 0])).toBe(2 ** -200);
      expect(sum([1, Number.NaN, 1])).toBeNaN();
      expect(sum([1, Number.NEGATIVE_INFINITY])).toBe(Number.POSITIVE_INFINITY);
    });
  });

  test("threads do not change a bit", () => {
    const n = 70_003;
    const [a, b] = [stored(noise(64, n), type), stored(noise(65, n), type)];
    onEveryIsa(() => {
      expectSameBits(() => {
        const [sum, added] = [stored(n, type), stored(a.rounded, type)];
        const out = native().alloc(8);
        native().add(sum.address, a.address, b.address, n, type);
        native().addScaled(added.address, b.address, 0.3, n, type);
        native().scale(added.address, 1.7, n, type);
        native().sumSquares(out.address, a.address, n, type);
        return [sum.read(), added.read(), new Float64Array(out.buffer, 0, 1)];
      });
    });
  });
});

test.each(sizes)("fill writes the value and stops at the end, %i values", (n) => {
  onEveryIsa(() => {
    const y = f32(noise(66, n + 3));
    const before = [...y.values];
    native().fill(y.address, -2.5, n);
    expect([...y.values]).toEqual(before.map((v, i) => (i < n ? -2.5 : v)));
  });
});

test.each([
  [0, 3, 5, 4],
  [1, 7, 9, 8],
  [5, 7, 7, 7],
  [3, 4, 9, 6],
  [6, 5, 5, 8],
  [200, 33, 40, 33],
])("copyRows copies %i rows of %i between strides %i and %i and nothing between them", (rows, cols, to, from) => {
  const source = i32(Array.from({ length: rows * from }, (_, i) => i + 1));
  const expected = new Int32Array(rows * to).fill(-7);
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) expected[r * to + c] = source.values[r * from + c]!;
  onEveryIsa(() => {
    expectSameBits(() => {
      const y = i32(new Int32Array(rows * to).fill(-7));
      native().copyRows(y.address, source.address, rows, cols, to, from, 4);
      expect([...y.values]).toEqual([...expected]);
      // The same bytes as elements of one or two bytes.
      native().fill(y.address, 0, rows * to);
      for (const [bytes, width] of [
        [2, 2],
        [1, 4],
      ] as const)
        native().copyRows(y.address, source.address, rows, cols * width, to * width, from * width, bytes);
      for (let r = 0; r < rows; r++)
        expect([...y.values.subarray(r * to, r * to + cols)]).toEqual([...expected.subarray(r * to, r * to + cols)]);
      return [y.values];
    });
  });
});

// ---- random numbers ----

/** Philox4x32-10 (Salmon and others 2011) in BigInt arithmetic: the four words of a counter. */
function philox(counter: readonly number[], key: readonly number[]): number[] {
  let c = counter.map(BigInt);
  let [k0, k1] = key.map(BigInt) as [bigint, bigint];
  const mask = 0xffffffffn;
  for (let round = 0; round < 10; round++) {
    const [p0, p1] = [c[0]! * 0xd2511f53n, c[2]! * 0xcd9e8d57n];
    c = [(p1 >> 32n) ^ c[1]! ^ k0, p1 & mask, (p0 >> 32n) ^ c[3]! ^ k1, p0 & mask];
    k0 = (k0 + 0x9e3779b9n) & mask;
    k1 = (k1 + 0xbb67ae85n) & mask;
  }
  return c.map(Number);
}

const halves = (x: number): number[] => [x % 2 ** 32, Math.floor(x / 2 ** 32)];

/** Box-Muller on 64 random bits, as the kernel reads them: u from the first word, quarter turns and the angle from the second. */
function naivePair(a: number, b: number): [number, number] {
  const u = ((a >>> 1) + 0.5) / 2 ** 31;
  const signed = (b << 2) | 0;
  const angle = (Math.PI / 2) * ((b >>> 30) + signed / 2 ** 32);
  const radius = Math.sqrt(-2 * Math.log(u));
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

function naiveNormal(i: number, seed: number, stream: number): number {
  const block = Math.floor(i / 4);
  const words = philox([...halves(block), ...halves(stream)], halves(seed));
  const pair = i % 4 < 2 ? naivePair(words[0]!, words[1]!) : naivePair(words[2]!, words[3]!);
  return pair[i % 2]!;
}

/** Word i of a stream, by the counters that the kernels use. */
function naiveWord(i: number, seed: number, stream: number): number {
  return philox([...halves(Math.floor(i / 4)), ...halves(stream)], halves(seed))[i % 4]!;
}

function normals(n: number, seed: number, stream: number, start = 0, std = 1): Float32Array {
  const y = f32(n + 3);
  native().randomNormal(y.address, n, seed, stream, start, std);
  expect([...y.values.subarray(n)]).toEqual([0, 0, 0]);
  return y.values.slice(0, n);
}

describe("randomNormal", () => {
  test("its oracle gives the known answers of Philox4x32-10", () => {
    const ones = 0xffffffff;
    const hex = (words: number[]): string[] => words.map((w) => w.toString(16).padStart(8, "0"));
    expect(hex(philox([0, 0, 0, 0], [0, 0]))).toEqual(["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]);
    expect(hex(philox([ones, ones, ones, ones], [ones, ones]))).toEqual([
      "408f276d",
      "41c83b0e",
      "a20bc7c6",
      "6d5451fd",
    ]);
    expect(hex(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]))).toEqual([
      "d16cfe09",
      "94fdcceb",
      "5001e420",
      "24126ea1",
    ]);
  });

  test.each([
    [0, 0, 0],
    [1, 2, 3],
    [2 ** 40 + 17, 2 ** 35 + 5, 0],
    [123, 9, 2 ** 34 + 1], // the block number passes 32 bits
    [7, 7, 2 ** 34 - 6], // and crosses the boundary inside the call
  ])("equals Philox and Box-Muller in double arithmetic: seed %i, stream %i, start %i", (seed, stream, start) => {
    onEveryIsa((isa) => {
      const expected = Float64Array.from({ length: 203 }, (_, i) => 0.02 * naiveNormal(start + i, seed, stream));
      expectClose(normals(203, seed, stream, start, 0.02), expected, 1e-8, 3e-6, isa);
    });
  });

  test("element i depends on seed, stream and i alone: any piece equals the same piece of the whole", () => {
    onEveryIsa(() => {
      const whole = normals(1000, 5, 6);
      for (const [start, n] of [
        [0, 0],
        [0, 1],
        [1, 1],
        [2, 3],
        [3, 7],
        [64, 64],
        [333, 500],
      ] as const)
        expect([...normals(n, 5, 6, start)]).toEqual([...whole.subarray(start, start + n)]);
      expect([...normals(20, 5, 7)]).not.toEqual([...whole.subarray(0, 20)]);
      expect([...normals(20, 6, 6)]).not.toEqual([...whole.subarray(0, 20)]);
    });
  });

  test("threads and instruction sets give the same bits", () => {
    let first: Float32Array | null = null;
    onEveryIsa((isa) => {
      expectSameBits(() => [normals(70_001, 11, 12, 3)]);
      const values = normals(70_001, 11, 12, 3);
      first ??= values;
      expect(Buffer.compare(Buffer.from(values.buffer), Buffer.from(first.buffer)), `${isa} against ${isas[0]}`).toBe(
        0,
      );
    });
  });

  test("mean, variance, skew and kurtosis are those of the standard normal", () => {
    const n = 1_000_000;
    const x = normals(n, 99, 1);
    const moment = (p: number): number => x.reduce((total, v) => total + v ** p, 0) / n;
    expect(Math.abs(moment(1))).toBeLessThan(5 / Math.sqrt(n));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
    expect(Math.abs(moment(3))).toBeLessThan(5 * Math.sqrt(15 / n));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(5 * Math.sqrt(96 / n));
    const beyond = x.filter((v) => Math.abs(v) > 3).length / n; // 0.26998 percent
    expect(Math.abs(beyond - 0.0026998)).toBeLessThan(5 * Math.sqrt(0.0027 / n));
  });
});

describe("randomUniform", () => {
  test.each([
    [0, 0, 0],
    [2 ** 40 + 17, 2 ** 35 + 5, 3],
    [7, 7, 2 ** 34 - 6],
  ])(
    "is the upper 24 bits of Philox's words over [-bound, bound): seed %i, stream %i, start %i",
    (seed, stream, start) => {
      onEveryIsa(() => {
        for (const n of [0, 1, 7, 203]) {
          const y = f32(n + 3);
          native().randomUniform(y.address, n, seed, stream, start, 0.25);
          const expected = Array.from({ length: n }, (_, i) => {
            const u = Math.floor(naiveWord(start + i, seed, stream) / 256) / 2 ** 24;
            return Math.fround(0.25 * Math.fround(2 * u - 1));
          });
          expect([...y.values]).toEqual([...expected, 0, 0, 0]);
        }
      });
    },
  );

  test("mean and variance are those of the uniform distribution, and no value leaves the bound", () => {
    const n = 1_000_000;
    const y = f32(n);
    native().randomUniform(y.address, n, 3, 4, 0, 1);
    const mean = y.values.reduce((total, v) => total + v, 0) / n;
    const square = y.values.reduce((total, v) => total + v * v, 0) / n;
    expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(3 * n));
    expect(Math.abs(square - 1 / 3)).toBeLessThan(5 * Math.sqrt(4 / 45 / n));
    expect(y.values.every((v) => v >= -1 && v < 1)).toBe(true);
  });
});

describe.each(types)("dropout stored as %i", (type) => {
  test.each(sizes)("drops where the random number is below the rate and scales the rest, %i values", (n) => {
    const rate = 0.3;
    onEveryIsa((isa) => {
      for (const accumulate of [0, 1] as const) {
        const [x, y] = [stored(noise(71, n + 5), type), stored(noise(72, n + 5), type)];
        native().dropout(y.address, x.address, n, 2 ** 33 + 1, 9, rate, accumulate, type);
        const expected = Array.from(y.rounded, (before, i) => {
          if (i >= n) return before;
          const u = Math.floor(naiveWord(i, 2 ** 33 + 1, 9) / 256) / 2 ** 24;
          return (accumulate ? before : 0) + (u < rate ? 0 : x.rounded[i]! / (1 - rate));
        });
        expectClose(y.read(), expected, type ? 2 ** -8 : 2 ** -23, type ? 2 ** -8 : 2 ** -22, isa);
        expect([...y.read().subarray(n)]).toEqual([...y.rounded.subarray(n)]);
      }
    });
  });

  test("threads do not change a bit, a rate of 0 keeps all, and the share that is kept is 1 - rate", () => {
    const n = 300_001;
    const x = stored(new Float32Array(n).fill(1), type);
    onEveryIsa(() => {
      const drop = (rate: number): Float32Array => {
        const y = stored(n, type);
        native().dropout(y.address, x.address, n, 5, 6, rate, 0, type);
        return y.read();
      };
      expectSameBits(() => [drop(0.25)]);
      expect(drop(0).every((v) => v === 1)).toBe(true);
      const kept = drop(0.25).reduce((count, v) => count + (v === 0 ? 0 : 1), 0) / n;
      expect(Math.abs(kept - 0.75)).toBeLessThan(5 * Math.sqrt((0.25 * 0.75) / n));
    });
  });
});
