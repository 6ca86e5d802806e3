import { describe, expect, test } from "vitest";
import { native } from "../../src/tensor/native.js";
import { expectClose, f32, i32, noise, onEveryIsa } from "./memory.js";
import { centralDifferences, dot, expectSameBits } from "./oracle.js";

const [SIGMOID, SOFTMAX] = [0, 1];
const [GREEDY, GROUP_MAX, NOAUX_TC] = [0, 1, 2];

interface Rules {
  e: number;
  k: number;
  groups: number;
  keptGroups: number;
  scoring: number;
  method: number;
  normTopk: boolean;
  scale: number;
}

function route(logits: ArrayLike<number>, bias: ArrayLike<number> | null, rules: Rules) {
  const rows = logits.length / rules.e;
  const experts = i32(rows * rules.k);
  const weights = f32(rows * rules.k);
  const scores = f32(logits.length);
  native().routerForward(
    experts.address,
    weights.address,
    scores.address,
    f32(logits).address,
    bias ? f32(bias).address : null,
    rows,
    rules.e,
    rules.k,
    rules.groups,
    rules.keptGroups,
    rules.scoring,
    rules.method,
    rules.normTopk ? 1 : 0,
    rules.scale,
  );
  return { experts, weights, scores };
}

function naiveScores(logits: ArrayLike<number>, e: number, scoring: number): Float64Array {
  const scores = Float64Array.from(logits, (z) => 1 / (1 + Math.exp(-z)));
  if (scoring === SOFTMAX)
    for (let r = 0; r < logits.length; r += e) {
      const row = Array.from({ length: e }, (_, i) => Math.exp(logits[r + i]!));
      const total = row.reduce((a, b) => a + b);
      for (let i = 0; i < e; i++) scores[r + i] = row[i]! / total;
    }
  return scores;
}

const best = (values: readonly number[], count: number): number[] =>
  values
    .map((_, i) => i)
    .sort((a, b) => values[b]! - values[a]! || a - b)
    .slice(0, count);

/** One row of scores to experts and weights, by sorting. */
function naiveChoice(scores: readonly number[], bias: ArrayLike<number> | null, rules: Rules) {
  let choice = scores.map((s, i) => (rules.method === NOAUX_TC && bias ? Math.fround(s + bias[i]!) : s));
  if (rules.method !== GREEDY) {
    const size = rules.e / rules.groups;
    const groupScores = Array.from({ length: rules.groups }, (_, g) => {
      const sorted = choice.slice(g * size, (g + 1) * size).sort((a, b) => b - a);
      return rules.method === GROUP_MAX || size < 2 ? sorted[0]! : sorted[0]! + sorted[1]!;
    });
    const kept = best(groupScores, rules.keptGroups);
    choice = choice.map((c, i) => (kept.includes(Math.floor(i / size)) ? c : Number.NEGATIVE_INFINITY));
  }
  const experts = best(choice, rules.k);
  const chosen = experts.map((i) => scores[i]!);
  const total = rules.normTopk && rules.k > 1 ? chosen.reduce((a, b) => a + b) + 1e-20 : 1;
  return { experts, weights: chosen.map((s) => (s / total) * rules.scale) };
}

describe("routerForward gives the routing worked by hand", () => {
  const logits = [2, -1, 0.5, 1, 1.2, -2, 0, 0.3, 1.5, -0.5, 3, -3];
  const bias = [0, 0.1, 0, 0.3, 0, 0, 0, 0, -0.2, 0.05, 0, 0];
  const rules: Rules = {
    e: 12,
    k: 3,
    groups: 4,
    keptGroups: 2,
    scoring: SIGMOID,
    method: NOAUX_TC,
    normTopk: true,
    scale: 2.5,
  };
  const cases: readonly [string, Partial<Rules>, readonly number[] | null, number[], number[]][] = [
    ["two of four groups", {}, bias, [3, 0, 4], [0.767796, 0.925059, 0.807145]],
    ["no groups", { groups: 1, keptGroups: 1 }, bias, [3, 10, 0], [0.712691, 0.928641, 0.858668]],
    ["two experts", { k: 2 }, bias, [3, 0], [1.1338772, 1.3661228]],
    ["two experts without bias", { k: 2 }, null, [0, 4], [1.3350897, 1.1649103]],
  ];
  test.each(cases)("%s", (_, change, chosenBias, experts, weights) => {
    onEveryIsa((isa) => {
      const routing = route(logits, chosenBias, { ...rules, ...change });
      expect([...routing.experts.values]).toEqual(experts);
      expectClose(routing.weights.values, weights, 6e-7, 0, isa);
    });
  });

  test("scores are the sigmoids", () => {
    onEveryIsa((isa) => {
      const expected = [
        0.880797, 0.268941, 0.622459, 0.731059, 0.768525, 0.119203, 0.5, 0.574443, 0.817574, 0.377541, 0.952574,
        0.047426,
      ];
      expectClose(route(logits, bias, rules).scores.values, expected, 6e-7, 0, isa);
    });
  });

  test("experts of rejected groups count as minus infinity, not as zero", () => {
    onEveryIsa((isa) => {
      const change = { e: 4, k: 2, groups: 2, keptGroups: 1, scale: 1 };
      const routing = route([0, -1, -2, -3], [-0.9, -0.9, -0.9, -0.9], { ...rules, ...change });
      expect([...routing.experts.values]).toEqual([0, 1]);
      expectClose(routing.weights.values, [0.650245, 0.349755], 6e-7, 0, isa);
    });
  });

  test("softmax scores, greedy choice, weights neither normalised nor scaled", () => {
    onEveryIsa((isa) => {
      const routing = route([2, -1, 0.5, 1], null, {
        e: 4,
        k: 2,
        groups: 1,
        keptGroups: 1,
        scoring: SOFTMAX,
        method: GREEDY,
        normTopk: false,
        scale: 1,
      });
      expect([...routing.experts.values]).toEqual([0, 3]);
      expectClose(routing.weights.values, [0.60946, 0.224208], 6e-7, 0, isa);
      expectClose(routing.scores.values, [0.60946, 0.0303432, 0.135989, 0.224208], 6e-7, 0, isa);
    });
  });

  test("ties go to the lower expert and the lower group", () => {
    onEveryIsa(() => {
      const routing = route(new Float32Array(16), null, { ...rules, e: 16, k: 5, groups: 4, keptGroups: 2 });
      expect([...routing.experts.values]).toEqual([0, 1, 2, 3, 4]);
      const tied = route([0, 2, 1, 2, 2, 0], null, { ...rules, e: 6, groups: 1, keptGroups: 1 });
      expect([...tied.experts.values]).toEqual([1, 3, 4]);
    });
  });

  test("a NaN still gives different valid experts, and non-finite weights", () => {
    onEveryIsa(() => {
      const routing = route(new Float32Array(12).fill(Number.NaN), bias, rules);
      expect(new Set(routing.experts.values).size).toBe(3);
      expect(routing.experts.values.every((i) => i >= 0 && i < 12)).toBe(true);
      expect(routing.weights.values.every(Number.isNaN)).toBe(true);
    });
  });
});

