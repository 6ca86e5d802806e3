import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AnsweringModel, preferring, writing } from "../../../test/eval/answeringModel.js";
import type { Doc, ScoringTools, TaskFile } from "../taskFile.js";
import { Datasets } from "./datasets.js";
import { refusal } from "./evalModel.js";
import { type EvaluateOptions, evaluateTasks, groupFigures, type TaskOutcome } from "./evaluate.js";
import { type PlannedTask, planTask } from "./plan.js";
import { plainText } from "./prompt.js";
import { RequestCache } from "./requestCache.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-evaluate-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const choice: TaskFile = {
  task: "choice",
  dataset: null,
  docs: () => [0, 1, 0, 0].map((gold, i): Doc => ({ q: `q${i}`, gold })),
  docToText: "q",
  docToTarget: "gold",
  docToChoice: ["yes", "no"],
  outputType: "multiple_choice",
  metricList: [{ metric: "acc" }],
  metadata: { version: 1 },
  format: "own",
};

const written: TaskFile = {
  ...choice,
  task: "written",
  docToTarget: (doc) => String(doc.gold),
  outputType: "generate_until",
  filterList: [
    { name: "strict", filter: [{ function: "regex", regexPattern: "is (\\d)" }, { function: "take_first" }] },
    { name: "loose", filter: [{ function: "regex", regexPattern: "\\d" }, { function: "take_first" }] },
  ],
  metricList: [{ metric: "exact_match" }],
};
delete (written as { docToChoice?: unknown }).docToChoice;

const noTools: ScoringTools = {
  judge: () => Promise.reject(new RangeError("no judge")),
  runProgram: () => Promise.reject(new RangeError("no programs")),
};

async function plan(file: TaskFile): Promise<PlannedTask> {
  return planTask(file, {
    datasets: new Datasets({ dataDir: null, hubCache: "/nowhere" }),
    source: { tokenizer: null, maxPositions: null, heldOut: async () => [], metadata: {} },
    prompts: plainText,
    seed: 1,
  });
}

async function evaluate(files: readonly TaskFile[], options: Partial<EvaluateOptions>): Promise<TaskOutcome[]> {
  return evaluateTasks(await Promise.all(files.map(plan)), {
    model: new AnsweringModel(preferring("yes")),
    cache: null,
    tools: noTools,
    predictOnly: false,
    thinkEnd: null,
    draws: 0,
    onProgress: () => {},
    signal: new AbortController().signal,
    ...options,
  });
}

test("answers in any order are scored document by document", async () => {
  const [outcome] = await evaluate([choice], {});
  expect(outcome?.docs.map(({ scored }) => scored[0]?.metrics.acc)).toEqual([1, 0, 1, 1]);
  // Sample deviation 0.5, by the root of 4.
  expect(outcome?.figures).toEqual([{ metric: "acc", filter: "none", value: 0.75, error: 0.25, higherIsBetter: true }]);
});

test("an evaluation that ended early goes on with what is missing, and finds the same", async () => {
  const path = join(folder, "answers.jsonl");
  const stop = new AbortController();
  const first = new AnsweringModel((request, index) => {
    if (index === 3) stop.abort(new RangeError("stopped"));
    return preferring("no")(request);
  });
  {
    using cache = new RequestCache(path);
    await expect(evaluate([choice], { model: first, cache, signal: stop.signal })).rejects.toThrow("stopped");
  }
  expect(first.asked).toBe(5);
  const second = new AnsweringModel(preferring("no"));
  const told: number[] = [];
  using cache = new RequestCache(path);
  const resumed = await evaluate([choice], {
    model: second,
    cache,
    onProgress: ({ stage, cached }) => void (stage === "answering" && told.push(cached)),
  });
  expect(second.asked).toBe(3);
  expect(new Set(told)).toEqual(new Set([5]));
  const whole = await evaluate([choice], { model: new AnsweringModel(preferring("no")) });
  expect(resumed[0]?.figures).toEqual(whole[0]?.figures);
  const third = new AnsweringModel(preferring("no"));
  await evaluate([choice], { model: third, cache });
  expect(third.asked).toBe(0);
});

test("a request that the model refuses is told by task and document", async () => {
  const model = new AnsweringModel((request, index) => {
    if (index === 5) throw refusal(index, new RangeError("too long"));
    return preferring("no")(request);
  });
  await expect(evaluate([choice], { model })).rejects.toThrow("task choice, document 2: too long");
});

test("shares of truncated, cut and unusable answers stand beside the figures", async () => {
  const texts = ["it is 0", "maybe 1", "none", "it is 0"];
  const model = new AnsweringModel((_, index) => writing(texts[index] ?? "", index === 2));
  const [outcome] = await evaluate([written], { model });
  expect(outcome?.figures.map(({ filter, value }) => [filter, value])).toEqual([
    ["strict", 0.5],
    ["loose", 0.75],
  ]);
  expect(outcome?.health).toEqual({ truncated: 0.25, cut: 0, invalid: { strict: 0.5, loose: 0.25 } });
});

test("what stands before the end of a thought is not scored, but kept", async () => {
  const model = new AnsweringModel(() => writing("it is 7</think>, it is 5</think>\n\nit is 0"));
  const [outcome] = await evaluate([written], { model, thinkEnd: "</think>" });
  expect(outcome?.docs.map(({ scored }) => scored[0]?.metrics.exact_match)).toEqual([1, 0, 1, 1]);
  expect(outcome?.docs[0]?.responses[0]).toMatchObject({ text: "it is 7</think>, it is 5</think>\n\nit is 0" });
});

