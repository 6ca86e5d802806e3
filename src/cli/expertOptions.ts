/** Options that name who answers, an own checkpoint or an endpoint, and how it is asked. */
import type { Command } from "commander";
import type { Expert } from "../posttrain/ask/expert.js";
import type { SampleOptions, SampleProgress } from "../posttrain/distill/sample.js";
import { type EngineFlags, engineOptions, openEngine } from "./engine.js";
import { localModel, modelHelp } from "./modelPath.js";
import { grouped, integerOption, numberOption, say } from "./output.js";

export interface ExpertFlags extends EngineFlags {
  /** Who answers; commands that call it a teacher or a judge put that here. */
  readonly model?: string;
  readonly endpointModel?: string;
  readonly apiKeyEnv?: string;
  readonly concurrency?: number;
  readonly retries?: number;
  readonly timeoutS?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly maxNewTokens?: number;
  readonly seed?: number;
}

/** @param flag that names who answers @param about what the help says of it @param temperature its default */
export function addExpertOptions(command: Command, flag: string, about: string, temperature: number): Command {
  command
    .option(`--${flag} <model>`, `${about}: ${modelHelp}, or the URL of an OpenAI-compatible endpoint`)
    .option("--endpoint-model <name>", "which model of an endpoint (default: its only one)")
    .option("--api-key-env <name>", "environment variable with the endpoint's key (default OPENAI_API_KEY, if set)")
    .addOption(integerOption("--concurrency <n>", "answers at once (default 64 of a model, 8 of an endpoint)", 1, 1024))
    .addOption(integerOption("--retries <n>", "times to ask an endpoint again that fails (default 6)", 0, 100))
    .addOption(
      numberOption("--timeout-s <n>", "seconds that an endpoint has for an answer (default 600)", 0.001, 86_400),
    )
    .addOption(numberOption("--temperature <x>", `of the answers (default ${temperature})`, 0, 100))
    .addOption(numberOption("--top-p <x>", "likeliest tokens to sample from, by their share (default 1)", 0.01, 1))
    .addOption(integerOption("--max-new-tokens <n>", "longest answer (default 2048)", 1, 2 ** 24))
    .addOption(integerOption("--seed <n>", "from which those of the samples follow (default 1)", 0, 2 ** 50));
  for (const option of engineOptions()) command.addOption(option);
  return command;
}

/** @throws RangeError for flags that name nobody, or do not go together */
export async function openExpert(flags: ExpertFlags, signal: AbortSignal): Promise<Expert> {
  const { model, endpointModel, apiKeyEnv } = flags;
  if (model === undefined) throw new RangeError("give who answers: --model, a model's path or an endpoint's URL");
  if (!/^https?:\/\//.test(model)) {
    if (endpointModel === undefined && apiKeyEnv === undefined) return openOwn(model, flags);
    throw new RangeError(`--endpoint-model and --api-key-env go with the URL of an endpoint, not with ${model}`);
  }
  const { defaultEndpoint, EndpointExpert } = await import("../posttrain/ask/endpointExpert.js");
  const options = {
    ...defaultEndpoint,
    url: model,
    model: endpointModel ?? null,
    apiKey: keyOf(apiKeyEnv),
    atOnce: flags.concurrency ?? defaultEndpoint.atOnce,
    retries: flags.retries ?? defaultEndpoint.retries,
    timeoutMs: flags.timeoutS === undefined ? defaultEndpoint.timeoutMs : 1000 * flags.timeoutS,
  };
  return EndpointExpert.open(options, signal);
}

export function samplingOf(flags: ExpertFlags, temperature: number): SampleOptions {
  return {
    temperature: flags.temperature ?? temperature,
    topP: flags.topP ?? 1,
    maxTokens: flags.maxNewTokens ?? 2048,
    seed: flags.seed ?? 1,
  };
}

/** A line every two seconds. */
export function samplePrinter(): (progress: SampleProgress) => void {
  const begun = performance.now();
  let told = begun;
  return ({ done, wanted, tokens }) => {
    const now = performance.now();
    if (now - told < 2000 && done < wanted) return;
    told = now;
    const rate = tokens / ((now - begun) / 1000);
    say(`${grouped(done)} of ${grouped(wanted)} answers, ${grouped(rate)} tokens/s`);
  };
}

async function openOwn(name: string, flags: ExpertFlags): Promise<Expert> {
  const { relative } = await import("node:path");
  const { resolveModelDirectory } = await import("../checkpoint/runDirectory.js");
  const { EngineExpert } = await import("../posttrain/ask/engineExpert.js");
  // A run goes on; what has answered is the checkpoint.
  const directory = resolveModelDirectory(await localModel(name));
  const atOnce = flags.concurrency ?? 64;
  const model = await openEngine(directory, { ...flags, maxBatch: atOnce });
  const below = relative(process.cwd(), directory);
  return new EngineExpert(model, below.startsWith("..") ? directory : below, atOnce);
}

/** Null: there is none to send. */
function keyOf(variable: string | undefined): string | null {
  const key = process.env[variable ?? "OPENAI_API_KEY"] || null;
  if (key !== null || variable === undefined) return key;
  throw new RangeError(`--api-key-env ${variable}: there is no such environment variable, or it is empty`);
}
