/**
 * Prompts, log-likelihoods, texts and verdicts against lm-eval, example by example: the same small model, the same records, the same tasks.
 * lmEval.mjs and lmEval.py beside this file made the fixture and say what it holds; nothing here needs Python.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Datasets } from "../../src/eval/harness/datasets.js";
import { EngineModel } from "../../src/eval/harness/engineModel.js";
import type { EvalRequest } from "../../src/eval/harness/evalModel.js";
import { evaluateTasks, type TaskOutcome } from "../../src/eval/harness/evaluate.js";
import { planTask } from "../../src/eval/harness/plan.js";
import { plainText } from "../../src/eval/harness/prompt.js";
import type { TaskFile } from "../../src/eval/taskFile.js";
import { builtInTasks } from "../../src/eval/tasks/index.js";
import { loadModel } from "../../src/generate/loadModel.js";

const fixtures = fileURLToPath(new URL("fixtures/lmEval", import.meta.url));

interface Sample {
  readonly doc: number;
  readonly filter: string;
  /** Context and continuation of each choice; of texts the context alone. */
  readonly arguments: readonly (readonly [string, string?])[];
  readonly responses: readonly (readonly [number, boolean] | string)[];
  readonly metrics: Readonly<Record<string, number>>;
}

interface Expected {
  readonly shots: number;
  /** By `metric,filter`. */
  readonly figures: Readonly<Record<string, number>>;
  readonly samples: readonly Sample[];
}

const { tasks: expected } = JSON.parse(readFileSync(`${fixtures}/samples.json`, "utf8")) as {
  readonly tasks: Readonly<Record<string, Expected>>;
};

/** lm-eval's task of that name, in the keys that a user's file would have. */
const lambada: TaskFile = {
  task: "lambada_openai",
  dataset: { path: "EleutherAI/lambada_openai", name: "default" },
  testSplit: "test",
  docToText: "{{text.split(' ')[:-1]|join(' ')}}",
  docToTarget: "{{' '+text.split(' ')[-1]}}",
  targetDelimiter: "",
  outputType: "loglikelihood",
  metadata: { version: 1 },
  format: "lm-eval",
};

let model: EngineModel;
beforeAll(async () => {
  model = new EngineModel(await loadModel(`${fixtures}/model`, { dtype: "float32", speculation: 0 }), "tiny", "tiny");
});
afterAll(() => model.close());

async function evaluated(name: string, shots: number): Promise<TaskOutcome> {
  const file = name === lambada.task ? lambada : builtInTasks.find(({ task }) => task === name);
  if (!file) throw new Error(`there is no task ${name}`);
  const planned = await planTask(file, {
    datasets: new Datasets({ dataDir: `${fixtures}/data`, hubCache: "/nowhere" }),
    source: { tokenizer: null, maxPositions: null, heldOut: async () => [], metadata: {} },
    prompts: plainText,
    numFewshot: shots,
    generationKwargs: file.outputType === "generate_until" ? { maxGenToks: 48 } : {},
    seed: 1234,
  });
  const [outcome] = await evaluateTasks([planned], {
    model,
    cache: null,
    tools: { judge: () => Promise.reject(new Error("no judge")), runProgram: () => Promise.reject(new Error("none")) },
    predictOnly: false,
    thinkEnd: null,
    draws: 0,
    onProgress: () => {},
    signal: new AbortController().signal,
  });
  if (!outcome) throw new Error("no outcome");
  return outcome;
}

function shown(request: EvalRequest): readonly string[] {
  if (request.kind === "rolling" || request.prompt.kind === "chat") throw new Error("lm-eval was asked no such thing");
  return request.kind === "generate" ? [request.prompt.text] : [request.prompt.text, request.continuation];
}

/**
 * lm-eval gives sums in float32, which between 128 and 256 nats lie 1.5e-5 apart, and both round each token's log-probability at about 1e-6
 * in their own order, up to 70 times. 1.8e-5 was the largest difference seen; choices are 0.03 apart and more.
 */
const tolerance = 1e-4;

test.each(Object.keys(expected))("%s: prompts, answers, verdicts and figures are lm-eval's", async (name) => {
  const { shots, figures, samples } = expected[name] as Expected;
  const { docs, figures: own } = await evaluated(name, shots);
  let largest = 0;
  for (const sample of samples) {
    const where = `${name}, document ${sample.doc}, ${sample.filter}`;
    const doc = docs.find(({ docId }) => docId === sample.doc);
    if (!doc) throw new Error(`${where}: not evaluated`);
    expect(doc.requests.map(shown), where).toEqual(sample.arguments);
    for (const [i, response] of doc.responses.entries()) {
      const theirs = sample.responses[i];
      if (response.kind === "generate") expect(response.text, where).toBe(theirs);
      else if (response.kind === "loglikelihood" && Array.isArray(theirs)) {
        const [logprob, isGreedy] = theirs as readonly [number, boolean];
        largest = Math.max(largest, Math.abs(response.logprob - logprob));
        expect(response.isGreedy, where).toBe(isGreedy);
      } else throw new Error(`${where}: answers of other kinds`);
    }
    const metrics = doc.scored.find(({ filter }) => filter === sample.filter)?.metrics ?? {};
    expect(Object.keys(sample.metrics).length, where).toBeGreaterThan(0);
    for (const [metric, value] of Object.entries(sample.metrics))
      expect(metrics[metric], `${where}: ${metric}`).toBe(value);
  }
  expect(new Set(samples.map(({ doc }) => doc)).size).toBe(docs.length);
  expect(largest, `largest difference of log-likelihoods of ${name}`).toBeLessThan(tolerance);
  // A perplexity is as exact as its logarithm; all else are means of values that are the same.
  for (const { metric, filter, value } of own) {
    const theirs = figures[`${metric},${filter}`] ?? Number.NaN;
    expect(Math.abs(value - theirs), `${metric},${filter}: ${value}, ${theirs}`).toBeLessThanOrEqual(
      tolerance * theirs,
    );
  }
});

test("the records tell right from wrong: every metric is right on some and wrong on others", () => {
  for (const [name, { samples }] of Object.entries(expected)) {
    if (name === "lambada_openai") continue;
    for (const metric of Object.keys(samples[0]?.metrics ?? {})) {
      const values = samples.map(({ metrics }) => metrics[metric]);
      expect([name, metric, new Set(values).size > 1]).toEqual([name, metric, true]);
    }
  }
});
