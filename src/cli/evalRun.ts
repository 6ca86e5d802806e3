/** `fathom eval --model`: from flags to figures. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { grader, verify } from "../eval/answers/verify.js";
import { type DataPlaces, Datasets, hubCacheOf } from "../eval/harness/datasets.js";
import { openEndpoint } from "../eval/harness/endpointModel.js";
import { EngineModel } from "../eval/harness/engineModel.js";
import type { EvalModel } from "../eval/harness/evalModel.js";
import { evaluateTasks, groupFigures } from "../eval/harness/evaluate.js";
import { GeneratedPrograms, missingFor } from "../eval/harness/generatedPrograms.js";
import { heldOutOf, readHeldOut } from "../eval/harness/heldOut.js";
import { judgeReply } from "../eval/harness/judge.js";
import { modelId } from "../eval/harness/modelId.js";
import { evaluatedSplit, type PlannedTask, planTask } from "../eval/harness/plan.js";
import { Registry, type SelectedGroup, type Selection } from "../eval/harness/registry.js";
import { RequestCache } from "../eval/harness/requestCache.js";
import { fileName, type RunFacts, resultsOf, writeResults } from "../eval/harness/results.js";
import { resultTable } from "../eval/harness/resultTable.js";
import type { DocSource, GenerationKwargs, ScoringTools, TaskFile } from "../eval/taskFile.js";
import { builtInGroups, builtInTasks } from "../eval/tasks/index.js";
import { chatTemplateOf } from "../tokenizer/chatTemplate.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { openEngine } from "./engine.js";
import { cacheOf, type EvalFlags, genKwargsOf, jsonObject, promptsOf, samplesOf } from "./evalOptions.js";
import { progressLine, tellPlan, warnings } from "./evalTell.js";
import { localModel } from "./modelPath.js";
import { abortedBySigint, type Outcome } from "./output.js";

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
  const { leftOut, ...selection } = withoutMissingTools(selectTasks(flags), flags);
  checkNeeds(selection.tasks, flags);
  const generationKwargs = genKwargsOf(flags.genKwargs);
  const samples = samplesOf(flags.samples);
  const metadata = jsonObject("--metadata", flags.metadata) ?? {};
  const signal = abortedBySigint("interrupted; answers until now are kept where there is a cache, run again to go on");
  const datasets = new Datasets(placesOf(flags));
  // Before the model is opened, which may take long: is all there?
  for (const file of selection.tasks) {
    if (file.dataset) await datasets.rows(file.dataset, evaluatedSplit(file), file.task);
  }
  const opened = await openModel(flags, selection.tasks);
  const judge = await openJudge(flags);
  const programs = new GeneratedPrograms();
  try {
    const { model } = opened;
    const planned: PlannedTask[] = [];
    for (const file of selection.tasks) {
      planned.push(
        await planTask(file, {
          datasets,
          source: docSource(opened, flags, metadata),
          prompts: promptsOf(flags),
          seed: flags.seed ?? usualSeed,
          ...(flags.numFewshot === undefined ? {} : { numFewshot: flags.numFewshot }),
          ...(generationKwargs === null ? {} : { generationKwargs }),
          ...limitOf(file, selection.groups, flags),
          ...(samples === null ? {} : { samples: new Map(Object.entries(samples)) }),
        }),
      );
    }
    tellPlan(planned, flags.writeOut ? model : null);
    const folder = flags.outputPath === undefined ? null : join(flags.outputPath, fileName(model.name));
    const cachePath = cacheOf(flags, folder);
    using cache = cachePath === null ? null : new RequestCache(cachePath);
    const tasks = await evaluateTasks(planned, {
      model,
      cache,
      tools: toolsOf(flags, judge, programs, cache, signal),
      predictOnly: flags.predictOnly ?? false,
      thinkEnd: flags.thinkEnd ?? null,
      draws: flags.bootstrapIters ?? usualDraws,
      onProgress: progressLine(),
      signal,
    });
    const groups = groupFigures(selection.groups, tasks);
    const seconds = (performance.now() - begun) / 1000;
    const facts = {
      ...factsOf(flags, opened, selection.tasks, samples, generationKwargs, seconds),
      leftOut,
      judge: judge?.name ?? null,
    };
    const results = resultsOf(tasks, groups, facts);
    const files =
      folder === null
        ? []
        : writeResults(folder, results, tasks, (flags.logSamples ?? false) || (flags.predictOnly ?? false));
    const text = [
      ...(flags.predictOnly ? [] : [resultTable(tasks, groups)]),
      ...tasks.flatMap(({ report }) => (report ? [report.text] : [])),
      ...warnings(tasks, leftOut, flags),
      ...(files[0] === undefined ? [] : [files[0]]),
    ].join("\n");
    return { result: { ...results, files }, text };
  } finally {
    await programs.close();
    await opened.model.close();
  }
}

function selectTasks(flags: EvalFlags): Selection {
  if (!flags.tasks) throw new RangeError("eval: give --tasks (--list shows all)");
  if ((flags.logSamples || flags.predictOnly) && flags.outputPath === undefined) {
    throw new RangeError("eval: --log-samples and --predict-only need --output-path to write to");
  }
  if (flags.fewshotAsMultiturn && !flags.applyChatTemplate) {
    throw new RangeError("eval: --fewshot-as-multiturn needs --apply-chat-template");
  }
  const registry = new Registry(builtInTasks, builtInGroups);
  for (const path of flags.includePath ?? []) registry.include(path);
  return registry.select(namesOf(flags));
}

/** How many documents are taken: as the command line says, else as the groups do that brought the task. */
function limitOf({ task }: TaskFile, groups: readonly SelectedGroup[], flags: EvalFlags): { readonly limit?: number } {
  if (flags.limit !== undefined) return { limit: flags.limit };
  if (namesOf(flags).includes(task)) return {};
  const limits = groups.flatMap(({ group: { limit }, tasks }) =>
    limit !== undefined && tasks.includes(task) ? [limit] : [],
  );
  return limits.length === 0 ? {} : { limit: Math.min(...limits) };
}

