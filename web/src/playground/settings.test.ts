import { expect, test } from "vitest";
import { alternatives, defaults, requestOf, stopStrings } from "./settings.js";

test("a chat request leaves out what changes nothing", () => {
  const messages = [{ role: "user" as const, content: "hello" }];
  expect(requestOf({ mode: "chat", messages }, "quickstart", defaults, 7)).toEqual({
    path: "/v1/chat/completions",
    body: {
      model: "quickstart",
      messages,
      logprobs: true,
      top_logprobs: alternatives,
      temperature: 0.7,
      top_p: 0.95,
      max_tokens: 256,
      seed: 7,
      n: 1,
      stream: true,
      stream_options: { include_usage: true },
      fathom: { trace: true, top: alternatives },
    },
  });
});

test("a fill-in-the-middle request has the suffix, every sampling option and the stop strings", () => {
  const settings = {
    ...defaults,
    ...{ topK: 40, minP: 0.05, repetitionPenalty: 1.1, frequencyPenalty: 0.5, presencePenalty: -0.5 },
    ...{ stop: "\\n\\n\nEND", format: "regex" as const, regex: "a+", systemPrompt: "not for this mode" },
  };
  const { path, body } = requestOf({ mode: "fim", prompt: "f(", suffix: ")" }, "m", settings, 0);
  expect(path).toBe("/v1/completions");
  expect(body).toMatchObject({
    ...{ prompt: "f(", suffix: ")", logprobs: alternatives, top_k: 40, min_p: 0.05, repetition_penalty: 1.1 },
    ...{ frequency_penalty: 0.5, presence_penalty: -0.5, stop: ["\n\n", "END"], guided_regex: "a+" },
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
});

test("stop strings are lines, with escapes", () => {
  expect(stopStrings("")).toEqual([]);
  expect(stopStrings("a\n\n\\t\n\\\\n")).toEqual(["a", "\t", "\\n"]);
});
