/** The built-in rewards against the worked values of post-training.md 11.8, and by hand. */
import { describe, expect, test } from "vitest";
import { sampleOf } from "../../../test/posttrain/samples.js";
import { accuracyReward, boxedReward, choiceReward, exactReward } from "./answerRewards.js";
import { lastFence } from "./fence.js";
import {
  codeFormatReward,
  reasoningStepsReward,
  tagCountReward,
  thinkAnswerFormatReward,
  thinkFormatReward,
} from "./formatRewards.js";
import { languageReward } from "./languageReward.js";
import { cosineReward, kimiLengthReward, repetitionReward, softOverlongReward } from "./lengthRewards.js";
import type { RewardFunction, RewardSample } from "./reward.js";

async function one(reward: RewardFunction, text: string, rest: Partial<RewardSample> = {}): Promise<unknown> {
  return (await reward([sampleOf(text, rest)]))[0];
}

describe("length", () => {
  test("soft overlong, 20480 with a buffer of 4096 (11.8)", async () => {
    const reward = softOverlongReward({ maxLength: 20480, buffer: 4096 });
    const scores = await reward([16384, 16385, 18432, 20480, 20481, 5].map((length) => sampleOf("", { length })));
    expect(scores[1]).toBeCloseTo(-0.000244, 6);
    expect([scores[0], ...scores.slice(2)]).toEqual([0, -0.5, -1, -1, 0]);
  });

  test("cosine, length 100 (11.8)", async () => {
    const lengths = [0, 25, 50, 100, 150];
    const right = await cosineReward({ maxLength: 100, correct: (samples) => samples.map(() => 1) })(
      lengths.map((length) => sampleOf("", { length })),
    );
    const wrong = await cosineReward({ maxLength: 100, correct: (samples) => samples.map(() => 0) })(
      lengths.map((length) => sampleOf("", { length })),
    );
    [1, 0.926777, 0.75, 0.5, 0.5].forEach((value, i) => {
      expect(right[i]).toBeCloseTo(value, 6);
      expect(wrong[i]).toBeCloseTo(-value, 6);
    });
  });

  test("Kimi's length reward (11.8), per group", async () => {
    const verdicts = [1, 1, 0, 1, 1, 1];
    const reward = kimiLengthReward({ correct: () => verdicts });
    const scores = await reward(
      [100, 200, 400, 300, 7, 7].map((length, i) => sampleOf("", { length, group: i < 4 ? 0 : 1 })),
    );
    [0.5, 0.166667, -0.5, -0.166667, 0, 0].forEach((value, i) => {
      expect(scores[i]).toBeCloseTo(value, 6);
    });
  });

  test("a wrong answer gets nothing for being short, and nobody's answer gets null", async () => {
    const reward = kimiLengthReward({ correct: () => [0, null, { score: 1, other: 2 }] });
    expect(await reward([1, 2, 3].map((length) => sampleOf("", { length })))).toEqual([0, null, -0.5]);
  });

  test("repetition, penalty -1 (11.8)", async () => {
    expect(await one(repetitionReward({ n: 2 }), "5 5 5 5 5")).toBe(-0.75);
    expect(await one(repetitionReward({ n: 3 }), "1 2 3 1 2 3 1 2 3")).toBeCloseTo(-0.571429, 6);
    expect(await one(repetitionReward({ n: 3 }), "all words of this text are distinct")).toBe(0);
    expect(await one(repetitionReward({ n: 3 }), "too short")).toBe(0);
    expect(await one(repetitionReward({ n: 2, penalty: -0.5 }), "a a a")).toBe(-0.25);
  });

  test("options that cannot be meant are refused", () => {
    expect(() => softOverlongReward({ maxLength: 10, buffer: 20 })).toThrow("buffer 20 is longer than maxLength 10");
    expect(() => cosineReward({ maxLength: 0 })).toThrow("reward cosine: maxLength must be a positive integer, got 0");
    expect(() => repetitionReward({ penalty: 1 })).toThrow("penalty must be 0 or less, got 1");
    expect(() => repetitionReward({ n: 1.5 })).toThrow("n must be a positive integer, got 1.5");
  });
});

