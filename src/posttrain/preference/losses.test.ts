/** Worked numbers of post-training.md 11.6 and 11.7, and central differences. */
import { describe, expect, test } from "vitest";
import { bradleyTerryLoss } from "./bradleyTerry.js";
import { type DpoOptions, defaultDpo, dpoLoss, type PreferencePair } from "./dpoLoss.js";

const answer = (policy: number, reference: number, tokens = 4): PreferencePair["chosen"] => ({
  policy,
  reference,
  tokens,
});
const pair: PreferencePair = { chosen: answer(-12, -13), rejected: answer(-15, -14) };
const options = (changes: Partial<DpoOptions> = {}): DpoOptions => ({ ...defaultDpo, ...changes });

describe("dpoLoss", () => {
  test("has the worked loss and rewards, and those of its relatives", () => {
    const { loss, rewards } = dpoLoss([pair], defaultDpo);
    expect(loss).toBeCloseTo(0.598139, 6);
    expect(rewards.chosen).toBeCloseTo(0.1, 12);
    expect(rewards.rejected).toBeCloseTo(-0.1, 12);
    expect(rewards.margin).toBeCloseTo(0.2, 12);
    expect(rewards.accuracy).toBe(1);
    expect(dpoLoss([pair], options({ labelSmoothing: 0.1 })).loss).toBeCloseTo(0.618139, 6);
    expect(dpoLoss([pair], options({ loss: "ipo" })).loss).toBeCloseTo(9, 9);
    expect(dpoLoss([pair], options({ loss: "hinge" })).loss).toBeCloseTo(0.8, 12);
  });

  test("starts at ln 2, with ties counted as wrong", () => {
    const start = dpoLoss([{ chosen: answer(-3, -3), rejected: answer(-9, -9) }], defaultDpo);
    expect(start.loss).toBeCloseTo(Math.LN2, 12);
    expect(start.rewards.accuracy).toBe(0);
  });

  test("stays finite where a policy has gone far", () => {
    const far = dpoLoss([{ chosen: answer(-9000, 0), rejected: answer(0, -9000) }], defaultDpo);
    expect(far.loss).toBeCloseTo(1800, 6);
    expect(() => dpoLoss([{ chosen: answer(Number.NaN, 0), rejected: answer(0, 0) }], defaultDpo)).toThrow("pair 0");
  });

  test.each([
    options(),
    options({ labelSmoothing: 0.2 }),
    options({ loss: "ipo" }),
    options({ loss: "hinge" }),
    options({ sft: 0.5 }),
  ])("the gradient is that of the loss by central differences: %o", (changed) => {
    const pairs = [pair, { chosen: answer(-5, -4.5, 3), rejected: answer(-6, -7, 5) }];
    const { gradients } = dpoLoss(pairs, changed);
    for (const [i, each] of pairs.entries()) {
      for (const side of ["chosen", "rejected"] as const) {
        const moved = (step: number): number => {
          const other = { ...each, [side]: { ...each[side], policy: each[side].policy + step } };
          return dpoLoss(
            pairs.map((one, k) => (k === i ? other : one)),
            changed,
          ).loss;
        };
        expect(gradients[i]?.[side]).toBeCloseTo((moved(1e-6) - moved(-1e-6)) / 2e-6, 6);
      }
    }
  });
});

describe("bradleyTerryLoss", () => {
  const pairs = [
    { chosen: 1.5, rejected: 0.5, margin: 0 },
    { chosen: 0.2, rejected: 0.9, margin: 0 },
  ];

  test("has the worked losses, gradients, centring and margin", () => {
    const each = pairs.map((one) => bradleyTerryLoss([one], { centring: 0 }));
    expect(each.map(({ loss }) => Number(loss.toFixed(6)))).toEqual([0.313262, 1.103186]);
    expect(each.map(({ gradients }) => Number(gradients[0]?.chosen.toFixed(6)))).toEqual([-0.268941, -0.668188]);
    const both = bradleyTerryLoss(pairs, { centring: 0 });
    expect(both.loss).toBeCloseTo(0.708224, 6);
    expect(both.accuracy).toBe(0.5);
    expect(bradleyTerryLoss(pairs, { centring: 0.01 }).loss - both.loss).toBeCloseTo(0.02605, 6);
    const ahead = bradleyTerryLoss([{ chosen: 1.5, rejected: 0.5, margin: 0.5 }], { centring: 0 });
    expect(ahead.loss).toBeCloseTo(0.474077, 6);
  });

  test("the gradient is that of the loss by central differences", () => {
    const { gradients } = bradleyTerryLoss(pairs, { centring: 0.02 });
    for (const [i, one] of pairs.entries()) {
      for (const side of ["chosen", "rejected"] as const) {
        const moved = (step: number): number =>
          bradleyTerryLoss(
            pairs.map((each, k) => (k === i ? { ...one, [side]: one[side] + step } : each)),
            { centring: 0.02 },
          ).loss;
        expect(gradients[i]?.[side]).toBeCloseTo((moved(1e-6) - moved(-1e-6)) / 2e-6, 7);
      }
    }
  });
});
