import { describe, expect, test } from "vitest";
import { type Flag, native } from "../../src/tensor/native.js";
import { expectClose, f32, i32, noise, onEveryIsa } from "./memory.js";
import { centralDifferences, dot, expectSameBits } from "./oracle.js";

function statistics(scores: ArrayLike<number>, offsets: number[], e: number, k: number, normalize: Flag) {
  const sequences = offsets.length - 1;
  const means = f32(new Float32Array(sequences * e).fill(7));
  const counts = i32(new Int32Array(sequences * e).fill(7));
  native().routerStatistics(
    means.address,
    counts.address,
    f32(scores).address,
    i32(offsets).address,
    sequences,
    e,
    k,
    normalize,
  );
  return { means: means.values, counts: counts.values };
}

function naiveMeans(scores: ArrayLike<number>, offsets: number[], e: number, normalize: Flag): Float64Array {
  const means = new Float64Array((offsets.length - 1) * e);
  for (let s = 0; s + 1 < offsets.length; s++) {
    const length = offsets[s + 1]! - offsets[s]!;
    for (let r = offsets[s]!; r < offsets[s + 1]!; r++) {
      const row = Array.from({ length: e }, (_, i) => scores[r * e + i]!);
      const total = normalize ? row.reduce((a, b) => a + b) : 1;
      for (let i = 0; i < e; i++) means[s * e + i]! += row[i]! / total / length;
    }
  }
  return means;
}

test("the balance loss of the worked example is 1.0888889 before its factor", () => {
  const scores = [0.9, 0.3, 0.6, 0.2, 0.8, 0.7, 0.1, 0.4, 0.5, 0.6, 0.2, 0.7];
  onEveryIsa((isa) => {
    const { means, counts } = statistics(scores, [0, 3], 4, 2, 1);
    expect([...counts]).toEqual([2, 2, 1, 1]);
    expectClose(means, [0.366667, 0.266667, 0.15, 0.216667], 5e-7, 0, isa);
    const f = Array.from(counts, (c) => (4 / (2 * 3)) * c);
    expectClose(f, [1.3333, 1.3333, 0.6667, 0.6667], 5e-5, 0, isa);
    expectClose([dot(f, means)], [1.0888889], 2e-7, 0, isa);
  });
});

describe.each([0, 1] as const)("router statistics, normalize %i", (normalize) => {
  const e = 19;
  const k = 4;
  const offsets = [0, 1, 1, 71, 200, 207];
  const scores = noise(40, 207 * e).map((s) => Math.fround(s / 2 + 0.55));

  test("means and top counts equal the naive ones; an empty sequence has zeros", () => {
    onEveryIsa((isa) => {
      const { means, counts } = statistics(scores, offsets, e, k, normalize);
      expectClose(means, naiveMeans(scores, offsets, e, normalize), 1e-7, 2e-6, isa);
      const expected = new Int32Array(counts.length);
      for (let s = 0; s + 1 < offsets.length; s++)
        for (let r = offsets[s]!; r < offsets[s + 1]!; r++) {
          const row = [...scores.subarray(r * e, (r + 1) * e)];
          const order = row.map((_, i) => i).sort((a, b) => row[b]! - row[a]! || a - b);
          for (const i of order.slice(0, k)) expected[s * e + i]!++;
        }
      expect([...counts]).toEqual([...expected]);
    });
  });

  test("backward equals central differences and adds to what is there", () => {
    const dmean = noise(41, (offsets.length - 1) * e);
    const expected = new Float64Array(scores.length);
    for (let s = 0; s + 1 < offsets.length; s++)
      for (let r = offsets[s]!; r < offsets[s + 1]!; r++) {
        const length = offsets[s + 1]! - offsets[s]!;
        const loss = (row: ArrayLike<number>): number =>
          dot(naiveMeans(row, [0, 1], e, normalize), dmean.subarray(s * e)) / length;
        expected.set(
          centralDifferences(loss, scores.subarray(r * e, (r + 1) * e)).map((g) => g + 2),
          r * e,
        );
      }
    onEveryIsa((isa) => {
      const dscores = f32(new Float32Array(scores.length).fill(2));
      native().routerStatisticsBackward(
        dscores.address,
        f32(dmean).address,
        f32(scores).address,
        i32(offsets).address,
        offsets.length - 1,
        e,
        normalize,
      );
      expectClose(dscores.values, expected, 1e-6, 0, isa);
    });
  });

  test("threads and other sequences do not change a bit", () => {
    onEveryIsa(() => {
      expectSameBits(() => {
        const { means, counts } = statistics(scores, offsets, e, k, normalize);
        const dscores = f32(scores.length);
        native().routerStatisticsBackward(
          dscores.address,
          f32(means).address,
          f32(scores).address,
          i32(offsets).address,
          offsets.length - 1,
          e,
          normalize,
        );
        return [means, counts, dscores.values];
      });
      const alone = statistics(scores.subarray(71 * e, 200 * e), [0, 129], e, k, normalize);
      const all = statistics(scores, offsets, e, k, normalize);
      expect([...alone.means]).toEqual([...all.means.subarray(3 * e, 4 * e)]);
    });
  });
});

test("expertCounts counts the slots of each sequence", () => {
  const experts = i32([0, 2, 2, 1, 2, 0, 1, 2, 0, 2]);
  const offsets = i32([0, 2, 2, 5]);
  onEveryIsa(() => {
    expectSameBits(() => {
      const counts = i32(new Int32Array(9).fill(5));
      native().expertCounts(counts.address, experts.address, offsets.address, 3, 3, 2);
      expect([...counts.values]).toEqual([1, 1, 2, 0, 0, 0, 2, 1, 3]);
      return [counts.values];
    });
  });
});

test("no sequences are fine", () => {
  native().routerStatistics(null, null, null, i32([0]).address, 0, 4, 2, 1);
  native().routerStatisticsBackward(null, null, null, i32([0]).address, 0, 4, 1);
  native().expertCounts(null, null, i32([0]).address, 0, 4, 2);
});
