/** What one can ask of the model beside the text, and the request that it makes. */

export type Mode = "chat" | "completion" | "fim";
export type ResponseFormat = "text" | "json" | "schema" | "regex" | "choice";

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
  /** Answers to one question, with seeds that follow each other. */
  readonly choices: number;
  readonly minTokens: number;
  readonly ignoreEos: boolean;
  /** Ids between commas or spaces. */
  readonly stopTokens: string;
  /** One a line: a token's id, and what is added to its logit. */
  readonly logitBias: string;
  /** Shown with each token. */
  readonly alternatives: number;
  readonly priority: number;
  /** Requests of another salt share nothing of the cache. */
  readonly cacheSalt: string;
  readonly format: ResponseFormat;
  readonly schema: string;
  readonly regex: string;
  /** One a line, as `stop`. */
  readonly texts: string;
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
  choices: 1,
  minTokens: 0,
  ignoreEos: false,
  stopTokens: "",
  logitBias: "",
  alternatives: 8,
  priority: 0,
  cacheSalt: "",
  format: "text",
  schema: '{\n  "type": "object",\n  "properties": {}\n}',
  regex: "",
  texts: "",
};

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

/** @param seed the one of this request @throws RangeError for what cannot be read: a schema, an empty expression, ids, biases */
export function requestOf(asked: Asked, model: string, settings: Settings, seed: number): WireRequest {
  const { alternatives, choices } = settings;
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
      n: choices,
      stream: true,
      stream_options: { include_usage: true },
      fathom: { trace: true, top: alternatives },
    },
  };
}

/** What changes nothing is left out, so that any server of this API takes the rest. */
function samplingOf(settings: Settings): Record<string, unknown> {
  const { temperature, topP, topK, minP, repetitionPenalty, frequencyPenalty, presencePenalty, maxTokens } = settings;
  const { minTokens, ignoreEos, priority, cacheSalt } = settings;
  const stop = linesOf(settings.stop);
  const stopTokens = tokenIds(settings.stopTokens);
  const biases = biasesOf(settings.logitBias);
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
    ...(stopTokens.length > 0 ? { stop_token_ids: stopTokens } : {}),
    ...(minTokens > 0 ? { min_tokens: minTokens } : {}),
    ...(ignoreEos ? { ignore_eos: true } : {}),
    ...(Object.keys(biases).length > 0 ? { logit_bias: biases } : {}),
    ...(priority !== 0 ? { priority } : {}),
    ...(cacheSalt !== "" ? { cache_salt: cacheSalt } : {}),
  };
}

/** Ids between commas or spaces. @throws RangeError for anything else */
export function tokenIds(text: string): number[] {
  return text
    .split(/[\s,]+/)
    .filter((part) => part !== "")
    .map((part) => {
      if (!/^\d{1,9}$/.test(part)) throw new RangeError(`stop tokens: expected ids of tokens, got ${part}`);
      return Number(part);
    });
}

/** Lines of an id and a number, between them a colon, an equals sign or spaces. @throws RangeError for anything else */
export function biasesOf(text: string): Record<string, number> {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return Object.fromEntries(
    lines.map((line) => {
      const [, id, bias] = /^\s*(\d{1,9})(?:\s*[:=]\s*|\s+)([+-]?\d+(?:\.\d+)?)\s*$/.exec(line) ?? [];
      if (id === undefined) throw new RangeError(`logit bias: expected lines as "42: -100", got ${line.trim()}`);
      return [id, Number(bias)];
    }),
  );
}

/** Texts, one a line, with their escapes. */
export function linesOf(text: string): string[] {
  const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", "\\": "\\" };
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.replace(/\\([nt\\])/g, (_, letter: string) => escapes[letter] ?? letter));
}

function formatOf({ format, schema, regex, texts }: Settings): Record<string, unknown> {
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
    case "choice": {
      const choices = linesOf(texts);
      if (choices.length === 0) throw new RangeError("there are no texts to choose from; write one a line");
      return { guided_choice: choices };
    }
    default:
      return format satisfies never;
  }
}