describe("answers", () => {
  test.for([
    ["a boxed answer that is equal", "so \\boxed{0.5}", "1/2", 1],
    ["a wrong one", "so \\boxed{0.6}", "1/2", 0],
    ["no box", "so 1/2", "1/2", 0],
    ["a box in the thought alone", "<think>\\boxed{1/2}</think> so 1/2", "1/2", 0],
    ["a box after the thought", "<think>\\boxed{3}</think> \\boxed{1/2}", "1/2", 1],
    ["a thought that is not closed", "<think>\\boxed{1/2}", "1/2", 0],
    ["a number as gold", "\\boxed{7}", 7, 1],
    ["GSM8K's gold", "\\boxed{1,234}", "She sells 1,234.\n#### 1234", 1],
    ["the box of a solution as gold", "\\boxed{\\frac{2}{4}}", "Half of it: $\\boxed{\\frac{1}{2}}$.", 1],
    ["a gold that cannot be read", "\\boxed{1}", " ", null],
  ] as const)("boxed: %s", async ([, text, answer, score]) => {
    expect(await one(boxedReward(), text, { row: { answer } })).toBe(score);
  });

  test("a thought that the prompt has opened counts", async () => {
    const prompt = "Question <think>\n";
    expect(await one(boxedReward(), "\\boxed{2}", { prompt, row: { answer: 2 } })).toBe(0);
    expect(await one(boxedReward(), "hm</think>\\boxed{2}", { prompt, row: { answer: 2 } })).toBe(1);
  });

  test("accuracy takes an answer wherever it stands", async () => {
    expect(await one(accuracyReward(), "The answer is 12.", { row: { gold: "12" } })).toBe(1);
    expect(await one(accuracyReward(), "about 11, no: 12", { row: { gold: "12" } })).toBe(1);
    expect(await one(accuracyReward(), "about 12, no: 11", { row: { gold: "12" } })).toBe(0);
  });

  test("exact wants the words", async () => {
    expect(await one(exactReward(), "Final answer is Paris.", { row: { answer: "paris" } })).toBe(1);
    expect(await one(exactReward(), "I think:\n  New   York \n", { row: { answer: "New York" } })).toBe(1);
    expect(await one(exactReward(), "0.5", { row: { answer: "1/2" } })).toBe(0);
  });

  test.for([
    ["\\boxed{B}", 1],
    ["\\boxed{\\text{(B)}}", 1],
    ["The answer is (B), because A is not.", 1],
    ["the answer is b", 1],
    ["**Answer:** B", 1],
    ["Neither A nor C can be, so\nB.", 1],
    ["A thing or two", 0],
    ["\\boxed{A}, although B.", 0],
    ["the answer is Banana", 0],
    ["<think>B.</think>", 0],
  ] as const)("choice: %s", async ([text, score]) => {
    expect(await one(choiceReward(), text, { row: { answer: "B" } })).toBe(score);
  });

  test("a row without the gold answer is named, with the columns it has", async () => {
    const row = { question: "?", target: [1] };
    await expect(async () => one(boxedReward(), "", { row })).rejects.toThrow(
      "reward boxed: a row needs a text or a number in column answer, gold, solution; its columns are: question, target",
    );
    await expect(async () => one(exactReward({ column: "target" }), "", { row })).rejects.toThrow("in column target");
  });
});

