/**
 * The fields that chat and text completions have in common, OpenAI's and those that vLLM and llama.cpp added, and what they ask of the engine.
 * `null` counts as left out, as OpenAI's clients mean it. Defaults are OpenAI's: temperature 1, top_p 1, a new seed for each request.
 */
import { randomInt } from "node:crypto";
import { z } from "zod";
import type { Grammar } from "../generate/grammar/constraint.js";
import type { JsonSchema } from "../generate/grammar/jsonSchema.js";
import type { GenerationRequest } from "../generate/request.js";
import { maxLogitBiases } from "../generate/sampler.js";
import { invalid } from "./apiError.js";
import { limits } from "./limits.js";

const whole = (least: number, most: number): z.ZodNumber => z.number().int().min(least).max(most);
const text = z.string().max(limits.stopCharacters);
const schemaObject = z.record(z.string(), z.unknown());
/** A JSON Schema as an object, or as its text (older clients of vLLM). */
const schemaOrText = z.union([schemaObject, z.boolean(), z.string()]);
const choiceTexts = z.array(z.string().min(1).max(limits.choiceCharacters)).min(1).max(limits.choiceTexts);

export const samplingFields = {
  max_tokens: whole(0, limits.maxTokens).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  /** -1 and 0: all. */
  top_k: whole(-1, 2 ** 31).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  repetition_penalty: z.number().gt(0).max(100).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  logit_bias: z
    .record(z.string().regex(/^\d{1,9}$/, "expected token ids as keys"), z.number().min(-100).max(100))
    .refine((biases) => Object.keys(biases).length <= maxLogitBiases, { error: `at most ${maxLogitBiases} tokens` })
    .nullish(),
  seed: whole(0, Number.MAX_SAFE_INTEGER).nullish(),
  n: whole(1, limits.choices).nullish(),
  stop: z.union([text, z.array(text).max(limits.stops)]).nullish(),
  stop_token_ids: z
    .array(whole(0, 2 ** 31))
    .max(limits.stopTokens)
    .nullish(),
  min_tokens: whole(0, limits.maxTokens).nullish(),
  ignore_eos: z.boolean().nullish(),
  priority: whole(-1000, 1000).nullish(),
  cache_salt: z.string().max(limits.nameCharacters).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  response_format: z
    .discriminatedUnion("type", [
      z.object({ type: z.literal("text") }),
      z.object({ type: z.literal("json_object"), schema: schemaObject.nullish() }),
      z.object({
        type: z.literal("json_schema"),
        json_schema: z.object({
          name: z.string().max(limits.nameCharacters).nullish(),
          schema: z.union([schemaObject, z.boolean()]).nullish(),
          strict: z.boolean().nullish(),
        }),
      }),
    ])
    .nullish(),
  guided_json: schemaOrText.nullish(),
  guided_regex: z.string().max(limits.patternCharacters).nullish(),
  guided_choice: choiceTexts.nullish(),
  guided_grammar: z.string().nullish(),
  structured_outputs: z
    .object({
      json: schemaOrText.nullish(),
      regex: z.string().max(limits.patternCharacters).nullish(),
      choice: choiceTexts.nullish(),
      json_object: z.boolean().nullish(),
      grammar: z.string().nullish(),
    })
    .nullish(),
  json_schema: schemaOrText.nullish(),
  grammar: z.string().nullish(),
  /** Our own page's wish to see inside. */
  fathom: z.object({ trace: z.boolean().nullish(), top: whole(0, limits.logprobs).nullish() }).nullish(),
};

const fields = z.object(samplingFields);
export type SamplingBody = z.infer<typeof fields>;

