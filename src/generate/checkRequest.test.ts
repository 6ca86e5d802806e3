import { expect, test } from "vitest";
import { checkRequest, type RequestLimits } from "./checkRequest.js";
import type { GenerationRequest } from "./request.js";
import { greedy } from "./sampler.js";

const limits: RequestLimits = { config: { vocabSize: 10 }, hasTokenizer: true, maxPositions: 8 };
const check = (request: Partial<GenerationRequest>, changes: Partial<RequestLimits> = {}) =>
  checkRequest({ prompt: [1, 2], ...request }, { ...limits, ...changes });

test("what is left out has its default: greedy, one choice, as many tokens as there are positions", () => {
  expect(check({})).toEqual({
    prompt: Int32Array.of(1, 2),
    sampling: greedy,
    maxTokens: 6,
    minTokens: 0,
    ignoreEos: false,
    stop: [],
    stopIds: [],
    n: 1,
    logprobs: null,
    logprobTemperature: 1,
    promptLogprobs: null,
    promptLogprobsFrom: 0,
    promptLogprobIds: [],
    grammar: null,
    speculate: true,
    salt: "",
    priority: 0,
    trace: false,
  });
});

test("what is at the edge is taken", () => {
  expect(check({ prompt: [0, 1, 2, 3, 4, 5, 6, 9] }).maxTokens).toBe(0);
  expect(check({ maxTokens: 6, minTokens: 99, n: 128, logprobs: 20, promptLogprobs: 0 })).toMatchObject({ n: 128 });
  expect(check({ sampling: { seed: 2 ** 53 - 1, temperature: 100, topP: 1e-9 } }).sampling.topK).toBe(0);
  expect(check({ stop: ["x".repeat(1024)], stopIds: [9] }).stopIds).toEqual([9]);
});

test.each<[string, Partial<GenerationRequest>]>([
  ["prompt: is empty", { prompt: [] }],
  ["prompt: 9 tokens exceed the model's 8 positions", { prompt: [1, 1, 1, 1, 1, 1, 1, 1, 1] }],
  ["prompt takes token ids from 0 to 9, got 10", { prompt: [1, 10] }],
  ["prompt takes token ids from 0 to 9, got 1.5", { prompt: [1.5] }],
  ["prompt takes token ids from 0 to 9, got -1", { prompt: [-1] }],
  ["maxTokens: 2 prompt tokens and 7 new ones exceed the model's 8 positions", { maxTokens: 7 }],
  ["maxTokens must be a whole number from 0, got -1", { maxTokens: -1 }],
  ["maxTokens must be a whole number from 0, got NaN", { maxTokens: Number.NaN }],
  ["minTokens must be a whole number from 0", { minTokens: -1 }],
  ["n must be a whole number from 1 to 128, got 0", { n: 0 }],
  ["n must be a whole number from 1 to 128, got 129", { n: 129 }],
  ["n must be a whole number from 1 to 128, got 1.5", { n: 1.5 }],
  ["logprobs must be a whole number from 0 to 20, got 21", { logprobs: 21 }],
  ["promptLogprobs must be a whole number from 0 to 20, got -1", { promptLogprobs: -1 }],
  ["promptLogprobsFrom must be a whole number from 0 to 1, got 2", { promptLogprobs: 0, promptLogprobsFrom: 2 }],
  ["promptLogprobsFrom and promptLogprobIds go with promptLogprobs", { promptLogprobsFrom: 1 }],
  ["promptLogprobsFrom and promptLogprobIds go with promptLogprobs", { promptLogprobIds: [1] }],
  ["promptLogprobIds takes token ids from 0 to 9, got 10", { promptLogprobs: 0, promptLogprobIds: [10] }],
  ["promptLogprobIds has 1025 ids", { promptLogprobs: 0, promptLogprobIds: Array<number>(1025).fill(1) }],
  ["prompt: 9 tokens exceed", { prompt: Array<number>(9).fill(1), promptLogprobs: 0, maxTokens: 1 }],
  ["prompt: 10 tokens exceed", { prompt: Array<number>(10).fill(1), promptLogprobs: 0, maxTokens: 0 }],
  ["priority must be a whole number", { priority: 0.5 }],
  ["stop has 65 texts, at most 64", { stop: Array<string>(65).fill("x") }],
  ["stop takes texts of 1 to 1024 characters, got one of 0", { stop: [""] }],
  ["stop takes texts of 1 to 1024 characters, got one of 1025", { stop: ["x".repeat(1025)] }],
  ["stopIds has 1025 ids, at most 1024", { stopIds: Array<number>(1025).fill(1) }],
  ["stopIds takes token ids from 0 to 9, got 10", { stopIds: [10] }],
  ["sampling: temperature must be from 0 to 100, got -1", { sampling: { temperature: -1 } }],
  ["sampling: topP must be above 0 and at most 1, got 0", { sampling: { topP: 0 } }],
  ["sampling: minP must be from 0 to 1, got 2", { sampling: { minP: 2 } }],
  ["sampling: topK must be a whole number from 0 (all), got 1.5", { sampling: { topK: 1.5 } }],
  ["sampling: repetitionPenalty must be above 0", { sampling: { repetitionPenalty: 0 } }],
  ["sampling: frequencyPenalty must be from -100 to 100", { sampling: { frequencyPenalty: 101 } }],
  ["sampling: presencePenalty must be from -100 to 100", { sampling: { presencePenalty: Number.NaN } }],
  ["sampling: seed must be a whole number from 0 to 2^53 - 1", { sampling: { seed: 2 ** 53 } }],
  ["sampling: logitBias takes token ids", { sampling: { logitBias: { 3: 101 } } }],
])("%s", (message, request) => {
  let thrown: unknown;
  try {
    check(request);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(RangeError);
  expect(String(thrown)).toContain(message);
});

test("a prompt that is only scored may have one token more than there are positions", () => {
  expect(check({ prompt: Array<number>(9).fill(1), promptLogprobs: 0, maxTokens: 0 }).prompt.length).toBe(9);
});

test("stop strings and grammars need a tokenizer", () => {
  const without = { hasTokenizer: false };
  expect(() => check({ stop: ["x"] }, without)).toThrow("stop needs a tokenizer");
  expect(() => check({ grammar: { kind: "json_object" } }, without)).toThrow("the grammar needs a tokenizer");
  expect(check({ stopIds: [3] }, without).stopIds).toEqual([3]);
});