function namesOf({ tasks = "" }: EvalFlags): string[] {
  return tasks.split(",").map((name) => name.trim());
}

/**
 * Leaves out tasks that a group brought and whose programs are not to be run, or cannot be run here.
 * @throws RangeError for one that was asked for by its own name, or if nothing is left of a name or of all
 */
function withoutMissingTools(
  { tasks, groups }: Selection,
  flags: EvalFlags,
): Selection & { readonly leftOut: Readonly<Record<string, string>> } {
  const reasons = new Map(
    tasks.flatMap((task) => {
      const reason = flags.predictOnly ? null : whyNotRun(task, flags);
      return reason === null ? [] : [[task.task, reason] as const];
    }),
  );
  const names = namesOf(flags);
  const lost = [
    ...names.filter((name) => reasons.has(name)),
    ...groups.flatMap(({ group, tasks: own }) =>
      names.includes(group.group) && own.every((task) => reasons.has(task)) ? own : [],
    ),
    ...(reasons.size === tasks.length ? reasons.keys() : []),
  ];
  const [first] = lost;
  if (first !== undefined) {
    throw new RangeError(`eval: ${first}: ${reasons.get(first)}; or keep the answers with --predict-only`);
  }
  return { tasks: tasks.filter(({ task }) => !reasons.has(task)), groups, leftOut: Object.fromEntries(reasons) };
}

/** Null: nothing stands against it. */
function whyNotRun({ needs, language }: TaskFile, flags: EvalFlags): string | null {
  if (needs?.includes("sandbox") && !flags.confirmRunUnsafeCode) {
    return "generated programs are run to score it; allow that with --confirm-run-unsafe-code";
  }
  return language === undefined ? null : missingFor(language, process.env.PATH);
}

/** @throws RangeError naming the tasks that need what was not given */
function checkNeeds(tasks: readonly TaskFile[], flags: EvalFlags): void {
  const judged = tasks.filter(({ needs }) => needs?.includes("judge")).map(({ task }) => task);
  if (flags.predictOnly || judged.length === 0 || flags.judge !== undefined) return;
  throw new RangeError(
    `eval: ${judged.join(", ")}: answers are judged by a model; give --judge, or --predict-only to keep them`,
  );
}

async function openModel(flags: EvalFlags, tasks: readonly TaskFile[]): Promise<Opened> {
  const { model: name = "", apiKey } = { ...flags, apiKey: process.env.OPENAI_API_KEY || null };
  if (/^https?:\/\//.test(name)) {
    const atOnce = flags.concurrency ?? 8;
    const model = await openEndpoint({ url: name, model: flags.endpointModel ?? null, apiKey, atOnce });
    return { model, tokenizer: null, maxPositions: null, heldOut: null };
  }
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

function placesOf(flags: EvalFlags): DataPlaces {
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
      const path = flags.heldOut ?? opened.heldOut;
      if (path !== null) return readHeldOut(path);
      throw new RangeError(`eval: ${flags.model} is no run with held-out documents; name some with --held-out`);
    },
    metadata,
  };
}

/** Null: none was given. */
async function openJudge(flags: EvalFlags): Promise<EvalModel | null> {
  if (flags.judge === undefined) return null;
  const apiKey = process.env.JUDGE_API_KEY || process.env.OPENAI_API_KEY || null;
  return openEndpoint({ url: flags.judge, model: flags.judgeModel ?? null, apiKey, atOnce: 1 });
}

function toolsOf(
  flags: EvalFlags,
  judge: EvalModel | null,
  programs: GeneratedPrograms,
  cache: RequestCache | null,
  signal: AbortSignal,
): ScoringTools {
  const allowed = (): GeneratedPrograms => {
    if (flags.confirmRunUnsafeCode) return programs;
    throw new RangeError("this answer is a program to run: allow that with --confirm-run-unsafe-code");
  };
  return {
    judge: async (prompt) => {
      if (judge) return judgeReply(judge, cache, prompt, signal);
      throw new RangeError("this answer is judged by a model: give --judge");
    },
    runProgram: async (program) => allowed().run(program),
    runTests: async (run) => allowed().test(run),
    sameMath: (gold, answer) => verify(gold, answer).equal,
  };
}

function factsOf(
  flags: EvalFlags,
  { tokenizer, model }: Opened,
  tasks: readonly TaskFile[],
  samples: RunFacts["samples"],
  generationKwargs: GenerationKwargs | null,
  seconds: number,
): Omit<RunFacts, "judge" | "leftOut"> {
  const hasChats = flags.applyChatTemplate || tasks.some(({ promptKind }) => promptKind === "chat");
  const template = hasChats ? (tokenizer ? chatTemplateOf(tokenizer) : "the server's") : null;
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
    grader: `${grader.name} ${grader.version}`,
    programVersion: version.version,
    date: new Date(),
    seconds,
  };
}

function defined(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
