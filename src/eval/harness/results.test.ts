import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AnsweringModel, preferring } from "../../../test/eval/answeringModel.js";
import type { TaskFile } from "../taskFile.js";
import { compareResults, comparisonTable } from "./compare.js";
import { Datasets } from "./datasets.js";
import { evaluateTasks, groupFigures, type TaskOutcome } from "./evaluate.js";
import { planTask } from "./plan.js";
import { plainText } from "./prompt.js";
import { fileName, type ResultsFile, type RunFacts, readResults, resultsOf, writeResults } from "./results.js";
import { resultTable } from "./resultTable.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-results-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Eight documents, of which "yes" answers five and "no" three. */
const file: TaskFile = {
  task: "mine/a",
  taskAlias: "Mine",
  dataset: null,
  docs: () => [0, 1, 0, 0, 1, 0, 1, 0].map((gold, i) => ({ q: `q${i}`, gold })),
  docToText: "q",
  docToTarget: "gold",
  docToChoice: ["yes", "no"],
  outputType: "multiple_choice",
  metricList: [{ metric: "acc" }],
  metadata: { version: 2 },
  format: "own",
  published: { table: "base", metric: "acc", value: 62.5, key: "acc,none" },
  report: (docs) => ({ text: `${docs.length} told`, files: { "map.svg": "<svg/>" } }),
};

const facts: RunFacts = {
  model: "some/model",
  modelArgs: {},
  limit: null,
  samples: null,
  seed: 1234,
  draws: 0,
  genKwargs: null,
  chatTemplate: null,
  chatTemplateSha: null,
  fewshotAsMultiturn: false,
  systemInstruction: null,
  judge: null,
  grader: "fathom-verify 1",
  leftOut: {},
  programVersion: "0",
  date: new Date("2026-01-02T03:04:05.678Z"),
  seconds: 1.5,
};

async function evaluated(task: TaskFile, favourite: string): Promise<TaskOutcome[]> {
  const planned = await planTask(task, {
    datasets: new Datasets({ dataDir: null, hubCache: "/nowhere" }),
    source: { tokenizer: null, maxPositions: null, heldOut: async () => [], metadata: {} },
    prompts: plainText,
    seed: 1,
  });
  return evaluateTasks([planned], {
    model: new AnsweringModel(preferring(favourite)),
    cache: null,
    tools: { judge: () => Promise.reject(), runProgram: () => Promise.reject() },
    predictOnly: false,
    thinkEnd: null,
    draws: 0,
    onProgress: () => {},
    signal: new AbortController().signal,
  });
}

const group = { group: "g", task: ["mine/a"], aggregateMetricList: [{ metric: "acc" }], metadata: { version: 3 } };

async function save(name: string, favourite: string, task = file, hasSamples = true): Promise<string> {
  const tasks = await evaluated(task, favourite);
  const groups = groupFigures([{ group, members: ["mine/a"], tasks: ["mine/a"] }], tasks);
  const [path = ""] = writeResults(
    join(folder, name),
    resultsOf(tasks, groups, { ...facts, model: name }),
    tasks,
    hasSamples,
  );
  return path;
}

test("results have lm-eval's keys", async () => {
  const path = await save("first", "yes");
  expect(readdirSync(join(folder, "first"))).toEqual([
    "mine__a_map_2026-01-02T03-04-05.678.svg",
    "results_2026-01-02T03-04-05.678.json",
    "samples_mine__a_2026-01-02T03-04-05.678.jsonl",
  ]);
  const results: ResultsFile = readResults(path);
  expect(results.results).toEqual({
    g: { alias: "g", "acc,none": 0.625, "acc_stderr,none": expect.closeTo(Math.sqrt((0.625 * 0.375) / 7), 12) },
    "mine/a": {
      alias: "Mine",
      "acc,none": 0.625,
      "acc_stderr,none": expect.closeTo(Math.sqrt((0.625 * 0.375) / 7), 12),
    },
  });
  expect(results.groups).toEqual({ g: results.results.g });
  expect(results).toMatchObject({
    group_subtasks: { g: ["mine/a"] },
    versions: { g: 3, "mine/a": 2 },
    "n-shot": { "mine/a": 0 },
    higher_is_better: { "mine/a": { acc: true } },
    "n-samples": { "mine/a": { original: 8, effective: 8 } },
    config: { model: "first", limit: null, fewshot_seed: 1234 },
    date: "2026-01-02T03:04:05.678Z",
    total_evaluation_time_seconds: 1.5,
  });
  expect(results.configs["mine/a"]?.docToChoice).toEqual(["yes", "no"]);
});

