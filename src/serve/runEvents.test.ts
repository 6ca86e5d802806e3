import { expect, test } from "vitest";
import { parseLine, type RawEvent, stridesFor, thin } from "./runEvents.js";

function step(index: number, loss: number | null, counts: readonly number[] = [3, 1]): RawEvent {
  return {
    ...{
      kind: "step",
      stage: "pretrain",
      step: index,
      tokens: 10 * index,
      totalTokens: 100,
      loss,
      mtpLosses: [2 * index],
    },
    ...{ mtpAccuracy: [0], learningRate: index, gradNorm: index, tokensPerSecond: 100 * index },
    layers: [{ layer: 1, counts, maxVio: index }],
  };
}

test("thin makes a point of `stride` steps and a column of `loadStride`, and lets everything else pass in place", () => {
  const validation = { kind: "validation", step: 2, valBitsPerByte: 1.5 };
  const events = thin([step(1, 4), step(2, 2), validation, step(3, null), step(4, 8), step(5, 1)], {
    stride: 2,
    loadStride: 3,
  });
  expect(events.map(({ kind, step: at }) => [kind, at])).toEqual([
    ["point", 2],
    ["validation", 2],
    ["load", 3],
    ["point", 4],
    ["point", 5],
    ["load", 5],
  ]);
  // Worked by hand: (4 + 2) / 2; the loss that is not finite does not count; values that only grow are the last ones.
  expect(events[0]).toMatchObject({
    steps: 2,
    loss: 3,
    mtpLosses: [3],
    gradNorm: 1.5,
    tokens: 20,
    learningRate: 2,
    maxVio: 1.5,
  });
  expect(events[3]).toMatchObject({ steps: 2, loss: 8 });
  expect(events[2]).toMatchObject({ steps: 3, layers: [{ layer: 1, counts: [9, 3] }] });
  expect(events[5]).toMatchObject({ steps: 2, layers: [{ layer: 1, counts: [6, 2] }] });
});

test("thin does not merge over a return to an earlier step", () => {
  const events = thin([step(7, 1), step(8, 1), step(3, 5)], { stride: 4, loadStride: 4 });
  expect(events.filter(({ kind }) => kind === "point").map(({ step: at }) => at)).toEqual([8, 3]);
});

test("strides keep a run of any length and any number of experts in bounds", () => {
  expect(stridesFor(0, null)).toEqual({ stride: 1, loadStride: 1 });
  expect(stridesFor(3000, step(1, 1))).toEqual({ stride: 2, loadStride: 25 });
  const large = {
    ...step(1, 1),
    layers: Array.from({ length: 58 }, (_, layer) => ({ layer, counts: Array(256).fill(1) })),
  };
  const { stride, loadStride } = stridesFor(1e6, large);
  expect(1e6 / stride).toBeLessThanOrEqual(1500);
  expect((1e6 / loadStride) * 58 * 256).toBeLessThanOrEqual(1_500_000);
});

test("parseLine takes events alone", () => {
  expect(parseLine('{"kind":"step","step":1}')).toEqual({ kind: "step", step: 1 });
  for (const line of ["", "{", "null", "3", "[]", "{}", '{"kind":3}']) expect(parseLine(line)).toBeNull();
});

test("steps of reinforcement keep what the answers were like, as means over the steps of a point; others have none", () => {
  const policy = (reward: number, kl: number | null): object => ({
    policy: { reward, rewardStd: 0.5, entropy: 0.1, kl, zeroStdShare: 0.25, length: { mean: 30, min: 1, max: 48 } },
  });
  const steps = [
    { ...step(1, 1), ...policy(0.2, null) },
    { ...step(2, 1), ...policy(0.4, 0.02) },
  ];
  const [point] = thin(steps, { stride: 2, loadStride: 9 });
  // Worked by hand: (0.2 + 0.4) / 2; a KL that is not there does not count.
  expect(point).toMatchObject({
    policy: { reward: expect.closeTo(0.3, 12), rewardStd: 0.5, entropy: 0.1, kl: 0.02, length: 30, flatShare: 0.25 },
  });
  expect(thin([step(1, 1)], { stride: 1, loadStride: 9 })[0]).toMatchObject({ policy: null });
});
