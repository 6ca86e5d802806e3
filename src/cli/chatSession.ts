/**
 * A conversation and the model that answers it. A turn is a question and its answer: both are there or neither, so whatever stops a turn
 * leaves a conversation that can go on.
 */
import { answerChat, type ChatAnswer } from "../generate/answerChat.js";
import type { Model } from "../generate/request.js";
import type { TokenUsage } from "../generate/textStream.js";
import { type ChatMessage, chatPrompt, chatTemplateOf } from "../tokenizer/chatTemplate.js";
import { userTurn } from "../tokenizer/specialTokens.js";
import type { ThoughtPart } from "../tokenizer/thought.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { ChatSettings } from "./chatSettings.js";

export interface Conversation {
  readonly system: string | null;
  /** Questions and answers in turn; answers with the reasoning that led to them. */
  readonly turns: readonly ChatMessage[];
}

export interface Answered {
  readonly answer: ChatAnswer;
  /** False: it was stopped before its first word, and the conversation is as before. */
  readonly isKept: boolean;
}

export class ChatSession {
  readonly model: Model;
  settings: ChatSettings;
  system: string | null = null;
  /** Of the newest answer. */
  lastUsage: TokenUsage | null = null;
  readonly #tokenizer: Tokenizer;
  #turns: readonly ChatMessage[] = [];
  /** Added to the seed, so that a second try is another one. */
  #numAnswers = 0;

  /** @throws RangeError for a model that cannot chat */
  constructor(model: Model, settings: ChatSettings) {
    const { tokenizer, info } = model;
    if (!tokenizer) throw new RangeError(`${info.directory}: no tokenizer.json; a chat needs one`);
    if (chatTemplateOf(tokenizer) === null) {
      throw new RangeError(
        `${info.directory}: its tokenizer has no chat template and no tokens for turns; fathom generate works without`,
      );
    }
    this.model = model;
    this.settings = settings;
    this.#tokenizer = tokenizer;
  }

  get turns(): readonly ChatMessage[] {
    return this.#turns;
  }

  /** Takes over a conversation in place of this one. */
  replace({ system, turns }: Conversation): void {
    this.system = system;
    this.#turns = turns;
    this.#numAnswers = turns.length / 2;
  }

  /** Forgets the last question and its answer. @throws RangeError if there is none */
  undo(): void {
    if (this.#turns.length === 0) throw new RangeError("/undo: the conversation has no turn yet");
    this.#turns = this.#turns.slice(0, -2);
  }

  clear(): void {
    this.#turns = [];
  }

  /** Tokens of the conversation so far. */
  numTokens(): number {
    const messages = this.#shown(this.#turns);
    return chatPrompt(this.#tokenizer, messages, { addGenerationPrompt: false }).ids.length;
  }

  /** @throws RangeError for a question that does not fit in; the conversation is as before then, as after any error */
  ask(question: string, onPiece: (piece: ThoughtPart) => void, signal: AbortSignal): Promise<Answered> {
    return this.#answer(this.#turns, question, onPiece, signal);
  }

  /** Answers the last question anew. @throws RangeError if there is none */
  retry(onPiece: (piece: ThoughtPart) => void, signal: AbortSignal): Promise<Answered> {
    const question = this.#turns.at(-2)?.content;
    if (typeof question !== "string") throw new RangeError("/retry: the conversation has no turn yet");
    return this.#answer(this.#turns.slice(0, -2), question, onPiece, signal);
  }

  async #answer(
    before: readonly ChatMessage[],
    content: string,
    onPiece: (piece: ThoughtPart) => void,
    signal: AbortSignal,
  ): Promise<Answered> {
    const question: ChatMessage = { role: "user", content };
    const messages = this.#shown([...before, question]);
    const { seed, maxTokens, ...sampling } = this.settings;
    const used = chatPrompt(this.#tokenizer, messages).ids.length;
    const room = this.model.info.maxPositions - used;
    if (room < 1) {
      const { maxPositions } = this.model.info;
      throw new RangeError(
        `the conversation has ${used} tokens with this question, the model ${maxPositions} positions; /undo and /clear make room`,
      );
    }
    const next = this.#tokenizer.tokenToId(userTurn);
    const stream = answerChat(this.model, messages, {
      ...sampling,
      seed: seed + this.#numAnswers++,
      maxTokens: Math.min(maxTokens, room),
      // A model that was never taught to end its turn goes on with ours.
      stopIds: next === null ? [] : [next],
      signal,
    });
    for await (const piece of stream) onPiece(piece);
    const answer = await stream.result();
    this.lastUsage = answer.usage;
    const { reasoning } = answer;
    const isKept = answer.finishReason !== "abort" || answer.content !== "" || reasoning !== null;
    if (isKept) {
      const thought = reasoning === null ? {} : { reasoning_content: reasoning };
      this.#turns = [...before, question, { role: "assistant", content: answer.content, ...thought }];
    }
    return { answer, isKept };
  }

  /** What the model reads: earlier reasoning is left out, as at DeepSeek. */
  #shown(turns: readonly ChatMessage[]): ChatMessage[] {
    const system = this.system === null ? [] : [{ role: "system", content: this.system }];
    return [...system, ...turns.map(({ role, content }) => ({ role, content }))];
  }
}
