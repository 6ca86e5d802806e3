import { expect, test } from "vitest";
import { readEvents, testApp } from "../../test/serve/testServer.js";
import { dead } from "../generate/grammar/automaton.js";
import { Constraint, type Grammar, TokenBytes } from "../generate/grammar/constraint.js";

const chat = "/v1/chat/completions";
const ask = (more: object = {}): object => ({ messages: [{ role: "user", content: "Hi" }], ...more });
const weather = {
  type: "function",
  function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
};
const turn = (name: string): string => `<\uff5c${name}\uff5c>`;
const bos = "<\uff5cbegin\u2581of\u2581sentence\uff5c>";

test("a chat is answered with text, reason and usage", async () => {
  const { post, model } = await testApp({ write: () => "Hello!", cachedTokens: 1 });
  const response = await post(chat, ask({ model: "scripted" }));
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({
    id: expect.stringMatching(/^chatcmpl-[0-9a-f]{24}$/),
    object: "chat.completion",
    created: expect.any(Number),
    model: "scripted",
    system_fingerprint: expect.stringMatching(/^fp_/),
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: "Hello!", reasoning_content: null },
        finish_reason: "stop",
        logprobs: null,
      },
    ],
    usage: {
      prompt_tokens: 5, // start, turn, H, i, turn
      completion_tokens: 6,
      total_tokens: 11,
      prompt_cache_hit_tokens: 1,
      prompt_cache_miss_tokens: 4,
      prompt_tokens_details: { cached_tokens: 1 },
      completion_tokens_details: { reasoning_tokens: 0 },
    },
  });
  expect(model.lastPrompt).toBe(`${bos}${turn("User")}Hi${turn("Assistant")}`);
  expect(model.running).toBe(0);
});

test("a stream has role, pieces, reason, usage if asked for, and one end", async () => {
  const { post } = await testApp({ write: (_, choice) => (choice === 0 ? "a\u00e4" : "b") });
  const response = await post(chat, ask({ stream: true, n: 2, stream_options: { include_usage: true } }));
  expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  const { data } = readEvents(await response.text());
  expect(data.at(-1)).toBe("[DONE]");
  const chunks = data.slice(0, -1) as { choices: { index: number; delta: object; finish_reason: string | null }[] }[];
  const of = (index: number): object[] =>
    chunks.flatMap(({ choices }) => choices.filter((each) => each.index === index).map(({ delta }) => delta));
  expect(of(0)).toEqual([{ role: "assistant", content: "" }, { content: "a" }, { content: "\u00e4" }, {}]);
  expect(of(1)).toEqual([{ role: "assistant", content: "" }, { content: "b" }, {}]);
  expect(chunks.slice(0, -1).every((chunk) => "usage" in chunk && chunk.usage === null)).toBe(true);
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 5, completion_tokens: 4 } });
});

test("reasoning stands apart, written by the model or opened by the template", async () => {
  const { post } = await testApp({ write: () => "<think>\nHm.\n</think>\n\nYes." });
  const { choices, usage } = (await (await post(chat, ask())).json()) as {
    choices: { message: object }[];
    usage: object;
  };
  expect(choices[0]?.message).toEqual({ role: "assistant", content: "Yes.", reasoning_content: "Hm." });
  expect(usage).toMatchObject({ completion_tokens_details: { reasoning_tokens: 6 } }); // \n H m . \n </think>
  const opening = "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}<think>\n";
  const opened = await testApp({ write: () => "Hm.</think>Yes.", chatTemplate: opening });
  const streamed = readEvents(await (await opened.post(chat, ask({ stream: true }))).text());
  expect(JSON.stringify(streamed.data)).toContain('{"reasoning_content":"H"}');
  expect(JSON.stringify(streamed.data)).not.toContain("think>");
});

