import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { pairsOf, writePairs } from "./pairs.js";
import type { Candidate, DistillPrompt } from "./records.js";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fathom-pairs-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const prompts: DistillPrompt[] = ["a", "b", "c", "d", "e"].map((id) => ({
  ...{ id, domain: "math", prompt: `What is ${id}?`, answer: "1", checker: "exact", source: "t", license: "MIT" },
}));

function candidate(promptId: string, index: number, completion: string, changes: Partial<Candidate>): Candidate {
  const id = `${promptId}#${index}`;
  const made = { id, prompt_id: promptId, sample_index: index, model: "m", temperature: 1, seed: index };
  return { ...made, completion, finish_reason: "stop", token_count: 3, reward: {}, correct: true, ...changes };
}

async function pairsFrom(candidates: readonly Candidate[], perPrompt: number): Promise<unknown> {
  const [path, target] = [join(folder, "candidates.jsonl"), join(folder, "pairs.jsonl")];
  writeFileSync(path, candidates.map((each) => `${JSON.stringify(each)}\n`).join(""));
  const report = await writePairs(target, path, prompts, perPrompt);
  const lines = readFileSync(target, "utf8").trimEnd().split("\n");
  return { ...report, lines: lines.map((line) => JSON.parse(line) as unknown) };
}

test("right and wrong answers to one question, each text once; what was cut, empty, or judged otherwise later, is not taken as it was", async () => {
  const wrong = { correct: false };
  const candidates = [
    candidate("b", 0, "No.", wrong),
    candidate("a", 0, "Yes.", {}),
    candidate("a", 1, "no", wrong),
    candidate("a", 2, "NO ", wrong),
    candidate("a", 3, "never ends", { correct: false, finish_reason: "length" }),
    candidate("a", 5, " \n", wrong),
    candidate("a", 4, "was right", {}),
    candidate("a", 4, "is wrong", wrong),
    candidate("c", 0, "Yes.", {}),
    candidate("d", 0, "?", { correct: null }),
    candidate("gone", 0, "Yes.", {}),
    candidate("gone", 1, "No.", wrong),
  ];
  const turns = (role: string, content: string): object[] => [{ role, content }];
  const prompt = turns("user", "What is a?");
  const chosen = turns("assistant", "Yes.");
  expect(await pairsFrom(candidates, 4)).toEqual({
    perPrompt: 4,
    prompts: 1,
    pairs: 2,
    dropped: { "none right": 1, "none wrong": 1, "not scored": 2 },
    lines: [
      { prompt, chosen, rejected: turns("assistant", "no") },
      { prompt, chosen, rejected: turns("assistant", "is wrong") },
    ],
  });
  expect(await pairsFrom(candidates, 1)).toMatchObject({ pairs: 1 });
});

test("without a pair it says so, and what was there stays", async () => {
  writeFileSync(join(folder, "pairs.jsonl"), "old");
  await expect(pairsFrom([candidate("a", 0, "Yes.", {})], 4)).rejects.toThrow(
    /candidates.jsonl: no question has both a right and a wrong answer .*"none wrong":1,"not scored":4/,
  );
  expect(readFileSync(join(folder, "pairs.jsonl"), "utf8")).toBe("old");
});

test.each([
  [1, 3],
  [3, 1],
  [2, 2],
  [2, 3],
  [4, 6],
  [6, 4],
])("of %i right and %i wrong ones all pairs come once, and every answer in the first round", (numRight, numWrong) => {
  const right = Array.from({ length: numRight }, (_, i) => `r${i}`);
  const wrong = Array.from({ length: numWrong }, (_, i) => `w${i}`);
  const all = pairsOf(right, wrong, 1000);
  expect(new Set(all.map((pair) => pair.join(" "))).size).toBe(numRight * numWrong);
  expect(all).toHaveLength(numRight * numWrong);
  const first = pairsOf(right, wrong, Math.max(numRight, numWrong));
  expect(new Set(first.flat()).size).toBe(numRight + numWrong);
});
