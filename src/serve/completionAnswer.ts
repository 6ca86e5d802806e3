/**
 * The engine's events as text completions (infrastructure.md 7.4): pieces of text, and log-probabilities in the older form, lists over the
 * tokens. With `echo` the prompt comes first, and so do its tokens' values. A start token that the server itself put before a text is left
 * out, so that the values stand for the text alone.
 */
import type { GenerationEvent, PositionLogprobs } from "../generate/request.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { Merged } from "./mergeStreams.js";
import type { Timings } from "./runningRequest.js";
import { finite, type TokenEvent, type TracedToken, tracedToken } from "./tokenRecord.js";
import { tokenKey } from "./tokenText.js";
import { type Usage, UsageCounter } from "./usage.js";

export interface CompletionLogprobs {
  readonly tokens: string[];
  readonly token_logprobs: (number | null)[];
  readonly top_logprobs: (Record<string, number> | null)[];
  /** Where each token begins in the text, in characters (code points). */
  readonly text_offset: number[];
}

export interface CompletionChoice {
  readonly index: number;
  readonly text: string;
  readonly logprobs: CompletionLogprobs | null;
  readonly finish_reason: "stop" | "length" | null;
  readonly fathom?: { readonly tokens: readonly TracedToken[] };
}

export interface CompletionChunk {
  readonly id: string;
  readonly object: "text_completion";
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint: string;
  readonly choices: readonly CompletionChoice[];
  readonly usage?: Usage | null;
  readonly fathom?: Timings;
}

/** What is given back of the prompt. */
export interface Echo {
  readonly text: string;
  readonly ids: ArrayLike<number>;
  /** Tokens at the start that the server added. */
  readonly added: number;
}

export interface CompletionAnswerOptions {
  readonly id: string;
  readonly created: number;
  readonly model: string;
  readonly fingerprint: string;
  readonly tokenizer: Tokenizer | null;
  /** Choices of each prompt. */
  readonly choices: number;
  /** By prompt; null: not asked for. */
  readonly echoes: readonly (Echo | null)[];
  /** Alternatives of each token; null: no log-probabilities. */
  readonly topLogprobs: number | null;
  readonly traceTop: number | null;
  /** No tokens were asked for, but the engine writes at least one. */
  readonly isPromptOnly: boolean;
  readonly includeUsage: boolean;
  readonly timings: () => Timings;
}

/** @param events of the prompts, each with its number @throws what the events throw */
export async function* completionChunks(
  events: AsyncIterable<Merged<GenerationEvent>>,
  options: CompletionAnswerOptions,
): AsyncGenerator<CompletionChunk> {
  const usage = new UsageCounter();
  const { choices: perPrompt } = options;
  const choices = options.echoes.flatMap((echo, prompt) =>
    Array.from({ length: perPrompt }, (_, i) => new ChoiceText(prompt * perPrompt + i, echo, options)),
  );
  let finished = 0;
  const chunk = (chunkChoices: readonly CompletionChoice[], more: Partial<CompletionChunk> = {}): CompletionChunk => ({
    id: options.id,
    object: "text_completion",
    created: options.created,
    model: options.model,
    system_fingerprint: options.fingerprint,
    choices: chunkChoices,
    ...(options.includeUsage ? { usage: null } : {}),
    ...more,
  });
  for await (const { source, item: event } of events) {
    const first = source * perPrompt;
    if (event.type === "prompt") {
      usage.promptTokens += event.promptTokens;
      usage.cachedTokens += event.cachedTokens;
      for (const choice of choices.slice(first, first + perPrompt)) {
        const echoed = choice.begin(event.logprobs);
        if (echoed) yield chunk([echoed]);
      }
      continue;
    }
    const choice = choices[first + event.choice];
    if (!choice) throw new Error(`internal: the engine wrote choice ${event.choice} of ${perPrompt}`);
    if (event.type === "token") {
      const written = choice.token(event);
      if (written) yield chunk([written]);
      continue;
    }
    if (!options.isPromptOnly) usage.completionTokens += event.completionTokens;
    finished++;
    const isLast = finished === choices.length && options.traceTop !== null;
    const reason = event.reason === "length" ? "length" : "stop";
    yield chunk([choice.finish(event.text, reason)], isLast ? { fathom: options.timings() } : {});
  }
  if (options.includeUsage) yield chunk([], { usage: usage.toJson() });
}

/** The pieces of one choice. */
class ChoiceText {
  readonly #index: number;
  readonly #echo: Echo | null;
  readonly #options: CompletionAnswerOptions;
  /** Tokens whose text has not come yet. */
  #tokens: TokenEvent[] = [];
  /** Characters so far, by the tokens. */
  #offset = 0;

