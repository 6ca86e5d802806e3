import { expect, test } from "vitest";
import { ask, promptOf, taskNamed } from "../../../test/eval/tryTask.js";
import { aggregate } from "../harness/aggregate.js";
import { scoreDoc } from "../harness/scoring.js";
import type { MetricValue } from "../taskFile.js";
import { pileTasks } from "./pile.js";

const doc = { text: "Hello, 世界!\n", meta: { pile_set_name: "Pile-CC" } };

async function valuesOf(text: string, logprob: number): Promise<Readonly<Record<string, MetricValue>>> {
  const task = taskNamed("pile_test");
  const never = (): never => {
    throw new Error("not asked");
  };
  const tools = { judge: never, runProgram: never };
  const response = { kind: "rolling", logprob, tokens: 4 } as const;
  const [scored] = await scoreDoc(task, ask(task, { ...doc, text }), [response], tools);
  return scored?.metrics ?? {};
}

test("the whole document is scored, without a prompt", () => {
  expect(promptOf("pile_test", doc).prompt).toBe("Hello, 世界!\n");
});

test("the sums of all documents are divided, as worked out in the specification, 13.4", async () => {
  const documents = [await valuesOf("Hello, 世界!\n", -12.5), await valuesOf("abc", -2.4)];
  const column = (metric: string): MetricValue[] => documents.map((values) => values[metric] ?? Number.NaN);
  expect(aggregate("bits_per_byte", column("bits_per_byte").slice(0, 1))).toBeCloseTo(1.202246, 6);
  expect(aggregate("bits_per_byte", column("bits_per_byte").slice(1))).toBeCloseTo(1.154156, 6);
  expect(aggregate("bits_per_byte", column("bits_per_byte"))).toBeCloseTo(1.194231, 6);
  expect(aggregate("weighted_perplexity", column("byte_perplexity"))).toBeCloseTo(2.288228, 6);
  expect(aggregate("weighted_perplexity", column("word_perplexity"))).toBeCloseTo(41.471233, 6);
});

test("each of the 22 sources takes its own documents, and a document without text is refused", () => {
  expect(pileTasks.filter(({ tag }) => tag?.includes("pile")).length).toBe(22);
  const rows = [doc, { text: "x", meta: { pile_set_name: "ArXiv" } }, { text: "y" }];
  expect(taskNamed("pile_pile-cc").file.processDocs?.(rows)).toEqual([doc]);
  expect(() => promptOf("pile_test", { meta: doc.meta })).toThrow("task pile_test, document 0");
});
