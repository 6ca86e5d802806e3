/** From names of tasks to all that is asked of the model: documents read and chosen, shots drawn, requests made; nothing has been asked yet. */
import { createHash } from "node:crypto";
import type { DatasetRef, Doc, DocSource, GenerationKwargs, TaskFile } from "../taskFile.js";
import type { DataFileHash, Datasets } from "./datasets.js";
import { type PromptSettings, promptText } from "./prompt.js";
import { buildRequests, type DocRequests } from "./requests.js";
import { chooseShots, type ShotPool } from "./shots.js";
import { compileTask, type Task } from "./task.js";

export interface PlanOptions {
  readonly datasets: Datasets;
  readonly source: DocSource;
  readonly prompts: PromptSettings;
  /** Of every task in place of its own. */
  readonly numFewshot?: number;
  readonly generationKwargs?: GenerationKwargs;
  /** Documents of each task: a number from 1, or a share below 1. Default: all. */
  readonly limit?: number;
  /** Documents by number, of some tasks. */
  readonly samples?: ReadonlyMap<string, readonly number[]>;
  /** Of the shots and of the sampling. */
  readonly seed: number;
}

export interface PlannedTask {
  readonly task: Task;
  readonly docs: readonly DocRequests[];
  /** Documents of the split. */
  readonly total: number;
  readonly files: readonly DataFileHash[];
  /** Over documents, prompts and answers of all planned documents. */
  readonly hash: string;
}

/** @throws RangeError for data that is missing or does not fit a task, shots that are not there, a selection of documents that do not exist */
export async function planTask(file: TaskFile, options: PlanOptions): Promise<PlannedTask> {
  const { seed, numFewshot, generationKwargs } = options;
  const prompts = promptsOf(file, options.prompts);
  const task = compileTask(file, {
    ...(numFewshot === undefined ? {} : { numFewshot }),
    ...(generationKwargs === undefined ? {} : { generationKwargs }),
  });
  const { rows, files } = await evaluatedRows(task, options);
  if (rows.length === 0) throw new RangeError(`task ${task.name}: its split has no documents`);
  const pool = await shotPool(task, options);
  const chosen = chooseDocs(task.name, rows.length, options);
  const docs = chosen.map((docId): DocRequests => {
    const doc = rows[docId] ?? {};
    const shots = pool ? explained(task.name, () => chooseShots(pool.pool, task.numFewshot, doc, docId, seed)) : [];
    return buildRequests(task, docId, doc, shots, prompts, seed);
  });
  const hash = createHash("sha256");
  for (const each of docs) hash.update(docHash(each)).update(promptHash(each)).update(targetHash(each));
  return { task, docs, total: rows.length, files: [...files, ...(pool?.files ?? [])], hash: hash.digest("hex") };
}

/** The run's settings, but for a task that has one form alone. */
function promptsOf({ promptKind }: TaskFile, given: PromptSettings): PromptSettings {
  if (promptKind === undefined) return given;
  return { ...given, chat: promptKind === "text" ? null : (given.chat ?? { shotsAsTurns: false }) };
}

export function docHash({ doc }: DocRequests): string {
  return sha256(JSON.stringify(doc));
}

export function promptHash({ requests }: DocRequests): string {
  const [first] = requests;
  if (!first) return sha256("");
  return sha256(first.kind === "rolling" ? first.text : promptText(first.prompt));
}

export function targetHash({ target }: DocRequests): string {
  return sha256(JSON.stringify(target));
}

/** The split that is evaluated. @throws RangeError for a task without one */
export function evaluatedSplit({ task, testSplit, validationSplit }: TaskFile): string {
  const split = testSplit ?? validationSplit;
  if (split === undefined) throw new RangeError(`task ${task}: neither test_split nor validation_split is given`);
  return split;
}

interface Rows {
  readonly rows: readonly Doc[];
  readonly files: readonly DataFileHash[];
}

async function evaluatedRows({ file }: Task, { datasets, source }: PlanOptions): Promise<Rows> {
  if (file.dataset === null) {
    if (!file.docs) throw new RangeError(`task ${file.task}: it has neither a data set nor documents of its own`);
    try {
      return { rows: await file.docs(source), files: [] };
    } catch (error) {
      throw ofTask(file.task, error);
    }
  }
  return splitRows(file, file.dataset, evaluatedSplit(file), datasets, file.processDocs);
}

async function splitRows(
  file: TaskFile,
  dataset: DatasetRef,
  split: string,
  datasets: Datasets,
  process: TaskFile["processDocs"],
): Promise<Rows> {
  const { rows, files } = await datasets.rows(dataset, split, file.task);
  return { rows: explained(file.task, () => process?.(rows) ?? rows), files };
}

/** Null: no shots are wanted. */
async function shotPool(
  { file, numFewshot }: Task,
  { datasets }: PlanOptions,
): Promise<{ readonly pool: ShotPool; readonly files: readonly DataFileHash[] } | null> {
  if (numFewshot === 0) return null;
  const { fewshotConfig = {}, trainingSplit, validationSplit, fewshotSplit } = file;
  const { sampler = "default", samples } = fewshotConfig;
  if (samples) return { pool: { docs: samples, sampler: "first_n" }, files: [] };
  const dataset = fewshotConfig.dataset ?? file.dataset;
  if (!dataset)
    throw new RangeError(`task ${file.task}: ${numFewshot} shots are wanted, and it has none (--num-fewshot 0)`);
  const split = fewshotSplit ?? trainingSplit ?? validationSplit ?? evaluatedSplit(file);
  const process = fewshotConfig.processDocs ?? (fewshotConfig.dataset ? undefined : file.processDocs);
  const { rows, files } = await splitRows(file, dataset, split, datasets, process);
  return { pool: { docs: rows, sampler }, files };
}

/** Numbers of the documents to evaluate, ascending. */
function chooseDocs(name: string, total: number, { limit, samples }: PlanOptions): number[] {
  const wanted = samples?.get(name);
  if (wanted) {
    const wrong = wanted.find((id) => !Number.isInteger(id) || id < 0 || id >= total);
    if (wrong === undefined) return [...new Set(wanted)].sort((a, b) => a - b);
    throw new RangeError(`--samples: task ${name} has documents 0 to ${total - 1}, got ${wrong}`);
  }
  const count = limit === undefined ? total : limit < 1 ? Math.ceil(total * limit) : Math.min(total, limit);
  return Array.from({ length: count }, (_, i) => i);
}

function explained<T>(name: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw ofTask(name, error);
  }
}

/** A mistake with the task's name before it; anything else as it is. */
function ofTask(name: string, error: unknown): unknown {
  if (!(error instanceof RangeError) || error.message.startsWith("task ")) return error;
  return new RangeError(`task ${name}: ${error.message}`);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
