/** Requests that are almost right, quite wrong, or no requests at all, and what every answer to them must be. */
import fc from "fast-check";
import { expect } from "vitest";

export interface FuzzedRequest {
  readonly path: string;
  readonly body: string;
  /** Of the content. */
  readonly type: string;
}

const junk = fc.oneof(
  fc.constantFrom(
    null,
    true,
    false,
    0,
    -1,
    1.5,
    1e308,
    2 ** 53,
    "",
    "a",
    "\u0000",
    "\ud800",
    [],
    {},
    [[]],
    [{}],
    "auto",
  ),
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: "binary", maxLength: 40 }),
);
const mostly = <T>(good: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 4, arbitrary: good }, { weight: 1, arbitrary: junk });
const record = (fields: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> =>
  fc.record(fields, { requiredKeys: [] });

const schema = record({
  type: mostly(fc.constantFrom("object", "string", "integer", "array")),
  properties: mostly(fc.dictionary(fc.string({ maxLength: 5 }), fc.constant({ type: "integer" }), { maxKeys: 3 })),
  pattern: mostly(fc.string({ maxLength: 12 })),
  enum: mostly(fc.array(fc.jsonValue({ maxDepth: 1 }), { maxLength: 3 })),
  $ref: junk,
});
/** @param model its name */
const samplingOf = (model: string) => ({
  model: mostly(fc.constant(model)),
  max_tokens: mostly(fc.integer({ min: 1, max: 20 })),
  temperature: mostly(fc.double({ min: 0, max: 2, noNaN: true })),
  top_p: mostly(fc.double({ min: 0.01, max: 1, noNaN: true })),
  top_k: mostly(fc.integer({ min: 0, max: 50 })),
  n: mostly(fc.integer({ min: 1, max: 3 })),
  seed: mostly(fc.nat()),
  stop: mostly(fc.oneof(fc.string({ maxLength: 5 }), fc.array(fc.string({ maxLength: 5 }), { maxLength: 4 }))),
  logit_bias: mostly(fc.dictionary(fc.nat(300).map(String), fc.integer({ min: -100, max: 100 }), { maxKeys: 3 })),
  stream: mostly(fc.boolean()),
  stream_options: mostly(fc.constant({ include_usage: true })),
  response_format: mostly(
    fc.oneof(
      fc.constant({ type: "json_object" }),
      fc.record({ type: fc.constant("json_schema"), json_schema: fc.record({ schema }) }),
    ),
  ),
  guided_regex: mostly(fc.string({ maxLength: 12 })),
  fathom: mostly(fc.constant({ trace: true })),
});
const message = record({
  role: mostly(fc.constantFrom("system", "user", "assistant", "tool", "developer")),
  content: mostly(fc.string({ maxLength: 30 })),
  tool_calls: mostly(fc.constant([{ id: "1", type: "function", function: { name: "f", arguments: "{}" } }])),
  tool_call_id: mostly(fc.constant("1")),
  prefix: mostly(fc.boolean()),
});
function bodiesOf(model: string): Readonly<Record<string, fc.Arbitrary<unknown>>> {
  const sampling = samplingOf(model);
  return {
    "/v1/chat/completions": record({
      messages: mostly(fc.array(message, { maxLength: 4 })),
      tools: mostly(
        fc.array(
          record({
            type: fc.constant("function"),
            function: record({ name: mostly(fc.constantFrom("f", "g")), parameters: mostly(schema) }),
          }),
          { maxLength: 2 },
        ),
      ),
      tool_choice: mostly(fc.constantFrom("auto", "none", "required")),
      logprobs: mostly(fc.boolean()),
      top_logprobs: mostly(fc.nat(20)),
      ...sampling,
    }),
    "/v1/completions": record({
      prompt: mostly(
        fc.oneof(
          fc.string({ maxLength: 30 }),
          fc.array(fc.nat(270), { maxLength: 9 }),
          fc.array(fc.string({ maxLength: 9 }), { maxLength: 3 }),
        ),
      ),
      suffix: mostly(fc.string({ maxLength: 9 })),
      echo: mostly(fc.boolean()),
      logprobs: mostly(fc.nat(20)),
      ...sampling,
    }),
    "/infill": record({
      input_prefix: mostly(fc.string()),
      input_suffix: mostly(fc.string()),
      n_predict: junk,
      ...sampling,
    }),
    "/tokenize": record({ prompt: mostly(fc.string()), content: junk, messages: junk }),
    "/detokenize": record({ tokens: mostly(fc.array(fc.nat(270))) }),
    "/apply-template": record({ messages: mostly(fc.array(message, { maxLength: 3 })), chat_template_kwargs: junk }),
  };
}

/** Bodies as text; now and then one that was damaged on its way. */
export function fuzzedRequests(model: string): fc.Arbitrary<FuzzedRequest> {
  const bodies = bodiesOf(model);
  return fc.constantFrom(...Object.keys(bodies)).chain((path) =>
    fc.record({
      path: fc.constant(path),
      body: fc.oneof(
        { weight: 8, arbitrary: bodies[path]!.map((body) => JSON.stringify(body) ?? "") },
        { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 60 }) },
        {
          weight: 1,
          arbitrary: bodies[path]!.chain((body) => fc.nat(60).map((cut) => (JSON.stringify(body) ?? "").slice(0, cut))),
        },
      ),
      type: fc.constantFrom("application/json", "text/plain", "application/x-www-form-urlencoded"),
    }),
  );
}

