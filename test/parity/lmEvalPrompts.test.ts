/**
 * Every task that lm-eval has too, held against lm-eval itself without a model: the same made-up records in the columns of the public data,
 * and the same canned answers, right, wrong and of no use. Prompts and continuations are equal to the byte, and so are stops and verdicts.
 * lmEvalPrompts.mjs and lmEvalPrompts.py beside this file made the fixture and say what it holds; nothing here needs Python.
 *
 * What differs, and why:
 * - Worked examples that lm-eval has in its files are its authors': here both were handed ours (gsm8k_cot, minerva_math, bbh, cruxeval).
 * - Shots that are drawn at random are others; here both take the first.
 * - GPQA's choices are shown in an order of ours, which lm-eval was handed.
 * - Room for answers (`longer`), and a few verdicts (`otherVerdicts`). Programs are not run: their texts are compared.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { verify } from "../../src/eval/answers/verify.js";
import { Datasets } from "../../src/eval/harness/datasets.js";
import type { EvalRequest, EvalResponse } from "../../src/eval/harness/evalModel.js";
import { type EvaluatedDoc, evaluateTasks, type Figure } from "../../src/eval/harness/evaluate.js";
import { planTask } from "../../src/eval/harness/plan.js";
import { plainText } from "../../src/eval/harness/prompt.js";
import type { MetricValue, TaskFile } from "../../src/eval/taskFile.js";
import { builtInTasks } from "../../src/eval/tasks/index.js";
import { AnsweringModel, writing } from "../eval/answeringModel.js";
import { toolsRunning, withoutWord } from "../eval/tryPrograms.js";

const fixtures = fileURLToPath(new URL("fixtures/lmEvalPrompts", import.meta.url));

interface Case {
  readonly shots: number;
  /** By document: log-likelihoods, or a text. */
  readonly answers: readonly (readonly number[] | string)[];
}

interface Expected {
  /** What all contexts begin with. */
  readonly start: string;
  readonly settings?: {
    readonly until: readonly string[];
    readonly max_gen_toks?: number;
    readonly do_sample?: boolean;
    readonly temperature?: number;
    readonly top_p?: number;
  };
  readonly docs: readonly {
    /** Each once, without the start. */
    readonly contexts: readonly string[];
    readonly continuations?: readonly string[];
    /** By filter and metric. */
    readonly scores?: Readonly<Record<string, Readonly<Record<string, number | readonly boolean[]>>>>;
  }[];
  /** Of whole documents, by `metric,filter`: each document has parts of sums alone. */
  readonly figures?: Readonly<Record<string, number>>;
  /** What would have been run, document by document. */
  readonly programs?: readonly string[];
}

const read = (name: string): unknown => JSON.parse(readFileSync(`${fixtures}/${name}.json`, "utf8"));
const cases = read("cases") as Readonly<Record<string, Case>>;
const { tasks: expected, families } = read("expected") as {
  readonly tasks: Readonly<Record<string, Expected>>;
  readonly families: Readonly<
    Record<string, Readonly<Record<string, readonly [string, string | null, string | null]>>>
  >;
};

/** More tokens than lm-eval gives: the report's 8,192 of chat models, and what reasoning and programs need. Elsewhere as many as there. */
const longer: Readonly<Record<string, number>> = {
  ifeval: 8192,
  mmlu_pro_biology: 8192,
  mmlu_pro_computer_science: 8192,
  mbpp: 512,
  minerva_math_algebra: 1024,
  minerva_math500: 1024,
};

// lm-eval finds nothing to compare in the answer, nor in the gold one, and takes that for equal.
const bothEmpty = { 4: { "acc,none": 0 } };

/** Verdicts that are not lm-eval's, by task and document, with ours. */
const otherVerdicts: Readonly<Record<string, Readonly<Record<number, Readonly<Record<string, number>>>>>> = {
  agieval_math: bothEmpty,
  agieval_gaokao_mathcloze: bothEmpty,
  // 50% and 1/2: formulas are compared as such.
  minerva_math_algebra: { 7: { "exact_match,none": 1 } },
};

function taskNamed(name: string): TaskFile {
  const file = builtInTasks.find(({ task }) => task === name);
  if (!file) throw new Error(`there is no task ${name}`);
  return file;
}

interface Outcome {
  readonly docs: readonly EvaluatedDoc[];
  readonly figures: readonly Figure[];
  readonly programs: readonly string[];
}

async function evaluated(name: string, { shots, answers }: Case): Promise<Outcome> {
  const given = taskNamed(name);
  const file: TaskFile = { ...given, fewshotConfig: { ...given.fewshotConfig, sampler: "first_n" } };
  const planned = await planTask(file, {
    datasets: new Datasets({ dataDir: `${fixtures}/data`, hubCache: "/nowhere" }),
    source: { tokenizer: null, maxPositions: null, heldOut: async () => [], metadata: {} },
    prompts: plainText,
    numFewshot: shots,
    seed: 1234,
  });
  const { tools, programs } = toolsRunning(() => "raises");
  const places = planned.docs.flatMap(({ docId, requests }) => requests.map((_, choice) => ({ docId, choice })));
  const [outcome] = await evaluateTasks([planned], {
    model: new AnsweringModel((request, index) => canned(request, answers, places[index])),
    cache: null,
    tools: { ...tools, sameMath: (gold, answer) => verify(gold, answer).equal },
    predictOnly: false,
    thinkEnd: null,
    draws: 0,
    onProgress: () => {},
    signal: new AbortController().signal,
  });
  if (!outcome) throw new Error("no outcome");
  return { docs: outcome.docs, figures: outcome.figures, programs: programs.map(withoutWord) };
}

