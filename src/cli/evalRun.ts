/** `fathom eval --model`: from flags to figures. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { DataPlaces } from "../eval/harness/datasets.js";
import type { EndpointModel } from "../eval/harness/endpointModel.js";
import type { EvalModel } from "../eval/harness/evalModel.js";
import type { Progress, TaskOutcome } from "../eval/harness/evaluate.js";
import type { PlannedTask } from "../eval/harness/plan.js";
import type { PromptSettings } from "../eval/harness/prompt.js";
import type { RunFacts } from "../eval/harness/results.js";
import type { DocSource, GenerationKwargs, ScoringTools, TaskFile } from "../eval/taskFile.js";
import { isObject } from "../files/json.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { type EngineFlags, openEngine } from "./engine.js";
import { localModel } from "./modelPath.js";
import { abortedBySigint, grouped, type Outcome, say } from "./output.js";

export interface EvalFlags extends EngineFlags {
  readonly model?: string;
  readonly tasks?: string;
  readonly numFewshot?: number;
  readonly limit?: number;
  readonly samples?: string;
  readonly seed?: number;
  readonly outputPath?: string;
  readonly logSamples?: boolean;
  readonly predictOnly?: boolean;
  readonly writeOut?: boolean;
  /** False: --no-use-cache; true: neither was given. */
  readonly useCache?: string | boolean;
  readonly genKwargs?: string;
  readonly applyChatTemplate?: boolean;
  readonly fewshotAsMultiturn?: boolean;
  readonly systemInstruction?: string;
  readonly thinkEnd?: string;
  readonly dataDir?: string;
  readonly includePath?: readonly string[];
  readonly heldOut?: string;
  readonly metadata?: string;
  readonly bootstrapIters?: number;
  readonly confirmRunUnsafeCode?: boolean;
  readonly endpointModel?: string;
  readonly concurrency?: number;
  readonly judge?: string;
  readonly judgeModel?: string;
}

const usualSeed = 1234;
const usualDraws = 100_000;

/** A model to evaluate and what is known of it. */
interface Opened {
  readonly model: EvalModel;
  /** Null: an endpoint's, which nobody tells. */
  readonly tokenizer: Tokenizer | null;
  readonly maxPositions: number | null;
  /** Folder of the run's held-out documents. */
  readonly heldOut: string | null;
}

export async function run(flags: EvalFlags): Promise<Outcome> {
  const begun = performance.now();
  const { Datasets } = await import("../eval/harness/datasets.js");
  const { planTask } = await import("../eval/harness/plan.js");
  const { evaluateTasks, groupFigures } = await import("../eval/harness/evaluate.js");
  const { fileName, resultsOf, writeResults } = await import("../eval/harness/results.js");
  const { resultTable } = await import("../eval/harness/resultTable.js");
  const { RequestCache } = await import("../eval/harness/requestCache.js");
  const selection = await selectTasks(flags);
  checkNeeds(selection.tasks, flags);
  const generationKwargs = await genKwargsOf(flags.genKwargs);
  const samples = samplesOf(flags.samples);
  const metadata = jsonObject("--metadata", flags.metadata) ?? {};
  const signal = abortedBySigint("interrupted; answers until now are kept where there is a cache, run again to go on");
  const opened = await openModel(flags, selection.tasks);
  try {
    const { model } = opened;
    const planned: PlannedTask[] = [];
    const datasets = new Datasets(await placesOf(flags));
    for (const file of selection.tasks) {
      planned.push(
        await planTask(file, {
          datasets,
          source: docSource(opened, flags, metadata),
          prompts: promptsOf(flags),
          seed: flags.seed ?? usualSeed,
          ...(flags.numFewshot === undefined ? {} : { numFewshot: flags.numFewshot }),
          ...(generationKwargs === null ? {} : { generationKwargs }),
          ...(flags.limit === undefined ? {} : { limit: flags.limit }),
          ...(samples === null ? {} : { samples: new Map(Object.entries(samples)) }),
        }),
      );
    }
    tellPlan(planned, flags.writeOut ?? false);
    const folder = flags.outputPath === undefined ? null : join(flags.outputPath, fileName(model.name));
    const cachePath = cacheOf(flags, folder);
    using cache = cachePath === null ? null : new RequestCache(cachePath);
    const tasks = await evaluateTasks(planned, {
      model,
      cache,
      tools: await toolsOf(flags, signal),
      predictOnly: flags.predictOnly ?? false,
      thinkEnd: flags.thinkEnd ?? null,
      draws: flags.bootstrapIters ?? usualDraws,
      onProgress: progressLine(),
      signal,
    });
    const groups = groupFigures(selection.groups, tasks);
    const facts = factsOf(flags, opened, samples, generationKwargs, (performance.now() - begun) / 1000);
    const results = resultsOf(tasks, groups, facts);
    const files =
      folder === null
        ? []
        : writeResults(folder, results, tasks, (flags.logSamples ?? false) || (flags.predictOnly ?? false));
    const text = [
      ...(flags.predictOnly ? [] : [resultTable(tasks, groups)]),
      ...tasks.flatMap(({ report }) => (report ? [report.text] : [])),
      ...warnings(tasks, flags),
      ...(files[0] === undefined ? [] : [files[0]]),
    ].join("\n");
    return { result: { ...results, files }, text };
  } finally {
    await opened.model.close();
  }
}