/** What the fields ask of the engine; the prompt, and whatever counts tokens of it, is the caller's. @throws ApiError naming the field */
export function generationOf(body: SamplingBody, maxTokens: number | null): Omit<GenerationRequest, "prompt"> {
  const minTokens = body.min_tokens ?? 0;
  if (maxTokens !== null && minTokens > maxTokens) {
    throw invalid("min_tokens", `min_tokens ${minTokens} is more than max_tokens ${maxTokens}`);
  }
  const grammar = grammarOf(body);
  return {
    sampling: {
      temperature: body.temperature ?? 1,
      topP: body.top_p ?? 1,
      topK: Math.max(0, body.top_k ?? 0),
      minP: body.min_p ?? 0,
      repetitionPenalty: body.repetition_penalty ?? 1,
      frequencyPenalty: body.frequency_penalty ?? 0,
      presencePenalty: body.presence_penalty ?? 0,
      logitBias: body.logit_bias ?? {},
      seed: body.seed ?? randomInt(2 ** 47),
    },
    ...(maxTokens === null ? {} : { maxTokens }),
    minTokens,
    ignoreEos: body.ignore_eos ?? false,
    stop: stopsOf(body),
    stopIds: body.stop_token_ids ?? [],
    n: body.n ?? 1,
    priority: body.priority ?? 0,
    salt: body.cache_salt ?? "",
    trace: body.fathom?.trace ?? false,
    ...(grammar === null ? {} : { grammar: grammar.grammar }),
  };
}

/** "" stops nothing, as at OpenAI. */
function stopsOf({ stop }: SamplingBody): string[] {
  const texts = stop === null || stop === undefined ? [] : typeof stop === "string" ? [stop] : stop;
  return texts.filter((each) => each !== "");
}

interface AskedGrammar {
  readonly param: string;
  readonly grammar: Grammar;
}

/** The one form that the text must have, if any, and the field that says so. @throws ApiError for several, or one that is not offered */
export function grammarOf(body: SamplingBody): AskedGrammar | null {
  const asked: AskedGrammar[] = [];
  const ask = (param: string, grammar: Grammar | null): void => {
    if (grammar !== null) asked.push({ param, grammar });
  };
  const schema = (param: string, value: unknown): void =>
    ask(param, value === null || value === undefined ? null : { kind: "json_schema", schema: schemaOf(param, value) });
  const pattern = (param: string, value: string | null | undefined): void =>
    ask(param, value === null || value === undefined ? null : { kind: "regex", pattern: value });
  const texts = (param: string, value: readonly string[] | null | undefined): void =>
    ask(param, value ? { kind: "choice", texts: value } : null);
  const format = body.response_format;
  if (format?.type === "json_object") {
    if (format.schema) schema("response_format.schema", format.schema);
    else ask("response_format", { kind: "json_object" });
  }
  if (format?.type === "json_schema") schema("response_format.json_schema.schema", format.json_schema.schema ?? true);
  schema("guided_json", body.guided_json);
  pattern("guided_regex", body.guided_regex);
  texts("guided_choice", body.guided_choice);
  schema("json_schema", body.json_schema);
  const outputs = body.structured_outputs;
  schema("structured_outputs.json", outputs?.json);
  pattern("structured_outputs.regex", outputs?.regex);
  texts("structured_outputs.choice", outputs?.choice);
  if (outputs?.json_object) ask("structured_outputs.json_object", { kind: "json_object" });
  for (const [param, value] of [
    ["guided_grammar", body.guided_grammar],
    ["structured_outputs.grammar", outputs?.grammar],
    ["grammar", body.grammar],
  ] as const) {
    if (value)
      throw invalid(param, `${param}: EBNF and GBNF grammars are not offered; use a JSON Schema, a regex or choices`);
  }
  const [first, second] = asked;
  if (first && second)
    throw invalid(second.param, `${second.param}: ${first.param} already says what the text must be`);
  return first ?? null;
}

function schemaOf(param: string, value: unknown): JsonSchema {
  if (typeof value !== "string") return value as JsonSchema; // an object or a boolean: the request's schema has seen to it
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch (error) {
    throw invalid(param, `${param}: not readable as JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (typeof parsed === "boolean") return parsed;
  if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) return parsed as JsonSchema;
  throw invalid(param, `${param}: expected a JSON Schema as an object`);
}
