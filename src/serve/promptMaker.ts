/**
 * From what a request says to the ids that the model reads: chats by their template, texts with the start token of a document, gaps with the
 * tokens of fill-in-the-middle. What users write never becomes a control token. Long texts and every template run in threads of their own,
 * so that the others' requests are answered meanwhile.
 */
import {
  type ChatMessage,
  type ChatPrompt,
  chatTemplateOf,
  endsInThought,
  type GuardedText,
} from "../tokenizer/chatTemplate.js";
import { gapIds, joinIds, startIds } from "../tokenizer/promptIds.js";
import type { EncodeOptions, Tokenizer } from "../tokenizer/tokenizer.js";
import { templateKnowsTools, withCallList, withTools } from "../tokenizer/toolPrompt.js";
import { invalid } from "./apiError.js";
import type { Conversation, Tool } from "./chatRequest.js";
import { type EncodeTask, type TokenizerData, textEncoder } from "./encodeText.js";
import { type RenderTask, type TemplateData, templateRenderer } from "./renderChat.js";
import { DeadlineError, SideThread } from "./sideThread.js";

export interface PromptSettings {
  readonly templateMs: number;
  readonly longTextCharacters: number;
  /** Most characters of a rendered chat. */
  readonly maxTextCharacters: number;
}

export interface TemplateInput {
  readonly conversation: Conversation;
  readonly tools: readonly Tool[];
  /** Whether the answer must be calls. */
  readonly isCalling?: boolean;
  /** Switches of the template. */
  readonly variables: Readonly<Record<string, boolean | number>>;
}

/** Messages of this many characters get another millisecond in the template. */
const charactersPerMs = 10_000;
const templateMemoryMb = 256;

export class PromptMaker {
  readonly #tokenizer: Tokenizer;
  readonly #settings: PromptSettings;
  /** Null where neither tokenizer nor vocabulary knows of chats. */
  readonly #template: string | null;
  readonly #renderer: SideThread<TemplateData, RenderTask, GuardedText> | null;
  readonly #encoder: SideThread<TokenizerData, EncodeTask, Int32Array>;

  constructor(tokenizer: Tokenizer, settings: PromptSettings) {
    this.#tokenizer = tokenizer;
    this.#settings = settings;
    this.#template = chatTemplateOf(tokenizer);
    this.#renderer =
      this.#template === null
        ? null
        : new SideThread(
            new URL("./renderWorker.js", import.meta.url),
            templateRenderer,
            {
              template: this.#template,
              bosToken: tokenizer.bosToken,
              eosToken: tokenizer.eosToken,
              addedTokens: tokenizer.addedTokenTexts,
              maxCharacters: settings.maxTextCharacters,
            },
            templateMemoryMb,
          );
    this.#encoder = new SideThread(new URL("./encodeWorker.js", import.meta.url), textEncoder, {
      json: tokenizer.json,
      config: tokenizer.config,
    });
  }

  /** Ids of a text; in another thread if it is long. */
  async encode(text: string, options: EncodeOptions = {}): Promise<Int32Array> {
    if (text.length <= this.#settings.longTextCharacters) return this.#tokenizer.encode(text, options);
    return this.#encoder.run({ text, options });
  }

  /** A text as the beginning of a document. */
  async text(text: string): Promise<Int32Array> {
    return joinIds([this.start, await this.encode(text)]);
  }

  /** What stands around a gap: prefix, suffix, middle. @throws ApiError if the tokenizer lacks the tokens */
  async gap(prefix: string, suffix: string): Promise<Int32Array> {
    const { fim } = this.#tokenizer;
    if (!fim) throw invalid("suffix", "suffix: this model's tokenizer has no fill-in-the-middle tokens");
    const [before, after] = [await this.encode(prefix), await this.encode(suffix)];
    return gapIds(this.start, fim, before, after);
  }

  /** A conversation up to where the assistant's answer begins, or goes on. @throws ApiError for what the template refuses */
  async chat(input: TemplateInput): Promise<ChatPrompt> {
    const { text, guard } = await this.#render(input);
    const ids = await this.encode(text, { allowSpecial: true, guard });
    return { ids, isThinking: endsInThought(text) };
  }

  /** The text whose ids `chat` gives. @throws ApiError for what the template refuses */
  async chatText(input: TemplateInput): Promise<string> {
    const { text, guard } = await this.#render(input);
    return text.replaceAll(guard, "");
  }

  async close(): Promise<void> {
    await Promise.all([this.#renderer?.close(), this.#encoder.close()]);
  }

  /** What stands before every document. */
  get start(): readonly number[] {
    return startIds(this.#tokenizer);
  }

  async #render({ conversation, tools, isCalling, variables }: TemplateInput): Promise<GuardedText> {
    if (this.#template === null || !this.#renderer) {
      throw invalid("messages", "messages: this model has no chat template; use /v1/completions");
    }
    const isOwn = tools.length > 0 && templateKnowsTools(this.#template);
    const told: readonly ChatMessage[] =
      tools.length > 0 && !isOwn ? withTools(conversation.messages, tools, this.#template) : conversation.messages;
    const messages = isCalling ? withCallList(told) : told;
    const size = messages.reduce((sum, { content }) => sum + (content?.length ?? 0), 0);
    const task: RenderTask = {
      messages,
      addGenerationPrompt: true,
      variables: isOwn ? { ...variables, tools } : variables,
      answer: conversation.prefix,
    };
    try {
      return await this.#renderer.run(task, this.#settings.templateMs + Math.ceil(size / charactersPerMs));
    } catch (error) {
      if (error instanceof DeadlineError) {
        throw invalid("messages", `messages: the model's chat template ${error.message}`, "chat_template_error");
      }
      // RangeError: what the template refuses. Else it has ended its thread: too much memory.
      const reason = error instanceof RangeError ? error.message : "chat template: out of memory";
      throw invalid("messages", `messages: ${reason}`, "chat_template_error");
    }
  }
}
