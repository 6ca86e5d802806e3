import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Candidate, DistillPrompt } from "./records.js";
import { defaultSelect, type JudgedCandidate, selectCandidates, selectOfPrompt } from "./select.js";
import { writeSelected } from "./selected.js";

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-select-"));
  path = join(folder, "candidates.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const good: JudgedCandidate = {
  id: "good",
  promptId: "p",
  sampleIndex: 0,
  correct: true,
  isWhole: true,
  isFormatted: true,
  languageShare: 1,
  repetitionShare: 0,
  length: 10,
  textKey: "good",
};

// What is wrong with a candidate is told by what comes first; each row has everything wrong that comes later too.
test.each([
  ["unscored", { correct: null, isWhole: false, isFormatted: false, languageShare: 0, repetitionShare: 1 }],
  ["wrong", { correct: false, isWhole: false, isFormatted: false, languageShare: 0, repetitionShare: 1 }],
  ["cut", { isWhole: false, isFormatted: false, languageShare: 0, repetitionShare: 1 }],
  ["format", { isFormatted: false, languageShare: 0, repetitionShare: 1 }],
  ["language", { languageShare: 0.89, repetitionShare: 1 }],
  ["repetition", { repetitionShare: 0.2 }],
] as const)("a candidate is left out as %s before anything later counts", (reason, changes) => {
  const bad = { ...good, ...changes, id: "bad", textKey: "bad", length: 1 };
  const { selected, rejected } = selectOfPrompt([bad, good], defaultSelect);
  expect(selected).toEqual(["good"]);
  expect(rejected).toEqual([{ id: "bad", reason }]);
});

test("the limits themselves: a share of 0.9 in the language is enough, one of 0.2 repeated is too much", () => {
  const at = { ...good, languageShare: 0.9, repetitionShare: 0.199 };
  expect(selectOfPrompt([at], defaultSelect).selected).toEqual(["good"]);
});

test("the shortest come first, then the lower sample; at most k, each text once", () => {
  const make = (id: string, length: number, sampleIndex: number, textKey = id): JudgedCandidate => ({
    ...good,
    ...{ id, length, sampleIndex, textKey },
  });
  const candidates = [make("d", 9, 3), make("b", 5, 2), make("a", 5, 1), make("c", 7, 0, "a"), make("e", 9, 4)];
  const select = (perPrompt: number): unknown => selectOfPrompt(candidates, { ...defaultSelect, perPrompt });
  expect(select(1)).toMatchObject({ selected: ["a"] });
  expect(select(3)).toEqual({
    selected: ["a", "b", "d"],
    rejected: [
      { id: "c", reason: "duplicate" },
      { id: "e", reason: "longer" },
    ],
    passRate: 1,
    reason: null,
  });
});

test("pass rates decide on prompts", () => {
  const wrong = { ...good, id: "wrong", correct: false };
  const cut = { ...good, id: "cut", isWhole: false };
  const of = (candidates: readonly JudgedCandidate[], dropsSolved = false): readonly unknown[] => {
    const { selected, passRate, reason } = selectOfPrompt(candidates, { ...defaultSelect, dropsSolved });
    return [selected, passRate, reason];
  };
  expect(of([])).toEqual([[], null, "not sampled"]);
  expect(of([{ ...good, correct: null }])).toEqual([[], null, "not scored"]);
  expect(of([wrong])).toEqual([[], 0, "pass rate 0"]);
  expect(of([wrong, cut])).toEqual([[], 0.5, "none usable"]);
  expect(of([wrong, good, wrong, wrong])).toEqual([["good"], 0.25, null]);
  // Those that nobody could judge are not counted.
  expect(of([{ ...good, id: "x", correct: null }, good])).toEqual([["good"], 1, null]);
  expect(of([good])).toEqual([["good"], 1, null]);
  expect(of([good], true)).toEqual([[], 1, "pass rate 1"]);
  expect(of([good, wrong], true)).toEqual([["good"], 0.5, null]);
});

