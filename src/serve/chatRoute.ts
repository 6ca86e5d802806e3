/** POST /v1/chat/completions, and the route that shows what a chat becomes: what the request means to the engine, and its answer. */
import type { Context } from "hono";
import { z } from "zod";
import type { GenerationRequest } from "../generate/request.js";
import { toolCallEnd } from "../tokenizer/specialTokens.js";
import { invalid } from "./apiError.js";
import { type ChatAnswerOptions, chatChunks, joinChat, newId } from "./chatAnswer.js";
import { type ChatRequest, chatRequest, conversationOf, type Tool, templateFields } from "./chatRequest.js";
import { callsGrammar, ForcedCallParser, strictGrammar } from "./forcedCalls.js";
import { readBody } from "./readBody.js";
import { jsonAnswer, respond } from "./respond.js";
import { RunningRequest } from "./runningRequest.js";
import { generationOf, grammarOf } from "./samplingFields.js";
import type { ServerContext } from "./serverContext.js";
import { ToolParser, type ToolReader } from "./toolParser.js";

/** Alternatives of each token on our page, if it doesn't say how many. */
export const defaultTraceTop = 5;

export async function chatCompletion(context: ServerContext, c: Context): Promise<Response> {
  const { body, ignored } = await readBody(c.req.raw, chatRequest, context.settings);
  const running = new RunningRequest(context, c.req.raw, body.model, body.n ?? 1);
  try {
    const asked = await askedOf(body, running);
    const options: ChatAnswerOptions = {
      id: newId("chatcmpl-"),
      created: Math.floor(Date.now() / 1000),
      model: running.lease.id,
      fingerprint: running.lease.opened.fingerprint,
      tokenizer: running.text.tokenizer,
      choices: body.n ?? 1,
      isThinking: asked.isThinking,
      newReader: asked.newReader,
      topLogprobs: body.logprobs ? (body.top_logprobs ?? 0) : null,
      traceTop: body.fathom?.trace ? (body.fathom.top ?? defaultTraceTop) : null,
      includeUsage: body.stream ? (body.stream_options?.include_usage ?? false) : true,
      timings: () => running.timings(),
    };
    const chunks = chatChunks(running.generate(asked.request, asked.grammarParam), options);
    return await respond(context, c, running, chunks, body.stream ? null : (all) => joinChat(all, options), ignored);
  } catch (error) {
    running.end();
    throw error;
  }
}

const templateRequest = z.object(templateFields);

/** POST /apply-template: the text that the messages become. */
export async function applyTemplate(context: ServerContext, c: Context): Promise<Response> {
  const { body, ignored } = await readBody(c.req.raw, templateRequest, context.settings);
  const running = new RunningRequest(context, c.req.raw, body.model, 1);
  try {
    const prompt = await running.text.prompts.chatText({
      conversation: conversationOf(body.messages),
      tools: body.tools ?? [],
      variables: body.chat_template_kwargs ?? {},
    });
    return jsonAnswer({ prompt }, ignored);
  } finally {
    running.end();
  }
}

interface Asked {
  readonly request: GenerationRequest;
  readonly grammarParam: string | null;
  readonly isThinking: boolean;
  readonly newReader: () => ToolReader | null;
}

async function askedOf(body: ChatRequest, running: RunningRequest): Promise<Asked> {
  if (body.top_logprobs && !body.logprobs) {
    throw invalid("top_logprobs", "top_logprobs: set logprobs to true to get log-probabilities");
  }
  const maxTokens = maxTokensOf(body);
  const generation = generationOf(body, maxTokens);
  const calling = callingOf(body);
  const asked = grammarOf(body);
  if (asked && calling.forced) {
    throw invalid("tool_choice", `tool_choice: ${asked.param} already says what the text must be`);
  }
  const grammar = calling.forced ? callsGrammar(calling.forced, body.parallel_tool_calls ?? true) : asked?.grammar;
  const strict = grammar ? null : strictGrammar(calling.tools);
  const conversation = conversationOf(body.messages);
  const prompt = await running.text.prompts.chat({
    // What a grammar says holds from the first token on, so there is no room for a thought before.
    conversation: grammar
      ? { ...conversation, prefix: conversation.prefix ?? { content: "", reasoning: null } }
      : conversation,
    tools: calling.tools,
    isCalling: calling.forced !== null,
    variables: body.chat_template_kwargs ?? {},
  });
  running.checkLength(prompt.ids.length, maxTokens);
  const logprobs = Math.max(
    body.logprobs ? (body.top_logprobs ?? 0) : -1,
    body.fathom?.trace ? (body.fathom.top ?? defaultTraceTop) : -1,
  );
  const isSingle = calling.tools.length > 0 && !calling.forced && body.parallel_tool_calls === false;
  return {
    request: {
      ...generation,
      prompt: prompt.ids,
      ...(isSingle ? { stop: [...(generation.stop ?? []), toolCallEnd] } : {}),
      ...(grammar ? { grammar } : strict ? { grammar: strict } : {}),
      ...(logprobs >= 0 ? { logprobs } : {}),
    },
    grammarParam: calling.forced || strict ? "tools" : (asked?.param ?? null),
    isThinking: prompt.isThinking,
    newReader: () => (calling.forced ? new ForcedCallParser() : calling.tools.length > 0 ? new ToolParser() : null),
  };
}

function maxTokensOf({ max_tokens, max_completion_tokens }: ChatRequest): number | null {
  if (max_tokens && max_completion_tokens && max_tokens !== max_completion_tokens) {
    throw invalid("max_completion_tokens", "max_completion_tokens: max_tokens says another number; give one of them");
  }
  return max_completion_tokens ?? max_tokens ?? null;
}

interface Calling {
  /** Those that the model is told of. */
  readonly tools: readonly Tool[];
  /** Those of which one must be called; null: it may answer in words. */
  readonly forced: readonly Tool[] | null;
}

/** @throws ApiError for a choice that needs tools that are not there */
function callingOf({ tools, tool_choice }: ChatRequest): Calling {
  const all = tools ?? [];
  const names = all.map((tool) => tool.function.name);
  const twice = names.findIndex((name, i) => names.indexOf(name) !== i);
  if (twice >= 0) throw invalid(`tools[${twice}].function.name`, `tools: two are called ${names[twice]}`);
  const choice = tool_choice ?? "auto";
  if (choice === "none") return { tools: [], forced: null };
  if (choice === "auto") return { tools: all, forced: null };
  if (choice === "required") {
    if (all.length === 0) throw invalid("tool_choice", "tool_choice: required, but there are no tools");
    return { tools: all, forced: all };
  }
  const { name } = choice.function;
  const named = all.filter((tool) => tool.function.name === name);
  if (named.length === 0) throw invalid("tool_choice", `tool_choice: no tool is called ${name}`);
  return { tools: all, forced: named };
}