async function selectTasks(flags: EvalFlags): Promise<import("../eval/harness/registry.js").Selection> {
  const { Registry } = await import("../eval/harness/registry.js");
  const { builtInGroups, builtInTasks } = await import("../eval/tasks/index.js");
  if (!flags.tasks) throw new RangeError("eval: give --tasks (--list shows all)");
  if ((flags.logSamples || flags.predictOnly) && flags.outputPath === undefined) {
    throw new RangeError("eval: --log-samples and --predict-only need --output-path to write to");
  }
  if (flags.fewshotAsMultiturn && !flags.applyChatTemplate) {
    throw new RangeError("eval: --fewshot-as-multiturn needs --apply-chat-template");
  }
  const registry = new Registry(builtInTasks, builtInGroups);
  for (const path of flags.includePath ?? []) registry.include(path);
  return registry.select(flags.tasks.split(",").map((name) => name.trim()));
}

/** @throws RangeError naming the tasks that need what was not given */
function checkNeeds(tasks: readonly TaskFile[], flags: EvalFlags): void {
  if (flags.predictOnly) return;
  const needing = (need: string): string =>
    tasks
      .filter(({ needs }) => needs?.some((each) => each === need))
      .map(({ task }) => task)
      .join(", ");
  const [judged, run] = [needing("judge"), needing("sandbox")];
  if (judged !== "" && flags.judge === undefined) {
    throw new RangeError(
      `eval: ${judged}: answers are judged by a model; give --judge, or --predict-only to keep them`,
    );
  }
  if (run !== "" && !flags.confirmRunUnsafeCode) {
    throw new RangeError(
      `eval: ${run}: generated programs are run to score them, as this user and without a sandbox; allow it with ` +
        "--confirm-run-unsafe-code, or keep the answers with --predict-only",
    );
  }
}

async function openModel(flags: EvalFlags, tasks: readonly TaskFile[]): Promise<Opened> {
  const { model: name = "", apiKey } = { ...flags, apiKey: process.env.OPENAI_API_KEY || null };
  if (/^https?:\/\//.test(name)) {
    const { openEndpoint } = await import("../eval/harness/endpointModel.js");
    const atOnce = flags.concurrency ?? 8;
    const model = await openEndpoint({ url: name, model: flags.endpointModel ?? null, apiKey, atOnce });
    return { model, tokenizer: null, maxPositions: null, heldOut: null };
  }
  const { EngineModel } = await import("../eval/harness/engineModel.js");
  const { heldOutOf } = await import("../eval/harness/heldOut.js");
  const { modelId } = await import("../eval/harness/modelId.js");
  // Drafts help those alone that write; prompts are read the slower for them.
  const writes = tasks.some(({ outputType }) => outputType === "generate_until");
  const engine = await openEngine(await localModel(name), writes ? flags : { ...flags, speculation: 0 });
  const { info, tokenizer } = engine;
  const id = modelId(info.directory, { weights: info.weights, cache: info.cache, dtype: flags.dtype ?? null });
  return {
    model: new EngineModel(engine, name, id),
    tokenizer,
    maxPositions: info.maxPositions,
    heldOut: heldOutOf(info.directory),
  };
}

