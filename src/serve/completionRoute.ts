/** POST /v1/completions, /beta/completions and /infill: what the request means to the engine, and its answer. */
import type { Context } from "hono";
import type { GenerationRequest } from "../generate/request.js";
import { invalid } from "./apiError.js";
import { newId } from "./chatAnswer.js";
import { defaultTraceTop } from "./chatRoute.js";
import { type CompletionAnswerOptions, completionChunks, type Echo, joinCompletion } from "./completionAnswer.js";
import { type CompletionRequest, completionRequest, type InfillRequest, infillRequest } from "./completionRequest.js";
import { mergeStreams } from "./mergeStreams.js";
import { readBody } from "./readBody.js";
import { respond } from "./respond.js";
import { RunningRequest } from "./runningRequest.js";
import { generationOf, grammarOf } from "./samplingFields.js";
import type { ServerContext } from "./serverContext.js";

/** OpenAI's, for text completions alone. */
const defaultMaxTokens = 16;

export async function completion(context: ServerContext, c: Context): Promise<Response> {
  const { body, ignored } = await readBody(c.req.raw, completionRequest, context.settings);
  checkForm(body);
  const given = promptsOf(body.prompt);
  const running = new RunningRequest(context, c.req.raw, body.model, given.length * (body.n ?? 1));
  try {
    const maxTokens = body.max_tokens ?? defaultMaxTokens;
    const prompts = await Promise.all(given.map((prompt) => readPrompt(prompt, body, running)));
    for (const { ids } of prompts) running.checkLength(ids.length, maxTokens);
    const traceTop = body.fathom?.trace ? (body.fathom.top ?? defaultTraceTop) : null;
    const logprobs = Math.max(body.logprobs ?? -1, traceTop ?? -1);
    const generation: Omit<GenerationRequest, "prompt"> = {
      ...generationOf(body, maxTokens),
      maxTokens: Math.max(1, maxTokens),
      ...(logprobs >= 0 ? { logprobs } : {}),
      ...(body.echo && typeof body.logprobs === "number" ? { promptLogprobs: body.logprobs } : {}),
    };
    const options: CompletionAnswerOptions = {
      ...answerHead(running),
      choices: body.n ?? 1,
      echoes: prompts.map(({ echo }) => echo),
      topLogprobs: body.logprobs ?? null,
      traceTop,
      isPromptOnly: maxTokens === 0,
      includeUsage: body.stream ? (body.stream_options?.include_usage ?? false) : true,
    };
    const param = grammarOf(body)?.param ?? null;
    const events = mergeStreams(prompts.map(({ ids }) => running.generate({ ...generation, prompt: ids }, param)));
    const chunks = completionChunks(events, options);
    return await respond(
      context,
      c,
      running,
      chunks,
      body.stream ? null : (all) => joinCompletion(all, options),
      ignored,
    );
  } catch (error) {
    running.end();
    throw error;
  }
}

/** llama.cpp's form of filling a gap; its answer is `{content}`, whole or in pieces. */
export async function infill(context: ServerContext, c: Context): Promise<Response> {
  const { body, ignored } = await readBody(c.req.raw, infillRequest, context.settings);
  if ((body.n ?? 1) > 1) throw invalid("n", "n: /infill writes one text; use /v1/completions with suffix");
  const running = new RunningRequest(context, c.req.raw, body.model, 1);
  try {
    const maxTokens = infillTokens(body);
    const before = (body.input_extra ?? []).map(
      ({ filename, text }) => `${filename ? `// ${filename}\n` : ""}${text}\n`,
    );
    const prefix = `${before.join("")}${body.input_prefix}${body.prompt ?? ""}`;
    const prompt = await running.text.prompts.gap(prefix, body.input_suffix);
    running.checkLength(prompt.length, maxTokens);
    const events = running.generate({ ...generationOf(body, maxTokens), prompt }, grammarOf(body)?.param ?? null);
    const pieces = infillPieces(events, running);
    const join = async (all: AsyncIterable<InfillPiece>): Promise<object> => {
      let content = "";
      let last: InfillPiece | null = null;
      for await (const piece of all) {
        content += piece.content;
        last = piece;
      }
      return { ...last, content };
    };
    return await respond(context, c, running, pieces, body.stream ? null : join, ignored);
  } catch (error) {
    running.end();
    throw error;
  }
}

