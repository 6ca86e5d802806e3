import { expect, test } from "vitest";
import { openEndpoint } from "./endpointModel.js";
import type { EvalRequest, EvalResponse } from "./evalModel.js";
import type { HttpAnswer, PostJson } from "./postJson.js";

const ok = (body: object): HttpAnswer => ({ status: 200, retryAfter: null, text: JSON.stringify(body) });
const busy = (status: number, retryAfter: string | null = null): HttpAnswer => ({ status, retryAfter, text: "busy" });

interface Setting {
  readonly waits: number[];
  readonly sent: { readonly url: string; readonly body: unknown; readonly headers: unknown }[];
  readonly ask: (...requests: EvalRequest[]) => Promise<EvalResponse[]>;
}

/** A server that gives these answers, one after the other. */
async function served(replies: readonly (HttpAnswer | Error)[], atOnce = 1): Promise<Setting> {
  const left = [...replies];
  const waits: number[] = [];
  const sent: Setting["sent"] = [];
  const post: PostJson = async (url, headers, body) => {
    sent.push({ url, body, headers });
    const reply = left.shift() ?? new Error("no more answers");
    if (reply instanceof Error) throw reply;
    return reply;
  };
  const sleep = async (ms: number): Promise<void> => {
    waits.push(ms);
  };
  const endpoint = await openEndpoint({
    url: "http://host:8000/",
    model: "m",
    apiKey: "k",
    atOnce,
    retries: 3,
    post,
    sleep,
  });
  const ask: Setting["ask"] = async (...requests) => {
    const responses: EvalResponse[] = [];
    const signal = new AbortController().signal;
    await endpoint.answer(
      requests,
      (index, response) => {
        responses[index] = response;
      },
      signal,
    );
    return responses;
  };
  return { waits, sent, ask };
}

const text = (content: string) => ({ kind: "text", text: content, suffix: null }) as const;
const pair = (context: string, continuation: string): EvalRequest => ({
  kind: "loglikelihood",
  prompt: text(context),
  continuation,
});
const settings = { until: ["1", "2", "3", "4", "stop"], maxGenToks: 9, temperature: 0.5, topP: 0.9, topK: 0 };
const generation: EvalRequest = { kind: "generate", prompt: text("p"), settings, seed: 7, repeat: 0 };

/** Lists as a server echoes them; the last token is the one that it wrote. */
const echoed = (tokens: string[], values: (number | null)[], offsets: number[], best: number[] = []): HttpAnswer =>
  ok({
    choices: [
      {
        logprobs: {
          tokens,
          token_logprobs: values,
          text_offset: offsets,
          top_logprobs: values.map((value, i) => (value === null ? null : { x: best[i] ?? value })),
        },
      },
    ],
  });

test("a continuation is the tokens that begin behind its context", async () => {
  const { ask, sent } = await served([echoed(["Q", ":", " a", "b", "!"], [null, -1, -2, -3, -9], [0, 1, 2, 4, 5])]);
  expect(await ask(pair("Q: ", "ab"))).toEqual([
    { kind: "loglikelihood", logprob: -5, isGreedy: true, tokens: 2, cutTokens: null },
  ]);
  expect(sent[0]).toEqual({
    url: "http://host:8000/v1/completions",
    headers: { authorization: "Bearer k" },
    body: { model: "m", prompt: "Q: ab", max_tokens: 1, temperature: 0, echo: true, logprobs: 1 },
  });
});

test("tokens that do not spell the text are told apart by the server's offsets in code points, without what it wrote", async () => {
  const told = echoed(["?", "?", "\u2581a", "?", "!"], [null, -1, -2, -3, -9], [0, 0, 1, 3, 3]);
  const usage = { completion_tokens: 1 };
  const { ask } = await served([told, ok({ ...(JSON.parse(told.text) as object), usage })]);
  // Where nobody says how many were written, a token at the end of the text was.
  expect(await ask(pair("😀", " a"), pair("😀", " a"))).toMatchObject([
    { logprob: -2, tokens: 1 },
    { logprob: -5, tokens: 2 },
  ]);
});

