/** POST /tokenize and /detokenize, in the forms of vLLM (`prompt` or `messages`, with counts) and of llama.cpp (`content`). */
import type { Context } from "hono";
import { z } from "zod";
import { invalid } from "./apiError.js";
import { conversationOf, templateFields } from "./chatRequest.js";
import { limits } from "./limits.js";
import { readBody, tokenIds } from "./readBody.js";
import { jsonAnswer } from "./respond.js";
import { RunningRequest } from "./runningRequest.js";
import type { ServerContext } from "./serverContext.js";
import { tokenText } from "./tokenText.js";

export const tokenizeRequest = z.object({
  ...templateFields,
  messages: templateFields.messages.nullish(),
  prompt: z.string().nullish(),
  /** llama.cpp's name for the text, which gets llama.cpp's answer. */
  content: z.string().nullish(),
  /** Start token before a text. Default: true for `prompt`, false for `content`. */
  add_special_tokens: z.boolean().nullish(),
  add_special: z.boolean().nullish(),
  return_token_strs: z.boolean().nullish(),
  with_pieces: z.boolean().nullish(),
});

export const detokenizeRequest = z.object({
  model: z.string().max(limits.nameCharacters).nullish(),
  tokens: tokenIds,
});

export async function tokenize(context: ServerContext, c: Context): Promise<Response> {
  const { body, ignored } = await readBody(c.req.raw, tokenizeRequest, context.settings);
  const given = [body.prompt, body.content, body.messages].filter((each) => each !== null && each !== undefined);
  if (given.length !== 1) throw invalid("prompt", "prompt: give one of prompt, messages and content");
  const running = new RunningRequest(context, c.req.raw, body.model, 1);
  try {
    const { prompts, tokenizer } = running.text;
    const text = body.prompt ?? body.content ?? null;
    let ids: readonly number[];
    if (text !== null) {
      const isDocument = body.add_special_tokens ?? body.add_special ?? typeof body.prompt === "string";
      ids = Array.from(isDocument ? await prompts.text(text) : await prompts.encode(text));
    } else {
      const conversation = conversationOf(body.messages ?? []);
      const variables = body.chat_template_kwargs ?? {};
      ids = Array.from((await prompts.chat({ conversation, tools: body.tools ?? [], variables })).ids);
    }
    const textOf = (id: number): string => tokenText(tokenizer, id).token;
    if (typeof body.content === "string") {
      return jsonAnswer({ tokens: body.with_pieces ? ids.map((id) => ({ id, piece: textOf(id) })) : ids }, ignored);
    }
    const { maxPositions } = running.lease.opened.model.info;
    const pieces = body.return_token_strs ? ids.map(textOf) : null;
    return jsonAnswer({ count: ids.length, max_model_len: maxPositions, tokens: ids, token_strs: pieces }, ignored);
  } finally {
    running.end();
  }
}

export async function detokenize(context: ServerContext, c: Context): Promise<Response> {
  const { body, ignored } = await readBody(c.req.raw, detokenizeRequest, context.settings);
  const running = new RunningRequest(context, c.req.raw, body.model, 1);
  try {
    const { tokenizer } = running.text;
    const wrong = body.tokens.find((id) => !tokenizer.hasToken(id));
    if (wrong !== undefined) throw invalid("tokens", `tokens: ${wrong} is no token of the model`);
    const text = tokenizer.decode(body.tokens);
    return jsonAnswer({ prompt: text, content: text }, ignored);
  } finally {
    running.end();
  }
}
