/** Completions of held-out documents beside what the documents really say: the quickest look at what a model has learned. */
import { modelInThread } from "../generate/loadModel.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { SampleEvent } from "../train/events.js";

const promptLines = 6;
const promptCharacters = 360;
const suffixCharacters = 120;
const truthCharacters = 160;
const gapCharacters = 60;
const sampleTokens = 48;
/** Begin of the document and the three marks of a gap. */
const controlTokens = 4;

/**
 * One greedy completion and, if the tokenizer has the tokens, one filled gap for each document.
 * @param documents UTF-8 texts; short ones are passed over, and all of them if the model has too few positions for a prompt
 */
export async function drawSamples(
  model: DeepseekV3,
  tokenizer: Tokenizer,
  documents: readonly Uint8Array[],
  count: number,
  stage: string,
  step: number,
): Promise<SampleEvent[]> {
  const samples: SampleEvent[] = [];
  const positions = model.config.maxPositionEmbeddings;
  const texts = documents.map((content) => Buffer.from(content).toString("utf8")).filter(({ length }) => length > 1200);
  const writer = modelInThread(model, tokenizer, { maxBatch: 1, cacheTokens: positions, speculation: 0 });
  const stride = Math.max(1, Math.floor(texts.length / count));
  for (const [i, text] of texts
    .filter((_, at) => at % stride === 0)
    .slice(0, count)
    .entries()) {
    const isFim = i % 2 === 1 && tokenizer.fim !== null;
    const begin = lineStart(text, Math.floor(text.length / 3));
    const cut = lineStart(text, begin, promptLines) + (isFim ? 12 : 0);
    const truth = text.slice(cut, cut + (isFim ? gapCharacters : truthCharacters));
    const maxTokens = Math.min(sampleTokens, Math.floor(positions / 2));
    let prompt = text.slice(Math.max(begin, cut - promptCharacters), cut);
    let suffix = isFim ? text.slice(cut + gapCharacters, cut + gapCharacters + suffixCharacters) : null;
    // A model of few positions sees less of what stands around the gap.
    const room = positions - maxTokens - controlTokens;
    while (prompt.length > 0 && tokenizer.encode(prompt).length + tokenizer.encode(suffix ?? "").length > room) {
      prompt = prompt.slice(Math.ceil(prompt.length / 4));
      if (suffix !== null) suffix = suffix.slice(0, Math.floor((suffix.length * 3) / 4));
    }
    if (prompt === "") continue;
    const { text: written } = await writer
      .generate(prompt, { maxTokens, ...(suffix === null ? {} : { suffix }) })
      .result();
    samples.push({ kind: "sample", stage, step, prompt, suffix, text: written, truth });
  }
  await writer.close();
  return samples;
}

/** The start of the line `lines` after the one that holds `at`. */
function lineStart(text: string, at: number, lines = 1): number {
  let position = at;
  for (let i = 0; i < lines; i++) {
    const next = text.indexOf("\n", position);
    if (next < 0) return Math.min(text.length, at + 200);
    position = next + 1;
  }
  return position;
}
