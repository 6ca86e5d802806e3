/**
 * A process that opens a checkpoint and answers once, as `bench load` times it: node loadProcess.js DIR THREADS PROMPT_TOKENS. Prints one JSON
 * object when it has the first token. Started by load.ts, never imported.
 */
import { readFileSync } from "node:fs";
import { loadWeights, readConfig, storedAs } from "../checkpoint/modelFiles.js";
import { singleCommunicator } from "../distributed/single.js";
import { prefill } from "../generate/generate.js";
import { LatentCache } from "../generate/latentCache.js";
import { argMax } from "../generate/sampler.js";
import { DeepseekV3 } from "../model/deepseekV3.js";
import { native } from "../tensor/native.js";
import { randomTokens } from "../train/measure.js";
import { prefillCost } from "./inferenceCost.js";

const [directory = "", threads = "1", promptTokens = "1"] = process.argv.slice(2);
native().setThreads(Number(threads));
const before = memory();
const config = readConfig(directory);
const dtype = config.torchDtype === "float32" ? "float32" : "bfloat16";
const model = new DeepseekV3(config, dtype, singleCommunicator(), storedAs(directory, config));
loadWeights(model, directory);
const tokens = Number(promptTokens);
const cache = new LatentCache(model, tokens);
const token = argMax(await prefill(model, cache, randomTokens(tokens, config.vocabSize, 1)));
const { weightBytes } = prefillCost(model.config, model.parameters, tokens);
process.stdout.write(`${JSON.stringify({ token, before, after: memory(), touchedBytes: weightBytes })}\n`);

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
