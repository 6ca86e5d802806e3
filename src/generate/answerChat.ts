/** The next message of a conversation, by the chat template of the model's tokenizer, its thoughts apart from what it says. */
import { type AnswerStart, type ChatMessage, chatPrompt } from "../tokenizer/chatTemplate.js";
import { type ThoughtPart, ThoughtSplitter } from "../tokenizer/thought.js";
import { tokenizerOf } from "./completeText.js";
import type { Model } from "./request.js";
import { requestOf, type TextOptions } from "./textOptions.js";
import { type Completion, CompletionCounter, TextStream } from "./textStream.js";

export interface ChatOptions extends TextOptions {
  /** The beginning of the answer, which the model goes on from; it is not given back. */
  readonly prefix?: AnswerStart;
  /** Switches of the template, such as `{ thinking: true }`. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

export interface ChatAnswer extends Completion {
  readonly content: string;
  /** Null: it did not think. */
  readonly reasoning: string | null;
  /** The answer as the next turn's history takes it; without the reasoning, which models are not shown again. */
  readonly message: { readonly role: "assistant"; readonly content: string };
}

/**
 * @param messages oldest first; control tokens spelled in them stay text
 * @returns pieces in their order, each of the reasoning or of the content
 * @throws RangeError for options that do not exist, a model that knows of no chats, or messages that its template refuses; for values out
 *   of range with the first piece
 */
export function answerChat(
  model: Model,
  messages: readonly ChatMessage[],
  options: ChatOptions = {},
): TextStream<ThoughtPart, ChatAnswer> {
  const { prefix, variables, ...others } = options;
  const tokenizer = tokenizerOf("chat", model.info.directory, model.tokenizer);
  // What a grammar says holds from the first token on, so there is no room for a thought before.
  const start = prefix ?? (options.grammar ? { content: "", reasoning: null } : null);
  const { ids, isThinking } = chatPrompt(tokenizer, messages, variables ? { variables } : {}, start);
  const request = requestOf("chat", ids, others, ["prefix", "variables"]);
  const counter = new CompletionCounter(request.logprobs !== undefined);
  const texts = { reasoning: [] as string[], content: [] as string[] };
  async function* pieces(): AsyncGenerator<ThoughtPart, void> {
    const splitter = new ThoughtSplitter(isThinking);
    const kept = (parts: readonly ThoughtPart[]): readonly ThoughtPart[] => {
      for (const { kind, text } of parts) texts[kind].push(text);
      return parts;
    };
    for await (const text of counter.read(model, request, options.signal)) yield* kept(splitter.push(text));
    yield* kept(splitter.end());
  }
  return new TextStream(pieces(), () => {
    const content = texts.content.join("");
    return {
      content,
      reasoning: texts.reasoning.length > 0 ? texts.reasoning.join("") : null,
      message: { role: "assistant", content },
      ...counter.completion(),
    };
  });
}
