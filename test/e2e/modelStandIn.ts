/**
 * The routes of a model without one: a fixed text (of several choices each begins a word later), streamed token by token as the server writes it, with log-probabilities, experts and drafts
 * made up from the position. It stands in where a test is about what happens with a stream, not about what is in it.
 */
import type { Context, Hono } from "hono";
import { streamSSE } from "hono/streaming";

export interface StandInOptions {
  readonly models: readonly string[];
  readonly text: string;
  /** Pause before each token. */
  readonly tokenMs: number;
  readonly moeLayers: number;
  readonly experts: number;
  readonly expertsPerToken: number;
  /** Refuses requests that bear none of them; null = open. */
  readonly key: string | null;
}

export interface StandIn {
  /** Bodies of the requests so far. */
  readonly requests: Record<string, unknown>[];
  /** Streams that their reader left. */
  numAborted: number;
}

export function standIn(app: Hono, options: StandInOptions): StandIn {
  const state: StandIn = { requests: [], numAborted: 0 };
  if (options.key !== null) {
    const guard = async (c: Context, next: () => Promise<void>): Promise<Response | undefined> => {
      if (c.req.header("authorization") !== `Bearer ${options.key}`) {
        return c.json(
          { error: { message: "no such key", type: "authentication_error", param: null, code: "invalid_api_key" } },
          401,
        );
      }
      await next();
      return undefined;
    };
    app.use("/v1/*", guard);
    app.use("/api/*", guard);
  }
  app.get("/v1/models", (c) =>
    c.json({ object: "list", data: options.models.map((id) => ({ id, object: "model", owned_by: "fathom" })) }),
  );
  const answer =
    (isChat: boolean) =>
    async (c: Context): Promise<Response> => {
      const body = (await c.req.json()) as Record<string, unknown>;
      state.requests.push(body);
      if (JSON.stringify(body).includes("refuse me")) {
        return c.json(
          { error: { message: "the prompt is refused", type: "invalid_request_error", param: "prompt", code: null } },
          400,
        );
      }
      return streamSSE(c, async (stream) => {
        let isGone = false;
        stream.onAbort(() => {
          isGone = true;
          state.numAborted++;
        });
        const head = {
          id: "x",
          created: 0,
          model: body.model,
          object: isChat ? "chat.completion.chunk" : "text_completion",
        };
        const send = (choices: unknown[], more = {}): Promise<void> =>
          stream.writeSSE({ data: JSON.stringify({ ...head, choices, ...more }) });
        const indices = Array.from({ length: Number(body.n ?? 1) }, (_, index) => index);
        for (const index of isChat ? indices : []) {
          await send([{ index, delta: { role: "assistant", content: "" }, finish_reason: null }]);
        }
        const all = piecesOf(options.text);
        const pieces = all.slice(0, Number(body.max_tokens ?? 1e9));
        for (const [i] of pieces.entries()) {
          if (!isDrafted(i)) await stream.sleep(options.tokenMs);
          for (const index of indices) {
            if (isGone) return;
            const text = all[i + index] ?? "";
            const fathom = { tokens: [tokenOf(i, text, pieces, options)] };
            const content = isChat ? { delta: { content: text } } : { text };
            await send([{ index, ...content, finish_reason: null, fathom }]);
          }
        }
        const ending = isChat ? { delta: {} } : { text: "" };
        for (const index of indices) {
          await send([{ index, ...ending, finish_reason: pieces.length < all.length ? "length" : "stop" }]);
        }
        const usage = { prompt_tokens: 48, completion_tokens: pieces.length, total_tokens: 48 + pieces.length };
        await send([], {
          usage: { ...usage, prompt_cache_hit_tokens: 32, prompt_cache_miss_tokens: 16 },
          fathom: { tokensPerSecond: 118.4 },
        });
        await stream.writeSSE({ data: "[DONE]" });
      });
    };
  app.post("/tokenize", (c) => c.json({ count: 48, max_model_len: 4096, tokens: [], token_strs: null }));
  app.post("/v1/chat/completions", answer(true));
  app.post("/v1/completions", answer(false));
  return state;
}

/** Words with the space before them, marks, and single line breaks: about what a tokenizer makes of English. */
function piecesOf(text: string): string[] {
  return text.match(/\n|[^\S\n]?[\p{L}\p{N}]{1,7}|[^\S\n]?[^\p{L}\p{N}\n]/gu) ?? [];
}

function isDrafted(i: number): boolean {
  return i % 5 === 2 || i % 5 === 4;
}

/** A number from 0 to 1 that looks like chance and is not. */
function noise(seed: number): number {
  const value = Math.sin(seed * 127.1 + 311.7) * 43758.5453;
  return value - Math.floor(value);
}

function tokenOf(i: number, text: string, pieces: readonly string[], options: StandInOptions): unknown {
  const own = isDrafted(i)
    ? 0.8 + 0.19 * noise(i)
    : noise(i) < 0.12
      ? 0.06 + 0.2 * noise(i + 7)
      : 0.3 + 0.69 * noise(i) ** 0.5;
  let rest = 1 - own;
  const others = Array.from({ length: 7 }, (_, k) => {
    const share = rest * (0.35 + 0.3 * noise(i * 11 + k));
    rest -= share;
    return {
      id: 100 + ((i * 37 + k * 91) % 3900),
      text: pieces[(i * 13 + k * 29 + 3) % pieces.length] ?? "",
      logprob: Math.log(share),
    };
  });
  const id = 100 + (text.codePointAt(text.length - 1) ?? 0);
  const top = [{ id, text, logprob: Math.log(own) }, ...others.filter((one) => one.text !== text)];
  const experts = Array.from({ length: options.moeLayers }, (_, layer) => {
    const chosen = new Set<number>();
    for (let k = 0; chosen.size < options.expertsPerToken; k++) {
      chosen.add(Math.floor(noise(i * 3.7 + layer * 17.3 + k * 5.1) * options.experts));
    }
    return [...chosen];
  });
  return {
    id,
    text,
    logprob: Math.log(own),
    top: top.sort((a, b) => b.logprob - a.logprob),
    isDrafted: isDrafted(i),
    experts,
  };
}
