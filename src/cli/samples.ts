/** Completions of held-out documents beside what the documents really say: the quickest look at what a model has learned. */
import { generateText } from "../generate/generate.js";
import type { DeepseekV3 } from "../model/deepseekV3.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { SampleEvent } from "../train/events.js";

const promptLines = 6;
const promptCharacters = 360;
const suffixCharacters = 120;
const truthCharacters = 160;
const gapCharacters = 60;

/**
 * One greedy completion and, if the tokenizer has the tokens, one filled gap for each document.
 * @param documents UTF-8 texts; short ones are passed over
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
  const texts = documents.map((content) => Buffer.from(content).toString("utf8")).filter(({ length }) => length > 1200);
  const stride = Math.max(1, Math.floor(texts.length / count));
  for (const [i, text] of texts
    .filter((_, at) => at % stride === 0)
    .slice(0, count)
    .entries()) {
    const isFim = i % 2 === 1 && tokenizer.fim !== null;
    const begin = lineStart(text, Math.floor(text.length / 3));
    const cut = lineStart(text, begin, promptLines) + (isFim ? 12 : 0);
    const prompt = text.slice(Math.max(begin, cut - promptCharacters), cut);
    const truth = text.slice(cut, cut + (isFim ? gapCharacters : truthCharacters));
    const suffix = isFim ? text.slice(cut + gapCharacters, cut + gapCharacters + suffixCharacters) : null;
    const stream = generateText(model, tokenizer, {
      prompt,
      suffix,
      maxTokens: 48,
      temperature: 0,
      topP: 1,
      topK: 0,
      seed: 0,
    });
    let done = await stream.next();
    while (!done.done) done = await stream.next();
    samples.push({ kind: "sample", stage, step, prompt, suffix, text: done.value.text, truth });
  }
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
