import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, streamText, tool } from "ai";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestServer, testServer } from "../../test/serve/testServer.js";
import type { GenerationRequest } from "../generate/request.js";

/** The clients that people use, against answers that are known. What is asked picks the answer. */
let server: TestServer;
let openai: OpenAI;
const key = "a-key-for-tests";
const call =
  '<\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581call\u2581begin\uff5c>function<\uff5ctool\u2581sep\uff5c>weather\n```json\n{"city": "Oslo"}\n```<\uff5ctool\u2581call\u2581end\uff5c><\uff5ctool\u2581calls\u2581end\uff5c>';
beforeAll(async () => {
  const write = ({ grammar, prompt }: GenerationRequest): string => {
    if (grammar) return '{"city": "Oslo", "degrees": 7}';
    const asked = server.model.tokenizer.decode(Array.from(prompt));
    if (asked.includes("tool\u2581output\u2581begin")) return "Seven degrees.";
    if (asked.includes("## Tools")) return call;
    return "<think>Be kind.</think>Good day.";
  };
  server = await testServer({ write, cachedTokens: 2 }, { apiKeys: [key], drainMs: 500 });
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: key, maxRetries: 0 });
});
afterAll(() => server.server.drain());

const messages = [{ role: "user" as const, content: "Hello" }];
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const weather = { type: "function" as const, function: { name: "weather", description: "Now", parameters } };

test("openai: models, chats whole and streamed, with log-probabilities and usage", async () => {
  expect((await openai.models.list()).data.map(({ id }) => id)).toEqual(["scripted"]);
  expect((await openai.models.retrieve("scripted")).object).toBe("model");
  const whole = await openai.chat.completions.create({ model: "scripted", messages, logprobs: true, top_logprobs: 2 });
  expect(whole.choices[0]?.message.content).toBe("Good day.");
  expect(whole.choices[0]?.logprobs?.content?.[1]?.top_logprobs).toHaveLength(2);
  expect(whole.usage?.prompt_tokens_details?.cached_tokens).toBe(2);
  const stream = await openai.chat.completions.create({
    model: "scripted",
    messages,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = "";
  let total = 0;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    total = chunk.usage?.total_tokens ?? total;
  }
  expect(text).toBe("Good day.");
  expect(total).toBe(whole.usage?.total_tokens);
});

test("openai: tools in a stream, and a conversation that goes on with their results", async () => {
  const runner = openai.chat.completions.stream({ model: "scripted", messages, tools: [weather] });
  const first = await runner.finalChatCompletion();
  const [asked] = first.choices[0]?.message.tool_calls ?? [];
  expect(first.choices[0]?.finish_reason).toBe("tool_calls");
  expect(asked).toMatchObject({ function: { name: "weather", arguments: '{"city": "Oslo"}' } });
  const second = await openai.chat.completions.create({
    model: "scripted",
    messages: [...messages, first.choices[0]!.message, { role: "tool", tool_call_id: asked!.id, content: "7" }],
    tools: [weather],
  });
  expect(second.choices[0]?.message.content).toBe("Seven degrees.");
});

test("openai: JSON by a schema, parsed by the client", async () => {
  const schema = { type: "object", properties: { city: { type: "string" }, degrees: { type: "integer" } } };
  const parsed = await openai.chat.completions.create({
    model: "scripted",
    messages,
    response_format: { type: "json_schema", json_schema: { name: "weather", schema, strict: true } },
  });
  expect(JSON.parse(parsed.choices[0]?.message.content ?? "")).toEqual({ city: "Oslo", degrees: 7 });
  expect(server.model.requests.at(-1)?.grammar).toEqual({ kind: "json_schema", schema });
});

test("openai: text completions, filling a gap, and streams of them", async () => {
  const whole = await openai.completions.create({ model: "scripted", prompt: ["a", "b"], logprobs: 1, max_tokens: 99 });
  expect(whole.choices.map(({ text }) => text)).toEqual(Array(2).fill("<think>Be kind.</think>Good day."));
  expect(whole.choices[0]?.logprobs?.tokens?.length).toBeGreaterThan(9);
  let text = "";
  const stream = await openai.completions.create({
    model: "scripted",
    prompt: "a",
    suffix: "z",
    max_tokens: 99,
    stream: true,
  });
  for await (const chunk of stream) text += chunk.choices[0]?.text ?? "";
  expect(text).toBe("<think>Be kind.</think>Good day.");
});

test("openai: errors arrive as its own classes", async () => {
  const wrongKey = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "wrong", maxRetries: 0 });
  await expect(wrongKey.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
  const unknown = openai.chat.completions.create({ model: "other", messages });
  await expect(unknown).rejects.toMatchObject({ status: 404, code: "model_not_found", param: "model" });
  const hot = openai.chat.completions.create({ model: "scripted", messages, temperature: 9 });
  await expect(hot).rejects.toBeInstanceOf(OpenAI.BadRequestError);
});

test("Vercel AI SDK: text, streams with reasoning apart, and tools that it runs itself", async () => {
  const provider = createOpenAICompatible({ name: "fathom", baseURL: `${server.url}/v1`, apiKey: key });
  const model = provider("scripted");
  const whole = await generateText({ model, prompt: "Hello" });
  expect(whole.text).toBe("Good day.");
  expect(whole.reasoningText).toBe("Be kind.");
  expect(whole.usage.inputTokens).toBeGreaterThan(0);
  const stream = streamText({ model, prompt: "Hello" });
  let text = "";
  for await (const piece of stream.textStream) text += piece;
  expect(text).toBe("Good day.");
  expect(await stream.reasoningText).toBe("Be kind.");
  const called = await generateText({
    model,
    prompt: "Hello",
    tools: {
      weather: tool({
        description: "Now",
        inputSchema: jsonSchema<{ city: string }>({ type: "object", properties: { city: { type: "string" } } }),
        execute: async ({ city }) => `7 in ${city}`,
      }),
    },
    stopWhen: ({ steps }) => steps.length >= 2,
  });
  expect(called.steps[0]?.toolResults[0]).toMatchObject({ input: { city: "Oslo" }, output: "7 in Oslo" });
  expect(called.text).toBe("Seven degrees.");
});