interface InfillPiece {
  readonly content: string;
  readonly stop: boolean;
  readonly model?: string;
  readonly stop_type?: "eos" | "word" | "limit";
  readonly stopping_word?: string;
  readonly tokens_evaluated?: number;
  readonly tokens_cached?: number;
  readonly tokens_predicted?: number;
}

async function* infillPieces(
  events: ReturnType<RunningRequest["generate"]>,
  running: RunningRequest,
): AsyncGenerator<InfillPiece> {
  for await (const event of events) {
    if (event.type === "token" && event.text !== "") yield { content: event.text, stop: false };
    if (event.type !== "finish") continue;
    const { promptTokens, cachedTokens, completionTokens } = running.timings();
    const isWord = typeof event.stoppedBy === "string";
    yield {
      content: event.text,
      stop: true,
      model: running.lease.id,
      stop_type: event.reason === "length" ? "limit" : isWord ? "word" : "eos",
      stopping_word: isWord ? String(event.stoppedBy) : "",
      tokens_evaluated: promptTokens,
      tokens_cached: cachedTokens,
      tokens_predicted: completionTokens,
    };
  }
}

function infillTokens({ n_predict, max_tokens }: InfillRequest): number | null {
  const asked = n_predict ?? max_tokens ?? -1;
  if (asked === 0) throw invalid("n_predict", "n_predict: at least 1, or -1 for as many as fit");
  return asked < 0 ? null : asked;
}

function answerHead(
  running: RunningRequest,
): Pick<CompletionAnswerOptions, "id" | "created" | "model" | "fingerprint" | "tokenizer" | "timings"> {
  const { id, opened } = running.lease;
  return {
    id: newId("cmpl-"),
    created: Math.floor(Date.now() / 1000),
    model: id,
    fingerprint: opened.fingerprint,
    tokenizer: opened.model.tokenizer,
    timings: () => running.timings(),
  };
}

/** @throws ApiError for fields that do not go together */
function checkForm({ best_of, n, suffix, echo, max_tokens }: CompletionRequest): void {
  if (best_of && best_of !== (n ?? 1)) {
    throw invalid("best_of", `best_of: choices are not ranked here; leave it out or give ${n ?? 1}, as n`);
  }
  if (suffix && echo) throw invalid("echo", "echo: not with a suffix, whose middle is written");
  if (max_tokens === 0 && !echo) throw invalid("max_tokens", "max_tokens: 0 only with echo, else at least 1");
}

type Given = string | readonly number[];

function promptsOf(prompt: CompletionRequest["prompt"]): readonly Given[] {
  if (typeof prompt === "string") return [prompt];
  if (prompt.length === 0) throw invalid("prompt", "prompt: an empty list");
  return typeof prompt[0] === "number" ? [prompt as number[]] : (prompt as string[] | number[][]);
}

async function readPrompt(
  given: Given,
  { suffix, echo }: CompletionRequest,
  running: RunningRequest,
): Promise<{ readonly ids: ArrayLike<number>; readonly echo: Echo | null }> {
  if (typeof given === "string") {
    const { prompts } = running.text;
    const ids = suffix ? await prompts.gap(given, suffix) : await prompts.text(given);
    if (ids.length === 0) throw invalid("prompt", "prompt: empty, and the model has no start token");
    return { ids, echo: echo ? { text: given, ids, added: prompts.start.length } : null };
  }
  if (suffix) throw invalid("suffix", "suffix: needs the prompt as text");
  if (given.length === 0) throw invalid("prompt", "prompt: a list without tokens");
  running.checkLength(given.length, null);
  const { model } = running.lease.opened;
  const { tokenizer } = model;
  const wrong = given.find((id) => id >= model.info.config.vocabSize || (tokenizer && !tokenizer.hasToken(id)));
  if (wrong !== undefined) throw invalid("prompt", `prompt: ${wrong} is no token of the model`);
  const text = echo && tokenizer ? tokenizer.decode(given) : "";
  return { ids: given, echo: echo ? { text, ids: given, added: 0 } : null };
}
