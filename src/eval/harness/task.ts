/** A task ready to run: its file with every default filled in, templates compiled, names checked, and what the command line overrides. */
import type { GenerationKwargs, TaskFile } from "../taskFile.js";
import type { GenerationSettings } from "./evalModel.js";
import { type CompiledPipeline, compilePipeline, takeFirst } from "./filters.js";
import { type CompiledMetric, compileMetric, defaultMetrics } from "./metrics.js";
import { compilePrompt, type PromptTexts } from "./prompt.js";
import { type CompiledTemplate, compileTemplate } from "./template.js";

export interface Task extends PromptTexts {
  readonly file: TaskFile;
  readonly name: string;
  readonly numFewshot: number;
  readonly metrics: readonly CompiledMetric[];
  readonly pipelines: readonly CompiledPipeline[];
  readonly generation: GenerationSettings;
  readonly repeats: number;
  /** By metric's name. */
  readonly judgePrompts: ReadonlyMap<string, CompiledTemplate>;
}

export interface TaskOverrides {
  readonly numFewshot?: number;
  readonly generationKwargs?: GenerationKwargs;
}

/** @throws RangeError naming the task and what is wrong with it */
export function compileTask(file: TaskFile, overrides: TaskOverrides = {}): Task {
  try {
    return compile(file, overrides);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new RangeError(`task ${file.task}: ${error.message}`);
  }
}

function compile(file: TaskFile, overrides: TaskOverrides): Task {
  const { outputType, scorer, repeats = 1 } = file;
  const prompt = compilePrompt(file);
  if (outputType === "multiple_choice" && file.docToChoice === undefined) {
    throw new RangeError("output_type multiple_choice needs doc_to_choice");
  }
  if (scorer && outputType !== "generate_until") {
    throw new RangeError(`a scorer sees texts, and output_type ${outputType} has none`);
  }
  if (!Number.isInteger(repeats) || repeats < 1) {
    throw new RangeError(`repeats must be a whole number from 1, got ${repeats}`);
  }
  const metrics = (file.metricList ?? defaultMetrics[outputType]).map((metric) =>
    compileMetric(metric, outputType, scorer !== undefined),
  );
  const most = Math.max(0, ...metrics.map(({ k }) => k ?? 0));
  if (most > repeats) throw new RangeError(`pass@${most} needs as many repeats, got ${repeats}`);
  const kwargs = { ...file.generationKwargs, ...overrides.generationKwargs };
  if (file.cutPrompt !== undefined && outputType !== "generate_until") {
    throw new RangeError(`cut_prompt is for generate_until, and output_type is ${outputType}`);
  }
  const generation = {
    ...generationSettings(kwargs, prompt.fewshotDelimiter),
    ...(file.cutPrompt === undefined ? {} : { cutPrompt: file.cutPrompt }),
  };
  if (repeats > 1 && generation.temperature === 0) {
    throw new RangeError(`${repeats} repeats of the likeliest answer are all the same; set do_sample and temperature`);
  }
  const pipelines = outputType === "generate_until" ? (file.filterList ?? [takeFirst]) : [takeFirst];
  const numFewshot = overrides.numFewshot ?? file.numFewshot ?? 0;
  const given = file.fewshotConfig?.samples?.length;
  if (given !== undefined && numFewshot > given) {
    throw new RangeError(`${numFewshot} shots are wanted, the task has ${given}`);
  }
  const judged = metrics.flatMap(({ name, judgePrompt }) =>
    judgePrompt === null ? [] : [[name, compileTemplate(judgePrompt)] as const],
  );
  return {
    ...prompt,
    file,
    name: file.task,
    numFewshot,
    metrics,
    pipelines: pipelines.map(compilePipeline),
    generation,
    repeats,
    judgePrompts: new Map(judged),
  };
}

function generationSettings(kwargs: GenerationKwargs, fewshotDelimiter: string): GenerationSettings {
  const { until, maxGenToks = 256, doSample, temperature, topP = 1, topK = 0 } = kwargs;
  // A temperature alone means that it is wanted; do_sample: false wins over one.
  const isSampled = doSample ?? (temperature ?? 0) > 0;
  const settings = { maxGenToks, temperature: isSampled ? (temperature ?? 1) : 0, topP, topK };
  const check = (name: string, value: number, isRight: boolean, wanted: string): void => {
    if (!isRight) throw new RangeError(`${name} must be ${wanted}, got ${value}`);
  };
  check("max_gen_toks", maxGenToks, Number.isInteger(maxGenToks) && maxGenToks >= 1, "a whole number from 1");
  check("temperature", settings.temperature, settings.temperature >= 0 && settings.temperature <= 100, "from 0 to 100");
  check("top_p", topP, topP > 0 && topP <= 1, "above 0 and at most 1");
  check("top_k", topK, Number.isInteger(topK) && topK >= 0, "a whole number from 0");
  const texts = until ?? (fewshotDelimiter === "" ? [] : [fewshotDelimiter]);
  if (texts.includes("")) throw new RangeError("until has an empty text, which would end every answer at once");
  return { ...settings, until: texts };
}
