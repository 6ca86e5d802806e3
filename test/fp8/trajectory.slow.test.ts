/**
 * A run in FP8 follows that in bfloat16 (training.md C7, C8): the relative gap of the loss, smoothed with EMA 0.9, stays below 0.25 %. The text is
 * drawn from a seed, so nothing but the arithmetic can move the gap. Measured with four seeds of text and weights: 0.05 to 0.08 % for FP8, as
 * for two runs of bfloat16 whose weights differ by 1e-6 (0.03 to 0.10 %); at a rate of 5e-4, 0.08 to 0.14 % and 0.05 to 0.19 %.
 */
import { availableParallelism } from "node:os";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { singleCommunicator } from "../../src/distributed/single.js";
import { DeepseekV3 } from "../../src/model/deepseekV3.js";
import { defaultFp8, type Fp8Options } from "../../src/model/fp8.js";
import { initialize } from "../../src/model/init.js";
import { loadPreset } from "../../src/model/presets.js";
import { native } from "../../src/tensor/native.js";
import { defaultSettings } from "../../src/train/settings.js";
import { rowsMicroBatch, Trainer } from "../../src/train/trainer.js";

const [seed, sequences, length, most] = [1, 16, 128, 0.0025];

/**
 * Text that can be learned, of 4,096 words: each word has 16 that follow it, the first far more often than the last, and a quarter of the time some
 * words come again that were there shortly before. Whole numbers alone, and so the same everywhere.
 */
function text(count: number): Int32Array {
  let state = seed;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  /** 0 to 2^octaves - 2, every octave as often as any other: about 1 / k. */
  const zipf = (octaves: number): number => {
    const octave = 2 ** below(octaves);
    return octave + below(octave) - 1;
  };
  const followers = Int32Array.from({ length: 4096 * 16 }, () => zipf(12));
  const ids = new Int32Array(count);
  for (let i = 1; i < count; ) {
    const [isRepeat, back, run] = [below(4) === 0, 8 + below(40), 2 + below(6)];
    if (isRepeat && i > 64) for (const end = Math.min(count, i + run); i < end; i++) ids[i] = ids[i - back]!;
    else ids[i] = followers[ids[i - 1]! * 16 + zipf(4)]!;
    if (!isRepeat || i <= 64) i++;
  }
  return ids;
}

/** Losses of a run, smoothed as the report does: an exponential moving average of 0.9. */
async function smoothedLosses(steps: number, fp8: Fp8Options | null): Promise<number[]> {
  const ids = text(300 * sequences * length + 1);
  const config = loadPreset("tiny");
  const model = new DeepseekV3(config, "bfloat16", singleCommunicator(), undefined, fp8);
  initialize(model, seed);
  const defaults = defaultSettings(config);
  const settings = { ...defaults, adamw: { ...defaults.adamw, momentDtype: "bfloat16" } } as const;
  const single = singleCommunicator();
  const trainer = new Trainer(model, settings, { world: single, dense: single, experts: single });
  trainer.optimizer.adoptWeights();
  const smoothed: number[] = [];
  for (let step = 0; step < steps; step++) {
    const tokens = new Int32Array(sequences * (length + 1));
    for (let s = 0; s < sequences; s++) {
      const start = (s * 300 + step) * length;
      tokens.set(ids.subarray(start, start + length + 1), s * (length + 1));
    }
    const learningRate = 3e-4 * Math.min(1, (step + 1) / 50);
    const { loss } = await trainer.step([rowsMicroBatch(tokens, length)], {
      learningRate,
      gamma: 0.001,
      alpha: 1e-4,
      lambda: 0.3,
    });
    smoothed.push(step === 0 ? loss : 0.9 * smoothed[step - 1]! + 0.1 * loss);
  }
  model.free();
  return smoothed;
}

/** The largest relative gap, and what to print of it. */
function largestGap(losses: readonly number[], plain: readonly number[]): { gap: number; where: string } {
  const gaps = losses.map((loss, step) => Math.abs(loss - plain[step]!) / plain[step]!);
  const at = gaps.indexOf(Math.max(...gaps));
  return { gap: gaps[at]!, where: `step ${at}: ${losses[at]} and ${plain[at]}` };
}

let plain: readonly number[] = [];
beforeAll(() => native().setThreads(availableParallelism()));
afterEach(() => vi.restoreAllMocks());

test("300 steps of tiny in FP8 stay within 0.25 % of bfloat16", async () => {
  plain = await smoothedLosses(300, null);
  expect(plain.at(-1)!).toBeLessThan(0.6 * plain[0]!); // it learns
  const { gap, where } = largestGap(await smoothedLosses(300, defaultFp8), plain);
  console.info(`largest gap ${(100 * gap).toFixed(3)} %, ${where}`);
  expect(gap, where).toBeLessThan(most);
});

test("and it would show: without the stored scales of the inputs that are quantised anew, 80 steps are outside", async () => {
  const ones = native().alloc(2 ** 22);
  native().fill(ones.address, 1, ones.bytes / 4);
  const real = native().fp8QuantizeColumns;
  vi.spyOn(native(), "fp8QuantizeColumns").mockImplementation((q, scales, x, xScales, ...rest) =>
    real(q, scales, x, xScales === null ? null : ones.address, ...rest),
  );
  const { gap, where } = largestGap(await smoothedLosses(80, defaultFp8), plain);
  console.info(`largest gap ${(100 * gap).toFixed(3)} %, ${where}`);
  expect(gap, where).toBeGreaterThan(most);
});