/** Half of the time there, or as often as the weight says against one. */
const maybe = <T>(value: fc.Arbitrary<T>, weight = 1): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });

const forms = fc.oneof(
  fc
    .constantFrom("[ab]{2,9}", "(x|yy)*z", "\\d+(\\.\\d+)?", ".*", "\u20ac+", "a?")
    .map((guided_regex) => ({ guided_regex })),
  fc.array(fc.string({ minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 }).map((texts) => ({
    guided_choice: texts,
  })),
  fc.constantFrom<object>(
    { response_format: { type: "json_object" } },
    { guided_json: { type: "object", properties: { a: { type: "integer" }, b: { enum: ["x", null, 1.5] } } } },
    { guided_json: { type: "array", items: { type: "string", maxLength: 3 }, maxItems: 3 } },
  ),
);

const atTheEdge = fc.record({
  max_tokens: fc.integer({ min: 1, max: 40 }),
  temperature: fc.constantFrom(0, 1e-9, 0.7, 2),
  top_p: fc.constantFrom(1, 0.9, 1e-9),
  top_k: fc.constantFrom(-1, 0, 1, 40, 2 ** 31),
  min_p: fc.constantFrom(0, 0.05, 1),
  repetition_penalty: fc.constantFrom(1, 1e-6, 1.2, 100),
  frequency_penalty: fc.constantFrom(0, -2, 2),
  presence_penalty: fc.constantFrom(0, -2, 2),
  logit_bias: maybe(
    fc.dictionary(fc.oneof(fc.nat(1200), fc.constant(999_999_999)).map(String), fc.constantFrom(-100, 0.5, 100)),
  ),
  seed: fc.constantFrom(0, 1, 2 ** 53 - 1, 2 ** 53 - 2),
  n: fc.constantFrom(1, 1, 2, 3, 20),
  stop: maybe(fc.array(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 3 })),
  stop_token_ids: maybe(fc.array(fc.nat(258), { maxLength: 4 })),
  min_tokens: fc.constantFrom(0, 0, 3, 50),
  ignore_eos: fc.boolean(),
  priority: fc.integer({ min: -1000, max: 1000 }),
  cache_salt: maybe(fc.constantFrom("", "tenant", "\ud800")),
  stream: fc.boolean(),
});

/** Requests that are right, with values at the edges of what may be asked: these reach the engine. */
export function rightRequests(model: string): fc.Arbitrary<FuzzedRequest> {
  const long = fc.integer({ min: 1, max: 300 }).map((length) => "the same beginning ".repeat(20).slice(0, length));
  const text = fc.oneof(fc.string({ unit: "binary", maxLength: 30 }), long);
  const completion = fc.record({
    prompt: fc.oneof(
      text,
      fc.array(fc.nat(258), { minLength: 1, maxLength: 200 }),
      fc.array(text, { minLength: 1, maxLength: 3 }),
    ),
    echo: fc.boolean(),
    logprobs: maybe(fc.nat(20)),
    max_tokens: fc.integer({ min: 0, max: 40 }),
  });
  const chat = fc.record({
    messages: text.map((content) => [{ role: "user", content }]),
    logprobs: fc.boolean(),
  });
  const bodyOf = (own: fc.Arbitrary<object>): fc.Arbitrary<string> =>
    fc
      .tuple(atTheEdge, own, maybe(forms, 2))
      .map(([edge, fields, form]) => JSON.stringify({ model, ...edge, ...fields, ...form }));
  return fc.oneof(
    fc.record({
      path: fc.constant("/v1/completions"),
      body: bodyOf(completion),
      type: fc.constant("application/json"),
    }),
    fc.record({ path: fc.constant("/v1/chat/completions"), body: bodyOf(chat), type: fc.constant("application/json") }),
  );
}

/** 2xx or 4xx, a whole stream or JSON, errors in the API's form. */
export function checkAnswer(status: number, type: string, text: string): void {
  expect(status, text).toBeLessThan(500);
  if (status === 200 && type.startsWith("text/event-stream")) {
    expect(text.endsWith("data: [DONE]\n\n"), text.slice(-200)).toBe(true);
    return;
  }
  const json = JSON.parse(text) as { error?: { message?: unknown; param?: unknown } };
  if (status >= 400) expect(typeof json.error?.message).toBe("string");
}
