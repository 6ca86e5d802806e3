/**
 * What an evaluation leaves on disk, in lm-eval's layout (evaluation.md section 10): `results_<date>.json` with figures, configuration and
 * where they come from, and for each task `samples_<task>_<date>.jsonl` with what was asked, answered and scored, one line for each document
 * and filter. Beside lm-eval's keys: `health` (shares of truncated, cut and invalid answers), `data_files` with their hashes, `published`.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../../files/atomic.js";
import { isObject, readJson } from "../../files/json.js";
import type { PublishedScore, TaskFile } from "../taskFile.js";
import type { EvalResponse } from "./evalModel.js";
import type { EvaluatedDoc, Figure, GroupOutcome, Health, TaskOutcome } from "./evaluate.js";
import { docHash, promptHash, targetHash } from "./plan.js";
import { promptText } from "./prompt.js";

/** How the evaluation was asked for. */
export interface RunFacts {
  readonly model: string;
  readonly modelArgs: Readonly<Record<string, unknown>>;
  /** Null: all documents. */
  readonly limit: number | null;
  readonly samples: Readonly<Record<string, readonly number[]>> | null;
  readonly seed: number;
  readonly draws: number;
  readonly genKwargs: Readonly<Record<string, unknown>> | null;
  /** Null: prompts are plain text. */
  readonly chatTemplate: string | null;
  readonly chatTemplateSha: string | null;
  readonly fewshotAsMultiturn: boolean;
  readonly systemInstruction: string | null;
  /** Model that judged answers; null: none. */
  readonly judge: string | null;
  /** What compares mathematical answers, which moves figures. */
  readonly grader: string;
  /** Why a task was left out, by its name. */
  readonly leftOut: Readonly<Record<string, string>>;
  readonly programVersion: string;
  readonly date: Date;
  readonly seconds: number;
}

export interface ResultsFile {
  readonly results: Readonly<Record<string, Readonly<Record<string, number | string>>>>;
  readonly groups: Readonly<Record<string, Readonly<Record<string, number | string>>>>;
  readonly group_subtasks: Readonly<Record<string, readonly string[]>>;
  readonly configs: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly versions: Readonly<Record<string, number | string>>;
  readonly "n-shot": Readonly<Record<string, number>>;
  readonly higher_is_better: Readonly<Record<string, Readonly<Record<string, boolean>>>>;
  readonly "n-samples": Readonly<Record<string, { readonly original: number; readonly effective: number }>>;
  readonly health: Readonly<Record<string, Health>>;
  readonly published: Readonly<Record<string, PublishedScore>>;
  readonly config: Readonly<Record<string, unknown>>;
  readonly left_out: Readonly<Record<string, string>>;
  readonly task_hashes: Readonly<Record<string, string>>;
  readonly data_files: Readonly<Record<string, readonly { readonly path: string; readonly sha256: string }[]>>;
  readonly date: string;
  readonly program_version: string;
  readonly chat_template: string | null;
  readonly chat_template_sha: string | null;
  readonly fewshot_as_multiturn: boolean;
  readonly system_instruction: string | null;
  readonly model_name: string;
  readonly total_evaluation_time_seconds: number;
}

