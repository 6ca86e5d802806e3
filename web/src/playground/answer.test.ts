import { expect, test } from "vitest";
import { Answer } from "./answer.js";

const traced = (text: string, more = {}): unknown => ({
  id: 5,
  text,
  logprob: -0.1,
  top: [
    { id: 5, text, logprob: -0.1 },
    { id: 9, text: " b", logprob: -3 },
  ],
  isDrafted: true,
  experts: [
    [1, 3],
    [0, 2],
  ],
  ...more,
});

test("a traced chat answer gathers text, tokens, usage and the server's timings", () => {
  const answer = new Answer();
  answer.add({ choices: [{ delta: { role: "assistant", content: "" } }] });
  answer.add({
    choices: [{ delta: { content: "a b" }, fathom: { tokens: [traced("a"), traced(" b", { isDrafted: false })] } }],
  });
  answer.add({ choices: [{ delta: {}, finish_reason: "stop" }] });
  answer.add({
    choices: [],
    usage: { prompt_tokens: 10, completion_tokens: 2, prompt_cache_hit_tokens: 8 },
    fathom: { tokensPerSecond: 50 },
  });
  expect(answer.text).toBe("a b");
  expect(answer.tokens.map(({ text, isDrafted }) => [text, isDrafted])).toEqual([
    ["a", true],
    [" b", false],
  ]);
  expect(answer.tokens[0]?.experts).toEqual([
    [1, 3],
    [0, 2],
  ]);
  expect(answer.usage).toEqual({ promptTokens: 10, cachedTokens: 8, completionTokens: 2 });
  expect([answer.finishReason, answer.timings]).toEqual(["stop", { tokensPerSecond: 50 }]);
});

test("of several choices each answer takes its own, and what is said of all", () => {
  const answers = [new Answer(0), new Answer(1)];
  for (const chunk of [
    { choices: [{ index: 1, delta: { content: "b" } }] },
    { choices: [{ index: 0, delta: { content: "a" } }] },
    { choices: [{ index: 1, text: "c", finish_reason: "length" }] },
    { choices: [], usage: { prompt_tokens: 3, completion_tokens: 3 } },
  ]) {
    for (const answer of answers) answer.add(chunk);
  }
  expect(answers.map(({ text, finishReason, usage }) => [text, finishReason, usage?.completionTokens])).toEqual([
    ["a", null, 3],
    ["bc", "length", 3],
  ]);
});

test("without our field, tokens come from the log-probabilities of chat and of completions, else from the chunks", () => {
  const chat = new Answer();
  const top = [{ token: "Hi", logprob: -0.2 }];
  chat.add({
    choices: [{ delta: { content: "Hi" }, logprobs: { content: [{ token: "Hi", logprob: -0.2, top_logprobs: top }] } }],
  });
  expect(chat.tokens).toEqual([
    {
      id: null,
      text: "Hi",
      logprob: -0.2,
      top: [{ id: null, text: "Hi", logprob: -0.2 }],
      isDrafted: null,
      experts: [],
    },
  ]);
  const completion = new Answer();
  const logprobs = { tokens: ["x", "y"], token_logprobs: [-1, null], top_logprobs: [{ z: -2, x: -1 }, null] };
  completion.add({ choices: [{ text: "xy", logprobs }] });
  expect(completion.tokens.map(({ text, logprob }) => [text, logprob])).toEqual([
    ["x", -1],
    ["y", null],
  ]);
  expect(completion.tokens[0]?.top.map(({ text }) => text)).toEqual(["x", "z"]);
  const bare = new Answer();
  bare.add({ choices: [{ text: "one " }] });
  bare.add({ choices: [{ text: "two" }] });
  expect([bare.text, bare.tokens.map(({ text }) => text)]).toEqual(["one two", ["one ", "two"]]);
});

test("an error in the stream is thrown with the server's words, and other shapes change nothing", () => {
  const answer = new Answer();
  for (const chunk of [
    null,
    3,
    "x",
    [],
    {},
    { choices: null },
    { choices: [null] },
    { choices: [{ fathom: { tokens: [1] } }] },
  ]) {
    answer.add(chunk);
  }
  expect([answer.text, answer.tokens]).toEqual(["", []]);
  expect(() => answer.add({ error: { message: "out of pages" } })).toThrow("out of pages");
});