test("a sample tells what was asked, answered and scored", async () => {
  const path = await save("sampled", "yes");
  const samples = readFileSync(path.replace("results_", "samples_mine__a_").replace(/json$/, "jsonl"), "utf8");
  expect(samples.split("\n").length).toBe(9);
  const hash = expect.stringMatching(/^[0-9a-f]{64}$/);
  expect(JSON.parse(samples.split("\n")[0] ?? "")).toEqual({
    doc_id: 0,
    doc: { q: "q0", gold: 0 },
    target: 0,
    arguments: { gen_args_0: { arg_0: "q0", arg_1: " yes" }, gen_args_1: { arg_0: "q0", arg_1: " no" } },
    resps: [[[-0.5, true]], [[-3, false]]],
    filtered_resps: [
      [-0.5, true],
      [-3, false],
    ],
    filter: "none",
    metrics: ["acc"],
    acc: 1,
    doc_hash: hash,
    prompt_hash: hash,
    target_hash: hash,
  });
});

test("two results are compared document by document, beside the published figure", async () => {
  const paths = [await save("a", "yes"), await save("b", "no")];
  const figures = compareResults(paths);
  const [figure] = figures.filter(({ task }) => task === "mine/a");
  expect(figure).toMatchObject({ key: "acc,none", values: [0.625, 0.375], published: { value: 62.5 } });
  // Five documents lose one, three gain one: mean -1/4, sample variance 15/14, error sqrt(15 / 112).
  const difference = figure?.differences[1];
  expect(difference).toMatchObject({ difference: -0.25, isPaired: true, documents: 8, notes: [] });
  expect(difference?.error).toBeCloseTo(Math.sqrt(15 / 112), 12);
  expect(difference?.pValue).toBeCloseTo(0.4945, 3);
  const table = comparisonTable(figures, ["a", "b"]);
  expect(table).toContain("|mine/a|acc,none|0.6250|0.3750|   -0.2500|0.3660|0.4945|   0.6250|");
});

test("without samples the errors stand for themselves, and it is said", async () => {
  const paths = [await save("c", "yes", file, false), await save("d", "no", file, false)];
  const difference = compareResults(paths)[1]?.differences[1];
  expect(difference).toMatchObject({ isPaired: false });
  expect(difference?.error).toBeCloseTo(Math.sqrt((2 * 0.625 * 0.375) / 7), 12);
  expect(difference?.notes[0]).toContain("not paired");
});

test("what is not the same in both is said", async () => {
  const other = { ...file, metadata: { version: 3 }, docToText: "Q: {{q}}" };
  const paths = [
    await save("e", "yes"),
    await save("f", "yes", other),
    await save("g", "yes", { ...file, docToText: "{{q}}?" }),
  ];
  const [, figure] = compareResults(paths);
  expect(figure?.differences[1]?.notes).toEqual(["versions of the task differ: 2 and 3"]);
  expect(figure?.differences[2]?.notes).toEqual(["documents or prompts differ"]);
  const changed = { ...file, docs: () => [0, 1, 0].map((gold) => ({ q: "other", gold })) };
  const others = compareResults([paths[0] ?? "", await save("h", "yes", changed)])[1]?.differences[1];
  expect(others).toMatchObject({
    isPaired: false,
    notes: ["numbers of documents differ: 8 and 3", expect.stringContaining("not paired")],
  });
  // All the same documents answered alike.
  expect(figure?.differences[2]).toMatchObject({ difference: 0, isPaired: true });
});

test("what are no results is refused", () => {
  const path = join(folder, "other.json");
  writeFileSync(path, "{}");
  expect(() => compareResults([path, path])).toThrow("other.json: not the results of an evaluation");
  expect(() => compareResults([path])).toThrow("give two results files or more");
});

test("the table shows the figure, its error and the published one", async () => {
  const tasks = await evaluated(file, "yes");
  expect(resultTable(tasks, [])).toBe(
    [
      "|Tasks|Version|Filter|n-shot|Metric|   | Value|   |Stderr|Published|Format|",
      "|-----|------:|------|-----:|------|---|-----:|---|-----:|--------:|------|",
      "|Mine |      2|none  |     0|acc   |↑  |0.6250|±  |0.1830|   0.6250|own   |",
    ].join("\n"),
  );
});

test("names become names of files", () => {
  expect(fileName("hf:org/name@main")).toBe("hf__org__name__main");
});