test("tool calls come as deltas and whole, and tools are told to the model", async () => {
  const text =
    'Look: <\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581call\u2581begin\uff5c>function<\uff5ctool\u2581sep\uff5c>weather\n```json\n{"city": "Oslo"}\n```<\uff5ctool\u2581call\u2581end\uff5c><\uff5ctool\u2581calls\u2581end\uff5c>';
  const { post, model } = await testApp({ write: () => text });
  const body = ask({ tools: [weather] });
  const whole = (await (await post(chat, body)).json()) as { choices: object[] };
  expect(whole.choices[0]).toMatchObject({
    finish_reason: "tool_calls",
    message: {
      content: "Look: ",
      tool_calls: [
        {
          id: expect.stringMatching(/^call_/),
          type: "function",
          function: { name: "weather", arguments: '{"city": "Oslo"}' },
        },
      ],
    },
  });
  expect(model.lastPrompt).toContain("### weather");
  const { data } = readEvents(await (await post(chat, { ...body, stream: true })).text());
  const deltas = (
    data.slice(0, -1) as { choices: { delta: { tool_calls?: { function: { arguments: string } }[] } }[] }[]
  )
    .flatMap(({ choices }) => choices.flatMap(({ delta }) => delta.tool_calls ?? []))
    .map((each) => each.function);
  expect(deltas[0]).toEqual({ name: "weather", arguments: "" });
  expect(deltas.map((each) => each.arguments).join("")).toBe('{"city": "Oslo"}');
  expect(deltas.length).toBeGreaterThan(4);
  await post(chat, { ...body, tool_choice: "none" });
  expect(model.lastPrompt).not.toContain("weather");
  await post(chat, { ...body, parallel_tool_calls: false });
  expect(model.requests.at(-1)?.stop).toEqual(["<\uff5ctool\u2581call\u2581end\uff5c>"]);
});

/** Whether a grammar lets a list of so many calls be written, byte by byte, and ends there. */
function accepts(grammar: Grammar, calls: number): boolean {
  const bytes = new TokenBytes(256, (id) => Uint8Array.of(id));
  const constraint = new Constraint(grammar, bytes);
  const call = '{"name": "weather", "arguments": {"city": "Oslo"}}';
  let state = constraint.start;
  for (const byte of Buffer.from(`[${Array.from({ length: calls }, () => call).join(", ")}]`)) {
    state = constraint.advance(state, byte);
    if (state === dead) return false;
  }
  return constraint.isComplete(state);
}

