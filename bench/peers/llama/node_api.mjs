/**
 * Decoding through node-llama-cpp's own interface, one token at a time from an async iterator, as its users meet it.
 *
 *   node bench/peers/llama/node_api.mjs FOLDER MODEL.gguf THREADS MAX_TOKENS     (FOLDER holds node_modules/node-llama-cpp)
 *
 * Prints {"ready":true,...}, then answers each line `decode DEPTH N` of standard input with one line {"seconds":s}: an empty cache is given DEPTH
 * random tokens, and s is the time from the first token after them to the one N later, greedily, whatever the end-of-text token says.
 */
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder = "", modelPath = "", threads = "1", maxTokens = "1"] = process.argv.slice(2);
const installed = join(folder, "node_modules", "node-llama-cpp", "dist", "index.js");
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(installed).href);
const llama = await getLlama({
  gpu: false,
  build: "never",
  logLevel: LlamaLogLevel.error,
  maxThreads: Number(threads),
});
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({ contextSize: Number(maxTokens), threads: Number(threads) });
const sequence = context.getSequence();
const vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);

let state = 1;
const randomId = () => {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  return 300 + (state % (vocabulary - 300));
};
for await (const line of createInterface({ input: process.stdin })) {
  const [, depth = 1, count = 1] = line.split(" ").map(Number);
  await sequence.clearHistory();
  const prompt = Array.from({ length: depth }, randomId);
  let begun = 0;
  let written = 0;
  for await (const _token of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    if (written === 0) begun = performance.now();
    else if (written === count) break;
    written++;
  }
  process.stdout.write(`${JSON.stringify({ seconds: (performance.now() - begun) / 1000 })}\n`);
}
