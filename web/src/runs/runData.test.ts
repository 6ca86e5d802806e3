import { expect, test } from "vitest";
import type { RawEvent } from "../../../src/serve/runEvents.js";
import { RunData } from "./runData.js";

const limits = { points: 8, columns: 4, samples: 3, lines: 5 };

function step(index: number, loss = index): RawEvent {
  return {
    ...{ kind: "step", stage: "pretrain", step: index, tokens: 10 * index, totalTokens: 1000, loss },
    ...{ mtpLosses: [loss + 1], mtpAccuracy: [0.5], learningRate: 1e-3, gradNorm: 1, tokensPerSecond: 100 },
    layers: [{ layer: 1, counts: [index, 1], maxVio: 0.5 }],
  };
}

test("points are merged in pairs when there are too many, and keep their means and sums", () => {
  const data = new RunData(limits);
  for (let i = 1; i <= 100; i++) data.add(step(i));
  expect(data.points.length).toBeLessThanOrEqual(limits.points + 1);
  expect(data.points.reduce((sum, { steps }) => sum + steps, 0)).toBe(100);
  expect(data.points.at(-1)).toMatchObject({ step: 100, tokens: 1000 });
  const mean = data.points.reduce((sum, { loss, steps }) => sum + (loss ?? 0) * steps, 0) / 100;
  expect(mean).toBeCloseTo(50.5, 10);
  expect(data.loads.length).toBeLessThanOrEqual(limits.columns + 1);
  const tokens = data.loads.reduce((sum, { layers }) => sum + (layers[0]?.counts[0] ?? 0), 0);
  expect(tokens).toBe(5050);
  expect(data.log).toHaveLength(limits.lines);
});

test("a step that is not later takes back what came after it", () => {
  const data = new RunData();
  for (let i = 1; i <= 6; i++) data.add(step(i));
  data.add({ kind: "validation", stage: "pretrain", step: 6, tokens: 60, valBitsPerByte: 2 });
  data.add(step(4, 99));
  expect(data.points.map(({ step: at, loss }) => [at, loss])).toEqual([
    [1, 1],
    [2, 2],
    [3, 3],
    [4, 99],
  ]);
  expect(data.validations).toEqual([]);
});

test("events of kinds that are not known are told and nothing else", () => {
  const data = new RunData();
  data.add({ kind: "reward", step: 3, mean: 0.5 });
  expect(data.log).toEqual([{ id: 0, kind: "reward", step: 3, text: '{"kind":"reward","step":3,"mean":0.5}' }]);
  expect(data.points).toEqual([]);
});
