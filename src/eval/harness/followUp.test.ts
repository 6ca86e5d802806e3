import { expect, test } from "vitest";
import type { GenerateRequest } from "./evalModel.js";
import { followUpRequest } from "./followUp.js";

const settings = { until: [], maxGenToks: 9, temperature: 0.5, topP: 1, topK: 0 };
const messages = [{ role: "user", content: "Q" }];
const chat: GenerateRequest = {
  kind: "generate",
  prompt: { kind: "chat", messages, answerStart: "So " },
  settings,
  seed: 7,
  repeat: 0,
};

test("the answer and a further message are turns of the same chat, under the same settings", () => {
  const { prompt, seed, ...rest } = followUpRequest(chat, "it is 3.", "Sure?");
  expect(prompt).toEqual({
    kind: "chat",
    messages: [...messages, { role: "assistant", content: "So it is 3." }, { role: "user", content: "Sure?" }],
    answerStart: "",
  });
  expect(rest).toEqual({ kind: "generate", settings, repeat: 0 });
  // Another draw, and the same one every time; what is greedy stays so.
  expect(seed).not.toBe(7);
  expect(followUpRequest(chat, "it is 3.", "Sure?").seed).toBe(seed);
  expect(followUpRequest({ ...chat, seed: 0 }, "", "").seed).toBe(0);
});

test("a text has no second turn", () => {
  const text: GenerateRequest = { ...chat, prompt: { kind: "text", text: "Q", suffix: null } };
  expect(() => followUpRequest(text, "", "Sure?")).toThrow("a second question is a turn of a chat");
});
