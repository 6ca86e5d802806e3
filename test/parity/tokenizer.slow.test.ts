/** tokenizer.test.ts on 20 MB, with the vocabulary that `npm run quickstart` trains at most. */
import { Tokenizer as ReferenceTokenizer } from "@huggingface/tokenizers";
import { expect, test } from "vitest";
import { trainTokenizer } from "../../src/tokenizer/bpeTrainer.js";
import { readCorpus } from "./tokenizerCorpus.js";

test("ids of 20 MB of source text equal the reference's, and encoding them is fast", async () => {
  const corpus = readCorpus(20_000_000);
  const bytes = corpus.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  expect(bytes).toBeGreaterThan(15_000_000);
  const start = performance.now();
  const ours = await trainTokenizer(corpus, { vocabSize: 8192 });
  const trainSeconds = (performance.now() - start) / 1000;
  expect(trainSeconds).toBeLessThan(30);

  const buffers = corpus.map((text) => Buffer.from(text));
  // Processor time, which is the time on one thread of a machine that does nothing else.
  const megabytesPerSecond = [0, 1].map(() => {
    const from = process.cpuUsage();
    for (const buffer of buffers) ours.encodeBytes(buffer);
    const { user, system } = process.cpuUsage(from);
    return bytes / (user + system);
  });
  console.log(`trained in ${trainSeconds.toFixed(1)} s, encoded at ${Math.max(...megabytesPerSecond).toFixed(0)} MB/s`);
  expect(Math.max(...megabytesPerSecond)).toBeGreaterThan(10);

  const reference = new ReferenceTokenizer(ours.json as object, ours.config);
  for (const [index, text] of corpus.entries()) {
    // These it cuts by JavaScript's idea of white space; see tokenizer.test.ts.
    if (/[\u0085\ufeff]/.test(text)) continue;
    const expected: number[] = reference.encode(text, { add_special_tokens: false }).ids;
    const ids = ours.encode(text, { allowSpecial: true });
    if (Buffer.compare(Buffer.from(Int32Array.from(expected).buffer), Buffer.from(ids.buffer)) !== 0) {
      const at = expected.findIndex((id, i) => id !== ids[i]);
      throw new Error(`text ${index}, id ${at}: expected ${expected[at]}, got ${ids[at]}: ${text.slice(0, 80)}`);
    }
    if (ours.decode(ids) !== text) throw new Error(`text ${index} does not come back: ${text.slice(0, 80)}`);
  }
});