async function placesOf(flags: EvalFlags): Promise<DataPlaces> {
  const { hubCacheOf } = await import("../eval/harness/datasets.js");
  const dataDir = flags.dataDir ?? null;
  if (dataDir !== null && !existsSync(dataDir)) throw new RangeError(`--data-dir ${dataDir}: no such folder`);
  return { dataDir, hubCache: hubCacheOf(process.env) };
}

function docSource(opened: Opened, flags: EvalFlags, metadata: Readonly<Record<string, unknown>>): DocSource {
  const { tokenizer, maxPositions } = opened;
  return {
    tokenizer,
    maxPositions,
    heldOut: async () => {
      const { readHeldOut } = await import("../eval/harness/heldOut.js");
      const path = flags.heldOut ?? opened.heldOut;
      if (path !== null) return readHeldOut(path);
      throw new RangeError(`eval: ${flags.model} is no run with held-out documents; name some with --held-out`);
    },
    metadata,
  };
}

function promptsOf(flags: EvalFlags): PromptSettings {
  return {
    chat: flags.applyChatTemplate ? { shotsAsTurns: flags.fewshotAsMultiturn ?? false } : null,
    systemInstruction: flags.systemInstruction ?? null,
  };
}

async function toolsOf(flags: EvalFlags, signal: AbortSignal): Promise<ScoringTools> {
  const { runTrusted } = await import("../eval/harness/trustedPrograms.js");
  let judge: EndpointModel | null = null;
  if (flags.judge !== undefined) {
    const { openEndpoint } = await import("../eval/harness/endpointModel.js");
    const apiKey = process.env.JUDGE_API_KEY || process.env.OPENAI_API_KEY || null;
    judge = await openEndpoint({ url: flags.judge, model: flags.judgeModel ?? null, apiKey, atOnce: 8 });
  }
  return {
    judge: async (prompt) => {
      if (judge) return judge.chat(prompt, signal);
      throw new RangeError("this answer is judged by a model: give --judge");
    },
    runProgram: async (program) => {
      if (flags.confirmRunUnsafeCode) return runTrusted(program);
      throw new RangeError("this answer is a program to run: allow that with --confirm-run-unsafe-code");
    },
  };
}

function cacheOf({ useCache }: EvalFlags, folder: string | null): string | null {
  if (typeof useCache === "string") return useCache;
  return useCache === false || folder === null ? null : join(folder, "answers.jsonl");
}

async function genKwargsOf(text: string | undefined): Promise<GenerationKwargs | null> {
  if (text === undefined) return null;
  const { generationOfKeys, generationSchema } = await import("../eval/harness/taskSchema.js");
  const value = text.trim().startsWith("{")
    ? jsonObject("--gen-kwargs", text)
    : Object.fromEntries(
        text.split(",").map((pair) => {
          const [key = "", ...rest] = pair.split("=");
          if (rest.length === 0) throw new RangeError(`--gen-kwargs: expected name=value, got ${JSON.stringify(pair)}`);
          return [key.trim(), scalar(rest.join("="))];
        }),
      );
  const result = generationSchema.safeParse(value);
  if (result.success) return generationOfKeys(result.data);
  const [issue] = result.error.issues;
  throw new RangeError(`--gen-kwargs: ${[issue?.path.join("."), issue?.message].filter(Boolean).join(": ")}`);
}

