/** Answers to the problems are worked here by hand, from the questions alone. */
import { expect, test } from "vitest";
import { ask, promptOf, taskNamed } from "../../../test/eval/tryTask.js";
import { Datasets } from "../harness/datasets.js";
import type { EvalResponse } from "../harness/evalModel.js";
import { planTask } from "../harness/plan.js";
import { plainText } from "../harness/prompt.js";
import { scoreDoc } from "../harness/scoring.js";
import type { Doc, DocSource, ScoringTools } from "../taskFile.js";
import { problemDocs, problemsGroup, problemsTasks } from "./problems.js";

const source = (metadata: Record<string, unknown> = {}): DocSource => ({
  tokenizer: null,
  maxPositions: null,
  heldOut: async () => [],
  metadata,
});

const tools: ScoringTools = {
  judge: () => Promise.reject(new Error("no judge in this test")),
  runProgram: () => Promise.reject(new Error("no programs in this test")),
};

async function scored(name: string, doc: Doc, text: string, given = tools) {
  const task = taskNamed(name);
  const response: EvalResponse = {
    kind: "generate",
    text,
    isTruncated: false,
    promptTokens: 1,
    completionTokens: 1,
    cutTokens: 0,
    cost: null,
  };
  const [only] = await scoreDoc(task, ask(task, doc), [response], given);
  return { correct: only?.metrics.correct, isInvalid: only?.isInvalid };
}

test("there is a task for each of the ten families, and a group of all", () => {
  expect(problemsTasks.map(({ task }) => task)).toEqual([
    ...["problems_add_subtract", "problems_long_sums", "problems_multiplication", "problems_division"],
    ...["problems_lists", "problems_units", "problems_strings", "problems_dates"],
    ...["problems_code_python", "problems_code_javascript"],
  ]);
  expect(problemsGroup.task).toEqual(problemsTasks.map(({ task }) => task));
  expect(problemsTasks.filter(({ needs }) => needs?.includes("sandbox")).map(({ language }) => language)).toEqual([
    "python",
    "javascript",
  ]);
});

test("a sum is asked in its plain words, and right when the last box holds its value", async () => {
  const docs = problemDocs("add-subtract", source());
  expect(docs).toHaveLength(50);
  for (const doc of docs) {
    const { prompt } = promptOf("problems_add_subtract", doc);
    // "12 + 34 = ?" and the like: the plain form shows the sum itself.
    const sum = /(\d+) ([+-]) (\d+)/.exec(prompt);
    if (!sum) throw new Error(`no sum in ${prompt}`);
    const value = sum[2] === "+" ? Number(sum[1]) + Number(sum[3]) : Number(sum[1]) - Number(sum[3]);
    const right = `so it is\n\\boxed{${value}}`;
    expect(await scored("problems_add_subtract", doc, right)).toEqual({ correct: 1, isInvalid: false });
    const wrong = `\\boxed{${value}}, no: \\boxed{${value + 1}}`;
    expect(await scored("problems_add_subtract", doc, wrong)).toEqual({ correct: 0, isInvalid: false });
    expect(await scored("problems_add_subtract", doc, String(value))).toEqual({ correct: 0, isInvalid: true });
  }
});

test("they are held-out problems, the same for every run", () => {
  const docs = problemDocs("lists", source({ problems: 1000 }));
  expect(new Set(docs.map(({ id }) => id)).size).toBe(1000);
  expect(docs.slice(0, 50)).toEqual(problemDocs("lists", source()));
  expect(problemDocs("lists", source({ level: 2 })).every(({ level }) => level === 2)).toBe(true);
  const varied = problemDocs("add-subtract", source({ phrasing: "varied" }));
  expect(varied.map(({ id }) => id)).toEqual(problemDocs("add-subtract", source()).map(({ id }) => id));
  expect(new Set(varied.map(({ prompt }) => String(prompt).replace(/\d+/g, "n"))).size).toBeGreaterThan(4);
});

test("values that are none are refused", () => {
  const refuse = (metadata: Record<string, unknown>, message: string): void =>
    expect(() => problemDocs("lists", source(metadata))).toThrow(message);
  refuse({ problems: 0 }, "--metadata problems: expected a whole number from 1 to 1000, got 0");
  refuse({ problems: "all" }, 'got "all"');
  refuse({ level: 4 }, "--metadata level: lists has levels 1 to 3, got 4");
  refuse({ phrasing: "many" }, 'expected "plain" or "varied", got "many"');
  refuse({ level: 3, problems: 500 }, "lists, level 3: held-out problem 333 was asked for");
});

test("a problem is a user's message, also where the run asks for plain text, and the prompt is never cut", async () => {
  const [file] = problemsTasks;
  if (!file) throw new Error("no task");
  const datasets = new Datasets({ dataDir: null, hubCache: "/nowhere" });
  const { docs } = await planTask(file, { datasets, source: source(), prompts: plainText, seed: 1, limit: 1 });
  const [request] = docs[0]?.requests ?? [];
  if (request?.kind !== "generate" || request.prompt.kind !== "chat") throw new Error("no chat");
  expect(request.prompt.messages).toEqual([{ role: "user", content: docs[0]?.doc.prompt }]);
  expect(request.settings).toMatchObject({ until: [], maxGenToks: 512, temperature: 0, cutPrompt: "none" });
});

test("a program is judged by the sandbox, by its calls; without one nothing is run", async () => {
  const [doc] = problemDocs("code-python", source());
  if (!doc) throw new Error("no problem");
  const runs: unknown[] = [];
  const judging = (outcome: "passed" | "failed" | "timeout"): ScoringTools => ({
    ...tools,
    runTests: async (run) => {
      runs.push(run);
      const told = {
        passedTests: 0,
        numTests: 1,
        results: [],
        stdout: "",
        stderr: "",
        message: "",
        cpuMs: 1,
        wallMs: 1,
      };
      return { outcome, ...told };
    },
  });
  const answer = "Here:\n```python\ndef solve(n):\n    return 1\n```";
  const name = "problems_code_python";
  expect(await scored(name, doc, answer, judging("passed"))).toEqual({ correct: 1, isInvalid: false });
  expect(await scored(name, doc, answer, judging("failed"))).toEqual({ correct: 0, isInvalid: false });
  expect(await scored(name, doc, answer, judging("timeout"))).toEqual({ correct: 0, isInvalid: false });
  expect(runs).toHaveLength(3);
  expect(runs[0]).toMatchObject({
    language: "python",
    program: "def solve(n):\n    return 1",
    tests: { kind: "calls" },
  });
  expect(await scored(name, doc, "I cannot.", judging("passed"))).toEqual({ correct: 0, isInvalid: true });
  expect(runs).toHaveLength(3);
  await expect(scored(name, doc, answer)).rejects.toThrow("the run has no sandbox");
});
