/**
 * An answer as it grows: chunks of a stream go in, text and tokens come out. It reads the chunks of chat and of text completions. Tokens come
 * from our own field, else from the log-probabilities that every server of this API sends, else each chunk counts as one token.
 */

export interface Alternative {
  readonly id: number | null;
  readonly text: string;
  readonly logprob: number;
}

export interface Token {
  readonly id: number | null;
  /** What it adds to the text; "" where a character is not complete yet. */
  readonly text: string;
  /** null if the server does not tell. */
  readonly logprob: number | null;
  /** Likeliest first. */
  readonly top: readonly Alternative[];
  /** Written by an MTP module and confirmed by the model; null if the server does not tell. */
  readonly isDrafted: boolean | null;
  /** By MoE layer; empty if the server does not tell. */
  readonly experts: readonly (readonly number[])[];
}

export interface Usage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
}

export class Answer {
  text = "";
  /** What the model thought before it answered, where the server tells it apart. */
  reasoning = "";
  readonly tokens: Token[] = [];
  usage: Usage | null = null;
  finishReason: string | null = null;
  /** What the server says of its own time, in ms and tokens/s. */
  timings: Readonly<Record<string, number>> = {};
  readonly #index: number;

  /** @param index which of the choices of a request it is */
  constructor(index = 0) {
    this.#index = index;
  }

  /** @param chunk one event's data, parsed @throws Error with the server's message where the stream reports one */
  add(chunk: unknown): void {
    if (!isObject(chunk)) return;
    if (isObject(chunk.error)) throw new Error(String(chunk.error.message ?? "the server reports an error"));
    if (isObject(chunk.usage)) this.usage = usageOf(chunk.usage);
    if (isObject(chunk.fathom)) this.#time(chunk.fathom);
    for (const choice of Array.isArray(chunk.choices) ? chunk.choices : []) {
      if (isObject(choice) && (choice.index ?? 0) === this.#index) this.#choice(choice);
    }
  }

  #choice(choice: Record<string, unknown>): void {
    const delta = isObject(choice.delta) ? choice.delta : {};
    const text = textOf(delta.content) + textOf(choice.text);
    const reasoning = textOf(delta.reasoning_content);
    this.text += text;
    this.reasoning += reasoning;
    if (typeof choice.finish_reason === "string") this.finishReason = choice.finish_reason;
    const fathom = isObject(choice.fathom) ? choice.fathom : {};
    if (Array.isArray(fathom.tokens)) this.tokens.push(...fathom.tokens.filter(isObject).map(tracedToken));
    else if (isObject(choice.logprobs)) this.tokens.push(...tokensOfLogprobs(choice.logprobs));
    else if (text + reasoning !== "") this.tokens.push({ ...plain, text: text + reasoning });
  }

  #time(fathom: Record<string, unknown>): void {
    const entries = Object.entries(fathom).filter((entry): entry is [string, number] => typeof entry[1] === "number");
    this.timings = Object.fromEntries(entries);
  }
}

const plain: Token = { id: null, text: "", logprob: null, top: [], isDrafted: null, experts: [] };

function tracedToken(token: Record<string, unknown>): Token {
  return {
    id: numberOf(token.id),
    text: textOf(token.text),
    logprob: numberOf(token.logprob),
    top: (Array.isArray(token.top) ? token.top : []).filter(isObject).map((one) => ({
      id: numberOf(one.id),
      text: textOf(one.text),
      logprob: numberOf(one.logprob) ?? Number.NEGATIVE_INFINITY,
    })),
    isDrafted: typeof token.isDrafted === "boolean" ? token.isDrafted : null,
    experts: Array.isArray(token.experts) ? token.experts.filter((ids) => Array.isArray(ids)) : [],
  };
}

function tokensOfLogprobs(logprobs: Record<string, unknown>): Token[] {
  if (Array.isArray(logprobs.content)) {
    return logprobs.content.filter(isObject).map((token) => ({
      ...plain,
      text: textOf(token.token),
      logprob: numberOf(token.logprob),
      top: (Array.isArray(token.top_logprobs) ? token.top_logprobs : []).filter(isObject).map((one) => ({
        id: null,
        text: textOf(one.token),
        logprob: numberOf(one.logprob) ?? Number.NEGATIVE_INFINITY,
      })),
    }));
  }
  const { tokens, token_logprobs: values, top_logprobs: tops } = logprobs;
  if (!Array.isArray(tokens)) return [];
  return tokens.map((text, i) => {
    const top: unknown = Array.isArray(tops) ? tops[i] : null;
    return {
      ...plain,
      text: textOf(text),
      logprob: Array.isArray(values) ? numberOf(values[i]) : null,
      top: Object.entries(isObject(top) ? top : {})
        .map(([alternative, logprob]) => ({ id: null, text: alternative, logprob: Number(logprob) }))
        .sort((a, b) => b.logprob - a.logprob),
    };
  });
}

function usageOf(usage: Record<string, unknown>): Usage {
  const details = isObject(usage.prompt_tokens_details) ? usage.prompt_tokens_details : {};
  return {
    promptTokens: numberOf(usage.prompt_tokens) ?? 0,
    cachedTokens: numberOf(usage.prompt_cache_hit_tokens) ?? numberOf(details.cached_tokens) ?? 0,
    completionTokens: numberOf(usage.completion_tokens) ?? 0,
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
