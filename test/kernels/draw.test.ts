import { describe, expect, test } from "vitest";
import { native } from "../../src/tensor/native.js";
import { f32, f64, i32, noise, onEveryIsa } from "./memory.js";
import { expectSameBits } from "./oracle.js";

interface Row {
  readonly logits: ArrayLike<number>;
  readonly temperature: number | null;
  readonly draw: number;
}

function run(rows: readonly Row[], usable?: number) {
  const width = rows[0]?.logits.length ?? 0;
  const ids = i32(new Int32Array(rows.length).fill(-9));
  const logprobs = f32(new Float32Array(rows.length).fill(99));
  const logits = f32(rows.flatMap((row) => Array.from(row.logits)));
  const inverse = f32(rows.map(({ temperature }) => (temperature === null ? -1 : temperature && 1 / temperature)));
  const draws = f64(rows.map(({ draw }) => draw));
  native().drawTokens(
    ids.address,
    logprobs.address,
    logits.address,
    inverse.address,
    draws.address,
    rows.length,
    width,
    usable ?? width,
  );
  return { ids: [...ids.values], logprobs: [...logprobs.values] };
}

/** Running sums of softmax(logits / temperature) in double arithmetic. */
function runningShares(logits: ArrayLike<number>, temperature: number): number[] {
  const largest = Array.from(logits).reduce((a, b) => Math.max(a, b));
  const weights = Array.from(logits, (logit) => Math.exp((Math.fround(logit) - largest) / temperature));
  const total = weights.reduce((a, b) => a + b);
  let sum = 0;
  return weights.map((weight) => (sum += weight / total));
}

describe("drawTokens", () => {
  test("tenths: a draw falls to the token whose share of the line it hits", () => {
    const logits = [1, 2, 3, 4].map(Math.log);
    onEveryIsa(() => {
      const draws = [0, 0.0999, 0.1001, 0.2999, 0.3001, 0.5999, 0.6001, 0.999999];
      const { ids, logprobs } = run(draws.map((draw) => ({ logits, temperature: 1, draw })));
      expect(ids).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
      for (const [i, id] of ids.entries()) expect(logprobs[i]).toBeCloseTo(Math.log((id + 1) / 10), 6);
    });
  });

  test.each([5, 515, 4999])("%i tokens: as the running sums of a naive softmax have it", (width) => {
    const logits = noise(3, width).map((x) => 3 * x);
    onEveryIsa((isa) => {
      for (const temperature of [0.3, 1, 2]) {
        const shares = runningShares(logits, temperature);
        const draws = Array.from({ length: 40 }, (_, i) => (i + 0.5) / 40);
        const { ids, logprobs } = run(draws.map((draw) => ({ logits, temperature, draw })));
        for (const [i, draw] of draws.entries()) {
          const id = ids[i]!;
          const [below, above] = [shares[id - 1] ?? 0, shares[id]!];
          expect(draw, isa).toBeGreaterThan(below - 2e-6);
          expect(draw, isa).toBeLessThan(above + 2e-6);
          expect(logprobs[i], isa).toBeCloseTo(Math.log(above - below), 4);
        }
      }
    });
  });

  test("temperature 0 takes the largest, the lowest id on ties; a row without a wish stays", () => {
    const logits = new Float32Array(1030);
    logits[1029] = logits[700] = 5;
    onEveryIsa(() => {
      const { ids, logprobs } = run([
        { logits, temperature: 0, draw: 0 },
        { logits, temperature: null, draw: 0.5 },
        { logits: logits.map((x) => -x), temperature: 0, draw: 0 },
      ]);
      expect(ids).toEqual([700, -9, 0]);
      expect(logprobs).toEqual([0, 99, 0]);
    });
  });

  test("forbidden tokens and those behind the usable ones are never drawn", () => {
    const logits = new Float32Array(600).fill(Number.NEGATIVE_INFINITY);
    logits[37] = logits[520] = 1;
    logits[599] = 50;
    onEveryIsa(() => {
      const draws = [0, 0.4, 0.6, 1 - 2 ** -53];
      expect(
        run(
          draws.map((draw) => ({ logits, temperature: 1, draw })),
          599,
        ).ids,
      ).toEqual([37, 37, 520, 520]);
    });
  });

  test("the largest draw there is takes the last token with a weight", () => {
    onEveryIsa(() => {
      for (const width of [1, 4, 63, 515, 4999]) {
        const logits = noise(5, width + 1);
        logits[width] = Number.NEGATIVE_INFINITY;
        for (const temperature of [0.5, 1]) {
          expect(run([{ logits, temperature, draw: 1 - 2 ** -53 }]).ids).toEqual([width - 1]);
        }
      }
    });
  });

  test("shares of many draws are those of the distribution", () => {
    const logits = noise(9, 64);
    const count = 8192;
    const rows = Array.from({ length: count }, (_, i) => ({ logits, temperature: 1, draw: (i + 0.5) / count }));
    const { ids } = run(rows);
    const shares = runningShares(logits, 1);
    for (let id = 0; id < 64; id++) {
      const share = shares[id]! - (shares[id - 1] ?? 0);
      expect(Math.abs(ids.filter((drawn) => drawn === id).length - share * count)).toBeLessThanOrEqual(1.01);
    }
  });

  test("a row draws the same beside others, on any number of threads", () => {
    const rows = Array.from({ length: 24 }, (_, i) => ({
      logits: noise(i, 3000),
      temperature: i % 3 === 0 ? 0 : 0.7,
      draw: i / 24,
    }));
    onEveryIsa(() => {
      expectSameBits(() => Object.values(run(rows)));
      const together = run(rows);
      for (const [i, row] of rows.entries()) {
        const alone = run([row]);
        expect([alone.ids[0], alone.logprobs[0]]).toEqual([together.ids[i], together.logprobs[i]]);
      }
    });
  });
});