const variants: readonly Rules[] = [
  { e: 12, k: 3, groups: 4, keptGroups: 2, scoring: SIGMOID, method: NOAUX_TC, normTopk: true, scale: 2.5 },
  { e: 64, k: 6, groups: 8, keptGroups: 3, scoring: SIGMOID, method: NOAUX_TC, normTopk: true, scale: 1 },
  { e: 33, k: 5, groups: 1, keptGroups: 1, scoring: SIGMOID, method: NOAUX_TC, normTopk: false, scale: 1.5 },
  { e: 20, k: 4, groups: 5, keptGroups: 2, scoring: SOFTMAX, method: GROUP_MAX, normTopk: false, scale: 16 },
  { e: 7, k: 7, groups: 1, keptGroups: 1, scoring: SOFTMAX, method: GREEDY, normTopk: true, scale: 1 },
  { e: 8, k: 1, groups: 8, keptGroups: 4, scoring: SIGMOID, method: NOAUX_TC, normTopk: true, scale: 2 },
];

describe.each(variants)("router of $e experts, top $k, $groups groups, scoring $scoring, method $method", (rules) => {
  const { e, k } = rules;
  const rows = 41;
  const logits = noise(30, rows * e, 3);
  const bias = noise(31, e, 0.3);

  test("scores equal the naive ones; choice and weights follow from them by sorting", () => {
    onEveryIsa((isa) => {
      const routing = route(logits, bias, rules);
      expectClose(routing.scores.values, naiveScores(logits, e, rules.scoring), 1e-7, 1e-6, isa);
      for (let r = 0; r < rows; r++) {
        const scores = [...routing.scores.values.subarray(r * e, (r + 1) * e)];
        const expected = naiveChoice(scores, bias, rules);
        expect([...routing.experts.values.subarray(r * k, (r + 1) * k)]).toEqual(expected.experts);
        expectClose(routing.weights.values.subarray(r * k, (r + 1) * k), expected.weights, 0, 1e-6, isa);
      }
    });
  });

  test("backward equals central differences of the weights and scores at fixed experts", () => {
    const dweights = noise(32, rows * k);
    const dscores = noise(33, rows * e);
    onEveryIsa((isa) => {
      const routing = route(logits, bias, rules);
      for (const withScores of [false, true]) {
        const expected = new Float64Array(rows * e);
        for (let r = 0; r < rows; r++) {
          const chosen = [...routing.experts.values.subarray(r * k, (r + 1) * k)];
          const loss = (z: ArrayLike<number>): number => {
            const scores = naiveScores(z, e, rules.scoring);
            const picked = chosen.map((i) => scores[i]!);
            const total = rules.normTopk && k > 1 ? picked.reduce((a, b) => a + b) + 1e-20 : 1;
            const weights = picked.map((s) => (s / total) * rules.scale);
            const first = dot(weights, dweights.subarray(r * k));
            return withScores ? first + dot(scores, dscores.subarray(r * e)) : first;
          };
          expected.set(centralDifferences(loss, logits.subarray(r * e, (r + 1) * e)), r * e);
        }
        const dlogits = f32(new Float32Array(rows * e).fill(9));
        native().routerBackward(
          dlogits.address,
          f32(dweights).address,
          withScores ? f32(dscores).address : null,
          routing.experts.address,
          routing.scores.address,
          rows,
          e,
          k,
          rules.scoring,
          rules.normTopk ? 1 : 0,
          rules.scale,
        );
        expectClose(dlogits.values, expected, 2e-6 * rules.scale, 1e-5, isa);
      }
    });
  });

  test("threads and other rows do not change a bit", () => {
    const many = noise(34, 700 * e, 3);
    onEveryIsa(() => {
      const all = route(many, bias, rules);
      expectSameBits(() => {
        const routing = route(many, bias, rules);
        const dlogits = f32(many.length);
        native().routerBackward(
          dlogits.address,
          routing.weights.address,
          null,
          routing.experts.address,
          routing.scores.address,
          700,
          e,
          k,
          rules.scoring,
          rules.normTopk ? 1 : 0,
          rules.scale,
        );
        return [routing.experts.values, routing.weights.values, routing.scores.values, dlogits.values];
      });
      const alone = route(many.subarray(650 * e, 651 * e), bias, rules);
      expect([...alone.weights.values]).toEqual([...all.weights.values.subarray(650 * k, 651 * k)]);
    });
  });
});