test("answers can be kept unscored", async () => {
  const [outcome] = await evaluate([choice], { predictOnly: true });
  expect(outcome?.figures).toEqual([]);
  expect(outcome?.docs[0]).toMatchObject({ scored: [], responses: [{ logprob: -0.5 }, { logprob: -3 }] });
});

test("a judge sees the answer and says first whether it is right", async () => {
  const judged: TaskFile = {
    ...written,
    filterList: [],
    metricList: [{ metric: "judged", judgePrompt: "{{q}}: is {{response}} {{target}}?" }],
  };
  delete (judged as { filterList?: unknown }).filterList;
  const asked: string[] = [];
  const tools: ScoringTools = {
    ...noTools,
    judge: async (prompt) => {
      asked.push(prompt);
      return prompt.includes("q1") ? "B: incorrect" : "A";
    },
  };
  const [outcome] = await evaluate([judged], { model: new AnsweringModel(() => writing("nought")), tools });
  expect(asked[0]).toBe("q0: is nought 0?");
  expect(outcome?.figures[0]?.value).toBe(0.75);
  expect(outcome?.docs[1]?.scored[0]?.details).toEqual({ judged: { prompt: asked[1], verdict: "B: incorrect" } });
});

test("a scorer of the task's own sees the document, its answers and the tools", async () => {
  const own: TaskFile = {
    ...written,
    repeats: 2,
    generationKwargs: { doSample: true, temperature: 0.5 },
    filterList: [{ name: "all", filter: [{ function: "lowercase" }] }],
    metricList: [{ metric: "shared", aggregation: (values) => Math.max(...values.map(Number)) }],
    scorer: async ({ responses, target, filter }, tools) => {
      const { stdout } = await tools.runProgram({ language: "bash", source: responses.join(), timeoutSeconds: 1 });
      return { metrics: { shared: stdout.length + Number(target) }, details: { filter, stdout } };
    },
  };
  const tools: ScoringTools = {
    ...noTools,
    runProgram: async ({ source }) => ({ status: "exit", exitCode: 0, stdout: source, stderr: "" }),
  };
  const [outcome] = await evaluate([own], { model: new AnsweringModel(() => writing("AB")), tools });
  expect(outcome?.docs[1]?.scored[0]).toMatchObject({
    metrics: { shared: 6 },
    details: { filter: "all", stdout: "ab,ab" },
  });
  expect(outcome?.figures[0]).toMatchObject({ value: 6, error: null });
});

test("groups add up their tasks by size or alike", async () => {
  const small: TaskFile = { ...choice, task: "small", docs: () => [1, 0].map((gold) => ({ q: `x${gold}`, gold })) };
  const tasks = await evaluate([choice, small], {});
  const group = (weightBySize: boolean): TaskFile["metricList"] | unknown =>
    groupFigures(
      [
        {
          group: { group: "g", task: ["choice", "small"], aggregateMetricList: [{ metric: "acc", weightBySize }] },
          members: ["choice", "small"],
          tasks: ["choice", "small"],
        },
      ],
      tasks,
    )[0]?.figures;
  // 4 of 6; errors 1/4 of four and 1/2 of two documents: sqrt((3 x 1/16 x 4 + 1 x 1/4 x 2) / 4 / 6).
  const pooled = expect.closeTo(Math.sqrt(1.25 / 24), 12);
  expect(group(true)).toMatchObject([
    { metric: "acc", filter: "none", value: expect.closeTo(4 / 6, 12), error: pooled },
  ]);
  expect(group(false)).toMatchObject([{ value: 0.625, error: expect.closeTo(Math.hypot(0.25, 0.5) / 2, 12) }]);
});

test("a figure that documents are no draws of has no error", async () => {
  const [outcome] = await evaluate([{ ...choice, metricList: [{ metric: "acc", hasError: false }] }], {});
  expect(outcome?.figures).toMatchObject([{ metric: "acc", value: 0.75, error: null }]);
});

test("a second turn follows the answer without its thought, is kept, and loses its own thought", async () => {
  const turns: string[][] = [];
  const model = new AnsweringModel((request) => {
    if (request.kind !== "generate" || request.prompt.kind !== "chat") throw new Error("no chat");
    const contents = request.prompt.messages.map(({ content }) => content ?? "");
    turns.push(contents);
    return writing(contents.length === 1 ? "hm</think>first" : "well</think>second");
  });
  const twice: TaskFile = {
    ...written,
    promptKind: "chat",
    filterList: [{ name: "none", filter: [] }],
    scorer: async (_, { followUp }) => ({
      metrics: { exact_match: (await followUp?.("Sure?")) === "second" ? 1 : 0 },
    }),
  };
  using cache = new RequestCache(join(folder, "turns.jsonl"));
  const [outcome] = await evaluate([twice], { model, cache, thinkEnd: "</think>" });
  expect(outcome?.figures[0]?.value).toBe(1);
  const [, answer, message] = turns.find(({ length }) => length === 3) ?? [];
  expect([answer, message]).toEqual(["first", "Sure?"]);
  const again = new AnsweringModel(() => writing("nothing is asked"));
  const [kept] = await evaluate([twice], { model: again, cache, thinkEnd: "</think>" });
  expect([kept?.figures[0]?.value, again.asked]).toEqual([1, 0]);
});
