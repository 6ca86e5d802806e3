import { describe, expect, test } from "vitest";
import { type DtypeCode, native } from "../../src/tensor/native.js";
import { expectClose, f32, i32, noise, onEveryIsa, stored } from "./memory.js";
import { centralDifferences, expectSameBits } from "./oracle.js";

const types: readonly DtypeCode[] = [0, 1];
const shapes = [
  [1, 1],
  [3, 7],
  [5, 33],
  [2, 515],
  [2, 4999], // more than two blocks of the running maximum
] as const;

/** log sum exp(logits) - logits[target], in double arithmetic. */
function naiveLoss(logits: ArrayLike<number>, target: number): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) largest = Math.max(largest, logits[i]!);
  let total = 0;
  for (let i = 0; i < logits.length; i++) total += Math.exp(logits[i]! - largest);
  return Math.log(total) + largest - logits[target]!;
}

interface Scaling {
  readonly temperature?: number;
  readonly rowScales?: readonly number[];
}

function run(
  logits: ArrayLike<number>,
  targets: ArrayLike<number>,
  type: DtypeCode,
  gradScale: number | null = null,
  { temperature = 1, rowScales }: Scaling = {},
) {
  const rows = targets.length;
  const x = stored(logits, type);
  const losses = f32(new Float32Array(rows).fill(99));
  const correct = i32(new Int32Array(rows).fill(99));
  const entropies = f32(new Float32Array(rows).fill(99));
  const vocab = rows > 0 ? logits.length / rows : 1;
  native().crossEntropy(
    losses.address,
    correct.address,
    entropies.address,
    x.address,
    i32(targets).address,
    rowScales ? f32(rowScales).address : null,
    rows,
    vocab,
    gradScale === null ? 0 : 1,
    gradScale ?? 0,
    1 / temperature,
    type,
  );
  return { losses: losses.values, correct: [...correct.values], entropies: entropies.values, logits: x.read() };
}

