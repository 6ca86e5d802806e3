import { expect, test } from "vitest";
import { singleCommunicator } from "../../src/distributed/single.js";
import { decode, prefill, SequenceCache } from "../../src/generate/forward.js";
import { DeepseekV3 } from "../../src/model/deepseekV3.js";
import { initialize } from "../../src/model/init.js";
import { loadPreset } from "../../src/model/presets.js";
import { native } from "../../src/tensor/native.js";

/** Position of the weights among the arguments of what reads them. */
const weightArgument: Readonly<Record<string, number>> = {
  linearDecode: 2,
  groupedLinearDecode: 2,
  absorbQueries: 2,
  expandValues: 2,
  fetchWeights: 0,
};

/** What a decoded token asks of the addon, in order: the kernel and the weights that it reads or fetches. */
async function readsOfToken(model: DeepseekV3): Promise<{ readonly kernel: string; readonly weights: number }[]> {
  using cache = new SequenceCache(model, 8);
  await prefill(model, cache, [1, 2, 3]);
  const addon = native() as unknown as Record<string, (...args: number[]) => unknown>;
  const real = { ...addon };
  const reads: { kernel: string; weights: number }[] = [];
  for (const [name, argument] of Object.entries(weightArgument)) {
    addon[name] = (...args) => {
      reads.push({ kernel: name, weights: args[argument] ?? 0 });
      return real[name]?.(...args);
    };
  }
  try {
    await decode(model, cache, 5);
  } finally {
    Object.assign(addon, real);
  }
  return reads;
}

test("what is fetched ahead is what decoding reads next", async () => {
  const config = { ...loadPreset("tiny"), numNextnPredictLayers: 0 };
  const model = new DeepseekV3(config, "float32", singleCommunicator());
  initialize(model, 1);
  const reads = await readsOfToken(model);
  const fetches = reads.flatMap(({ kernel, weights }, i) => (kernel === "fetchWeights" ? [{ weights, i }] : []));
  // Every product but the last shared expert's of a layer, whose experts are told by themselves once their rows are known.
  expect(fetches.length).toBe(reads.length - fetches.length);
  for (const { weights, i } of fetches.slice(0, -1)) expect(reads[i + 1]).toMatchObject({ weights });
  // After the head comes the first matrix of the next token.
  expect(fetches.at(-1)?.weights).toBe(reads[0]?.weights);
  model.free();
});
