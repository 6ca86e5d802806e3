import { expect, test } from "vitest";
import { defaultAdapter } from "../model/adapterConfig.js";
import { type AdapterFlags, ratesFor, stageAdapter } from "./adapterOptions.js";

const base = { directory: "runs/base/checkpoints/step-00000010", adapter: null };
const adapted = { ...base, adapter: "runs/tuned/checkpoints/step-00000020" };

test("without --lora the weights are trained", () => {
  expect(stageAdapter({ model: "runs/base" }, base)).toBeNull();
});

test("--lora alone adapts everything at rank 16, scaled by 2, over weights as they are stored", () => {
  expect(stageAdapter({ model: "runs/base", lora: true }, base)).toEqual({
    from: {
      ...defaultAdapter,
      ...{ baseModelNameOrPath: base.directory, targetModules: "all", r: 16, loraAlpha: 32 },
    },
    weights: null,
  });
});

test("every option reaches the adapter", () => {
  const flags: AdapterFlags = {
    ...{ lora: true, loraRank: 4, loraAlpha: 5, loraTargets: "q_b_proj,o_proj", loraDropout: 0.1 },
    ...{ rslora: true, weights: "int8" },
  };
  expect(stageAdapter({ ...flags, model: "runs/base", dtype: "bfloat16" }, base)).toEqual({
    from: {
      ...defaultAdapter,
      ...{ baseModelNameOrPath: base.directory, targetModules: ["q_b_proj", "o_proj"], r: 4, loraAlpha: 5 },
      ...{ loraDropout: 0.1, useRslora: true },
    },
    weights: "int8",
  });
});

test("the base of the hub is named as it was, not by the folder that it was fetched to", () => {
  const adapter = stageAdapter({ model: "hf:org/name@v1", lora: true }, { directory: "/cache/x", adapter: null });
  expect(adapter?.from).toMatchObject({ baseModelNameOrPath: "hf:org/name@v1" });
});

test("an adapter as the model goes on being trained, with the form it has", () => {
  expect(stageAdapter({ model: "runs/tuned", lora: true, weights: "fp8" }, adapted)).toEqual({
    from: adapted.adapter,
    weights: "float8_e4m3fn",
  });
  expect(() => stageAdapter({ model: "runs/tuned", lora: true, loraRank: 8 }, adapted)).toThrow(
    "runs/tuned/checkpoints/step-00000020 is an adapter with a form of its own, which goes on being trained: leave --lora-rank out",
  );
});

test.each([
  [{ loraRank: 8 }, "--lora-rank is for an adapter: give --lora too"],
  [{ loraAlpha: 8 }, "--lora-alpha is for an adapter"],
  [{ loraTargets: "all" }, "--lora-targets is for an adapter"],
  [{ loraDropout: 0 }, "--lora-dropout is for an adapter"],
  [{ rslora: true }, "--rslora is for an adapter"],
  [{ weights: "fp8" as const }, "--weights is for an adapter"],
  [{ lora: true, dtype: "fp8" as const }, "--dtype fp8 trains the weights, which --lora freezes: --weights fp8"],
])("%j is refused", (flags, message) => {
  expect(() => stageAdapter({ model: "runs/base", ...flags }, base)).toThrow(message);
});

test("an adapter's default rates are ten times those of the weights", () => {
  const rates = { learningRate: 5e-6, minLearningRate: 1e-6 };
  expect(ratesFor(null, rates)).toBe(rates);
  const { learningRate, minLearningRate } = ratesFor({ from: "runs/tuned", weights: null }, rates);
  expect(learningRate).toBeCloseTo(5e-5, 15);
  expect(minLearningRate).toBeCloseTo(1e-5, 15);
});
