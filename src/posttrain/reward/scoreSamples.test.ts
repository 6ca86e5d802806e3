import { expect, test } from "vitest";
import { sampleOf } from "../../../test/posttrain/samples.js";
import { boxedReward } from "./answerRewards.js";
import { type RewardFunction, reward } from "./reward.js";
import { scoreSamples } from "./scoreSamples.js";

const samples = [sampleOf("\\boxed{1}", { row: { answer: 1 } }), sampleOf("\\boxed{2}", { row: { answer: 1 } })];
const fine = reward("fine", () => [1, 2], { weight: 2 });

const broken: readonly (readonly [
  name: string,
  score: RewardFunction,
  kind: string,
  message: string,
  count: number,
])[] = [
  [
    "throws",
    () => {
      throw new TypeError("no field x");
    },
    "threw",
    "no field x",
    2,
  ],
  ["rejects", async () => Promise.reject(new Error("later")), "threw", "later", 2],
  ["hangs", () => new Promise(() => {}), "timeout", "took more than 30 ms", 2],
  [
    "nan",
    () => [1, Number.NaN],
    "no-score",
    "returned NaN for sample 1, which is no score (a number, null, or { score })",
    1,
  ],
  [
    "text",
    () => ["1", 1] as unknown as number[],
    "no-score",
    'returned "1" for sample 0, which is no score (a number, null, or { score })',
    1,
  ],
  ["short", () => [1], "no-score", "returned 1 scores for 2 samples", 2],
  [
    "nothing",
    () => undefined as unknown as number[],
    "no-score",
    "returned no list of scores but undefined for 2 samples",
    2,
  ],
];

test.for(broken)(
  "a reward that %s is named, and the run stops, goes on without it, or counts 0",
  async ([name, score, kind, message, count]) => {
    const bad = reward(name, score, { timeoutMs: 30 });
    await expect(scoreSamples([fine, bad], samples)).rejects.toThrow(`reward ${name}: ${message}`);
    const failures = [{ reward: name, kind, message, count }];
    const ignored = await scoreSamples([fine, bad], samples, { onFailure: "null" });
    expect(ignored.failures).toEqual(failures);
    const first = count === 1 ? (name === "text" ? [null, 1] : [1, null]) : [null, null];
    expect(ignored.parts).toEqual({ fine: [1, 2], [name]: first });
    expect(ignored.total).toEqual([2 + (first[0] ?? 0), 4 + (first[1] ?? 0)]);
    const zero = await scoreSamples([fine, bad], samples, { onFailure: "zero" });
    expect(zero.parts[name]).toEqual(first.map((value) => value ?? 0));
    expect(zero.failures).toEqual(failures);
  },
);

test("scores are weighted and summed; further numbers are kept under the reward's name", async () => {
  const measured = reward("measured", () => [
    { score: 0.5, words: 3 },
    { score: null, words: 4, bad: null },
  ]);
  const boxed = reward("boxed", boxedReward());
  const result = await scoreSamples([fine, measured, boxed], samples);
  expect(result.total).toEqual([3.5, 4]);
  expect(result.parts).toEqual({ fine: [1, 2], measured: [0.5, null], boxed: [1, 0] });
  expect(result.metrics).toEqual({ "measured/words": [3, 4], "measured/bad": [null, null] });
  expect(result.failures).toEqual([]);
});

test("a row without what a reward needs stops the run under every policy", async () => {
  const row = [sampleOf("\\boxed{1}", { row: { question: "?" } })];
  const boxed = reward("boxed", boxedReward());
  await expect(scoreSamples([boxed], row, { onFailure: "zero" })).rejects.toThrow(
    "reward boxed: a row needs a text or a number",
  );
});

test("two rewards of one name are refused, and so is a weight that is no number", async () => {
  await expect(scoreSamples([fine, fine], samples)).rejects.toThrow("two are named fine");
  expect(() => reward("x", () => [], { weight: Number.NaN })).toThrow("reward x: weight must be a number, got NaN");
  expect(() => reward("x", () => [], { timeoutMs: 0 })).toThrow("reward x: timeoutMs must be positive, got 0");
});

test("with a failed reward ignored, a sample that nothing else scores is an error", async () => {
  const bad = reward("bad", () => [Number.NaN, 1]);
  await expect(scoreSamples([bad], samples, { onFailure: "null" })).rejects.toThrow(
    "none of them gave sample 0 a score",
  );
});
