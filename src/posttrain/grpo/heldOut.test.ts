import { expect, test } from "vitest";
import { ScriptedModel } from "../../../test/serve/scriptedModel.js";
import { LanguageModel } from "../../generate/languageModel.js";
import { heldOutScores } from "./heldOut.js";
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
