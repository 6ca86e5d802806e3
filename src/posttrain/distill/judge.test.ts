import { expect, test } from "vitest";
import { ScriptedExpert } from "../../../test/distill/scriptedExpert.js";
import { judgeText, judgeVerifier, scoreOf } from "./judge.js";

const never = new AbortController().signal;
const prompt = { id: "p", domain: "general", prompt: "Capital of France?", source: "t", license: "MIT" } as const;
const options = { temperature: 0.6, maxTokens: 100, seed: 1 };

test.each([
  ["It is Paris.\nScore: 1", 1],
  ["Score: 0\nNo, I was wrong.\n**Score: 1**", 1],
  ["score: 0.0", 0],
  ["The score: 1 is what I would give, but", null],
  ["Score: 5", null],
  ["", null],
])("%j has the score %j", (reply, score) => {
  expect(scoreOf(reply)).toBe(score);
});

test("the judge sees question, known answer and the answer without its thought", () => {
  const text = judgeText("Capital of France?", "Paris", "<think>\nLyon?\n</think>\nParis.");
  expect(text).toContain("### Question\nCapital of France?\n\n### Correct answer\nParis\n\n### Response\nParis.\n");
  expect(text).not.toContain("Lyon");
  expect(judgeText("?", null, "x")).not.toContain("### Correct answer");
});

test("a reply without a score is asked for once more, with another seed, and then is untold", async () => {
  const replies = ["Hm.", "Score: 1"];
  const second = new ScriptedExpert({ write: () => replies.shift() ?? "" });
  expect(await judgeVerifier(second, options).verify(prompt, "Paris.", never)).toBe(1);
  expect(second.asked.length).toBe(2);
  expect(second.asked[0]?.seed).not.toBe(second.asked[1]?.seed);
  const silent = new ScriptedExpert({ write: () => "Hm." });
  expect(await judgeVerifier(silent, options).verify(prompt, "Paris.", never)).toBeNull();
  expect(silent.asked.length).toBe(2);
});