export function resultsOf(
  tasks: readonly TaskOutcome[],
  groups: readonly GroupOutcome[],
  facts: RunFacts,
): ResultsFile {
  const byTask = <T>(value: (outcome: TaskOutcome) => T): Record<string, T> =>
    Object.fromEntries(tasks.map((outcome) => [outcome.task.name, value(outcome)]));
  const withFigures = groups.filter(({ figures }) => figures.length > 0);
  const groupRows = Object.fromEntries(
    withFigures.map(({ group, figures }) => [group.group, figureRow(group.groupAlias ?? group.group, figures)]),
  );
  const files = tasks.map(({ task }) => task.file);
  const published = [
    ...files.map(({ task, published }) => [task, published] as const),
    ...groups.map(({ group }) => [group.group, group.published] as const),
  ].filter((entry): entry is [string, PublishedScore] => entry[1] !== undefined);
  return {
    results: { ...groupRows, ...byTask(({ task, figures }) => figureRow(task.file.taskAlias ?? task.name, figures)) },
    groups: groupRows,
    group_subtasks: Object.fromEntries(groups.map(({ group, members }) => [group.group, members])),
    configs: byTask(({ task }) => plainConfig(task.file)),
    versions: Object.fromEntries([
      ...groups.map(({ group }) => [group.group, group.metadata?.version ?? 0] as const),
      ...files.map(({ task, metadata }) => [task, metadata.version] as const),
    ]),
    "n-shot": byTask(({ task }) => task.numFewshot),
    higher_is_better: byTask(({ task }) =>
      Object.fromEntries(task.metrics.map(({ name, higherIsBetter }) => [name, higherIsBetter])),
    ),
    "n-samples": byTask(({ total, docs }) => ({ original: total, effective: docs.length })),
    health: byTask(({ health }) => health),
    published: Object.fromEntries(published),
    config: {
      model: facts.model,
      model_args: facts.modelArgs,
      limit: facts.limit,
      samples: facts.samples,
      bootstrap_iters: facts.draws,
      gen_kwargs: facts.genKwargs,
      fewshot_seed: facts.seed,
      judge: facts.judge,
      grader: facts.grader,
    },
    left_out: facts.leftOut,
    task_hashes: byTask(({ hash }) => hash),
    data_files: byTask(({ files: read }) => read),
    date: facts.date.toISOString(),
    program_version: facts.programVersion,
    chat_template: facts.chatTemplate,
    chat_template_sha: facts.chatTemplateSha,
    fewshot_as_multiturn: facts.fewshotAsMultiturn,
    system_instruction: facts.systemInstruction,
    model_name: facts.model,
    total_evaluation_time_seconds: facts.seconds,
  };
}

/** One row of samples_<task>.jsonl. */
export interface SampleRow {
  readonly doc_id: number;
  readonly doc: Readonly<Record<string, unknown>>;
  readonly target: unknown;
  readonly arguments: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly resps: readonly unknown[];
  readonly filtered_resps: readonly unknown[];
  readonly filter: string;
  readonly metrics: readonly string[];
  readonly doc_hash: string;
  readonly prompt_hash: string;
  readonly target_hash: string;
  /** By metric, and `details` of a scorer. */
  readonly [value: string]: unknown;
}

/** Of each document and filter; of one that was not scored a row without values. */
export function sampleRows({ docs }: TaskOutcome): SampleRow[] {
  return docs.flatMap((doc) => {
    const shared = {
      doc_id: doc.docId,
      doc: doc.doc,
      target: doc.target,
      arguments: argumentsOf(doc),
      resps: respsOf(doc.responses),
      doc_hash: docHash(doc),
      prompt_hash: promptHash(doc),
      target_hash: targetHash(doc),
    };
    if (doc.scored.length === 0) return [{ ...shared, filtered_resps: [], filter: "none", metrics: [] }];
    return doc.scored.map(({ filter, filteredResps, metrics, details }) => ({
      ...shared,
      filtered_resps: filteredResps,
      filter,
      metrics: Object.keys(metrics),
      ...metrics,
      ...(details === undefined ? {} : { details }),
    }));
  });
}

/**
 * Writes results, what tasks report, and if wanted the samples.
 * @param folder of the model
 * @returns their paths, the results first
 */
