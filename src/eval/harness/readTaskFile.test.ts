import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readTaskFile } from "./readTaskFile.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-task-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function read(text: string, name = "mine.yaml"): ReturnType<typeof readTaskFile> {
  writeFileSync(join(folder, name), text);
  return readTaskFile(join(folder, name));
}

const small = `task: mine
dataset_path: org/set
test_split: test
doc_to_text: "{{question}}"
doc_to_target: answer
output_type: generate_until
`;

test("a task's keys become the same in this program's names", () => {
  const result = read(`task: mine
task_alias: My task
tag: [a, b]
dataset_path: org/set
dataset_name: null
validation_split: dev
fewshot_split: train
description: "Answer.\\n\\n"
doc_to_text: "Q: {{question}}"
doc_to_target: "{{choices.index(answer)}}"
doc_to_choice: choices
num_fewshot: 2
fewshot_config: {sampler: first_n, samples: [{question: "1?", answer: x}]}
output_type: multiple_choice
generation_kwargs: {until: "\\n", do_sample: false, max_gen_toks: 32}
filter_list:
  - name: strict
    filter:
      - function: regex
        regex_pattern: "(a)"
        group_select: -1
      - function: take_first
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
metadata: {version: 1.5, note: any}
`);
  expect(result).toEqual({
    kind: "task",
    task: {
      task: "mine",
      taskAlias: "My task",
      tag: ["a", "b"],
      dataset: { path: "org/set", name: null },
      validationSplit: "dev",
      fewshotSplit: "train",
      description: "Answer.\n\n",
      docToText: "Q: {{question}}",
      docToTarget: "{{choices.index(answer)}}",
      docToChoice: "choices",
      numFewshot: 2,
      fewshotConfig: { sampler: "first_n", samples: [{ question: "1?", answer: "x" }] },
      outputType: "multiple_choice",
      generationKwargs: { until: ["\n"], doSample: false, maxGenToks: 32 },
      filterList: [
        {
          name: "strict",
          filter: [{ function: "regex", regexPattern: "(a)", groupSelect: -1 }, { function: "take_first" }],
        },
      ],
      metricList: [{ metric: "acc", aggregation: "mean", higherIsBetter: true }],
      metadata: { version: 1.5 },
      format: "own",
    },
  });
});

test("a file with a list of tasks is a group", () => {
  const text =
    "group: both\ntask: [a, b]\naggregate_metric_list: [{metric: acc, weight_by_size: false, filter_list: none}]\n";
  expect(read(text)).toEqual({
    kind: "group",
    group: {
      group: "both",
      task: ["a", "b"],
      aggregateMetricList: [{ metric: "acc", weightBySize: false, filterList: ["none"] }],
      metadata: { version: 0 },
    },
  });
});

test("unknown keys are refused by name, with the line", () => {
  expect(() => read(`${small}docs_to_text: x\n`)).toThrow(
    `${join(folder, "mine.yaml")}:7: unknown key docs_to_text; expected one of task, task_alias,`,
  );
  expect(() => read(`${small}metric_list:\n  - metric: acc\n    ignore_cases: true\n`)).toThrow(
    "mine.yaml:9: unknown key metric_list.0.ignore_cases",
  );
});

test("values that are none are refused, with the line", () => {
  expect(() => read(`${small}num_fewshot: many\n`)).toThrow("mine.yaml:7: num_fewshot: Invalid input: expected number");
  expect(() => read(small.replace("generate_until", "generate"))).toThrow("mine.yaml:6: output_type: Invalid option");
  expect(() => read(small.replace("task: mine\n", ""))).toThrow("task: Invalid input: expected string");
  expect(() => read("- a\n")).toThrow("expected the keys of a task");
  expect(() => read('task: "mine\n')).toThrow("mine.yaml:2: ");
});

test("a function of Python is refused with what to write instead", () => {
  expect(() => read(`${small}process_docs: !function utils.process_docs\n`)).toThrow(
    "mine.yaml:7: !function utils.process_docs is a function of Python, which cannot run here",
  );
  expect(() => read(`${small}description: !other x\n`)).toThrow("mine.yaml:7: ");
});

test("JSON is read too, and its lines are known", () => {
  const json = JSON.stringify({ task: "mine", dataset_path: "org/set", oops: 1 }, null, 1);
  expect(() => read(json, "mine.json")).toThrow("mine.json:4: unknown key oops");
});

test("a file may include another, whose keys its own override", () => {
  writeFileSync(join(folder, "base.yaml"), `${small}num_fewshot: 3\nwrong: 1\n`);
  expect(() => read("include: base.yaml\ntask: other\n")).toThrow("mine.yaml: include base.yaml:8: unknown key wrong");
  writeFileSync(join(folder, "base.yaml"), `${small}num_fewshot: 3\n`);
  expect(read("include: base.yaml\ntask: other\n")).toMatchObject({ task: { task: "other", numFewshot: 3 } });
  writeFileSync(join(folder, "base.yaml"), "include: mine.yaml\n");
  expect(() => read("include: base.yaml\n")).toThrow("includes this file");
});

test("data beside the file is found there, whatever the loader is called", () => {
  const files = "dataset_kwargs: {data_files: {test: x.jsonl}}\n";
  expect(read(small.replace("org/set", "json") + files)).toMatchObject({
    task: { dataset: { path: folder, dataFiles: { test: "x.jsonl" } } },
  });
  expect(read(small.replace("org/set", "./data"))).toMatchObject({ task: { dataset: { path: join(folder, "data") } } });
});
