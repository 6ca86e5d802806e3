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
