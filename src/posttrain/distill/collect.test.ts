import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { problemAt } from "../../eval/problems/families.js";
import type { TaskFile } from "../../eval/taskFile.js";
import { collectPrompts, promptsReport } from "./collect.js";
import { type FileOptions, filePrompts } from "./filePrompts.js";
import { heldOutProblems, problemOf, problemPrompts } from "./problemPrompts.js";
import type { DistillPrompt } from "./records.js";
import { taskDocuments } from "./taskDocuments.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-collect-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const base = { domain: "math", source: "set", license: "MIT" } as const;
const prompts = (...texts: readonly string[]): DistillPrompt[] =>
  texts.map((prompt, i) => ({ ...base, id: String(i), prompt }));

describe("collecting", () => {
  test("keeps each prompt once, and none that is measured on, and says why", async () => {
    const known = { source: "test set: row 3", texts: ["Anna has three apples and buys five more; how many?"] };
    const given = prompts(
      "What is 1 + 1?",
      "Ben says: Anna has three apples and buys five more; why?",
      "what  is 1 + 1?\n",
      "What is 1 + 2?",
    );
    const collected = await collectPrompts(given, [known], 8);
    expect(collected.prompts.map(({ id }) => id)).toEqual(["0", "3"]);
    expect(collected.dropped).toEqual([
      { id: "2", prompt: "what  is 1 + 1?\n", source: "set", reason: "duplicate", same_as: "0" },
      {
        id: "1",
        prompt: given[1]?.prompt,
        source: "set",
        reason: "contaminated",
        ngram: "anna has three apples and buys five more;",
        met_in: "test set: row 3",
      },
    ]);
    expect(promptsReport(collected)).toEqual({
      read: 4,
      kept: { math: 2 },
      dropped: { duplicate: 1, contaminated: 1 },
      against: { ngram: 8, documents: 1 },
    });
  });

  test("refuses two prompts of one id", async () => {
    const [first, second] = prompts("A?", "B?") as [DistillPrompt, DistillPrompt];
    const twice = [first, { ...second, id: "0", source: "other" }];
    await expect(collectPrompts(twice, [], 10)).rejects.toThrow(
      "two prompts have the id 0: in set and in other; name the files (--from NAME=FILE)",
    );
  });
});

test("all texts of the tasks that are here must not be met; what is not here is passed over", async () => {
  const asked: string[] = [];
  const datasets: Parameters<typeof taskDocuments>[1] = {
    has: ({ path }) => path !== "owner/missing",
    rows: async ({ path }, split, task) => {
      asked.push(`${path} ${split} ${task}`);
      return { rows: [{ question: "Q?", choices: ["one", { text: "two" }], label: 3 }, { question: "R?" }], files: [] };
    },
  };
  const task = (name: string, path: string | null): TaskFile => ({
    task: name,
    dataset: path === null ? null : { path, name: null },
    testSplit: "test",
    outputType: "generate_until",
    docToText: "{{question}}",
    docToTarget: "",
    format: "own",
    metadata: { version: 1 },
  });
  const documents: unknown[] = [];
  const tasks = [task("a", "owner/a"), task("b", "owner/missing"), task("c", null)];
  for await (const document of taskDocuments(tasks, datasets)) documents.push(document);
  expect(documents).toEqual([
    { source: "a: document 0", texts: ["Q?", "one", "two"] },
    { source: "a: document 1", texts: ["R?"] },
  ]);
  expect(asked).toEqual(["owner/a test a"]);
});

