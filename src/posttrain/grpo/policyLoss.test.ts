/** The worked numbers of post-training.md 11.2 to 11.5 and 11.16, and central differences for every variant. */
import { describe, expect, test } from "vitest";
import { defaultPolicyLoss, type PolicyLossOptions, type PolicySample, policyLoss } from "./policyLoss.js";

const sample = (changes: Partial<PolicySample> & Pick<PolicySample, "advantage" | "logprobs">): PolicySample => ({
  oldLogprobs: changes.logprobs,
  refLogprobs: null,
  samplerLogprobs: null,
  entropies: null,
  isMasked: false,
  ...changes,
});
const options = (changes: Partial<PolicyLossOptions> = {}): PolicyLossOptions => ({ ...defaultPolicyLoss, ...changes });

/** 11.2: two outputs of two and four tokens. */
const two: readonly PolicySample[] = [
  sample({ advantage: 1, oldLogprobs: [-1, -0.5], logprobs: [-0.7, -0.6], refLogprobs: [-1.1, -0.4] }),
  sample({
    advantage: -1,
    oldLogprobs: [-2, -1, -0.25, -0.75],
    logprobs: [-2.1, -0.5, -0.3, -1.2],
    refLogprobs: [-1.9, -1.2, -0.25, -0.6],
  }),
];
/** Each token of both outputs by itself, with what 11.2 and 11.16 say of it. */
const tokens = two.flatMap((each) =>
  Array.from(each.logprobs, (logprob, t) =>
    sample({
      advantage: each.advantage,
      logprobs: [logprob],
      oldLogprobs: [each.oldLogprobs[t] ?? Number.NaN],
      refLogprobs: [each.refLogprobs?.[t] ?? Number.NaN],
    }),
  ),
);
const fresh = two.map((each) => ({ ...each, logprobs: each.oldLogprobs }));