const prompts: DistillPrompt[] = [
  { id: "a", domain: "math", prompt: "What is a?", answer: "1", checker: "exact", source: "t", license: "MIT" },
  { id: "b", domain: "math", prompt: "What is b?", answer: "2", checker: "exact", source: "t", license: "MIT" },
  { id: "c", domain: "logic", prompt: "What is c?", source: "t", license: "MIT" },
];

function candidate(promptId: string, index: number, changes: Partial<Candidate>): Candidate {
  return {
    id: `${promptId}#${index}`,
    prompt_id: promptId,
    sample_index: index,
    model: "m",
    system: "Reflect.",
    temperature: 1,
    seed: index,
    completion: `It is so. \\boxed{${index}}`,
    finish_reason: "stop",
    token_count: 10 + index,
    reward: { accuracy: 1 },
    correct: true,
    ...changes,
  };
}

const put = (candidates: readonly object[]): void =>
  writeFileSync(path, candidates.map((each) => `${JSON.stringify(each)}\n`).join(""));

test("a later line of a candidate takes the place of the earlier, and the file's order does not matter", async () => {
  const lines = [
    candidate("b", 0, { correct: false }),
    candidate("a", 1, { reward: {}, correct: null }),
    candidate("a", 0, { completion: "no box" }),
    candidate("gone", 0, {}),
    candidate("a", 1, {}),
    candidate("a", 2, { finish_reason: "length", token_count: 5 }),
  ];
  const target = join(folder, "selected.jsonl");
  const select = async (candidates: readonly object[]): Promise<unknown> => {
    put(candidates);
    const selection = await selectCandidates(path, prompts, defaultSelect);
    writeSelected(target, path, selection);
    return selection.report;
  };
  const report = await select(lines);
  expect(readFileSync(target, "utf8")).toBe(
    '{"messages":[{"role":"user","content":"What is a?"},{"role":"assistant","content":"It is so. \\\\boxed{1}"}],' +
      '"meta":{"prompt_id":"a","form":"RS","reward":{"accuracy":1},"length":11}}\n',
  );
  expect(report).toMatchObject({
    orphans: 1,
    domains: {
      math: {
        ...{ prompts: 2, candidates: 4, scored: 4, correct: 3, passRate: 0.5, passRates: [1, 0, 0, 0, 0, 1] },
        kept: { prompts: 1, records: 1 },
        dropped: { prompts: { "pass rate 0": 1 }, candidates: { cut: 1, format: 1, wrong: 1 } },
        lengths: { before: { min: 5, median: 10, max: 11 }, after: { min: 11, median: 11, max: 11 } },
      },
      logic: { prompts: 1, candidates: 0, passRate: null, dropped: { prompts: { "not sampled": 1 } } },
    },
    examples: { cut: ["a#2"], format: ["a#0"], wrong: ["b#0"] },
  });
  const before = readFileSync(target);
  // All lines of a candidate stay in their order.
  await select([lines[3], lines[1], lines[5], lines[4], lines[2], lines[0]] as object[]);
  expect(readFileSync(target).equals(before)).toBe(true);
});

test("language and repetition are measured on the text", async () => {
  const loop = "the same ten words come again and again and again ".repeat(3);
  put([
    candidate("a", 0, { completion: "因此 答案 是 \\boxed{1}", token_count: 1 }),
    candidate("a", 1, { completion: `${loop}\\boxed{1}`, token_count: 2 }),
    candidate("a", 2, { completion: "It is \\boxed{1}" }),
  ]);
  const { report, selected } = await selectCandidates(path, prompts, defaultSelect);
  expect(selected.length).toBe(1);
  expect(report.domains.math?.dropped.candidates).toEqual({ language: 1, repetition: 1 });
});

test("options out of range and a log without candidates are refused", async () => {
  put([]);
  await expect(selectCandidates(path, prompts, defaultSelect)).rejects.toThrow(/no candidates to select from/);
  await expect(selectCandidates(path, prompts, { ...defaultSelect, perPrompt: 0 })).rejects.toThrow(
    "records of a prompt must be a whole number from 1 to 1000, got 0",
  );
});
