import { expect, test } from "vitest";
import { ScriptedModel } from "../../../test/serve/scriptedModel.js";
import { LanguageModel } from "../../generate/languageModel.js";
import { heldOutScores, sampledScores } from "./heldOut.js";
import type { Answer } from "./scoring.js";

test("each question is answered once, greedily, and scored by its own place", async () => {
  const texts = ["yes", "no way", "far too long"];
  const model = new ScriptedModel({ write: ({ prompt }) => texts[(prompt[0] ?? 0) - 10] ?? "" });
  const asked = [10, 11, 12].map((id) => ({ ids: Int32Array.of(id, 1) }));
  const seen: Answer[] = [];
  const figures = await heldOutScores(
    new LanguageModel(model),
    asked,
    async (answers) => {
      seen.push(...answers);
      const right = [1, 0, null];
      return { total: [1, -0.5, 0.25], parts: { right, never: right.map(() => null) } };
    },
    { maxTokens: 8, stop: [] },
  );
  expect(seen.map(({ question, text, finishReason }) => [question, text, finishReason])).toEqual([
    [0, "yes", "stop"],
    [1, "no way", "stop"],
    [2, "far too ", "length"],
  ]);
  expect(model.requests.map(({ n, sampling }) => [n, sampling?.temperature])).toEqual(asked.map(() => [1, 0]));
  // A reward that applies nowhere has no figure.
  expect(figures).toEqual({ reward: 0.25, right: 0.5, length: (3 + 6 + 8) / 3, truncated: 1 / 3 });
});

test("of several samples the mean, the best and the answer that most of them give", async () => {
  // Each question's samples differ by their seed: the order of its texts is that of the choices.
  const texts = [
    ["so \\boxed{4}", "I say \\boxed{5}", "\\boxed{4} it is", "\\boxed{3}"],
    ["<think>no</think> yes", "no", "no", "maybe"],
  ];
  const model = new ScriptedModel({ write: ({ prompt }, choice) => texts[(prompt[0] ?? 0) - 10]?.[choice] ?? "" });
  const asked = [10, 11].map((id) => ({ ids: Int32Array.of(id, 1) }));
  const right = [/4/, /yes/];
  const rollout = { groupSize: 4, temperature: 0.8, topP: 0.9, topK: 0, maxTokens: 32, stop: [] };
  const measure = (): Promise<Readonly<Record<string, number>>> =>
    sampledScores(
      new LanguageModel(model),
      asked,
      async (answers) => {
        const total = answers.map(({ text, question }) => (right[question]?.test(text) ? 1 : 0));
        return { total, parts: {} };
      },
      rollout,
      7,
    );
  const figures = await measure();
  // 4 has two votes of four; "no" two, and is wrong; a thought has no vote.
  expect(figures).toEqual({ "mean@4": (2 / 4 + 1 / 4) / 2, "best@4": 1, "maj@4": 0.5 });
  expect(model.requests.map(({ n, sampling }) => [n, sampling?.temperature])).toEqual(asked.map(() => [4, 0.8]));
  const seeds = model.requests.map(({ sampling }) => sampling?.seed);
  expect(new Set(seeds).size).toBe(2);
  await measure();
  expect(model.requests.slice(2).map(({ sampling }) => sampling?.seed)).toEqual(seeds);
});
