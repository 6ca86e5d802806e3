/**
 * How much of a training step and of a decoded token is JavaScript: wall clock less the time inside kernels. On one thread, for more threads only
 * shorten the kernels' part: the milliseconds stay. Least: as many empty calls into the addon.
 */
import { decode, SequenceCache } from "../generate/forward.js";
import { argMax } from "../generate/sampler.js";
import type { ModelConfig } from "../model/config.js";
import type { TrainPrecision } from "../tensor/dtype.js";
import { native } from "../tensor/native.js";
import { randomTokens, startTraining } from "../train/measure.js";
import { type NativeTime, withNativeClock } from "./nativeClock.js";
import { measureSection, type Say, timed } from "./rounds.js";
import { type BenchRow, costRow } from "./row.js";
import { randomModel } from "./weights.js";

export interface JavascriptOptions {
  readonly repeats: number;
  readonly threads: number;
  readonly say: Say;
}

export interface NamedConfig {
  readonly preset: string;
  readonly config: ModelConfig;
}

/** @param training trained in each precision, 4,096 tokens a step @param decoding decoded with int8 weights from an empty cache */
export async function benchJavascript(
  training: NamedConfig,
  decoding: NamedConfig,
  options: JavascriptOptions,
): Promise<{ readonly rows: readonly BenchRow[] }> {
  const rows: BenchRow[] = [];
  for (const dtype of ["float32", "bfloat16", "fp8"] as const) rows.push(await ofTraining(training, dtype, options));
  rows.push(await ofDecoding(decoding, options));
  return { rows };
}

async function ofTraining(
  { preset, config }: NamedConfig,
  dtype: TrainPrecision,
  options: JavascriptOptions,
): Promise<BenchRow> {
  const sequenceLength = Math.min(config.maxPositionEmbeddings, 256);
  const batchSize = Math.max(1, Math.floor(4096 / sequenceLength));
  const training = startTraining(config, { dtype, seed: 1, sequenceLength, batchSize, recompute: false });
  await training.step();
  const row = await shareRow(`training step, ${preset} ${dtype}`, "step", 1, options, async () => {
    const { seconds } = await training.step(); // Without the drawing of random tokens, which is no part of a step.
    return seconds;
  });
  training.free();
  return row;
}

async function ofDecoding({ preset, config }: NamedConfig, options: JavascriptOptions): Promise<BenchRow> {
  const model = randomModel(config, { dtype: "bfloat16", weights: "int8" });
  const tokens = 16;
  using cache = new SequenceCache(model, tokens * (options.repeats + 1));
  const run = async (): Promise<void> => {
    for (const id of randomTokens(tokens, config.vocabSize, 1)) argMax(await decode(model, cache, id));
  };
  await run();
  const row = await shareRow(`decoded token, ${preset} int8 weights`, "token", tokens, options, () => timed(run));
  model.free();
  return row;
}

/** @param units steps or tokens of a run @param run gives its seconds */
async function shareRow(
  name: string,
  per: "step" | "token",
  units: number,
  { repeats, threads, say }: JavascriptOptions,
  run: () => Promise<number>,
): Promise<BenchRow> {
  const times: NativeTime[] = [];
  const { ours } = await measureSection({
    name: `javascript ${name}`,
    rounds: repeats,
    say,
    ours: async () => {
      const { value, time } = await withNativeClock(run);
      times.push(time);
      return value;
    },
  });
  const percents = ours.map((seconds, i) => (100 * (seconds - (times[i]?.seconds ?? 0))) / seconds);
  const calls = (times[0]?.calls ?? 0) / units;
  const [seconds = 1] = ours.toSorted((a, b) => a - b).slice(repeats >> 1);
  const least = (100 * calls * units * emptyCallSeconds()) / seconds;
  const at = { calls, milliseconds: (1000 * seconds) / units };
  return costRow({ bench: "javascript", case: name, threads, per, at }, "%", percents, least);
}

/** Of one call into the addon that does nothing. */
function emptyCallSeconds(): number {
  const n = native();
  const { address } = n.alloc(64);
  const calls = 100_000;
  const begun = performance.now();
  for (let i = 0; i < calls; i++) n.fill(address, 0, 0);
  return (performance.now() - begun) / 1000 / calls;
}
