/** The whole of a distillation with a scripted expert: what each file holds, and that a kill at any step leads to the same bytes. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { check } from "../../src/eval/problems/families.js";
import type { Expert } from "../../src/posttrain/ask/expert.js";
import { reflectionPrompt, teacherTasks } from "../../src/posttrain/distill/forms.js";
import { problemOf, problemPrompts } from "../../src/posttrain/distill/problemPrompts.js";
import { type DistillPrompt, files, readPrompts, type SftRecord } from "../../src/posttrain/distill/records.js";
import { sampleCandidates, sampleTasks, taskIds } from "../../src/posttrain/distill/sample.js";
import { scoreCandidates } from "../../src/posttrain/distill/score.js";
import { accuracy, textRules, verdictOf } from "../../src/posttrain/distill/scoring.js";
import { defaultSelect } from "../../src/posttrain/distill/select.js";
import {
  mixStep,
  pairsStep,
  problemFormsStep,
  promptsStep,
  queueStep,
  selectStep,
  systemOfForms,
  teacherFormsStep,
} from "../../src/posttrain/distill/steps.js";
import { type Script, ScriptedExpert } from "./scriptedExpert.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-pipeline-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const never = new AbortController().signal;
const choice = { families: ["add-subtract", "strings"], count: 12, level: null, phrasing: "plain", seed: 2 } as const;
const general: DistillPrompt[] = ["Greet me.", "Tell a story."].map((prompt, i) => ({
  id: `chat${i}`,
  domain: "general",
  prompt,
  source: "chats.jsonl",
  license: "MIT",
}));
const options = { temperature: 1, topP: 1, maxTokens: 100, seed: 1 };

/** Right, right with a thought, wrong, or without a box, as the seed says. */
const write: Script["write"] = ({ messages, seed, name }) => {
  const [, id] = /^prompt (\S+),/.exec(name) ?? [];
  const [family = ""] = (id ?? "").split("/");
  if (family === "chat0" || family === "chat1") return `Gladly: ${messages.at(-1)?.content}`;
  const prompt = [...problemPrompts(choice)].find((each) => each.id === id);
  const problem = prompt ? problemOf(prompt) : null;
  if (!problem) throw new Error(`no problem ${id}`);
  return [problem.solution, problem.reasoned, problem.mistaken, "I give up."][seed % 4] ?? "";
};

/** One step after the other; each can be run again. */
const steps: readonly ((directory: string, expert: Expert) => Promise<unknown>)[] = [
  async (directory) => promptsStep(directory, [...problemPrompts(choice), ...general], [], 10),
  async (directory) => problemFormsStep(directory, reflectionPrompt),
  async (directory, expert) => {
    const tasks = sampleTasks(reasoning(directory), 6, null);
    return sampleCandidates(join(directory, files.candidates), tasks, expert, options, never);
  },
  async (directory) => {
    const judge = async (
      ...[prompt, candidate]: Parameters<Parameters<typeof scoreCandidates>[2]>
    ): ReturnType<typeof verdictOf> => verdictOf([accuracy(textRules)], prompt, candidate, never);
    const names = { names: () => ["accuracy", "format"], again: false, atOnce: 3 };
    return scoreCandidates(
      join(directory, files.candidates),
      readPrompts(join(directory, files.prompts)),
      judge,
      names,
      never,
    );
  },
  async (directory) => selectStep(directory, { ...defaultSelect, perPrompt: 2 }),
  async (directory) => pairsStep(directory, 2),
  async (directory, expert) => {
    const path = join(directory, files.chat);
    await sampleCandidates(path, sampleTasks(general, 1, null), expert, options, never);
    return queueStep(directory, path, general);
  },
  async (directory) => mixStep(directory, { seed: 1, validationFraction: 0.2 }),
];

function reasoning(directory: string): DistillPrompt[] {
  return readPrompts(join(directory, files.prompts)).filter(({ domain }) => domain !== "general");
}

function filesOf(directory: string): Record<string, string> {
  return Object.fromEntries(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), "utf8")]));
}

async function whole(directory: string): Promise<Record<string, string>> {
  for (const step of steps) await step(directory, new ScriptedExpert({ write }));
  return filesOf(directory);
}

const sftRecords = (text: string): SftRecord[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as SftRecord);