test("a listed begin token is none of the text", async () => {
  const { ask } = await served([
    echoed(["<s>", "😀", " a", "!"], [null, -1, -2, -9], [0, 3, 4, 6]),
    echoed(["<s>", "ab", "!"], [null, -1.5, -9], [0, 3, 5]),
  ]);
  expect(await ask(pair("😀", " a"), { kind: "rolling", text: "ab" })).toMatchObject([
    { logprob: -2, tokens: 1 },
    { kind: "rolling", logprob: -1.5, tokens: 1 },
  ]);
});

test("a token that joins context and continuation counts to the context, unless it is all there is", async () => {
  const { ask } = await served([
    echoed(["Q", "xy", "c", "!"], [null, -1, -2, -9], [0, 1, 3, 4]),
    echoed(["Q", "xy", "!"], [null, -1, -9], [0, 1, 3]),
  ]);
  expect(await ask(pair("Qx", "yc"), pair("Qx", "y"))).toMatchObject([
    { logprob: -2, tokens: 1 },
    { logprob: -1, tokens: 1 },
  ]);
});

test("a token that was not the likeliest makes the continuation not greedy", async () => {
  const { ask } = await served([echoed(["Q", " a", "b", "!"], [null, -1, -2, -9], [0, 1, 3, 4], [0, -1, -1.5])]);
  expect(await ask(pair("Q", " ab"))).toMatchObject([{ isGreedy: false, logprob: -3 }]);
});

test("what a server cannot score is said", async () => {
  const { ask } = await served([
    echoed(["ab", "!"], [null, -9], [0, 2]),
    ok({ choices: [{ text: "x", logprobs: null }] }),
    ok({ choices: [] }),
  ]);
  await expect(ask(pair("", "ab"))).rejects.toThrow("no log-probability of a text's first token");
  await expect(ask(pair("Q", "ab"))).rejects.toThrow("no log-probabilities of a prompt (completions with echo");
  await expect(ask(pair("Q", "ab"))).rejects.toThrow("the server's answer has no choices");
});

test("a text is cut at every stop text, though a server takes four", async () => {
  const { ask, sent } = await served([
    ok({
      choices: [{ text: "go on stop here", finish_reason: "length" }],
      usage: { prompt_tokens: 3, completion_tokens: 9 },
    }),
  ]);
  expect(await ask(generation)).toEqual([
    {
      kind: "generate",
      text: "go on ",
      isTruncated: false,
      promptTokens: 3,
      completionTokens: 9,
      cutTokens: null,
      cost: null,
    },
  ]);
  expect(sent[0]?.body).toEqual({
    model: "m",
    prompt: "p",
    max_tokens: 9,
    temperature: 0.5,
    top_p: 0.9,
    seed: 7,
    stop: ["1", "2", "3", "4"],
  });
});

test("what fails for a while is tried again, ever later or as the server asks", async () => {
  const done = ok({ choices: [{ text: "x" }] });
  const { ask, waits } = await served([busy(503), new Error("ECONNRESET"), busy(429, "7"), done]);
  expect(await ask(generation)).toMatchObject([{ text: "x" }]);
  expect(waits).toEqual([1000, 2000, 7000]);
});

test("what keeps failing stops the evaluation, after what was answered has been told", async () => {
  const done = ok({ choices: [{ text: "x" }] });
  const { ask, waits } = await served([done, busy(500), busy(500), busy(500), busy(500)]);
  await expect(ask(generation, generation)).rejects.toThrow(
    "http://host:8000/v1/completions: HTTP 500: busy after 4 tries",
  );
  expect(waits).toEqual([1000, 2000, 4000]);
});

test("what will never work is not tried again", async () => {
  const { ask, waits } = await served([busy(401), busy(404)]);
  await expect(ask(generation)).rejects.toThrow("HTTP 401: busy (the key is read from OPENAI_API_KEY)");
  await expect(ask(generation)).rejects.toThrow("HTTP 404: busy");
  expect(waits).toEqual([]);
});

test("of several models one has to be named", async () => {
  const post: PostJson = async () => ok({ data: [{ id: "a" }, { id: "b" }] });
  await expect(openEndpoint({ url: "http://h", model: null, apiKey: null, atOnce: 1, post })).rejects.toThrow(
    "http://h/v1: the server has 2 models (a, b); name one with --endpoint-model",
  );
});