  constructor(index: number, echo: Echo | null, options: CompletionAnswerOptions) {
    this.#index = index;
    this.#echo = echo;
    this.#options = options;
  }

  begin(logprobs: readonly (PositionLogprobs | null)[] | null): CompletionChoice | null {
    if (!this.#echo) return null;
    const { text, ids, added } = this.#echo;
    const lists =
      this.#options.topLogprobs === null
        ? null
        : this.#lists(Array.from(ids).slice(added), logprobs?.slice(added) ?? []);
    this.#offset = codePoints(text);
    return { index: this.#index, text, logprobs: lists, finish_reason: null, ...this.#traced([]) };
  }

  token(event: TokenEvent): CompletionChoice | null {
    if (this.#options.isPromptOnly) return null;
    this.#tokens.push(event);
    return event.text === "" ? null : this.#piece(event.text, null);
  }

  finish(text: string, reason: "stop" | "length"): CompletionChoice {
    return this.#piece(this.#options.isPromptOnly ? "" : text, this.#options.isPromptOnly ? "length" : reason);
  }

  #piece(text: string, finish_reason: CompletionChoice["finish_reason"]): CompletionChoice {
    const tokens = this.#tokens;
    this.#tokens = [];
    const lists =
      this.#options.topLogprobs === null || tokens.length === 0
        ? null
        : this.#lists(
            tokens.map(({ id }) => id),
            tokens.map(({ logprobs }) => logprobs),
          );
    return { index: this.#index, text, logprobs: lists, finish_reason, ...this.#traced(tokens) };
  }

  #traced(tokens: readonly TokenEvent[]): Pick<CompletionChoice, "fathom"> {
    const { traceTop, tokenizer } = this.#options;
    return traceTop === null
      ? {}
      : { fathom: { tokens: tokens.map((each) => tracedToken(tokenizer, each, traceTop)) } };
  }

  #lists(ids: readonly number[], logprobs: readonly (PositionLogprobs | null)[]): CompletionLogprobs {
    const { tokenizer } = this.#options;
    const most = this.#options.topLogprobs ?? 0;
    const lists: CompletionLogprobs = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
    for (const [i, id] of ids.entries()) {
      const values = logprobs[i] ?? null;
      const key = tokenKey(tokenizer, id);
      lists.tokens.push(key);
      lists.token_logprobs.push(values && finite(values.logprob));
      // The token itself is always among them, as at OpenAI.
      const listed = values && [...values.top.slice(0, most), { id, logprob: values.logprob }];
      lists.top_logprobs.push(
        listed && Object.fromEntries(listed.map((each) => [tokenKey(tokenizer, each.id), finite(each.logprob)])),
      );
      lists.text_offset.push(this.#offset);
      this.#offset += key.startsWith("bytes:") ? 0 : codePoints(key);
    }
    return lists;
  }
}

/** Joins the chunks of an answer, which must have been made with usage, to the whole of it. */
export async function joinCompletion(
  chunks: AsyncIterable<CompletionChunk>,
  options: CompletionAnswerOptions,
): Promise<CompletionChunk> {
  const joined = Array.from({ length: options.echoes.length * options.choices }, () => ({
    text: [] as string[],
    logprobs: { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] } as CompletionLogprobs,
    traced: [] as TracedToken[],
    reason: "stop" as CompletionChoice["finish_reason"],
  }));
  let usage = new UsageCounter().toJson();
  let timings: Timings | null = null;
  for await (const chunk of chunks) {
    if (chunk.usage) usage = chunk.usage;
    if (chunk.fathom) timings = chunk.fathom;
    for (const { index, text, logprobs, finish_reason, fathom } of chunk.choices) {
      const choice = joined[index];
      if (!choice) continue;
      choice.text.push(text);
      if (finish_reason) choice.reason = finish_reason;
      if (fathom) choice.traced.push(...fathom.tokens);
      if (!logprobs) continue;
      choice.logprobs.tokens.push(...logprobs.tokens);
      choice.logprobs.token_logprobs.push(...logprobs.token_logprobs);
      choice.logprobs.top_logprobs.push(...logprobs.top_logprobs);
      choice.logprobs.text_offset.push(...logprobs.text_offset);
    }
  }
  return {
    id: options.id,
    object: "text_completion",
    created: options.created,
    model: options.model,
    system_fingerprint: options.fingerprint,
    choices: joined.map(({ text, logprobs, reason, traced }, index) => ({
      index,
      text: text.join(""),
      logprobs: options.topLogprobs === null ? null : logprobs,
      finish_reason: reason,
      ...(options.traceTop === null ? {} : { fathom: { tokens: traced } }),
    })),
    usage,
    ...(timings ? { fathom: timings } : {}),
  };
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
