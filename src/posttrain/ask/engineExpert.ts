/** An own checkpoint that answers, by its tokenizer's chat template. What is written depends on the question and its seed, not on what runs beside it. */
import type { LanguageModel } from "../../generate/languageModel.js";
import { chatPrompt } from "../../tokenizer/chatTemplate.js";
import { thinkBegin } from "../../tokenizer/specialTokens.js";
import type { Answered, Expert, Question } from "./expert.js";

export class EngineExpert implements Expert {
  readonly name: string;
  readonly atOnce: number;
  readonly #model: LanguageModel;

  /** Owns the model from now on. @param atOnce its largest batch */
  constructor(model: LanguageModel, name: string, atOnce: number) {
    this.#model = model;
    this.name = name;
    this.atOnce = atOnce;
  }

  async ask({ name, messages, ...question }: Question, signal: AbortSignal): Promise<Answered> {
    const { tokenizer, info } = this.#model;
    if (!tokenizer) throw new RangeError(`${this.name}: no tokenizer.json: it cannot be asked in words`);
    const { ids, isThinking } = chatPrompt(tokenizer, messages);
    const room = info.maxPositions - ids.length;
    if (room < 1) {
      throw new RangeError(`${name}: the prompt has ${ids.length} tokens, ${this.name} room for ${info.maxPositions}`);
    }
    const { temperature, topP, seed } = question;
    const maxTokens = Math.min(question.maxTokens, room);
    const options = { temperature, topP, seed, maxTokens, signal };
    const { text, finishReason, usage } = await this.#model.generate(ids, options).result();
    if (finishReason === "abort") {
      signal.throwIfAborted();
      throw new Error(`${this.name}: the model was closed meanwhile`);
    }
    // A thought that the template has opened belongs to what was written.
    const completion = isThinking ? `${thinkBegin}\n${text.replace(/^\n/, "")}` : text;
    return { completion, finish_reason: finishReason, token_count: usage.completionTokens };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#model.close();
  }
}