const near = (got: ArrayLike<number>, expected: readonly number[]): void => {
  expect(got.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(got[i]).toBeCloseTo(value, 6);
};

describe("policyLoss", () => {
  test("has the worked loss, KL and clip shares in every aggregation", () => {
    const { metrics } = policyLoss(two);
    expect(metrics.loss).toBeCloseTo(0.015013, 6);
    expect(metrics.kl).toBeCloseTo(0.08885, 6);
    expect(metrics.clipLow).toBeCloseTo(1 / 6, 12);
    expect(metrics.clipHigh).toBeCloseTo(1 / 6, 12);
    expect(metrics.clipLow + metrics.clipHigh).toBeCloseTo(1 / 3, 12);
    expect(policyLoss(two, options({ aggregation: "token-mean" })).metrics.loss).toBeCloseTo(0.370212, 6);
    const constant = options({ aggregation: "constant", maxLength: 4 });
    expect(policyLoss(two, constant).metrics.loss).toBeCloseTo(0.277659, 6);
  });

  test("has the worked ratio, clipped ratio and policy term of each token", () => {
    const of = (each: PolicySample, advantage: PolicySample["advantage"]): ReturnType<typeof policyLoss>["metrics"] =>
      policyLoss([{ ...each, advantage }], options({ beta: 0 })).metrics;
    const ratios = tokens.map((each) => of(each, 1).ratio);
    near(ratios, [1.349859, 0.904837, 0.904837, 1.648721, 0.951229, 0.637628]);
    // The lesser and the greater of ratio and clipped ratio, less the ratio.
    const clipped = tokens.map((each, t) => of(each, -1).loss - of(each, 1).loss - (ratios[t] ?? Number.NaN));
    near(clipped, [1.2, 0.904837, 0.904837, 1.2, 0.951229, 0.8]);
    const terms = tokens.map((each) => -of(each, each.advantage).loss);
    near(terms, [1.2, 0.904837, -0.904837, -1.648721, -0.951229, -0.8]);
  });

  test("has the worked estimates of the KL of each token, and their mean over outputs", () => {
    const flat = (samples: readonly PolicySample[]): PolicySample[] =>
      samples.map((each) => ({ ...each, advantage: 0 }));
    const estimates = (kl: PolicyLossOptions["kl"]): number[] =>
      flat(tokens).map((each) => policyLoss([each], options({ beta: 1, kl })).metrics.loss);
    near(estimates("k1"), [0.4, -0.2, -0.2, 0.7, -0.05, -0.6]);
    near(estimates("k2"), [0.08, 0.02, 0.02, 0.245, 0.00125, 0.18]);
    near(estimates("k3"), [0.07032, 0.021403, 0.021403, 0.196585, 0.001271, 0.222119]);
    expect(policyLoss(flat(two), options({ beta: 1 })).metrics.loss).toBeCloseTo(0.078103, 6);
    expect(policyLoss(flat(two), options({ beta: 1, aggregation: "token-mean" })).metrics.loss).toBeCloseTo(0.08885, 6);
  });

  test("has the worked gradient: only the KL's where the ratio is clipped", () => {
    const { gradients } = policyLoss(two);
    near(gradients[0] ?? [], [0.003297, -0.228423]);
    near(gradients[1] ?? [], [0.111998, 0.208607, 0.118647, -0.004111]);
  });

  test("is 0 with the policy that sampled and without KL, its gradient being that of plain policy gradient", () => {
    const plain = options({ beta: 0 });
    const { metrics, gradients } = policyLoss(fresh, plain);
    expect(metrics.loss).toBe(0);
    near(gradients[0] ?? [], [-0.25, -0.25]);
    near(gradients[1] ?? [], [0.125, 0.125, 0.125, 0.125]);
    expect(policyLoss(fresh, { ...plain, aggregation: "token-mean" }).metrics.loss).toBeCloseTo(0.333333, 6);
    expect(policyLoss(fresh, { ...plain, aggregation: "constant", maxLength: 4 }).metrics.loss).toBeCloseTo(0.25, 6);
  });

  test("a dual clip bounds the loss of a negative advantage", () => {
    const far = [sample({ advantage: -1, logprobs: [Math.log(5) - 3], oldLogprobs: [-3] })];
    expect(policyLoss(far, options({ beta: 0 })).metrics.loss).toBeCloseTo(5, 12);
    const clipped = policyLoss(far, options({ beta: 0, dualClip: 3 }));
    expect(clipped.metrics.loss).toBeCloseTo(3, 12);
    expect([...(clipped.gradients[0] ?? [])]).toEqual([0]);
    const capped = policyLoss(far, options({ beta: 0, delta: 4 }));
    expect(capped.metrics.loss).toBeCloseTo(4, 12);
    expect([...(capped.gradients[0] ?? [])]).toEqual([0]);
  });

  test("truncated importance sampling has the worked ratios", () => {
    const logprobs = [-1.2, -0.3, -2];
    const sampled = [sample({ advantage: 1, logprobs, samplerLogprobs: [-1, -0.5, -4] })];
    const slopes = (importance: PolicyLossOptions["importance"]): number[] =>
      [...(policyLoss(sampled, options({ beta: 0, importance })).gradients[0] ?? [])].map((value) => -3 * value);
    near(slopes({ mode: "token-truncate", cap: 2 }), [0.818731, 1.221403, 2]);
    near(slopes({ mode: "token-mask", cap: 3 }), [0.818731, 1.221403, 0]);
    near(slopes({ mode: "sequence-truncate", cap: 8 }), [7.389056, 7.389056, 7.389056]);
    near(slopes({ mode: "sequence-mask", cap: 3 }), [0, 0, 0]);
    const { metrics } = policyLoss(sampled, options({ beta: 0, importance: { mode: "token-truncate", cap: 2 } }));
    expect(metrics.importance?.max).toBeCloseTo(7.389056, 6);
  });

  test("a KL weighted by the ratio has the worked values", () => {
    const weighed = options({ beta: 1, weighsKl: true, aggregation: "token-mean" });
    const each = tokens.map((token) => policyLoss([{ ...token, advantage: 0 }], weighed).metrics.loss);
    near(each, [0.094922, 0.019366, 0.019366, 0.324114, 0.001209, 0.141629]);
    const flat = two.map((output) => ({ ...output, advantage: 0 }));
    expect(policyLoss(flat, weighed).metrics.loss).toBeCloseTo(0.100101, 6);
  });

  test("a sequence's ratio is the geometric mean of its tokens', its factor of importance their product", () => {
    const ratios = two.map((each) => policyLoss([each], options({ ratio: "sequence" })).metrics.ratio);
    near(ratios, [1.105171, 0.97531]);
    const products = two.map(({ logprobs, oldLogprobs }) => {
      const sampled = sample({ advantage: 1, logprobs, samplerLogprobs: oldLogprobs });
      const importance = { mode: "sequence-truncate", cap: 2 } as const;
      return policyLoss([sampled], options({ beta: 0, importance })).metrics.importance?.mean ?? Number.NaN;
    });
    near(products, [1.221403, 0.904837]);
    const gspo = options({ beta: 0, ratio: "sequence", epsilonLow: 0.5, epsilonHigh: 0.5 });
    expect(policyLoss(two, gspo).metrics.loss).toBeCloseTo(-(1.105171 - 0.97531) / 2, 6);
  });

  test("outputs that are masked count nowhere", () => {
    const { metrics, gradients } = policyLoss([
      two[0] as PolicySample,
      { ...(two[1] as PolicySample), isMasked: true },
    ]);
    expect([...(gradients[1] ?? [])]).toEqual([0, 0, 0, 0]);
    expect(metrics.tokens).toBe(2);
    const alone = policyLoss(two.slice(0, 1));
    expect(metrics.loss).toBe(alone.metrics.loss);
  });

  test("with a share of the tokens only those of the highest entropy have a policy term", () => {
    const chosen = fresh.map((each, i) => ({ ...each, entropies: i === 0 ? [0.1, 2] : [0.3, 0.2, 3, 0.1] }));
    const { gradients } = policyLoss(chosen, options({ beta: 0, topEntropy: 1 / 3 }));
    near(gradients[0] ?? [], [0, -0.25]);
    near(gradients[1] ?? [], [0, 0, 0.125, 0]);
  });

  test("an output with a negative advantage that the policy has moved far from is left out", () => {
    const moved = [sample({ advantage: -1, logprobs: [-3, -3], oldLogprobs: [-1, -1] })];
    expect(policyLoss(moved, options({ beta: 0, offPolicyLimit: 1 })).metrics.loss).toBe(0);
    expect(policyLoss(moved, options({ beta: 0, offPolicyLimit: 3 })).metrics.loss).not.toBe(0);
  });

  const variants: Readonly<Record<string, Partial<PolicyLossOptions>>> = {
    "the published form": {},
    "token mean": { aggregation: "token-mean" },
    "a constant divisor": { aggregation: "constant", maxLength: 7 },
    "sums of tokens": { aggregation: "sequence-mean-token-sum" },
    "wide clipping above": { epsilonHigh: 0.28, beta: 0 },
    k1: { kl: "k1", beta: 0.3 },
    k2: { kl: "k2", beta: 0.3 },
    "k3 weighted by the ratio": { weighsKl: true, beta: 0.3 },
    "ratios of sequences": { ratio: "sequence" },
    "importance sampling": { importance: { mode: "token-truncate", cap: 1.1 } },
  };
  test.each(Object.entries(variants))("the gradient is that of the loss by central differences: %s", (_, changes) => {
    const samples = two.map((each) => ({
      ...each,
      samplerLogprobs: Array.from(each.oldLogprobs, (value, t) => value + 0.1 * Math.sin(5 * t + 1)),
    }));
    const { gradients } = policyLoss(samples, options(changes));
    for (const [s, one] of samples.entries()) {
      for (let t = 0; t < one.logprobs.length; t++) {
        const moved = (step: number): number => {
          const logprobs = Array.from(one.logprobs, (value, i) => (i === t ? value + step : value));
          const all = samples.map((each, i) => (i === s ? { ...each, logprobs } : each));
          return policyLoss(all, options(changes)).metrics.loss;
        };
        expect(gradients[s]?.[t]).toBeCloseTo((moved(1e-6) - moved(-1e-6)) / 2e-6, 6);
      }
    }
  });

  test("a clipped weight that is kept constant leaves every token its gradient", () => {
    const { gradients } = policyLoss(two, options({ ratio: "cispo", beta: 0 }));
    near(gradients[0] ?? [], [-1.2 / 4, -0.904837 / 4]);
    near(gradients[1] ?? [], [0.904837 / 8, 1.2 / 8, 0.951229 / 8, 0.637628 / 8]);
  });

  test("refuses arrays of different lengths, a missing reference and numbers that are not finite", () => {
    expect(() => policyLoss([sample({ advantage: 1, logprobs: [-1] })])).toThrow("sample 0 has no refLogprobs");
    const short = [sample({ advantage: 1, logprobs: [-1, -2], oldLogprobs: [-1] })];
    expect(() => policyLoss(short, options({ beta: 0 }))).toThrow("sample 0 has 2 logprobs and 1 oldLogprobs");
    const bad = [sample({ advantage: 1, logprobs: [Number.NaN] })];
    expect(() => policyLoss(bad, options({ beta: 0 }))).toThrow("sample 0, token 0: log-probability NaN");
  });
});