describe("generated problems", () => {
  const choice = { families: ["division", "code-python"], count: 6, level: null, phrasing: "plain", seed: 3 } as const;

  test("are prompts whose source makes the problem again", () => {
    const made = [...problemPrompts(choice)];
    expect(made.map(({ domain, checker }) => [domain, checker])).toEqual(
      [0, 1, 2].flatMap(() => [
        ["math", "problem"],
        ["code", "tests"],
      ]),
    );
    expect(made[2]?.source).toBe("fathom:division?split=train&seed=3&index=1&phrasing=plain");
    for (const [i, prompt] of made.entries()) {
      const family = i % 2 === 0 ? "division" : "code-python";
      const problem = problemAt(family, "train", 3, Math.floor(i / 2), undefined, "plain");
      expect(problemOf(prompt)).toEqual(problem);
      expect(prompt).toMatchObject({ id: problem.id, prompt: problem.prompt, answer: problem.answer });
    }
    const [leveled] = problemPrompts({ ...choice, level: 2, phrasing: "varied" });
    expect(leveled?.source).toBe("fathom:division?split=train&seed=3&index=0&level=2");
    expect(leveled && problemOf(leveled)).toEqual(problemAt("division", "train", 3, 0, 2));
  });

  test("are not taken for those held out, whose template they share; questions of files are", async () => {
    const heldOut = [...heldOutProblems()];
    expect(heldOut.length).toBe(20_000);
    const made = [...problemPrompts({ ...choice, count: 200 })];
    const { prompts: kept, dropped } = await collectPrompts(made, heldOut, 10);
    expect(dropped).toEqual([]);
    expect(kept.length).toBe(200);
    const copied = made.filter(({ domain }) => domain === "code").map((prompt) => ({ ...prompt, source: "file" }));
    expect((await collectPrompts(copied, heldOut, 10)).prompts).toEqual([]);
    const held = problemAt("dates", "heldout", 1, 5);
    const leaked: DistillPrompt = { ...base, id: "x", prompt: held.prompt };
    expect((await collectPrompts([leaked], heldOut, 10)).dropped[0]).toMatchObject({
      reason: "contaminated",
      met_in: "held-out problems of dates",
    });
  });

  test("that come again when a family has been gone through are duplicates, in other words too", async () => {
    const [prompt] = problemPrompts({ ...choice, count: 1 });
    if (!prompt) throw new Error("no prompt");
    const again = { ...prompt, prompt: "In other words?", source: prompt.source.replace("index=0", "index=99") };
    const { dropped } = await collectPrompts([prompt, again], [], 10);
    expect(dropped).toMatchObject([{ reason: "duplicate", same_as: prompt.id }]);
  });

  test("of a source that names none are refused", () => {
    expect(() => problemOf({ source: "fathom:division?split=other&seed=1&index=0" })).toThrow(/split=train or heldout/);
    expect(() => problemOf({ source: "fathom:sums?split=train&seed=1&index=0" })).toThrow(/"sums" is not known/);
    expect(problemOf({ source: "a.jsonl" })).toBeNull();
  });
});

describe("questions of files", () => {
  async function read(
    rows: readonly object[],
    options: Partial<FileOptions> = {},
    name: string | null = null,
  ): Promise<unknown[]> {
    const path = join(folder, "a.jsonl");
    writeFileSync(path, rows.map((row) => JSON.stringify(row)).join("\n"));
    const all: unknown[] = [];
    const given = { domain: "math", license: null, ...options } as const;
    for await (const prompt of filePrompts([{ name, path }], given)) all.push(prompt);
    return all;
  }

  test("take answer, tests, id, domain and license from the row", async () => {
    const rows = [
      { prompt: "A?", answer: 7, id: 12, license: "CC0" },
      { prompt: "B?", answer: "3 + 4 = 7\n#### 7", domain: "logic" },
      { prompt: [{ role: "user", content: "C?" }], tests: { x: 1 }, domain: "code" },
      { prompt: "D?", domain: "general" },
    ];
    const source = join(folder, "a.jsonl");
    expect(await read(rows, { license: "MIT" })).toMatchObject([
      { id: "12", prompt: "A?", answer: "7", domain: "math", checker: "math", license: "CC0", source },
      { prompt: "B?", answer: "7", domain: "logic", checker: "exact", license: "MIT" },
      { prompt: "C?", tests: { x: 1 }, domain: "code", checker: "tests" },
      { prompt: "D?", domain: "general" },
    ]);
  });

  test("have ids of their text where the row has none, with the name of the file before them", async () => {
    const [first, second] = (await read([{ prompt: "A b?" }, { prompt: "a  B?" }], {}, "set")) as { id: string }[];
    expect(first?.id).toMatch(/^set\/[0-9a-f]{16}$/);
    expect(second?.id).toBe(first?.id);
  });

  test("are those of conversations of one question; what asks more, or under a system text, is none", async () => {
    const [user, assistant, system] = ["user", "assistant", "system"].map((role) => ({ role, content: `${role}?` }));
    const rows = [
      { messages: [user, assistant] },
      { messages: [system, user, assistant] },
      { messages: [user, assistant, user, assistant] },
    ];
    expect(await read(rows)).toMatchObject([{ prompt: "user?" }, { prompt: null }, { prompt: null }]);
    expect(await read([{ prompt: "A?", completion: "B", answer: "B" }])).toMatchObject([{ prompt: "A?", answer: "B" }]);
    expect(await read([{ text: "all of it is learned" }])).toMatchObject([{ prompt: null }]);
  });

  test("must say their domain, and a checker that there is", async () => {
    await expect(read([{ prompt: "A?" }], { domain: null })).rejects.toThrow(
      "a.jsonl: row 1: domain: expected one of math, code, logic, general, got nothing; --domain says it for all rows",
    );
    await expect(read([{ prompt: "A?", domain: "law" }])).rejects.toThrow('got "law"');
    await expect(read([{ prompt: "A?", checker: "problem" }])).rejects.toThrow(
      'checker: expected one of math, exact, tests, got "problem"',
    );
  });
});
