import { expect, test } from "vitest";
import { singleCommunicator } from "../../distributed/single.js";
import { mismatchOf } from "./mismatch.js";

const world = singleCommunicator();

test("trainer and sampler of post-training.md 11.5 are as far apart as worked out", async () => {
  // Differences -0.2, 0.2, 2: ratios 0.818731, 1.221403, 7.389056.
  const { mean, max, k1, k3, ratio, effectiveShare } = await mismatchOf(
    [
      { trainer: [-1.2, -0.3], sampler: [-1, -0.5] },
      { trainer: [-2], sampler: [-4] },
    ],
    world,
  );
  expect(mean).toBeCloseTo(0.8, 12);
  expect(max).toBe(2);
  expect(k1).toBeCloseTo(-0.666667, 6);
  // 0.818731 + 0.2 - 1, 1.221403 - 0.2 - 1, 7.389056 - 2 - 1.
  expect(k3).toBeCloseTo((0.018731 + 0.021403 + 4.389056) / 3, 6);
  expect(ratio.mean).toBeCloseTo(9.42919 / 3, 6);
  expect(ratio.min).toBeCloseTo(0.818731, 6);
  expect(ratio.max).toBeCloseTo(7.389056, 6);
  // 9.429190^2 / (3 (0.670320 + 1.491825 + 54.598150)).
  expect(effectiveShare).toBeCloseTo(88.909624 / 170.280885, 6);
});

test("where both agree nothing is lost, and of no answers nothing is told", async () => {
  const same = { mean: 0, max: 0, k1: 0, k3: 0, ratio: { mean: 1, min: 1, max: 1 }, effectiveShare: 1 };
  expect(await mismatchOf([{ trainer: [-1, -2], sampler: [-1, -2] }], world)).toEqual(same);
  expect(await mismatchOf([], world)).toEqual(same);
});

test("refuses an answer that one of them did not read to its end", async () => {
  const short = [{ trainer: [-1], sampler: [-1, -2] }];
  await expect(mismatchOf(short, world)).rejects.toThrow("mismatch: answer 0 has 1 and 2 log-probabilities");
});