test("a call that is required is held to its tool's schema by a grammar", async () => {
  const { post, model } = await testApp({ write: () => '[{"name": "weather", "arguments": {"city": "Oslo"}}]' });
  for (const tool_choice of ["required", { type: "function", function: { name: "weather" } }]) {
    const answer = (await (await post(chat, ask({ tools: [weather], tool_choice }))).json()) as { choices: object[] };
    expect(answer.choices[0]).toMatchObject({
      finish_reason: "tool_calls",
      message: { content: null, tool_calls: [{ function: { name: "weather", arguments: '{"city": "Oslo"}' } }] },
    });
    expect(model.lastPrompt).toMatch(/### weather.*nothing but a JSON list of calls.*\[\{"name": NAME/s);
    const [one, two] = [1, 2].map((calls) => accepts(model.requests.at(-1)!.grammar!, calls));
    // A named function is called as often as it takes, too.
    expect([one, two]).toEqual([true, true]);
  }
  await post(chat, ask({ tools: [weather], tool_choice: "required", parallel_tool_calls: false }));
  expect([1, 2].map((calls) => accepts(model.requests.at(-1)!.grammar!, calls))).toEqual([true, false]);
  const bad = { ...weather, function: { name: "weather", parameters: { type: "object", minProperties: 1 } } };
  const refused = await post(chat, ask({ tools: [bad], tool_choice: "required" }));
  expect(refused.status).toBe(400);
  expect(await refused.json()).toMatchObject({
    error: { param: "tools", message: expect.stringContaining("minProperties") },
  });
});

test("calls of a strict tool are held to its schema where the model makes them, and the text around them is free", async () => {
  const { post, model } = await testApp({ write: () => "Sunny." });
  const grammarOf = async (more: object): Promise<Grammar | undefined> => {
    expect((await post(chat, ask(more))).status).toBe(200);
    return model.requests.at(-1)?.grammar;
  };
  const strict = { ...weather, function: { ...weather.function, strict: true } };
  const other = { type: "function", function: { name: "other", parameters: { type: "object" } } };
  expect(await grammarOf({ tools: [strict, other] })).toEqual({
    kind: "tool_calls",
    tools: [
      { name: "weather", schema: weather.function.parameters },
      { name: "other", schema: null },
    ],
  });
  expect(await grammarOf({ tools: [weather, other] })).toBeUndefined();
  expect(await grammarOf({ tools: [strict], tool_choice: "none" })).toBeUndefined();
  expect((await grammarOf({ tools: [strict], tool_choice: "required" }))?.kind).toBe("json_schema");
  expect((await grammarOf({ tools: [strict], response_format: { type: "json_object" } }))?.kind).toBe("json_object");
  // The answer may begin with a thought, as without it.
  await post(chat, ask({ tools: [strict] }));
  const { lastPrompt } = model;
  await post(chat, ask({ tools: [weather] }));
  expect(model.lastPrompt).toBe(lastPrompt);
  const bad = { ...strict, function: { ...strict.function, parameters: { type: "object", minProperties: 1 } } };
  const refused = await post(chat, ask({ tools: [bad] }));
  expect([refused.status, await refused.json()]).toMatchObject([
    400,
    {
      error: { param: "tools", message: 'tools: schema of weather: has "minProperties", which is not supported here' },
    },
  ]);
});

test("an assistant's last message with prefix is gone on from", async () => {
  const { post, model } = await testApp({ write: () => " x = 1" });
  const messages = [
    { role: "user", content: "Code" },
    { role: "assistant", content: "const<\uff5cUser\uff5c>", prefix: true },
  ];
  const { choices } = (await (await post(chat, { messages })).json()) as {
    choices: { message: { content: string } }[];
  };
  expect(choices[0]?.message.content).toBe(" x = 1");
  expect(model.lastPrompt).toBe(`${bos}${turn("User")}Code${turn("Assistant")}const${turn("User")}`);
  const ids = Array.from(model.requests.at(-1)!.prompt);
  expect(ids.filter((id) => id === model.tokenizer.tokenToId(turn("User")))).toHaveLength(1); // the other is text
  const middle = await post(chat, { messages: [messages[1], messages[0]] });
  expect(await middle.json()).toMatchObject({ error: { param: "messages[0].prefix" } });
});

test("log-probabilities tell of every token, whole and in a stream", async () => {
  const { post, model } = await testApp({ write: () => "\u00e9!" });
  const body = ask({ logprobs: true, top_logprobs: 2, stop: ["zz"] });
  const whole = (await (await post(chat, body)).json()) as { choices: { logprobs: { content: object[] } }[] };
  const content = whole.choices[0]!.logprobs.content;
  const first = model.tokenizer.encode("\u00e9")[0]!;
  expect(content).toHaveLength(3);
  expect(content[0]).toMatchObject({ token: "\ufffd", bytes: [0xc3], logprob: -first / 1000 });
  expect((content[0] as { top_logprobs: object[] }).top_logprobs).toHaveLength(2);
  const { data } = readEvents(await (await post(chat, { ...body, stream: true })).text());
  const streamed = (data.slice(0, -1) as { choices: { logprobs: { content: object[] } | null }[] }[]).flatMap(
    ({ choices }) => choices.flatMap(({ logprobs }) => logprobs?.content ?? []),
  );
  expect(streamed).toEqual(content);
});

test("our page sees every token, its alternatives, experts and drafts, and the timings at the end", async () => {
  const { post, model } = await testApp({ write: () => "ab", cachedTokens: 2 });
  const { data } = readEvents(await (await post(chat, ask({ stream: true, fathom: { trace: true } }))).text());
  type Chunk = { fathom?: object; choices: { fathom?: { tokens: object[] } }[] };
  const chunks = data.slice(0, -1) as Chunk[];
  const tokens = chunks.flatMap(({ choices }) => choices.flatMap(({ fathom }) => fathom?.tokens ?? []));
  const a = model.tokenizer.encode("a")[0]!;
  expect(tokens).toHaveLength(2);
  expect(tokens[0]).toMatchObject({ id: a, text: "a", logprob: -a / 1000, isDrafted: false, experts: [[a % 4, 1]] });
  expect((tokens[0] as { top: object[] }).top).toHaveLength(5);
  expect(tokens[1]).toMatchObject({ text: "b", isDrafted: true });
  expect(chunks.at(-1)?.fathom).toMatchObject({ cachedTokens: 2, completionTokens: 2, promptTokens: 5 });
  expect(chunks.slice(0, -1).every((chunk) => chunk.fathom === undefined)).toBe(true);
});

test("sampling fields reach the engine, and null is as if left out", async () => {
  const { post, model } = await testApp({ write: () => "a" });
  await post(
    chat,
    ask({
      temperature: 0.5,
      top_p: 0.9,
      top_k: 40,
      min_p: 0.1,
      repetition_penalty: 1.1,
      frequency_penalty: -1,
      presence_penalty: 1,
      logit_bias: { "5": -100 },
      seed: 7,
      max_completion_tokens: 9,
      min_tokens: 2,
      ignore_eos: true,
      stop: "x",
      stop_token_ids: [3],
      priority: 2,
      cache_salt: "tenant",
      n: null,
    }),
  );
  expect(model.requests.at(-1)).toMatchObject({
    sampling: {
      temperature: 0.5,
      topP: 0.9,
      topK: 40,
      minP: 0.1,
      repetitionPenalty: 1.1,
      frequencyPenalty: -1,
      presencePenalty: 1,
      logitBias: { "5": -100 },
      seed: 7,
    },
    maxTokens: 9,
    minTokens: 2,
    ignoreEos: true,
    stop: ["x"],
    stopIds: [3],
    priority: 2,
    salt: "tenant",
    n: 1,
  });
  const unknown = await post(chat, ask({ user: "u1", made_up: 1 }));
  expect(unknown.status).toBe(200);
  expect(unknown.headers.get("x-ignored-fields")).toBe("user,made_up");
});

test("each way to ask for a form becomes the same grammar", async () => {
  const { post, model } = await testApp({ write: () => "a" });
  const schema = { type: "object", properties: { a: { type: "integer" } } };
  const grammarOf = async (more: object): Promise<unknown> => {
    expect((await post(chat, ask(more))).status).toBe(200);
    return model.requests.at(-1)?.grammar;
  };
  const json = { kind: "json_schema", schema };
  expect(await grammarOf({ response_format: { type: "json_schema", json_schema: { name: "x", schema } } })).toEqual(
    json,
  );
  expect(await grammarOf({ guided_json: schema })).toEqual(json);
  expect(await grammarOf({ guided_json: JSON.stringify(schema) })).toEqual(json);
  expect(await grammarOf({ structured_outputs: { json: schema } })).toEqual(json);
  expect(await grammarOf({ json_schema: schema })).toEqual(json);
  expect(await grammarOf({ response_format: { type: "json_object" } })).toEqual({ kind: "json_object" });
  expect(await grammarOf({ guided_regex: "[0-9]+" })).toEqual({ kind: "regex", pattern: "[0-9]+" });
  expect(await grammarOf({ guided_choice: ["a", "b"] })).toEqual({ kind: "choice", texts: ["a", "b"] });
  expect(await grammarOf({ response_format: { type: "text" } })).toBeUndefined();
});

test("what a chat cannot be is refused with the name of the field", async () => {
  const { post } = await testApp({ write: () => "a", maxPositions: 64 });
  const wrong = async (body: object, param: string | null, status = 400, code?: string): Promise<void> => {
    const response = await post(chat, body);
    const { error } = (await response.json()) as { error: { param: string; code: string; message: string } };
    expect({ status: response.status, param: error.param }, error.message).toEqual({ status, param });
    if (code) expect(error.code).toBe(code);
  };
  await wrong({}, "messages");
  await wrong({ messages: [] }, "messages");
  await wrong({ messages: [{ role: "robot", content: "x" }] }, "messages[0].role");
  await wrong({ messages: [{ role: "user" }] }, "messages[0].content");
  await wrong({ messages: [{ role: "user", content: [{ type: "image_url" }] }] }, "messages[0].content[0].type");
  await wrong({ messages: [{ role: "assistant", content: null }] }, "messages[0].content");
  await wrong(ask({ temperature: 3 }), "temperature");
  await wrong(ask({ temperature: "warm" }), "temperature");
  await wrong(ask({ n: 1_000_000 }), "n");
  await wrong(ask({ n: -1 }), "n");
  await wrong(ask({ max_tokens: 0 }), "max_tokens");
  await wrong(ask({ seed: -5 }), "seed");
  await wrong(ask({ top_logprobs: 3 }), "top_logprobs");
  await wrong(ask({ stop: Array(17).fill("a") }), "stop");
  await wrong(ask({ logit_bias: { x: 1 } }), "logit_bias.x");
  await wrong(ask({ min_tokens: 9, max_tokens: 3 }), "min_tokens");
  await wrong(ask({ tool_choice: "required" }), "tool_choice");
  await wrong(ask({ tools: [weather, weather] }), "tools[1].function.name");
  await wrong(ask({ guided_grammar: "root ::= x" }), "guided_grammar");
  await wrong(ask({ guided_regex: "a", guided_json: {} }), "guided_regex");
  await wrong(ask({ guided_regex: "(" }), "guided_regex");
  await wrong(ask({ guided_json: { type: "object", not: {} } }), "guided_json");
  await wrong(
    ask({ response_format: { type: "json_schema", json_schema: { name: "x", schema: { type: "no" } } } }),
    "response_format.json_schema.schema",
  );
  await wrong(ask({ chat_template_kwargs: { bos_token: "x" } }), "chat_template_kwargs.bos_token");
  await wrong(ask({ model: "other" }), "model", 404, "model_not_found");
  await wrong(ask({ max_tokens: 100 }), "max_tokens", 400, "context_length_exceeded");
  await wrong({ messages: [{ role: "user", content: "x".repeat(99) }] }, "prompt", 400, "context_length_exceeded");
});

test("a template's refusal and an engine's failure are told apart", async () => {
  const strict = await testApp({ write: () => "a", chatTemplate: "{{ raise_exception('no') }}" });
  const refused = await strict.post(chat, ask());
  expect(refused.status).toBe(400);
  expect(await refused.json()).toMatchObject({ error: { param: "messages", code: "chat_template_error" } });
  const failing = await testApp({ write: () => "abc", failure: "out of pages" });
  const failed = await failing.post(chat, ask());
  expect(failed.status).toBe(500);
  expect(JSON.stringify(await failed.json())).not.toContain("pages"); // the log knows, the client need not
  const { data } = readEvents(await (await failing.post(chat, ask({ stream: true }))).text());
  expect(data.at(-1)).toMatchObject({ error: { type: "server_error", code: "engine_error" } });
  expect(failing.model.running).toBe(0);
  expect(failing.context.models.all[0]?.admission.inFlight).toBe(0);
});

test("a grammar that turns out too large is the request's mistake", async () => {
  const failure = "the grammar is too large: matching needs more than 50000 states";
  const { post, model } = await testApp({ write: () => "abc", failure });
  const response = await post(chat, ask({ guided_regex: "[ab]*" }));
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({
    error: { param: "guided_regex", message: `guided_regex: ${failure}` },
  });
  expect(model.running).toBe(0);
});
