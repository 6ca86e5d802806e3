/**
 * A model as programs use it: text in, text out, in three verbs. It is a `Model` too, by passing on, so that the server and whatever else
 * takes one takes this.
 */
import type { ChatMessage } from "../tokenizer/chatTemplate.js";
import type { ThoughtPart } from "../tokenizer/thought.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { answerChat, type ChatAnswer, type ChatOptions } from "./answerChat.js";
import { type CompletedText, type CompleteOptions, completeText } from "./completeText.js";
import type { EngineStats, GenerationEvent, GenerationRequest, Model, ModelInfo } from "./request.js";
import { type ScoreTextOptions, scoreText, type TextScore } from "./scoreText.js";
import type { TextStream } from "./textStream.js";

export class LanguageModel implements Model, AsyncDisposable {
  readonly #model: Model;
  #closed: Promise<void> | null = null;

  /** Owns the model from now on: closing this closes it. */
  constructor(model: Model) {
    this.#model = model;
  }

  get info(): ModelInfo {
    return this.#model.info;
  }

  get damage(): string | null {
    return this.#model.damage;
  }

  get tokenizer(): Tokenizer | null {
    return this.#model.tokenizer;
  }

  /** Goes on from a text, or with `suffix` fills the gap between two; see `completeText`. */
  generate(prompt: string | ArrayLike<number>, options: CompleteOptions = {}): TextStream<string, CompletedText> {
    return completeText(this.#model, prompt, options);
  }

  /** Answers the last of the messages; see `answerChat`. */
  chat(messages: readonly ChatMessage[], options: ChatOptions = {}): TextStream<ThoughtPart, ChatAnswer> {
    return answerChat(this.#model, messages, options);
  }

  /** Log-probabilities of a text; see `scoreText`. */
  score(text: string | ArrayLike<number>, options: ScoreTextOptions = {}): Promise<TextScore> {
    return scoreText(this.#model, text, options);
  }

  stream(request: GenerationRequest, signal?: AbortSignal): AsyncIterable<GenerationEvent> {
    return this.#model.stream(request, signal);
  }

  stats(): Promise<EngineStats> {
    return this.#model.stats();
  }

  /** Ends what runs and frees the memory; further calls wait for the same. */
  close(): Promise<void> {
    this.#closed ??= this.#model.close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
