import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { problemAt } from "../../eval/problems/families.js";
import { problemPrompts } from "./problemPrompts.js";
import type { Candidate, DistillPrompt } from "./records.js";
import { type ScoreOptions, type ScoreResult, scoreCandidates } from "./score.js";
import { accuracy, rewardNames, textRules, type Verdict, type Verifier, verdictOf } from "./scoring.js";

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-score-"));
  path = join(folder, "candidates.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const never = new AbortController().signal;
const prompt: DistillPrompt = { id: "p", domain: "math", prompt: "?", source: "test", license: "MIT" };
const options: ScoreOptions = { names: () => ["accuracy", "format"], again: false, atOnce: 2 };

function candidate(index: number, completion: string): Candidate {
  return {
    id: `p#${index}`,
    prompt_id: "p",
    sample_index: index,
    model: "m",
    temperature: 1,
    seed: index,
    completion,
    finish_reason: "stop",
    token_count: 1,
    reward: {},
    correct: null,
  };
}

const unscored = ["yes", "no", "maybe", "yes"].map((text, i) => candidate(i, text));
const put = (candidates: readonly object[]): void =>
  writeFileSync(path, candidates.map((each) => `${JSON.stringify(each)}\n`).join(""));

/** Right for yes, wrong for no; the later a candidate is, the sooner it is judged. */
const byWord = async (_: DistillPrompt, { completion, sample_index }: Candidate): Promise<Verdict> => {
  for (let turn = sample_index; turn < 4; turn++) await new Promise(setImmediate);
  const correct = completion === "maybe" ? null : completion === "yes";
  return { reward: { accuracy: correct === null ? null : correct ? 1 : 0, format: 1 }, correct };
};

function score(changes: Partial<ScoreOptions> = {}, judge = byWord, signal = never): Promise<ScoreResult> {
  return scoreCandidates(path, [prompt], judge, { ...options, ...changes }, signal);
}

test("adds each record again with its score, in the order of the file", async () => {
  put(unscored);
  const before = readFileSync(path, "utf8");
  expect(await score()).toEqual({ candidates: 4, scored: 4, correct: 2, wrong: 1, untold: 1, isStopped: false });
  const text = readFileSync(path, "utf8");
  expect(text.startsWith(before)).toBe(true);
  const added = text.slice(before.length).trimEnd().split("\n");
  expect(added.map((line) => JSON.parse(line) as unknown)).toEqual(
    unscored.map((each, i) => ({
      ...each,
      reward: { accuracy: [1, 0, null, 1][i], format: 1 },
      correct: [true, false, null, true][i],
    })),
  );
});

test("what is scored is not scored again, unless it is asked for or another reward is", async () => {
  put(unscored);
  await score();
  const size = readFileSync(path).length;
  expect(await score()).toMatchObject({ candidates: 4, scored: 0 });
  expect(readFileSync(path).length).toBe(size);
  expect(await score({ names: () => ["accuracy", "judge", "format"] })).toMatchObject({ scored: 4 });
  expect(await score({ again: true })).toMatchObject({ candidates: 4, scored: 4 });
});

test("a verifier that fails at any candidate stops it with what is there kept, and the rerun ends with the same bytes", async () => {
  put(unscored);
  await score();
  const whole = readFileSync(path);
  for (let failAt = 0; failAt < 4; failAt++) {
    put(unscored);
    let judged = 0;
    const failing = async (of: DistillPrompt, each: Candidate): Promise<Verdict> => {
      const verdict = await byWord(of, each);
      if (each.sample_index === failAt) throw new RangeError("the judge is gone");
      judged++;
      return verdict;
    };
    await expect(score({}, failing)).rejects.toThrow("the judge is gone");
    expect(await score()).toMatchObject({ scored: 4 - judged });
    expect(readFileSync(path).equals(whole), `failing at ${failAt}`).toBe(true);
    expect(existsSync(join(folder, "candidates.scores.jsonl"))).toBe(false);
  }
});

test("scoring again begins from the beginning, also where an earlier scoring was stopped", async () => {
  put(unscored);
  const failing = async (of: DistillPrompt, each: Candidate): Promise<Verdict> => {
    if (each.sample_index === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    if (each.sample_index === 0) throw new RangeError("the judge is gone");
    return byWord(of, each);
  };
  await expect(score({}, failing)).rejects.toThrow("the judge is gone");
  expect(existsSync(join(folder, "candidates.scores.jsonl"))).toBe(true);
  expect(await score({ again: true })).toMatchObject({ scored: 4, correct: 2 });
});

test("a candidate of a prompt that is not there is an error that names it", async () => {
  put([{ ...candidate(0, "yes"), prompt_id: "q" }]);
  await expect(score()).rejects.toThrow(/candidates\.jsonl:1: there is no prompt q to score it by/);
  put([]);
  await expect(score()).rejects.toThrow(/no candidates to score; fathom distill sample makes them/);
});

test("a generated problem is scored by its own rule; what no rule knows is untold", async () => {
  const choice = { families: ["division"], count: 1, level: 1, phrasing: "plain", seed: 1 } as const;
  const [division] = problemPrompts(choice);
  if (!division) throw new Error("no prompt");
  const { solution, mistaken, reasoned } = problemAt("division", "train", 1, 0, 1, "plain");
  const verdict = (of: DistillPrompt, completion: string): Promise<Verdict> =>
    verdictOf([accuracy(textRules)], of, { completion }, never);
  expect(await verdict(division, solution)).toEqual({ reward: { accuracy: 1, format: 1 }, correct: true });
  expect(await verdict(division, reasoned)).toEqual({ reward: { accuracy: 1, format: 1 }, correct: true });
  expect(await verdict(division, mistaken)).toEqual({ reward: { accuracy: 0, format: 1 }, correct: false });
  expect(await verdict(division, "I do not know.")).toEqual({ reward: { accuracy: 0, format: 0 }, correct: false });
  expect(await verdict(prompt, solution)).toEqual({ reward: { format: 1 }, correct: null });
  expect(rewardNames([accuracy(textRules)], division)).toEqual(["accuracy", "format"]);
  expect(rewardNames([accuracy(textRules)], prompt)).toEqual(["format"]);
});

test.each([
  ["math", "1/2", "So \\boxed{0.5}", 1],
  ["math", "1/2", "\\boxed{\\frac{1}{2}}", 1],
  ["math", "1/2", "1/2", 0],
  ["math", "1/2", "<think>\\boxed{1/2}", 0],
  ["math", "1/2", "<think>\\boxed{1/2}</think>\\boxed{1/3}", 0],
  ["math", "", "\\boxed{1/2}", null],
  ["exact", "New  York", "\\boxed{\\text{new york}}", 1],
  ["exact", "New York", "\\boxed{York}", 0],
  ["exact", "New York", "New York", 0],
] as const)("%s: where %j is right, %j scores %j", async (checker, gold, completion, score) => {
  const asked: DistillPrompt = { ...prompt, answer: gold, checker };
  const { reward } = await verdictOf([accuracy(textRules)], asked, { completion }, never);
  expect(reward.accuracy).toBe(score);
});

test("an answer is right if every verifier that can tell says so", async () => {
  const says = (name: string, value: number | null): Verifier => ({
    name,
    applies: () => true,
    verify: async () => value,
  });
  const correct = async (...values: readonly (number | null)[]): Promise<boolean | null> =>
    (
      await verdictOf(
        values.map((value, i) => says(`v${i}`, value)),
        prompt,
        { completion: "x" },
        never,
      )
    ).correct;
  expect(await correct(1, 1)).toBe(true);
  expect(await correct(1, 0)).toBe(false);
  expect(await correct(1, 0.5)).toBe(false);
  expect(await correct(null, 1)).toBe(true);
  expect(await correct(null, null)).toBeNull();
});
