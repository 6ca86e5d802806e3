import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TaskFile } from "../taskFile.js";
import { Datasets } from "./datasets.js";
import { type PlanOptions, planTask } from "./plan.js";
import { plainText, promptText } from "./prompt.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-plan-"));
  const put = (path: string, rows: readonly object[]): void => {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  };
  const row = (prefix: string) => (_: unknown, i: number) => ({ q: `${prefix}${i}`, a: String(i % 3) });
  put("o/d/train.jsonl", Array.from({ length: 6 }, row("t")));
  put("o/d/test.jsonl", Array.from({ length: 10 }, row("e")));
  put("o/other/dev.jsonl", Array.from({ length: 2 }, row("d")));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file: TaskFile = {
  task: "mine",
  dataset: { path: "o/d", name: null },
  trainingSplit: "train",
  testSplit: "test",
  docToText: "Q {{q}}\nA",
  docToTarget: "a",
  docToChoice: ["zero", "one", "two"],
  outputType: "multiple_choice",
  metadata: { version: 1 },
  format: "own",
};

function options(changes: Partial<PlanOptions> = {}): PlanOptions {
  return {
    datasets: new Datasets({ dataDir: folder, hubCache: "/nowhere" }),
    source: { tokenizer: null, maxPositions: null, heldOut: async () => [{ text: "held" }], metadata: {} },
    prompts: plainText,
    seed: 1,
    ...changes,
  };
}

const ids = async (changes: Partial<PlanOptions>): Promise<number[]> =>
  (await planTask(file, options(changes))).docs.map(({ docId }) => docId);

test("a limit takes the first documents, a number or a share of them", async () => {
  expect(await ids({})).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(await ids({ limit: 3 })).toEqual([0, 1, 2]);
  expect(await ids({ limit: 99 })).toHaveLength(10);
  expect(await ids({ limit: 0.25 })).toEqual([0, 1, 2]);
});

test("documents can be chosen by number", async () => {
  expect(await ids({ samples: new Map([["mine", [7, 2, 7]]]), limit: 1 })).toEqual([2, 7]);
  expect(await ids({ samples: new Map([["other", [7]]]), limit: 1 })).toEqual([0]);
  await expect(ids({ samples: new Map([["mine", [10]]]) })).rejects.toThrow(
    "--samples: task mine has documents 0 to 9, got 10",
  );
});

async function prompts(task: TaskFile, changes: Partial<PlanOptions> = {}): Promise<string[]> {
  const { docs } = await planTask(task, options(changes));
  return docs.map(({ requests: [first] }) => (first?.kind === "loglikelihood" ? promptText(first.prompt) : ""));
}

test("shots come from the training split, and are the same whatever else is evaluated", async () => {
  const all = await prompts({ ...file, numFewshot: 2 });
  expect(all[5]).toMatch(/^(Q t\d\nA (zero|one|two)\n\n){2}Q e5\nA$/);
  expect(new Set(all.map((prompt) => prompt.slice(0, prompt.indexOf("Q e")))).size).toBeGreaterThan(3);
  expect(await prompts({ ...file, numFewshot: 2 }, { samples: new Map([["mine", [5]]]) })).toEqual([all[5]]);
  expect(await prompts({ ...file, numFewshot: 2 }, { seed: 2 })).not.toEqual(all);
  expect(await prompts(file, { numFewshot: 2 })).toEqual(all);
});

test("shots may be the task's own, or come from another data set", async () => {
  const samples = [{ q: "own", a: "1" }];
  const own = { ...file, numFewshot: 1, fewshotConfig: { samples } };
  expect((await prompts(own))[0]).toBe("Q own\nA one\n\nQ e0\nA");
  const dataset = { path: "o/other", name: null };
  const other: TaskFile = {
    ...file,
    numFewshot: 1,
    fewshotSplit: "dev",
    fewshotConfig: { sampler: "first_n", dataset, docToText: "shot {{q}}", processDocs: (docs) => docs.slice(1) },
  };
  expect((await prompts(other))[0]).toBe("shot d1 one\n\nQ e0\nA");
  await expect(prompts({ ...file, numFewshot: 7 })).rejects.toThrow(
    "task mine: 7 shots are wanted, their split has 6 documents",
  );
  await expect(prompts({ ...own, numFewshot: 2 })).rejects.toThrow("2 shots are wanted, the task has 1");
});

test("shots of the evaluated split are never the document itself", async () => {
  const { trainingSplit: _, ...without } = file;
  for (const [i, prompt] of (await prompts({ ...without, numFewshot: 9 })).entries()) {
    expect(prompt.split(`e${i}`).length).toBe(2);
  }
});

test("rows are processed before anything else, and documents may be made", async () => {
  const twice: TaskFile = { ...file, processDocs: (docs) => docs.flatMap((doc) => [doc, doc]) };
  expect((await planTask(twice, options())).total).toBe(20);
  const made: TaskFile = {
    ...file,
    dataset: null,
    docs: ({ heldOut }) => heldOut(),
    docToText: "text",
    docToTarget: 0,
  };
  expect(await prompts(made)).toEqual(["held"]);
});

test("a plan's hash tells documents and prompts apart, and the files are known by theirs", async () => {
  const plan = await planTask(file, options());
  expect((await planTask(file, options())).hash).toBe(plan.hash);
  expect((await planTask(file, options({ limit: 9 }))).hash).not.toBe(plan.hash);
  expect((await planTask({ ...file, docToText: "{{q}}" }, options())).hash).not.toBe(plan.hash);
  expect(plan.files.map(({ path }) => path)).toEqual([join(folder, "o/d/test.jsonl")]);
});

test("a document that does not fit is named", async () => {
  await expect(planTask({ ...file, docToText: "{{question}}" }, options())).rejects.toThrow(
    'task mine, document 0: template "{{question}}": question is not defined',
  );
  const { testSplit: _, ...nothing } = file;
  await expect(planTask(nothing, options())).rejects.toThrow("neither test_split nor validation_split");
});

test("a task with one form alone is asked in it, whatever the run asks for", async () => {
  const kindOf = async (promptKind: "text" | "chat" | undefined, chat: boolean): Promise<string | undefined> => {
    const given = { ...plainText, chat: chat ? { shotsAsTurns: true } : null };
    const { docs } = await planTask({ ...file, ...(promptKind && { promptKind }) }, options({ prompts: given }));
    const [request] = docs[0]?.requests ?? [];
    return request?.kind === "loglikelihood" ? request.prompt.kind : undefined;
  };
  expect([await kindOf("text", false), await kindOf("text", true)]).toEqual(["text", "text"]);
  expect([await kindOf("chat", false), await kindOf("chat", true)]).toEqual(["chat", "chat"]);
  expect([await kindOf(undefined, false), await kindOf(undefined, true)]).toEqual(["text", "chat"]);
});
