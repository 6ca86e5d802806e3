/**
 * The engine's events as a chat completion: each choice's text goes through the split of reasoning and answer and then through the reader of
 * tool calls; what comes out is either streamed as deltas or joined to messages (infrastructure.md 7.3). Both are made from the same chunks.
 */
import { randomBytes } from "node:crypto";
import type { GenerationEvent } from "../generate/request.js";
import { ThoughtSplitter } from "../tokenizer/thought.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { Timings } from "./runningRequest.js";
import { type ChatLogprob, chatLogprob, type TokenEvent, type TracedToken, tracedToken } from "./tokenRecord.js";
import type { ToolPart, ToolReader } from "./toolParser.js";
import { type Usage, UsageCounter } from "./usage.js";

export type ChatFinishReason = "stop" | "length" | "tool_calls";

export interface ToolCallDelta {
  readonly index: number;
  readonly id?: string;
  readonly type?: "function";
  readonly function: { readonly name?: string; readonly arguments: string };
}

export interface ChatDelta {
  readonly role?: "assistant";
  readonly content?: string;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly ToolCallDelta[];
}

export interface ChatChunkChoice {
  readonly index: number;
  readonly delta: ChatDelta;
  readonly finish_reason: ChatFinishReason | null;
  readonly logprobs: { readonly content: readonly ChatLogprob[] } | null;
  readonly fathom?: { readonly tokens: readonly TracedToken[] };
}

export interface ChatChunk {
  readonly id: string;
  readonly object: "chat.completion.chunk";
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint: string;
  readonly choices: readonly ChatChunkChoice[];
  readonly usage?: Usage | null;
  readonly fathom?: Timings;
}

export interface ChatAnswerOptions {
  readonly id: string;
  readonly created: number;
  readonly model: string;
  readonly fingerprint: string;
  readonly tokenizer: Tokenizer | null;
  readonly choices: number;
  /** The prompt ends within an opened thought. */
  readonly isThinking: boolean;
  /** Reads tool calls out of the answer; null leaves it as it is. */
  readonly newReader: () => ToolReader | null;
  /** Alternatives of each token; null: no log-probabilities. */
  readonly topLogprobs: number | null;
  /** The same for our page. */
  readonly traceTop: number | null;
  readonly includeUsage: boolean;
  readonly timings: () => Timings;
}

/** @throws what the events throw */
export async function* chatChunks(
  events: AsyncIterable<GenerationEvent>,
  options: ChatAnswerOptions,
): AsyncGenerator<ChatChunk> {
  const usage = new UsageCounter();
  const choices = Array.from({ length: options.choices }, (_, index) => new ChoiceReader(index, options));
  let finished = 0;
  const chunk = (chunkChoices: readonly ChatChunkChoice[], more: Partial<ChatChunk> = {}): ChatChunk => ({
    id: options.id,
    object: "chat.completion.chunk",
    created: options.created,
    model: options.model,
    system_fingerprint: options.fingerprint,
    choices: chunkChoices,
    ...(options.includeUsage ? { usage: null } : {}),
    ...more,
  });
  for await (const event of events) {
    if (event.type === "prompt") {
      usage.promptTokens += event.promptTokens;
      usage.cachedTokens += event.cachedTokens;
      for (const choice of choices) yield chunk([choice.begin()]);
      continue;
    }
    const choice = choices[event.choice];
    if (!choice) throw new Error(`internal: the engine wrote choice ${event.choice} of ${choices.length}`);
    if (event.type === "token") {
      if (choice.isReasoning) usage.reasoningTokens++;
      for (const each of choice.token(event)) yield chunk([each]);
      continue;
    }
    usage.completionTokens += event.completionTokens;
    finished++;
    const isLast = finished === choices.length && options.traceTop !== null;
    const ending = choice.finish(event.text, event.reason === "length" ? "length" : "stop");
    for (const [i, each] of ending.entries()) {
      yield chunk([each], isLast && i === ending.length - 1 ? { fathom: options.timings() } : {});
    }
  }
  if (options.includeUsage) yield chunk([], { usage: usage.toJson() });
}

/** The deltas of one choice. */
class ChoiceReader {
  readonly #index: number;
  readonly #options: ChatAnswerOptions;
  readonly #thought: ThoughtSplitter;
  readonly #reader: ToolReader | null;
  /** Tokens whose text has not come yet. */
  #tokens: TokenEvent[] = [];
  #hasCalls = false;

  constructor(index: number, options: ChatAnswerOptions) {
    this.#index = index;
    this.#options = options;
    this.#thought = new ThoughtSplitter(options.isThinking);
    this.#reader = options.newReader();
  }

  get isReasoning(): boolean {
    return this.#thought.isReasoning;
  }

