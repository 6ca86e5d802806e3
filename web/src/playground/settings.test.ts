import { expect, test } from "vitest";
import { samplingFields } from "../../../src/serve/samplingFields.js";
import { biasesOf, defaults, linesOf, requestOf, tokenIds } from "./settings.js";

test("a chat request leaves out what changes nothing", () => {
  const messages = [{ role: "user" as const, content: "hello" }];
  expect(requestOf({ mode: "chat", messages }, "quickstart", defaults, 7)).toEqual({
    path: "/v1/chat/completions",
    body: {
      model: "quickstart",
      messages,
      logprobs: true,
      top_logprobs: 8,
      temperature: 0.7,
      top_p: 0.95,
      max_tokens: 256,
      seed: 7,
      n: 1,
      stream: true,
      stream_options: { include_usage: true },
      fathom: { trace: true, top: 8 },
    },
  });
});

test("a fill-in-the-middle request has the suffix, every sampling option and the stop strings", () => {
  const settings = {
    ...defaults,
    ...{ topK: 40, minP: 0.05, repetitionPenalty: 1.1, frequencyPenalty: 0.5, presencePenalty: -0.5 },
    ...{
      choices: 4,
      minTokens: 5,
      ignoreEos: true,
      stopTokens: "1, 13 7",
      logitBias: "42: -100\n7 2.5",
      alternatives: 3,
    },
    ...{ priority: -2, cacheSalt: "mine" },
    ...{ stop: "\\n\\n\nEND", format: "regex" as const, regex: "a+", systemPrompt: "not for this mode" },
  };
  const { path, body } = requestOf({ mode: "fim", prompt: "f(", suffix: ")" }, "m", settings, 0);
  expect(path).toBe("/v1/completions");
  expect(body).toMatchObject({
    ...{ prompt: "f(", suffix: ")", logprobs: 3, top_k: 40, min_p: 0.05, repetition_penalty: 1.1 },
    ...{ frequency_penalty: 0.5, presence_penalty: -0.5, stop: ["\n\n", "END"], guided_regex: "a+" },
    ...{ n: 4, min_tokens: 5, ignore_eos: true, stop_token_ids: [1, 13, 7], logit_bias: { 42: -100, 7: 2.5 } },
    ...{ fathom: { trace: true, top: 3 }, priority: -2, cache_salt: "mine" },
  });
  expect(body).not.toHaveProperty("messages");
});

test("the system prompt comes first, and JSON is asked for by response_format", () => {
  const settings = { ...defaults, systemPrompt: "Be brief.", format: "schema" as const, schema: '{"type":"array"}' };
  const { body } = requestOf({ mode: "chat", messages: [{ role: "user", content: "x" }] }, "m", settings, 0);
  expect(body.messages).toEqual([
    { role: "system", content: "Be brief." },
    { role: "user", content: "x" },
  ]);
  expect(body.response_format).toEqual({
    type: "json_schema",
    json_schema: { name: "answer", schema: { type: "array" } },
  });
});

test("a schema that is not JSON and an empty expression are refused before anything is sent", () => {
  const asked = { mode: "completion", prompt: "x" } as const;
  expect(() => requestOf(asked, "m", { ...defaults, format: "schema", schema: "{" }, 0)).toThrow(
    "the JSON schema is not JSON",
  );
  expect(() => requestOf(asked, "m", { ...defaults, format: "regex" }, 0)).toThrow("the regular expression is empty");
  expect(() => requestOf(asked, "m", { ...defaults, format: "choice", texts: "\n" }, 0)).toThrow("there are no texts");
});

test("texts are lines, with escapes", () => {
  expect(linesOf("")).toEqual([]);
  expect(linesOf("a\n\n\\t\n\\\\n")).toEqual(["a", "\t", "\\n"]);
});

test("one of several texts is asked for as a choice", () => {
  const settings = { ...defaults, format: "choice" as const, texts: "yes\nno\\n" };
  const { body } = requestOf({ mode: "completion", prompt: "x" }, "m", settings, 0);
  expect(body.guided_choice).toEqual(["yes", "no\n"]);
});

test("ids and biases are read as people write them, and what is neither is named", () => {
  expect([tokenIds(""), tokenIds(" 1,2 ,\n30")]).toEqual([[], [1, 2, 30]]);
  expect(() => tokenIds("1, <eos>")).toThrow("stop tokens: expected ids of tokens, got <eos>");
  expect(() => tokenIds("-1")).toThrow("got -1");
  expect(biasesOf("1: -100\n\n 20 = 5\n3 +0.5")).toEqual({ 1: -100, 20: 5, 3: 0.5 });
  for (const line of ["a: 1", "1:", "12", "1: 2: 3"]) expect(() => biasesOf(line)).toThrow(`got ${line}`);
});

test("every sampling field of the server can be asked for here, but those that say the same as another", () => {
  const all = {
    ...defaults,
    ...{ topK: 4, minP: 0.1, repetitionPenalty: 2, frequencyPenalty: 1, presencePenalty: 1, stop: "x", cacheSalt: "a" },
    ...{
      choices: 2,
      minTokens: 1,
      ignoreEos: true,
      stopTokens: "1",
      logitBias: "1 1",
      priority: 1,
      regex: "a",
      texts: "a",
    },
  };
  const formats = ["text", "json", "schema", "regex", "choice"] as const;
  const sent = formats.flatMap((format) =>
    Object.keys(requestOf({ mode: "completion", prompt: "x" }, "m", { ...all, format }, 0).body),
  );
  const others = ["guided_json", "json_schema", "structured_outputs", "guided_grammar", "grammar"];
  expect(
    Object.keys(samplingFields)
      .filter((name) => !sent.includes(name))
      .sort(),
  ).toEqual(others.sort());
});
