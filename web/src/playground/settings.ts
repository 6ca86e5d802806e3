/** What one can ask of the model beside the text, and the request that it makes. */

export type Mode = "chat" | "completion" | "fim";
export type ResponseFormat = "text" | "json" | "schema" | "regex";

export interface Settings {
  readonly systemPrompt: string;
  readonly temperature: number;
  readonly topP: number;
  /** 0 = all */
  readonly topK: number;
  /** 0 = none left out */
  readonly minP: number;
  /** 1 = off */
  readonly repetitionPenalty: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  /** null = another one each time */
  readonly seed: number | null;
  readonly maxTokens: number;
  /** One a line, with the escapes \n, \t and \\. */
  readonly stop: string;
  readonly format: ResponseFormat;
  readonly schema: string;
  readonly regex: string;
}

export const defaults: Settings = {
  systemPrompt: "",
  temperature: 0.7,
  topP: 0.95,
  topK: 0,
  minP: 0,
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  seed: null,
  maxTokens: 256,
  stop: "",
  format: "text",
  schema: '{\n  "type": "object",\n  "properties": {}\n}',
  regex: "",
};

/** Alternatives asked for with each token. */
export const alternatives = 8;

export interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** What is asked, by mode. */
export type Asked =
  | { readonly mode: "chat"; readonly messages: readonly Message[] }
  | { readonly mode: "completion"; readonly prompt: string }
  | { readonly mode: "fim"; readonly prompt: string; readonly suffix: string };

export interface WireRequest {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** @param seed the one of this request @throws RangeError for a schema that is not JSON, or an empty expression */
export function requestOf(asked: Asked, model: string, settings: Settings, seed: number): WireRequest {
  const isChat = asked.mode === "chat";
  const system: Message[] =
    isChat && settings.systemPrompt !== "" ? [{ role: "system", content: settings.systemPrompt }] : [];
  const given =
    asked.mode === "chat"
      ? { messages: [...system, ...asked.messages], logprobs: true, top_logprobs: alternatives }
      : { prompt: asked.prompt, ...(asked.mode === "fim" ? { suffix: asked.suffix } : {}), logprobs: alternatives };
  return {
    path: isChat ? "/v1/chat/completions" : "/v1/completions",
    body: {
      model,
      ...given,
      ...samplingOf(settings),
      ...formatOf(settings),
      seed,
      n: 1,
      stream: true,
      stream_options: { include_usage: true },
      fathom: { trace: true, top: alternatives },
    },
  };
}

/** What changes nothing is left out, so that any server of this API takes the rest. */
function samplingOf(settings: Settings): Record<string, unknown> {
  const { temperature, topP, topK, minP, repetitionPenalty, frequencyPenalty, presencePenalty, maxTokens } = settings;
  const stop = stopStrings(settings.stop);
  return {
    temperature,
    top_p: topP,
    max_tokens: maxTokens,
    ...(topK > 0 ? { top_k: topK } : {}),
    ...(minP > 0 ? { min_p: minP } : {}),
    ...(repetitionPenalty !== 1 ? { repetition_penalty: repetitionPenalty } : {}),
    ...(frequencyPenalty !== 0 ? { frequency_penalty: frequencyPenalty } : {}),
    ...(presencePenalty !== 0 ? { presence_penalty: presencePenalty } : {}),
    ...(stop.length > 0 ? { stop } : {}),
  };
}

export function stopStrings(text: string): string[] {
  const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", "\\": "\\" };
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.replace(/\\([nt\\])/g, (_, letter: string) => escapes[letter] ?? letter));
}

function formatOf({ format, schema, regex }: Settings): Record<string, unknown> {
  switch (format) {
    case "text":
      return {};
    case "json":
      return { response_format: { type: "json_object" } };
    case "schema": {
      let parsed: unknown;
      try {
        parsed = JSON.parse(schema);
      } catch (error) {
        throw new RangeError(`the JSON schema is not JSON: ${error instanceof Error ? error.message : String(error)}`);
      }
      return { response_format: { type: "json_schema", json_schema: { name: "answer", schema: parsed } } };
    }
    case "regex":
      if (regex === "") throw new RangeError("the regular expression is empty");
      return { guided_regex: regex };
    default:
      return format satisfies never;
  }
}
