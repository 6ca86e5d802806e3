/** Prompts that are read in pieces, so that others get the processor in between. */
import { expect, test } from "vitest";
import { prefillRuns, SequenceCache } from "../../src/generate/forward.js";
import type { DeepseekV3 } from "../../src/model/deepseekV3.js";
import type { Pause } from "../../src/model/pieces.js";
import { quantizedModel, smallConfig, smallModel, tokenRows } from "./models.js";

const length = 600;
/** Feed-forward parts so wide that both kinds of them, and the experts' rows, make several pieces. */
const config = smallConfig({
  hidden_size: 128,
  num_hidden_layers: 2,
  intermediate_size: 16_384,
  moe_intermediate_size: 4096,
  num_experts_per_tok: 4,
  max_position_embeddings: 640,
  num_nextn_predict_layers: 0,
});
const ids = tokenRows(1, length, 61);

/** States after a prompt, and how often it paused. */
async function read(
  model: DeepseekV3,
  count: number,
  isPaused: boolean,
): Promise<{ bytes: Uint8Array; pauses: number }> {
  let pauses = 0;
  const pause: Pause = async () => {
    pauses++;
  };
  using cache = new SequenceCache(model, 640);
  const run = { ids: ids.subarray(0, count), start: 0, count, pages: cache.pages };
  using pass = await prefillRuns(model, cache.latents, [run], { pause: isPaused ? pause : null });
  return { bytes: pass.hidden.raw.bytes().slice(), pauses };
}

test.each([
  ["float32", () => smallModel(config)],
  ["bfloat16", () => smallModel(config, 1, "bfloat16")],
  ["int8", () => quantizedModel(config, "int8")],
] as const)("a prompt in pieces gets the bits of one that nobody waits for (%s)", async (_, make) => {
  const model = make();
  const [whole, cut, short] = [
    await read(model, length, false),
    await read(model, length, true),
    await read(model, 64, true),
  ];
  expect(Buffer.compare(whole.bytes, cut.bytes)).toBe(0);
  expect(whole.pauses).toBe(0);
  // The dense part and the routed experts each pause at least once more.
  expect(cut.pauses).toBeGreaterThanOrEqual(short.pauses + 2);
  model.free();
});