  begin(): ChatChunkChoice {
    return { index: this.#index, delta: { role: "assistant", content: "" }, finish_reason: null, logprobs: null };
  }

  token(event: TokenEvent): ChatChunkChoice[] {
    if (this.#options.topLogprobs !== null || this.#options.traceTop !== null) this.#tokens.push(event);
    return event.text === "" ? [] : this.#choices(this.#read(event.text));
  }

  finish(text: string, reason: "stop" | "length"): ChatChunkChoice[] {
    const deltas = text === "" ? [] : this.#read(text);
    for (const part of this.#thought.end()) deltas.push(...this.#part(part.kind, part.text));
    for (const part of this.#reader?.end() ?? []) deltas.push(this.#toolDelta(part));
    const last = this.#choices([...deltas, {}]);
    const finish_reason = this.#hasCalls && reason === "stop" ? "tool_calls" : reason;
    return last.map((choice, i) => (i === last.length - 1 ? { ...choice, finish_reason } : choice));
  }

  #read(text: string): ChatDelta[] {
    return this.#thought.push(text).flatMap((part) => this.#part(part.kind, part.text));
  }

  #part(kind: "reasoning" | "content", text: string): ChatDelta[] {
    if (kind === "reasoning") return [{ reasoning_content: text }];
    if (!this.#reader) return [{ content: text }];
    return this.#reader.push(text).map((part) => this.#toolDelta(part));
  }

  #toolDelta(part: ToolPart): ChatDelta {
    switch (part.kind) {
      case "content":
        return { content: part.text };
      case "call": {
        this.#hasCalls = true;
        const named = { name: part.name, arguments: "" };
        return { tool_calls: [{ index: part.index, id: newId("call_"), type: "function", function: named }] };
      }
      case "arguments":
        return { tool_calls: [{ index: part.index, function: { arguments: part.text } }] };
      default:
        return part satisfies never;
    }
  }

  /** The tokens go with the first of the deltas that they led to. */
  #choices(deltas: readonly ChatDelta[]): ChatChunkChoice[] {
    if (deltas.length === 0) return [];
    const { tokenizer, topLogprobs, traceTop } = this.#options;
    const tokens = this.#tokens;
    this.#tokens = [];
    return deltas.map((delta, i) => {
      const own = i === 0 ? tokens : [];
      const content =
        topLogprobs === null
          ? []
          : own.flatMap(({ logprobs }) => (logprobs ? [chatLogprob(tokenizer, logprobs, topLogprobs)] : []));
      return {
        index: this.#index,
        delta,
        finish_reason: null,
        logprobs: content.length > 0 ? { content } : null,
        ...(traceTop === null ? {} : { fathom: { tokens: own.map((each) => tracedToken(tokenizer, each, traceTop)) } }),
      };
    });
  }
}

export interface ChatMessageAnswer {
  readonly role: "assistant";
  readonly content: string | null;
  readonly reasoning_content: string | null;
  readonly tool_calls?: readonly {
    readonly id: string;
    readonly type: "function";
    readonly function: { readonly name: string; readonly arguments: string };
  }[];
}

export interface ChatCompletion {
  readonly id: string;
  readonly object: "chat.completion";
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint: string;
  readonly choices: readonly {
    readonly index: number;
    readonly message: ChatMessageAnswer;
    readonly finish_reason: ChatFinishReason;
    readonly logprobs: { readonly content: readonly ChatLogprob[] } | null;
    readonly fathom?: { readonly tokens: readonly TracedToken[] };
  }[];
  readonly usage: Usage;
  readonly fathom?: Timings;
}

/** Joins the chunks of an answer, which must have been made with usage, to the whole of it. */
export async function joinChat(chunks: AsyncIterable<ChatChunk>, options: ChatAnswerOptions): Promise<ChatCompletion> {
  const choices = Array.from({ length: options.choices }, () => new JoinedChoice());
  let usage = new UsageCounter().toJson();
  let timings: Timings | null = null;
  for await (const chunk of chunks) {
    if (chunk.usage) usage = chunk.usage;
    if (chunk.fathom) timings = chunk.fathom;
    for (const choice of chunk.choices) choices[choice.index]?.add(choice);
  }
  return {
    id: options.id,
    object: "chat.completion",
    created: options.created,
    model: options.model,
    system_fingerprint: options.fingerprint,
    choices: choices.map((choice, index) => ({
      index,
      message: choice.message(),
      finish_reason: choice.finishReason,
      logprobs: options.topLogprobs === null ? null : { content: choice.logprobs },
      ...(options.traceTop === null ? {} : { fathom: { tokens: choice.traced } }),
    })),
    usage,
    ...(timings ? { fathom: timings } : {}),
  };
}

class JoinedChoice {
  finishReason: ChatFinishReason = "stop";
  readonly logprobs: ChatLogprob[] = [];
  readonly traced: TracedToken[] = [];
  readonly #content: string[] = [];
  readonly #reasoning: string[] = [];
  readonly #calls: { readonly id: string; readonly name: string; readonly arguments: string[] }[] = [];

  add({ delta, finish_reason, logprobs, fathom }: ChatChunkChoice): void {
    if (delta.content) this.#content.push(delta.content);
    if (delta.reasoning_content) this.#reasoning.push(delta.reasoning_content);
    for (const { index, id, function: called } of delta.tool_calls ?? []) {
      this.#calls[index] ??= { id: id ?? newId("call_"), name: called.name ?? "", arguments: [] };
      this.#calls[index].arguments.push(called.arguments);
    }
    if (finish_reason) this.finishReason = finish_reason;
    this.logprobs.push(...(logprobs?.content ?? []));
    this.traced.push(...(fathom?.tokens ?? []));
  }

  message(): ChatMessageAnswer {
    const content = this.#content.join("");
    const calls = this.#calls.map(({ id, name, arguments: pieces }) => ({
      id,
      type: "function" as const,
      function: { name, arguments: pieces.join("") },
    }));
    return {
      role: "assistant",
      content: content === "" && calls.length > 0 ? null : content,
      reasoning_content: this.#reasoning.length > 0 ? this.#reasoning.join("") : null,
      ...(calls.length > 0 ? { tool_calls: calls } : {}),
    };
  }
}

export function newId(prefix: string): string {
  return prefix + randomBytes(12).toString("hex");
}
