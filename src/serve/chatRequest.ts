/** POST /v1/chat/completions as OpenAI and DeepSeek define it: what may be asked, and the messages as templates see them; infrastructure.md 7.3. */
import { z } from "zod";
import type { AnswerStart, ChatMessage } from "../tokenizer/chatTemplate.js";
import { invalid } from "./apiError.js";
import { limits } from "./limits.js";
import { samplingFields } from "./samplingFields.js";

const textPart = z.object({ type: z.literal("text"), text: z.string() });
const content = z.union([z.string(), z.array(textPart).max(limits.contentParts)]);
const name = z.string().max(limits.nameCharacters);
const functionName = z
  .string()
  .regex(/^[\w.-]{1,64}$/, "expected 1 to 64 letters, digits, dots, dashes or underscores");

const message = z.discriminatedUnion("role", [
  z.object({ role: z.literal("system"), content, name: name.nullish() }),
  z.object({ role: z.literal("developer"), content, name: name.nullish() }),
  z.object({ role: z.literal("user"), content, name: name.nullish() }),
  z.object({
    role: z.literal("assistant"),
    content: content.nullish(),
    name: name.nullish(),
    reasoning_content: z.string().nullish(),
    /** As the last message: the text to go on from. */
    prefix: z.boolean().nullish(),
    tool_calls: z
      .array(
        z.object({
          id: name.nullish(),
          type: z.literal("function").default("function"),
          function: z.object({ name: functionName, arguments: z.string() }),
        }),
      )
      .max(limits.toolCalls)
      .nullish(),
  }),
  z.object({ role: z.literal("tool"), content, tool_call_id: name, name: name.nullish() }),
]);

const tool = z.object({
  type: z.literal("function"),
  function: z.object({
    name: functionName,
    description: z.string().max(limits.descriptionCharacters).nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish(),
    strict: z.boolean().nullish(),
  }),
});

export type Tool = z.infer<typeof tool>;

export const messagesField = z.array(message).min(1).max(limits.messages);

/** Switches of templates, such as `thinking`; no texts, which could spell control tokens. */
const templateVariables = z
  .record(z.string().regex(/^[a-z_]{1,64}$/), z.union([z.boolean(), z.number()]))
  .refine((all) => Object.keys(all).length <= limits.templateVariables, {
    error: `at most ${limits.templateVariables} variables`,
  });

export const templateFields = {
  model: z.string().max(limits.nameCharacters).nullish(),
  messages: messagesField,
  tools: z.array(tool).max(limits.tools).nullish(),
  chat_template_kwargs: templateVariables.nullish(),
};

export const chatRequest = z.object({
  ...templateFields,
  ...samplingFields,
  max_tokens: samplingFields.max_tokens.refine((value) => value !== 0, { error: "must be at least 1" }),
  max_completion_tokens: z.number().int().min(1).max(limits.maxTokens).nullish(),
  tool_choice: z
    .union([
      z.enum(["none", "auto", "required"]),
      z.object({ type: z.literal("function"), function: z.object({ name: functionName }) }),
    ])
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.number().int().min(0).max(limits.logprobs).nullish(),
});

export type ChatRequest = z.infer<typeof chatRequest>;
export type RequestMessage = z.infer<typeof message>;

/** Messages as a template sees them, and the beginning of the answer where the last one is to be gone on from. */
export interface Conversation {
  readonly messages: readonly ChatMessage[];
  readonly prefix: AnswerStart | null;
}

/** @throws ApiError naming the message */
export function conversationOf(messages: readonly RequestMessage[]): Conversation {
  const last = messages.at(-1);
  const isPrefixed = last?.role === "assistant" && last.prefix === true;
  messages.forEach((each, i) => {
    if (each.role === "assistant" && each.prefix && i < messages.length - 1) {
      throw invalid(`messages[${i}].prefix`, `messages[${i}].prefix: only the last message can be gone on from`);
    }
  });
  const whole = isPrefixed ? messages.slice(0, -1) : messages;
  return {
    messages: whole.map((each, i) => templateMessage(each, `messages[${i}]`)),
    prefix: isPrefixed ? { content: plainText(last.content), reasoning: last.reasoning_content ?? null } : null,
  };
}

function templateMessage(given: RequestMessage, at: string): ChatMessage {
  const named = given.name ? { name: given.name } : {};
  switch (given.role) {
    case "system":
    case "developer":
      return { role: "system", content: plainText(given.content), ...named };
    case "user":
      return { role: "user", content: plainText(given.content), ...named };
    case "tool":
      return { role: "tool", content: plainText(given.content), tool_call_id: given.tool_call_id, ...named };
    case "assistant": {
      const calls = given.tool_calls ?? [];
      const hasContent = given.content !== null && given.content !== undefined;
      if (!hasContent && calls.length === 0) {
        throw invalid(`${at}.content`, `${at}.content: expected a text, for the message has no tool_calls`);
      }
      return {
        role: "assistant",
        content: hasContent ? plainText(given.content) : null,
        ...(given.reasoning_content ? { reasoning_content: given.reasoning_content } : {}),
        ...(calls.length === 0
          ? {}
          : { tool_calls: calls.map(({ id, ...call }) => ({ ...(id ? { id } : {}), ...call })) }),
        ...named,
      };
    }
    default:
      return given satisfies never;
  }
}

function plainText(given: string | readonly { readonly text: string }[] | null | undefined): string {
  if (given === null || given === undefined) return "";
  return typeof given === "string" ? given : given.map(({ text }) => text).join("");
}