test("what ends in the data set is right by the problems' own rule, and nothing held out is in it", async () => {
  const made = await whole(folder);
  expect(Object.keys(made).toSorted()).toEqual([
    ...["candidates.jsonl", "chat.jsonl", "forms.jsonl", "pairs.jsonl", "prompts.dropped.jsonl", "prompts.jsonl"],
    "report.json",
    ...["review.jsonl", "selected.jsonl", "sft.jsonl", "sft.validation.jsonl"],
  ]);
  expect(await systemOfForms(folder)).toBe(reflectionPrompt);
  const problems = new Map([...problemPrompts(choice)].map((prompt) => [prompt.id, problemOf(prompt)]));
  const records = [...sftRecords(made[files.sft] ?? ""), ...sftRecords(made[files.validation] ?? "")];
  expect(records.length).toBeGreaterThan(12);
  for (const { messages, meta } of records) {
    const problem = problems.get(meta.prompt_id);
    expect(meta.form).toBe("RS");
    expect(messages.map(({ role }) => role)).toEqual(["user", "assistant"]);
    expect(problem && check(problem, messages[1]?.content ?? "")).toBe(true);
  }
  expect(made[files.forms]?.trimEnd().split("\n").length).toBe(24);
  const report = JSON.parse(made[files.report] ?? "") as {
    selection: { domains: Record<string, { candidates: number }> };
  };
  expect(Object.entries(report.selection.domains).map(([domain, { candidates }]) => [domain, candidates])).toEqual([
    ["math", 36],
    ["logic", 36],
  ]);
});

test("all steps once more change nothing", async () => {
  const made = await whole(folder);
  expect(await whole(folder)).toEqual(made);
});

/** The file that a step ends with. */
const lastFiles = [files.prompts, files.forms, null, files.candidates, files.selected, files.pairs, null, files.sft];

test("a kill in the middle of any step leads to the same bytes as none", async () => {
  const expected = await whole(join(folder, "whole"));
  for (const [killed, step] of steps.entries()) {
    const directory = join(folder, `killed-${killed}`);
    for (const before of steps.slice(0, killed)) await before(directory, new ScriptedExpert({ write }));
    const last = lastFiles[killed];
    if (last === null || last === undefined) {
      // Within the answers, some of which are there before those they stand behind.
      const dying = new ScriptedExpert({ write, failAt: killed === 6 ? 1 : 5, delay: (n) => (n % 3) * 2 });
      await expect(step(directory, dying)).rejects.toThrow("the script ends");
    } else {
      const path = join(directory, last);
      const before = last === files.candidates ? readFileSync(path).length : 0;
      await step(directory, new ScriptedExpert({ write }));
      // Within what was being added, or before the file that is written last had its name.
      if (last === files.candidates) truncateSync(path, Math.floor((before + readFileSync(path).length) / 2));
      else rmSync(path);
    }
    for (const again of steps.slice(killed)) await again(directory, new ScriptedExpert({ write }));
    expect(filesOf(directory), `killed in step ${killed}`).toEqual(expected);
  }
});

test("a teacher's answers make the forms, and those that are there are not asked for again", async () => {
  await steps[0]?.(folder, new ScriptedExpert({ write }));
  const prompts = reasoning(folder);
  const tasks = teacherTasks(prompts, "Reflect.");
  const ask = async (expert: ScriptedExpert): Promise<unknown> => {
    await sampleCandidates(join(folder, files.teacher), tasks, expert, options, never);
    const ids = new Set(taskIds(tasks, expert, options.seed));
    return teacherFormsStep(folder, prompts, ids, (prompt, candidate) =>
      verdictOf([accuracy(textRules)], prompt, candidate, never),
    );
  };
  const report = await ask(new ScriptedExpert({ write }));
  const made = sftRecords(readFileSync(join(folder, files.forms), "utf8"));
  for (const { messages, meta } of made) {
    const answer = messages.at(-1)?.content ?? "";
    expect(answer.includes("<think>")).toBe(meta.form === "B");
    expect(messages[0]?.role).toBe(meta.form === "B" ? "system" : "user");
  }
  expect(report).toMatchObject({ prompts: 12, A: made.filter(({ meta }) => meta.form === "A").length });
  const again = new ScriptedExpert({ write });
  expect(await ask(again)).toEqual(report);
  expect(again.asked).toEqual([]);
});
