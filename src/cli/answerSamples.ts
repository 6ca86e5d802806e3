/** Answers to held-out prompts beside what their records say: the quickest look at what fine-tuning has taught. */
import { modelInThread } from "../generate/loadModel.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import type { SupervisedSequence } from "../posttrain/data/sequences.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { SampleEvent } from "../train/events.js";

/** Most tokens of an answer. */
const longest = 256;

export async function answerSamples(
  model: DeepseekV3,
  tokenizer: Tokenizer,
  records: readonly SupervisedSequence[],
  count: number,
  stage: string,
  step: number,
): Promise<SampleEvent[]> {
  if (count === 0 || model.config.attention !== "mla") return [];
  const positions = model.config.maxPositionEmbeddings;
  await using writer = modelInThread(model, tokenizer, { maxBatch: 1, cacheTokens: positions, speculation: 0 });
  const samples: SampleEvent[] = [];
  const stride = Math.max(1, Math.floor(records.length / count));
  for (const record of records.filter((_, at) => at % stride === 0).slice(0, count)) {
    const begin = record.isTarget.indexOf(1);
    if (begin < 1 || begin >= positions) continue;
    const maxTokens = Math.min(longest, positions - begin);
    const { text } = await writer.generate(record.ids.subarray(0, begin), { maxTokens }).result();
    const prompt = tokenizer.decode(record.ids.subarray(0, begin));
    const truth = tokenizer.decode(record.ids.subarray(begin), { skipSpecialTokens: true });
    samples.push({ kind: "sample", stage, step, prompt, suffix: null, text, truth });
  }
  return samples;
}