function canned(
  request: EvalRequest,
  answers: Case["answers"],
  place: { readonly docId: number; readonly choice: number } | undefined,
): EvalResponse {
  const answer = answers[place?.docId ?? -1];
  if (typeof answer === "string") return writing(answer);
  const logprob = answer?.[place?.choice ?? -1];
  if (logprob === undefined) throw new Error("there is no answer to this");
  if (request.kind === "rolling") return { kind: "rolling", logprob, tokens: 1 };
  return { kind: "loglikelihood", logprob, isGreedy: false, tokens: 1, cutTokens: 0 };
}

function contextOf(request: EvalRequest): string {
  if (request.kind === "rolling") return request.text;
  if (request.prompt.kind === "chat") throw new Error("lm-eval was asked no such thing");
  return request.prompt.text;
}

function continuationsOf(requests: readonly EvalRequest[]): string[] {
  return requests.flatMap((request) => (request.kind === "loglikelihood" ? [request.continuation] : []));
}

/** True and false as one and zero. */
function numbers(value: number | readonly boolean[]): MetricValue {
  return typeof value === "number" ? value : value.map(Number);
}

test.each(Object.keys(cases))("%s: prompts, stops and verdicts are lm-eval's", async (name) => {
  const { start, settings, docs, figures = {}, programs: theirs } = expected[name] as Expected;
  const { docs: ours, figures: ownFigures, programs } = await evaluated(name, cases[name] as Case);
  expect(taskNamed(name).format).toBe(name === "pile_10k" ? "benchmark" : "lm-eval");
  expect(ours.length).toBe(docs.length);
  for (const [i, { contexts, continuations = [], scores = {} }] of docs.entries()) {
    const where = `${name}, document ${i}`;
    const { requests = [], scored = [] } = ours[i] ?? {};
    expect([...new Set(requests.map(contextOf))], where).toEqual(contexts.map((end) => start + end));
    expect([...new Set(continuationsOf(requests))], where).toEqual(continuations);
    for (const request of requests) {
      if (request.kind !== "generate") continue;
      const { until, maxGenToks, temperature, topP } = request.settings;
      expect(until, where).toEqual(settings?.until);
      expect(maxGenToks, where).toBe(longer[name] ?? settings?.max_gen_toks ?? 256);
      expect(temperature, where).toBe(settings?.do_sample ? settings.temperature : 0);
      expect(topP, where).toBe(settings?.top_p ?? 1);
    }
    for (const [filter, metrics] of Object.entries(scores)) {
      const own = scored.find((each) => each.filter === filter)?.metrics ?? {};
      for (const [metric, value] of Object.entries(metrics)) {
        const wanted = otherVerdicts[name]?.[i]?.[`${metric},${filter}`] ?? numbers(value);
        expect([where, filter, metric, own[metric]]).toEqual([where, filter, metric, wanted]);
      }
    }
  }
  for (const [key, value] of Object.entries(figures)) {
    const own = ownFigures.find(({ metric, filter }) => `${metric},${filter}` === key)?.value ?? Number.NaN;
    // Sums of the same numbers, perhaps in another order.
    expect(Math.abs(own - value), `${name}, ${key}: ${own}, ${value}`).toBeLessThanOrEqual(1e-12 * value);
  }
  if (theirs) expect(programs.map((program) => program.trim())).toEqual(theirs.map((program) => program.trim()));
});

test("each task is right on some records and wrong on others", () => {
  for (const [name, { docs }] of Object.entries(expected)) {
    expect([name, docs.length >= 3]).toEqual([name, true]);
    const scores = docs.flatMap(({ scores = {} }) => Object.values(scores).flatMap((each) => Object.values(each)));
    const values = new Set(scores.map(String));
    if (scores.length > 0) expect([name, values.has("1") && values.has("0")]).toEqual([name, true]);
  }
});

/** Our names of tasks where lm-eval's stand for another form here. */
const ourName: Readonly<Record<string, (name: string) => string>> = {
  cmmlu: (name) => name.replace("cmmlu_", "cmmlu_lm_eval_"),
};

test.each(Object.keys(families))("%s: all tasks of the family are there, with lm-eval's descriptions", (family) => {
  const table = families[family] ?? {};
  expect(Object.keys(table).length).toBeGreaterThan(7);
  for (const [name, [path, config, description]] of Object.entries(table)) {
    const { dataset, description: own } = taskNamed(ourName[family]?.(name) ?? name);
    // "default" is the hub's name of the only configuration.
    const only = config === "default" ? null : config;
    expect([name, dataset?.path, dataset?.name, own ?? null]).toEqual([name, path, only, description]);
  }
});