describe("format", () => {
  test.for([
    ["<think>a\nb</think>c", 1],
    ["<think></think>", 1],
    [" <think>a</think>c", 0],
    ["<think>a<think>b</think>c", 0],
    ["<think>a</think>c<think>", 0],
    ["<think>a", 0],
    ["a</think>c", 0],
  ] as const)("one thought: %s", async ([text, score]) => {
    expect(await one(thinkFormatReward(), text)).toBe(score);
    // Oracle: the pattern of the specification.
    expect(/^<think>(?!.*<think>)(.*?)<\/think>.*$/s.test(text)).toBe(score === 1);
  });

  test("a thought that the prompt opens is one", async () => {
    expect(await one(thinkFormatReward(), "a</think>b", { prompt: "q<think>\n" })).toBe(1);
    expect(await one(thinkFormatReward(), "a</think>b", { prompt: "q" })).toBe(0);
  });

  test.for([
    "<think>\na\n</think>\n<answer>\nb\n</answer>",
    "<think>\n\n</think>\n<answer>\n\n</answer>",
    "<think>\na\n</think>\n<answer>\nb</answer>",
    "<think>a\n</think>\n<answer>\nb\n</answer>",
    "<think>\na\n</think>\n\n<answer>\nb\n</answer>",
    "<think>\na\n</think>\n<answer>\nb\n</answer>\n",
    "<think>\na\n</think>\n<answer>\n</answer>",
    "<think>\n</think>\n<answer>\nb\n</answer>",
  ])("think and answer: %j", async (text) => {
    // Oracle: the pattern of the specification.
    const expected = /^<think>\n.*?\n<\/think>\n<answer>\n.*?\n<\/answer>$/s.test(text) ? 1 : 0;
    expect(await one(thinkAnswerFormatReward(), text)).toBe(expected);
  });

  test("a quarter for each tag that is there once", async () => {
    expect(await one(tagCountReward(), "<think>\na\n</think>\n<answer>\nb\n</answer>")).toBe(1);
    expect(await one(tagCountReward(), "<think>\na")).toBe(0.25);
    expect(await one(tagCountReward(), "<think>\n<think>\na\n</answer>")).toBe(0.25);
    expect(await one(tagCountReward(), "nothing")).toBe(0);
  });

  test("three marks of a step are enough", async () => {
    expect(await one(reasoningStepsReward(), "Step 1: a\nStep 2: b\nStep 3: c\nStep 4: d")).toBe(1);
    expect(await one(reasoningStepsReward(), "First, a.\n2. b")).toBeCloseTo(2 / 3, 12);
    expect(await one(reasoningStepsReward(), "- a\n* b\nFinally, c")).toBe(1);
    expect(await one(reasoningStepsReward(), "none, in 2.5 words")).toBe(0);
  });

  test("a block of code in the answer, in the wanted language", async () => {
    const text = (block: string): string => `<think>\na\n</think>\n<answer>\n${block}\n</answer>`;
    expect(await one(codeFormatReward(), text("```python\nx\n```"))).toBe(1);
    expect(await one(codeFormatReward({ language: "python" }), text("```Python\nx\n```"))).toBe(1);
    expect(await one(codeFormatReward({ language: "python" }), text("```js\nx\n```"))).toBe(0);
    expect(await one(codeFormatReward(), text("x"))).toBe(0);
    expect(await one(codeFormatReward(), "```python\nx\n```")).toBe(0);
  });

  test("the last fenced block that is closed is the program", () => {
    expect(lastFence("a\n```py\n1\n```\nb\n````\n```\n2\n```\n````\nc")).toEqual({ language: "", code: "```\n2\n```" });
    expect(lastFence("~~~js\n1\n2\n~~~\n```\nopen")).toEqual({ language: "js", code: "1\n2" });
    expect(lastFence("no block")).toBeNull();
    expect(lastFence("```\nopen")).toBeNull();
  });
});

describe("language", () => {
  test("the share of words in the language's script, formulas and code left out", async () => {
    const text = "<think>so we have 三 words $x^2$ \\frac `abc` привет</think>而且 outside";
    expect(await one(languageReward({ language: "en" }), text)).toBeCloseTo(4 / 6, 12);
    expect(await one(languageReward({ language: "zh" }), text)).toBeCloseTo(1 / 6, 12);
    expect(await one(languageReward({ language: "ru" }), text)).toBeCloseTo(1 / 6, 12);
    expect(await one(languageReward({ language: "zh" }), "我们设x等于三")).toBeCloseTo(6 / 7, 12);
    expect(await one(languageReward({ language: "ja" }), "これは三つです")).toBe(1);
    expect(await one(languageReward({ language: "ko" }), "한국어 문장")).toBe(1);
    expect(await one(languageReward({ language: "en" }), "<think>$1 + 1$</think>two")).toBeNull();
  });

  test("a language whose script is not known is refused", () => {
    expect(() => languageReward({ language: "xx" })).toThrow('no script is known for "xx"; known are ar, cs, da');
  });
});
