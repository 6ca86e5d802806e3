/** `fathom grpo` on questions of files, as a script runs it: what is held out is measured and never asked. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fathom, fathomJson } from "./command.js";
import { smallBase, writeLines } from "./smallBase.js";

let folder = "";
const at = (...names: readonly string[]): string => join(folder, ...names);

beforeAll(async () => {
  const { folder: made, pairs } = await smallBase("grpo");
  folder = made;
  writeLines(
    at("questions.jsonl"),
    pairs.map(({ prompt, chosen }) => ({ prompt, answer: chosen })),
  );
  writeLines(at("apart.jsonl"), [{ prompt: "9+8?", answer: "17" }]);
  // Half a point an answer, and what the model cannot know yet.
  writeFileSync(
    at("reward.js"),
    "export const half = (samples) => samples.map(() => 0.5);\nexport const even = (samples) => samples.map(({ row }) => Number(row.answer) % 2 === 0 ? 1 : null);\n",
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const flags = (run: string): string[] => [
  ...["grpo", "--model", at("base"), "--out", at(run), "--data", at("questions.jsonl"), "--reward", at("reward.js")],
  ...["--prompts", "8", "--group", "2", "--steps", "6", "--max-new-tokens", "4", "--zero-variance", "keep"],
  ...["--validate-every", "4", "--log-every", "1", "--threads", "1", "--dtype", "float32"],
];

interface Line {
  readonly kind: string;
  readonly step: number;
  readonly figures: Readonly<Record<string, number>>;
}
const linesOf = (run: string, file: string): unknown[] =>
  readFileSync(at(run, file), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);

test("a share of the questions is held out: measured before, on the way and at the end, and not asked in 48 turns", async () => {
  const result = await fathomJson([...flags("shared"), "--validation-fraction", "0.25"]);
  const measured = (linesOf("shared", "metrics.jsonl") as Line[]).filter(({ kind }) => kind === "evaluation");
  expect(measured.map(({ step }) => step)).toEqual([0, 4, 6]);
  expect(Object.keys(measured[0]?.figures ?? {})).toEqual(["reward", "even", "half", "length", "truncated"]);
  expect(measured[0]?.figures).toMatchObject({ half: 0.5, even: 1 });
  expect(result.evaluation).toEqual(measured.at(-1)?.figures);
  const asked = new Set((linesOf("shared", "answers.jsonl") as { prompt: string }[]).map(({ prompt }) => prompt));
  expect(asked.size).toBe(36);
});

test("questions of another file are measured, at most as many as asked for; with problems made here they are refused", async () => {
  const result = await fathomJson([...flags("apart"), "--validation-data", at("apart.jsonl"), "--steps", "2"]);
  // The first question of training has an even answer.
  expect(Object.entries(result.evaluation as object).slice(0, 2)).toEqual([
    ["reward", 0.5],
    ["half", 0.5],
  ]);
  const none = [...flags("none"), "--validation-fraction", "0.25", "--eval-problems", "0", "--steps", "1"];
  expect((await fathomJson(none)).evaluation).toEqual({});
  const problems = ["grpo", "--model", at("base"), "--out", at("refused"), "--problems", "add-subtract"];
  const { code, stderr } = await fathom([...problems, "--validation-fraction", "0.1"]);
  expect(stderr).toContain("--validation-data and --validation-fraction go with --data");
  expect(code).toBe(1);
});
