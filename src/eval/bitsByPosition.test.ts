import { expect, test } from "vitest";
import { singleCommunicator } from "../distributed/single.js";
import { parseModelConfig } from "../model/config.js";
import { DeepseekV3 } from "../model/deepseekV3.js";
import { initialize } from "../model/init.js";
import { buildTokenizerConfig, buildTokenizerJson } from "../tokenizer/newTokenizer.js";
import { Tokenizer } from "../tokenizer/tokenizer.js";
import { bitsByPosition, meanBits, positionWindows } from "./bitsByPosition.js";
import { scoreTokens } from "./bitsPerByte.js";

const tokenizer = Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig()); // a byte a token
const config = parseModelConfig(
  {
    vocab_size: tokenizer.vocabSize,
    hidden_size: 16,
    num_hidden_layers: 1,
    intermediate_size: 24,
    num_attention_heads: 2,
    kv_lora_rank: 8,
    qk_nope_head_dim: 8,
    qk_rope_head_dim: 4,
    v_head_dim: 8,
    first_k_dense_replace: 1,
    max_position_embeddings: 16,
    initializer_range: 0.3,
  },
  "test",
);

const text = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => 97 + ((Math.imul(i + 100 * seed, 2654435761) >>> 8) % 26));

test("windows are whole, do not overlap, and come from the documents by turns", () => {
  const documents = [text(70, 1), text(20, 2), text(64, 3), text(31, 4)];
  const windows = positionWindows(tokenizer, documents, { window: 32 });
  // With the begin token: 71, 21, 65 and 32 tokens.
  expect(windows.map(({ length }) => length)).toEqual([32, 32, 32, 32, 32]);
  const starts = windows.map((ids) => tokenizer.decode(ids.subarray(1, 7), { skipSpecialTokens: true }));
  const whole = documents.map((content) => Buffer.from(content).toString());
  expect([whole[0], whole[2], whole[3]].map((content, i) => content?.startsWith(starts[i] ?? "?"))).toEqual([
    true,
    true,
    true,
  ]);
  expect([whole[0]?.indexOf(starts[3] ?? "?"), whole[2]?.indexOf(starts[4] ?? "?")]).toEqual([32, 32]);
  expect(positionWindows(tokenizer, documents, { window: 32, maxWindows: 2 })).toEqual(windows.slice(0, 2));
  expect(positionWindows(tokenizer, documents, { window: 100 })).toEqual([]);
});

test("bits by position are the log-probabilities of the tokens there, and their bytes", async () => {
  const model = new DeepseekV3(config, "float32", singleCommunicator());
  initialize(model, 3, 0);
  const windows = positionWindows(tokenizer, [text(100, 5), text(41, 6)], { window: 40 });
  expect(windows.length).toBe(3);
  const buckets = await bitsByPosition(model, tokenizer, windows, { window: 40, bucketWidth: 16 });
  expect(buckets.map(({ from, to }) => [from, to])).toEqual([
    [0, 16],
    [16, 32],
    [32, 40],
  ]);
  const scores = await scoreTokens(model, windows, { window: 40, stride: 40 });
  for (const { from, to, tokens, bytes, bitsPerToken, bitsPerByte } of buckets) {
    const bits = scores.flatMap(({ logprobs }) =>
      logprobs.slice(from, to).flatMap((value) => (value === null ? [] : [-value / Math.LN2])),
    );
    expect(tokens).toBe(bits.length);
    // Every token of this tokenizer is a byte, and position 0 of a window has no prediction.
    expect(bytes).toBe(tokens);
    const mean = bits.reduce((sum, value) => sum + value, 0) / bits.length;
    expect(bitsPerToken).toBeCloseTo(mean, 10);
    expect(bitsPerByte).toBeCloseTo(mean, 10);
  }
  const beyond = meanBits(buckets, 16);
  expect(beyond.tokens).toBe(3 * 24);
  const [, middle, last] = buckets;
  expect(beyond.bitsPerByte).toBeCloseTo(((middle?.bitsPerByte ?? 0) * 16 + (last?.bitsPerByte ?? 0) * 8) / 24, 10);
  model.free();
});

test("bits by position refuses a window and a width that are none", async () => {
  expect(() => positionWindows(tokenizer, [], { window: 1.5 })).toThrow(
    "window must be a whole number from 2, got 1.5",
  );
  const model = new DeepseekV3(config, "float32", singleCommunicator());
  await expect(bitsByPosition(model, tokenizer, [], { window: 8, bucketWidth: 0 })).rejects.toThrow(
    "bucket width must be a whole number from 1, got 0",
  );
  model.free();
});
