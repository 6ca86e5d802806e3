/**
 * Reasoning in a conversation: told apart from the answer, in `reasoning_content` or inline, and brought to the form that a template can show.
 * At inference a model sees the reasoning of its earlier turns no more (R1): what it wrote before the last message of the user is stripped,
 * unless it is to be kept. post-training.md 3.3.
 */
import type { ChatMessage } from "../../tokenizer/chatTemplate.js";
import { thinkBegin, thinkEnd } from "../../tokenizer/specialTokens.js";

/** What happens to the reasoning of turns before the last message of the user. */
export type EarlierReasoning = "strip" | "keep";

export interface SplitAnswer {
  /** Without the tags and the line breaks around it; null = none. */
  readonly thought: string | null;
  readonly answer: string;
}

/** An assistant's message in two. Where R1's template opened the thought, the text begins within it. */
export function splitThought({ content, reasoning_content: reasoning = "" }: ChatMessage): SplitAnswer {
  const text = content ?? "";
  if (reasoning !== "") return { thought: trimLines(reasoning), answer: text };
  const end = text.indexOf(thinkEnd);
  if (end < 0) return { thought: null, answer: text };
  const thought = text.slice(0, end).trimStart().startsWith(thinkBegin)
    ? text.slice(text.indexOf(thinkBegin) + thinkBegin.length, end)
    : text.slice(0, end);
  return { thought: trimLines(thought), answer: text.slice(end + thinkEnd.length).replace(/^[\r\n]+/, "") };
}

/** A thought and an answer as R1 writes them. @param isOpen the tag that begins it stands there already, and its line break */
export function inlineThought(thought: string, isOpen: boolean): string {
  return `${isOpen ? "" : `${thinkBegin}\n`}${thought}\n${thinkEnd}\n\n`;
}

/**
 * Messages as a template should get them.
 * @param showsReasoning the template has a place for `reasoning_content`; else reasoning goes into the content
 */
export function withReasoning(
  messages: readonly ChatMessage[],
  earlier: EarlierReasoning,
  showsReasoning: boolean,
): ChatMessage[] {
  const lastQuestion = messages.findLastIndex(({ role }) => role === "user");
  return messages.map((message, i) => {
    if (message.role !== "assistant") return message;
    const { thought, answer } = splitThought(message);
    if (thought === null) return message;
    const { reasoning_content: _, ...rest } = message;
    const bare = message.content === null ? null : answer;
    if (i < lastQuestion && earlier === "strip") return { ...rest, content: bare };
    if (showsReasoning) return { ...rest, content: bare, reasoning_content: thought };
    const isInline = message.content?.trimStart().startsWith(thinkBegin) === true;
    return isInline ? message : { ...rest, content: inlineThought(thought, false) + answer };
  });
}

function trimLines(text: string): string {
  return text.replace(/^[\r\n]+|[\r\n]+$/g, "");
}
