/**
 * Gradients in bfloat16 against those of the same weights in float32. What is compared is the rounding of activations and of their gradients
 * alone: the weights are rounded first, and every token goes to every expert, for a choice that tips over is no small difference.
 */
import { expect, test } from "vitest";
import type { DeepseekV3 } from "../../src/model/deepseekV3.js";
import { native } from "../../src/tensor/native.js";
import { gradients, pass, smallConfig, smallModel, tokenRows, variants } from "./models.js";

const length = 17;
const everyExpert = { n_routed_experts: 4, num_experts_per_tok: 4, n_group: 1, topk_group: 1 };

/** Gives both models the values of `narrow`, which a wider type holds exactly. */
function shareWeights(wide: DeepseekV3, narrow: DeepseekV3): void {
  narrow.parameters.forEach(({ name, data: from }, i) => {
    const parameter = wide.parameters[i];
    if (parameter?.name !== name) throw new Error(`${name} is ${parameter?.name} in the other model`);
    native().convert(parameter.data.address, from.address, from.size, parameter.data.code, from.code);
  });
}

/** |a - b| / |b|, and the cosine of the angle between them. */
function compare(a: Float32Array, b: Float32Array): { readonly error: number; readonly cosine: number } {
  let [aa, bb, ab, difference] = [0, 0, 0, 0];
  a.forEach((x, i) => {
    const y = b[i] ?? Number.NaN;
    aa += x * x;
    bb += y * y;
    ab += x * y;
    difference += (x - y) ** 2;
  });
  return { error: Math.sqrt(difference / bb), cosine: ab / Math.sqrt(aa * bb) };
}

// bf16 has 8 bits, so a rounding is off by 2^-9 at most, and 2^-9 / sqrt(3) = 0.0011 is usual. Between a parameter and the loss there are some
// hundred of them, forth and back, which add as independent errors do. Measured with 3 seeds of weights over all variants: 0.015 is usual and
// 0.035 the worst, of a layer norm in the first layer; the cosine follows, 1 - 0.035^2 / 2, and was 1 - 5.9e-4 at worst. Allowed is twice as much.
const largestError = 0.07;
const smallestCosine = 1 - 1.2e-3;

test.each(Object.keys(variants))("gradients in bfloat16 are those of float32 to the rounding: %s", async (name) => {
  const changes = variants[name] ?? {};
  const config = smallConfig({ ...changes, ...(changes.n_routed_experts === 0 ? {} : everyExpert) });
  const [wide, narrow] = [smallModel(config, 1, "float32"), smallModel(config, 1, "bfloat16")];
  shareWeights(wide, narrow);
  const tokens = tokenRows(3, length, config.vocabSize);
  for (const model of [wide, narrow]) await pass(model, tokens, length, { hasGrad: true });
  const [exact, rounded] = [gradients(wide), gradients(narrow)];
  expect([...rounded.keys()]).toEqual([...exact.keys()]);
  for (const [parameter, expected] of exact) {
    const { error, cosine } = compare(rounded.get(parameter) ?? new Float32Array(), expected);
    expect(error, `${parameter}: relative error`).toBeLessThan(largestError);
    expect(cosine, `${parameter}: cosine`).toBeGreaterThan(smallestCosine);
  }
  for (const model of [wide, narrow]) model.free();
});