describe("crossEntropy", () => {
  test("gives ln 4 for equal logits and the worked loss of [1, 2, 3]", () => {
    onEveryIsa((isa) => {
      expectClose(run([5, 5, 5, 5], [2], 0).losses, [Math.LN2 * 2], 0, 2e-7, isa);
      const { losses, logits } = run([1, 2, 3], [0], 0, 1);
      expectClose(losses, [2.4076059644], 0, 2e-7, isa); // ln(e + e^2 + e^3) - 1
      expectClose(logits, [0.0900305732 - 1, 0.2447284711, 0.6652409558], 1e-7, 3e-7, isa);
    });
  });

  test("a target of -1 has no loss and no gradient, and other strange targets have a NaN loss", () => {
    onEveryIsa(() => {
      const row = [1, 2, 3];
      const { losses, correct, logits } = run([...row, ...row, ...row, ...row], [-1, 3, -2, 2], 0, 1);
      expect([...losses.subarray(0, 3)]).toEqual([0, Number.NaN, Number.NaN]);
      expect(correct).toEqual([0, 0, 0, 1]);
      expect([...logits.subarray(0, 9)]).toEqual(new Array<number>(9).fill(0));
      expect(logits[11]).toBeLessThan(0);
    });
  });

  test("the entropy of (.7, .2, .1) is the specification's, of a certain row 0, of a row without a target 0", () => {
    onEveryIsa((isa) => {
      const row = [0.7, 0.2, 0.1].map(Math.log);
      const certain = [0, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
      const { entropies } = run([...row, ...certain, ...row], [0, 0, -1], 0);
      expectClose(entropies, [0.801819, 0, 0], 1e-6, 0, isa);
    });
  });

  test("correct goes to the lowest index of equal logits", () => {
    onEveryIsa(() => {
      const row = [1, 4, 0, 4];
      expect(run([...row, ...row, ...row], [1, 3, 0], 0).correct).toEqual([1, 0, 0]);
    });
  });

  test("huge, tiny and infinite logits give finite losses where the answer is finite", () => {
    onEveryIsa((isa) => {
      expectClose(run([1e4, -1e4, 0], [0], 0).losses, [0], 0, 0, isa);
      expectClose(run([1e4, -1e4, 0], [1], 0).losses, [2e4], 0, 1e-6, isa);
      expectClose(run([3e38, 3e38], [0], 0).losses, [Math.LN2], 0, 2e-7, `3e38 ${isa}`);
      const masked = run([Number.NEGATIVE_INFINITY, 1, 1], [1], 0, 1);
      expectClose(masked.losses, [Math.LN2], 0, 2e-7, `-inf ${isa}`);
      expectClose(masked.logits, [0, -0.5, 0.5], 2e-7, 0, `gradient beside -inf ${isa}`);
      const far = run([30000, 30001, 29999], [0], 0, 1).logits;
      expectClose(far, [0.2447284711 - 1, 0.6652409558, 0.0900305732], 3e-7, 0, `gradient of large logits ${isa}`);
    });
  });

  test("a NaN logit anywhere in the row gives a NaN loss", () => {
    onEveryIsa((isa) => {
      for (const at of [0, 6, 15, 16, 32, 36]) {
        const logits = noise(50, 37);
        logits[at] = Number.NaN;
        expectClose(run(logits, [3], 0).losses, [Number.NaN], 0, 0, `NaN at ${at}, ${isa}`);
      }
    });
  });

  test("a maximum in a late block rescales the sum of the earlier ones", () => {
    onEveryIsa((isa) => {
      const logits = noise(51, 5000, 2);
      logits[4500] = 12;
      logits[100] = 11;
      expectClose(run(logits, [100], 0).losses, [naiveLoss(logits, 100)], 0, 2e-6, isa);
    });
  });
});

describe.each(types)("crossEntropy with storage type %i", (type) => {
  test.each(shapes)("equals the naive loss and its gradient, %i rows of %i", (rows, vocab) => {
    const source = noise(52, rows * vocab, 5);
    const targets = Array.from({ length: rows }, (_, r) => (r * 31 + vocab - 1) % vocab);
    const scale = 0.37;
    onEveryIsa((isa) => {
      const x = stored(source, type);
      const row = (r: number): Float32Array => x.rounded.subarray(r * vocab, (r + 1) * vocab);
      const plain = run(source, targets, type);
      expect([...plain.logits]).toEqual([...x.rounded]); // left alone without `gradient`
      const expected = targets.map((t, r) => naiveLoss(row(r), t));
      expectClose(plain.losses, expected, 2e-6, 1e-6, `loss ${isa}`);
      const best = targets.map((t, r) => (row(r).indexOf(Math.max(...row(r))) === t ? 1 : 0));
      expect(plain.correct).toEqual(best);
      const { losses, correct, logits } = run(source, targets, type, scale);
      expect([...losses]).toEqual([...plain.losses]);
      expect(correct).toEqual(best);
      for (const [r, target] of targets.entries()) {
        // Differences of every logit cost vocab^2: wide rows are compared at the target, its neighbours and the end.
        const places = vocab < 600 ? [...row(r).keys()] : [...new Set([0, 1, 2047, 2048, 4097, vocab - 1, target])];
        const at = Float64Array.from(row(r));
        const gradient = centralDifferences(
          (v) => {
            for (const [i, place] of places.entries()) at[place] = v[i]!;
            return scale * naiveLoss(at, target);
          },
          places.map((place) => row(r)[place]!),
        );
        const got = places.map((place) => logits[r * vocab + place]!);
        expectClose(got, gradient, type === 0 ? 1e-7 : 1e-4, type === 0 ? 5e-6 : 2 ** -8, `gradient ${isa}`);
      }
    });
  });

  test("temperature and row scales are those of the naive loss of the scaled logits", () => {
    const [rows, vocab, temperature] = [4, 2100, 0.6];
    const source = noise(54, rows * vocab, 3);
    const targets = Array.from({ length: rows }, (_, r) => (r * 701) % vocab);
    const rowScales = [1, -0.5, 0, 3];
    onEveryIsa((isa) => {
      const x = stored(source, type);
      const got = run(source, targets, type, 0.37, { temperature, rowScales });
      for (const [r, target] of targets.entries()) {
        const at = Float64Array.from(x.rounded.subarray(r * vocab, (r + 1) * vocab));
        const loss = (): number =>
          naiveLoss(
            at.map((v) => v / temperature),
            target,
          );
        // bf16 rows are rounded once more when they are scaled.
        const within = type === 0 ? 3e-6 : 2e-2;
        expectClose([got.losses[r]!], [loss()], within, within, `loss ${isa}`);
        const z = at.map((v) => v / temperature);
        const log = naiveLoss(z, 0) + z[0]!;
        const entropy = z.reduce((sum, v) => sum - Math.exp(v - log) * (v - log), 0);
        expectClose([got.entropies[r]!], [entropy], within, within, `entropy ${isa}`);
        const places = [...new Set([0, 2047, vocab - 1, target])];
        const gradient = centralDifferences(
          (v) => {
            for (const [i, place] of places.entries()) at[place] = v[i]!;
            return 0.37 * rowScales[r]! * loss();
          },
          places.map((place) => at[place]!),
        );
        const logits = places.map((place) => got.logits[r * vocab + place]!);
        expectClose(logits, gradient, type === 0 ? 1e-6 : 4e-2, type === 0 ? 2e-5 : 2 ** -5, `gradient ${isa}`);
      }
    });
  });

  test("a row alone equals the row in a batch, and threads do not change a bit", () => {
    const [rows, vocab] = [40, 1001];
    const source = noise(53, rows * vocab, 4);
    const targets = Array.from({ length: rows }, (_, r) => (r * 17) % vocab);
    onEveryIsa(() => {
      let all = run(source, targets, type, 0.5);
      expectSameBits(() => {
        all = run(source, targets, type, 0.5);
        return [all.losses, all.correct, all.logits];
      });
      for (const r of [0, 21, 39]) {
        const alone = run(source.subarray(r * vocab, (r + 1) * vocab), [targets[r]!], type, 0.5);
        expect(alone.losses[0]).toBe(all.losses[r]);
        expect([...alone.logits]).toEqual([...all.logits.subarray(r * vocab, (r + 1) * vocab)]);
      }
    });
  });

  test("the list of hits may be left out, and no rows are fine", () => {
    const losses = f32(1);
    const logits = stored([0, 0], type);
    native().crossEntropy(losses.address, null, null, logits.address, i32([1]).address, null, 1, 2, 0, 1, 1, type);
    expectClose(losses.values, [Math.LN2], 0, 2e-7);
    expect(run([], [], type, 1).correct).toEqual([]);
  });
});
