import { expect, test } from "vitest";
import { smallConfig, smallModel } from "../../../test/invariance/models.js";
import { byteTokenizer, type Script, ScriptedModel } from "../../../test/serve/scriptedModel.js";
import { LanguageModel } from "../../generate/languageModel.js";
import { modelInThread } from "../../generate/loadModel.js";
import { deepSeekChatTemplate } from "../../tokenizer/chatTemplate.js";
import { EngineExpert } from "./engineExpert.js";
import type { Question } from "./expert.js";

const question: Question = {
  name: "prompt a, sample 0",
  messages: [{ role: "user", content: "1+1?" }],
  temperature: 0.7,
  topP: 0.9,
  maxTokens: 50,
  seed: 5,
};
const never = new AbortController().signal;

function expertOf(script: Script): { readonly expert: EngineExpert; readonly model: ScriptedModel } {
  const model = new ScriptedModel(script);
  return { expert: new EngineExpert(new LanguageModel(model), "mine", 4), model };
}

test("asks by the chat template and gives what was written, think tags and all", async () => {
  const text = "<think>\none and one\n</think>\n\\boxed{2}";
  const { expert, model } = expertOf({ write: () => text });
  expect(await expert.ask({ ...question, maxTokens: 100 }, never)).toMatchObject({
    completion: text,
    finish_reason: "stop",
  });
  expect(model.lastPrompt).toBe("<｜begin▁of▁sentence｜><｜User｜>1+1?<｜Assistant｜>");
  expect(model.requests[0]).toMatchObject({ sampling: { temperature: 0.7, topP: 0.9, seed: 5 }, maxTokens: 100 });
});

test("a thought that the template opens is a part of the answer", async () => {
  const opened = `${deepSeekChatTemplate}{% if add_generation_prompt %}{{ '<think>\\n' }}{% endif %}`;
  const { expert } = expertOf({ write: () => "hm\n</think>\n2", chatTemplate: opened });
  expect((await expert.ask(question, never)).completion).toBe("<think>\nhm\n</think>\n2");
});

test("an answer that was cut says so, and counts its tokens", async () => {
  const { expert } = expertOf({ write: () => "a very long answer" });
  expect(await expert.ask({ ...question, maxTokens: 6 }, never)).toEqual({
    completion: "a very",
    finish_reason: "length",
    token_count: 6,
  });
});

test("a prompt without room for an answer is named", async () => {
  const { expert } = expertOf({ write: () => "", maxPositions: 7 });
  await expect(expert.ask(question, never)).rejects.toThrow(
    "prompt a, sample 0: the prompt has 7 tokens, mine room for 7",
  );
});

test("what is written depends on the question and its seed, not on what runs beside it", async () => {
  const tokenizer = byteTokenizer();
  const model = smallModel(smallConfig({ vocab_size: tokenizer.vocabSize, max_position_embeddings: 64 }));
  try {
    await using expert = new EngineExpert(
      modelInThread(model, tokenizer, { maxBatch: 8, cacheTokens: 2048, speculation: 0 }),
      "small",
      8,
    );
    const seeds = [1, 2, 3, 4, 5, 6];
    const ask = (seed: number): Promise<unknown> =>
      expert.ask({ ...question, seed, temperature: 1, maxTokens: 12 }, never);
    const together = await Promise.all(seeds.map(ask));
    const alone: unknown[] = [];
    for (const seed of seeds.toReversed()) alone.unshift(await ask(seed));
    expect(together).toEqual(alone);
    expect(new Set(together.map((each) => JSON.stringify(each))).size).toBe(6);
  } finally {
    model.free();
  }
});