export function writeResults(
  folder: string,
  results: ResultsFile,
  tasks: readonly TaskOutcome[],
  hasSamples: boolean,
): string[] {
  const date = dateOfName(results.date);
  const path = join(folder, `results_${date}.json`);
  const others = tasks.flatMap((outcome) => {
    const name = fileName(outcome.task.name);
    const reports = Object.entries(outcome.report?.files ?? {}).map(([file, content]) => {
      const dot = file.lastIndexOf(".");
      const target = join(folder, `${name}_${file.slice(0, dot)}_${date}${file.slice(dot)}`);
      writeFileAtomic(target, content);
      return target;
    });
    if (!hasSamples) return reports;
    const samples = join(folder, `samples_${name}_${date}.jsonl`);
    writeFileAtomic(samples, lines(sampleRows(outcome)));
    return [...reports, samples];
  });
  // Last, so that what it speaks of is there.
  writeFileAtomic(path, `${JSON.stringify(results, null, 2)}\n`);
  return [path, ...others];
}

/** @throws RangeError for a file that is none of these */
export function readResults(path: string): ResultsFile {
  const value = readJson(path);
  const parts = ["results", "versions", "n-samples", "task_hashes"];
  if (isObject(value) && parts.every((key) => isObject(value[key]))) return value as unknown as ResultsFile;
  throw new RangeError(`${path}: not the results of an evaluation: expected ${parts.join(", ")}`);
}

/** The samples beside a results file; null if they were not written. @throws RangeError for a file that is none */
export function readSamples(resultsPath: string, task: string): SampleRow[] | null {
  const path = resultsPath.replace(/results_([^/\\]*)\.json$/, `samples_${fileName(task)}_$1.jsonl`);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return null;
  }
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line, i) => {
      const row: unknown = JSON.parse(line);
      if (isObject(row) && typeof row.doc_hash === "string") return row as unknown as SampleRow;
      throw new RangeError(`${path}:${i + 1}: not a sample of an evaluation`);
    });
}

/** A model's or task's name as a part of a file's name. */
export function fileName(name: string): string {
  return name.replace(/[^A-Za-z0-9_.=-]+/g, "__");
}

function dateOfName(date: string): string {
  return date.replace(/:/g, "-").replace(/Z$/, "");
}

function* lines(rows: readonly object[]): Generator<string> {
  for (const row of rows) yield `${JSON.stringify(row)}\n`;
}

function figureRow(alias: string, figures: readonly Figure[]): Record<string, number | string> {
  const entries = figures.flatMap(({ metric, filter, value, error }): [string, number | string][] => [
    [`${metric},${filter}`, value],
    [`${metric}_stderr,${filter}`, error ?? "N/A"],
  ]);
  return { alias, ...Object.fromEntries(entries) };
}

/** A task for the record: functions by their source. */
function plainConfig(file: TaskFile): Record<string, unknown> {
  const json = JSON.stringify(file, (_, value: unknown) => (typeof value === "function" ? String(value) : value));
  return JSON.parse(json) as Record<string, unknown>;
}

function argumentsOf({ requests }: EvaluatedDoc): Record<string, Record<string, unknown>> {
  const [first] = requests;
  // Repeats of one prompt are one request with several answers.
  const asked = first?.kind === "generate" ? [first] : requests;
  const rows = asked.map((request): Record<string, unknown> => {
    switch (request.kind) {
      case "rolling":
        return { arg_0: request.text };
      case "loglikelihood":
        return { arg_0: promptText(request.prompt), arg_1: request.continuation };
      case "generate": {
        const { until, maxGenToks, temperature, topP, topK } = request.settings;
        const sampling = temperature > 0 ? { temperature, top_p: topP, top_k: topK } : {};
        const kwargs = { until, max_gen_toks: maxGenToks, do_sample: temperature > 0, ...sampling };
        return { arg_0: promptText(request.prompt), arg_1: kwargs };
      }
      default:
        return request satisfies never;
    }
  });
  return Object.fromEntries(rows.map((row, i) => [`gen_args_${i}`, row]));
}

function respsOf(responses: readonly EvalResponse[]): unknown[] {
  const texts = responses.flatMap((each) => (each.kind === "generate" ? [each.text] : []));
  if (texts.length > 0) return [texts];
  return responses.map((each) => {
    if (each.kind === "rolling") return [each.logprob];
    return each.kind === "loglikelihood" ? [[each.logprob, each.isGreedy]] : [];
  });
}
