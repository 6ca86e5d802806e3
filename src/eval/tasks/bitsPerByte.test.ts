import { expect, test } from "vitest";
import { AnsweringModel } from "../../../test/eval/answeringModel.js";
import { taskNamed } from "../../../test/eval/tryTask.js";
import { Datasets } from "../harness/datasets.js";
import { evaluateTasks } from "../harness/evaluate.js";
import { planTask } from "../harness/plan.js";
import { plainText } from "../harness/prompt.js";

test("bits per byte add up over all held-out documents, 13.4", async () => {
  const texts = ["Hello, 世界!\n", "abc"];
  const planned = await planTask(taskNamed("bits_per_byte").file, {
    datasets: new Datasets({ dataDir: null, hubCache: "/nowhere" }),
    source: { tokenizer: null, maxPositions: null, heldOut: async () => texts.map((text) => ({ text })), metadata: {} },
    prompts: plainText,
    seed: 1,
  });
  expect(planned.docs.map(({ requests }) => requests)).toEqual(texts.map((text) => [{ kind: "rolling", text }]));
  const [outcome] = await evaluateTasks([planned], {
    model: new AnsweringModel((request) => ({
      kind: "rolling",
      logprob: request.kind === "rolling" && request.text === "abc" ? -2.4 : -12.5,
      tokens: 3,
    })),
    cache: null,
    tools: { judge: () => Promise.reject(), runProgram: () => Promise.reject() },
    predictOnly: false,
    thinkEnd: null,
    draws: 10,
    onProgress: () => {},
    signal: new AbortController().signal,
  });
  expect(outcome?.figures.map(({ metric, value, error }) => [metric, Number(value.toFixed(6)), error])).toEqual([
    ["bits_per_byte", 1.194231, null],
    ["byte_perplexity", 2.288228, null],
    ["word_perplexity", 41.471233, null],
  ]);
});
