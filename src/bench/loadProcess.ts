/**
 * A process that opens a checkpoint as `fathom generate` does and answers, as `bench load` times it: node loadProcess.js DIR THREADS PROMPT_TOKENS
 * MORE_TOKENS. Prints one JSON object when it has the first token and one when it has decoded more. Started by load.ts, never imported.
 */
import { readFileSync } from "node:fs";
import { loadWeights, readConfig, storedAs } from "../checkpoint/modelFiles.js";
import { singleCommunicator } from "../distributed/single.js";
import { decode, prefill, SequenceCache } from "../generate/forward.js";
import { argMax } from "../generate/sampler.js";
import { DeepseekV3 } from "../model/deepseekV3.js";
import { bytesPerElement } from "../tensor/dtype.js";
import { native } from "../tensor/native.js";
import { median, randomTokens } from "../train/measure.js";
import { decodeCost, prefillCost } from "./inferenceCost.js";

const [directory = "", threads = "1", promptTokens = "1", moreTokens = "0"] = process.argv.slice(2);
native().setThreads(Number(threads));
const before = memory();
const config = readConfig(directory);
const dtype = config.torchDtype === "float32" ? "float32" : "bfloat16";
const model = new DeepseekV3(config, dtype, singleCommunicator(), storedAs(directory, config));
loadWeights(model, directory, undefined, "mapped");
const tokens = Number(promptTokens);
const more = Number(moreTokens);
const cache = new SequenceCache(model, tokens + more);
const token = argMax(await prefill(model, cache, randomTokens(tokens, config.vocabSize, 1)));
const { weightBytes } = prefillCost(model.config, model.parameters, tokens);
process.stdout.write(`${JSON.stringify({ token, before, after: memory(), touchedBytes: weightBytes })}\n`);
process.stdout.write(`${JSON.stringify(await decoding())}\n`);

/** Speed of more tokens, in turn with that of reading all matrices where they lie, which are the maps of the files. */
async function decoding(): Promise<object> {
  const { numExpertsPerTok: experts } = config;
  const cost = decodeCost(model.config, model.parameters, { batch: 1, length: tokens, experts, bytesPerCacheValue: 2 });
  const ids = randomTokens(more, config.vocabSize, 2);
  for (const id of ids.subarray(0, more >> 1)) await decode(model, cache, id);
  const rates: number[] = [];
  const seconds: number[] = [];
  for (const id of ids.subarray(more >> 1)) {
    if (seconds.length % 8 === 0) rates.push(Math.max(readRate(0), readRate(16384)));
    const begun = performance.now();
    await decode(model, cache, id);
    seconds.push((performance.now() - begun) / 1000);
  }
  const bytesPerToken = cost.weightBytes + cost.cacheBytes;
  return { secondsPerToken: median(seconds), bytesPerToken, readBytes: median(rates), atEnd: memory() };
}

/** Bytes per second of one pass over the matrices. */
function readRate(ahead: number): number {
  const { address } = native().alloc(64);
  const begun = performance.now();
  let bytes = 0;
  for (const { data } of model.parameters) {
    const values = Math.floor((data.size * bytesPerElement[data.dtype]) / 4);
    native().peakRead(address, data.address, values, ahead);
    bytes += 4 * values;
  }
  return (1000 * bytes) / (performance.now() - begun);
}

/** Bytes of this process in memory; of its own where the system tells them apart from mapped files, else all. */
function memory(): { readonly resident: number; readonly anonymous: number } {
  const { rss } = process.memoryUsage();
  try {
    const own = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    return { resident: rss, anonymous: own === undefined ? rss : 1024 * Number(own) };
  } catch {
    return { resident: rss, anonymous: rss };
  }
}