function scalar(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function samplesOf(given: string | undefined): Record<string, number[]> | null {
  const text = given !== undefined && existsSync(given) ? readFileSync(given, "utf8") : given;
  const value = jsonObject("--samples", text);
  if (value === null) return null;
  for (const [task, ids] of Object.entries(value)) {
    if (!Array.isArray(ids) || ids.length === 0) {
      throw new RangeError(`--samples: ${task}: expected a list of documents' numbers, got ${JSON.stringify(ids)}`);
    }
  }
  return value as Record<string, number[]>;
}

function jsonObject(flag: string, text: string | undefined): Record<string, unknown> | null {
  if (text === undefined) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new RangeError(`${flag}: not valid JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (isObject(value)) return value;
  throw new RangeError(`${flag}: expected a JSON object, got ${text}`);
}

function tellPlan(planned: readonly PlannedTask[], writesOut: boolean): void {
  for (const { task, docs, total } of planned) {
    const requests = docs.reduce((sum, doc) => sum + doc.requests.length, 0);
    const part = docs.length < total ? ` of ${grouped(total)}` : "";
    say(
      `${task.name}: ${grouped(docs.length)}${part} documents, ${task.numFewshot} shots, ${grouped(requests)} requests`,
    );
    const [first] = docs;
    const [request] = first?.requests ?? [];
    if (!writesOut || !request || !first) continue;
    say(`--- ${task.name}, document ${first.docId}`);
    if (request.kind === "rolling") say(request.text);
    else if (request.prompt.kind === "text") say(request.prompt.text);
    else for (const { role, content } of request.prompt.messages) say(`[${role}] ${content}`);
    const continuations = first.requests.flatMap((each) => (each.kind === "loglikelihood" ? [each.continuation] : []));
    if (continuations.length > 0) say(`--- scored: ${JSON.stringify(continuations)}`);
    say(`--- target: ${JSON.stringify(first.target)}`);
  }
}

/** A line a second at most, and the last of each stage. */
function progressLine(): (progress: Progress) => void {
  let told = performance.now();
  const begun = performance.now();
  return ({ stage, done, total, cached }) => {
    const now = performance.now();
    const isEnd = done === total;
    if (total === 0 || (now - told < 1000 && !(isEnd && stage === "answering"))) return;
    told = now;
    const rate = (done - cached) / ((now - begun) / 1000);
    const left = rate > 0 && !isEnd ? `, ${duration((total - done) / rate)} left` : "";
    const known = cached > 0 ? ` (${grouped(cached)} were known)` : "";
    say(`${stage}: ${grouped(done)} of ${grouped(total)}${known}, ${rate.toFixed(1)} a second${left}`);
  };
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}

function factsOf(
  flags: EvalFlags,
  { tokenizer, model }: Opened,
  samples: RunFacts["samples"],
  generationKwargs: GenerationKwargs | null,
  seconds: number,
): RunFacts {
  const template = flags.applyChatTemplate ? (tokenizer?.chatTemplate ?? "the server's") : null;
  const { dtype, weights, cache } = flags;
  const version = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return {
    model: model.name,
    modelArgs: { ...defined({ dtype, weights, cache }), id: model.id },
    limit: flags.limit ?? null,
    samples,
    seed: flags.seed ?? usualSeed,
    draws: flags.bootstrapIters ?? usualDraws,
    genKwargs: generationKwargs as Readonly<Record<string, unknown>> | null,
    chatTemplate: template,
    chatTemplateSha: template === null ? null : createHash("sha256").update(template).digest("hex"),
    fewshotAsMultiturn: flags.fewshotAsMultiturn ?? false,
    systemInstruction: flags.systemInstruction ?? null,
    programVersion: version.version,
    date: new Date(),
    seconds,
  };
}

function defined(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** What a reader of the figures must know. */
function warnings(tasks: readonly TaskOutcome[], flags: EvalFlags): string[] {
  const lines: string[] = [];
  const partly = tasks.filter(({ docs, total }) => docs.length < total).map(({ task }) => task.name);
  if (partly.length > 0) {
    lines.push(
      `warning: only a part of the documents was evaluated (${list(partly)}): figures for trying, not for reporting`,
    );
  }
  const many = (share: number | null): boolean => share !== null && share > 0.01;
  const truncated = tasks.filter(({ health }) => many(health.truncated)).map(({ task }) => task.name);
  if (truncated.length > 0) {
    lines.push(`warning: answers were cut off by max_gen_toks (${list(truncated)}); give more with --gen-kwargs`);
  }
  const cut = tasks.filter(({ health }) => many(health.cut)).map(({ task }) => task.name);
  if (cut.length > 0)
    lines.push(`warning: prompts lost their beginning, being longer than the model's context (${list(cut)})`);
  const formats = new Set(tasks.flatMap(({ task }) => (task.file.published ? [task.file.format] : [])));
  if (formats.size > 0 && !flags.predictOnly) {
    lines.push(
      "published: DeepSeek-V3's own figure, from an internal harness with other prompts; a few points apart is expected",
    );
  }
  return lines;
}

function list(names: readonly string[]): string {
  return names.length <= 4 ? names.join(", ") : `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`;
}
