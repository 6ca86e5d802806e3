/**
 * What the thread of a chat template does: messages in, guarded text out. A checkpoint's template may be hostile, so the server runs it
 * nowhere else.
 */
import {
  type AnswerStart,
  type ChatMessage,
  compileChatTemplate,
  type GuardedText,
  renderGuarded,
} from "../tokenizer/chatTemplate.js";
import type { Answerer } from "./sideThread.js";

export interface TemplateData {
  readonly template: string;
  readonly bosToken: string | null;
  readonly eosToken: string | null;
  readonly addedTokens: readonly string[];
  /** Text beyond this is refused. */
  readonly maxCharacters: number;
}

export interface RenderTask {
  readonly messages: readonly ChatMessage[];
  readonly addGenerationPrompt: boolean;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly answer: AnswerStart | null;
}

/** The template is read with the first task, so that a faulty one is an answer and not the end of its thread. */
export function templateRenderer(data: TemplateData): Answerer<RenderTask, GuardedText> {
  let render: ReturnType<typeof compileChatTemplate> | null = null;
  return ({ messages, addGenerationPrompt, variables, answer }) => {
    render ??= compileChatTemplate(data.template);
    const { bosToken, eosToken } = data;
    const options = { bosToken, eosToken, addGenerationPrompt, variables };
    const guarded = renderGuarded(render, data.addedTokens, messages, options, answer);
    if (guarded.text.length > data.maxCharacters) {
      throw new RangeError(
        `chat template made ${guarded.text.length} characters of these messages; at most ${data.maxCharacters} are taken`,
      );
    }
    return guarded;
  };
}
