import { expect, test } from "vitest";
import { type Script, ScriptedModel } from "../../test/serve/scriptedModel.js";
import { LanguageModel } from "./languageModel.js";
import type { GenerationEvent, Model } from "./request.js";

function opened(script: Script): { model: LanguageModel; inner: ScriptedModel } {
  const inner = new ScriptedModel(script);
  return { model: new LanguageModel(inner), inner };
}

const bos = "<\uff5cbegin\u2581of\u2581sentence\uff5c>";
const turn = (name: string): string => `<\uff5c${name}\uff5c>`;
const user = (content: string): { role: string; content: string } => ({ role: "user", content });

async function read<T>(pieces: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const piece of pieces) all.push(piece);
  return all;
}

test("a text is written piece by piece, and its whole follows", async () => {
  const { model, inner } = opened({ write: () => "h\u00e9", cachedTokens: 1, stepMs: 2 });
  const stream = model.generate("ab", { maxTokens: 9, temperature: 0.5, seed: 7, logprobs: 1 });
  expect(inner.requests).toEqual([]); // nothing is asked for before the first piece
  expect(await read(stream)).toEqual(["h", "\u00e9"]);
  const result = await stream.result();
  expect(result).toMatchObject({ text: "h\u00e9", finishReason: "stop", stoppedBy: null });
  expect(result.usage).toEqual({ promptTokens: 3, cachedTokens: 1, completionTokens: 3 });
  expect(result.ids).toEqual([...inner.tokenizer.encode("h\u00e9")]);
  expect(result.logprobs?.map(({ id }) => id)).toEqual(result.ids);
  expect(result.tokensPerSecond).toBeGreaterThan(10);
  expect(result.tokensPerSecond).toBeLessThan(1100); // two steps of 2 ms at the least, timers being a little early
  expect(inner.lastPrompt).toBe(`${bos}ab`);
  expect(inner.requests).toEqual([
    { prompt: expect.anything(), maxTokens: 9, logprobs: 1, sampling: { temperature: 0.5, seed: 7 } },
  ]);
});

test("the whole alone is enough, of ids too", async () => {
  const { model, inner } = opened({ write: () => "abcdef" });
  const { text, finishReason, logprobs, usage } = await model.generate([5, 6], { maxTokens: 3 }).result();
  expect([text, finishReason, logprobs]).toEqual(["abc", "length", null]);
  expect(usage.promptTokens).toBe(2);
  expect(inner.requests[0]?.prompt).toEqual([5, 6]);
});

test("a stop string ends the text and is not part of it", async () => {
  const { model } = opened({ write: () => "one;two" });
  const result = await model.generate("", { stop: ";" }).result();
  expect(result).toMatchObject({ text: "one", finishReason: "stop", stoppedBy: ";" });
  const both = await model.generate("", { stop: ["wo", "e;"] }).result();
  expect(both).toMatchObject({ text: "on", stoppedBy: "e;" });
});

test("a suffix asks for the middle", async () => {
  const { model, inner } = opened({ write: () => "x" });
  await model.generate("a", { suffix: "b" }).result();
  const [begin, hole, end] = ["begin", "hole", "end"].map((name) => turn(`fim\u2581${name}`));
  expect(inner.lastPrompt).toBe(`${bos}${begin}a${hole}b${end}`);
  expect(() => model.generate([1], { suffix: "b" })).toThrow("suffix needs the prompt as text");
});

test("a signal ends the text, and what was written stays", async () => {
  const { model, inner } = opened({ write: () => "abcdefgh", stepMs: 1 });
  const stop = new AbortController();
  const stream = model.generate("", { signal: stop.signal });
  let seen = "";
  for await (const piece of stream) {
    seen += piece;
    if (seen.length === 3) stop.abort();
  }
  expect(await stream.result()).toMatchObject({ text: "abc", finishReason: "abort" });
  expect(seen).toBe("abc");
  expect(inner.running).toBe(0);
});

test("leaving the loop frees the request, and what was read stays", async () => {
  const { model, inner } = opened({ write: () => "abcdefgh" });
  const stream = model.generate("");
  for await (const piece of stream) if (piece === "b") break;
  expect(inner.running).toBe(0);
  expect(await stream.result()).toMatchObject({ text: "ab", finishReason: "abort" });
});

test("what goes wrong is thrown, and there is no result then", async () => {
  const failing = opened({ write: () => "abc", failure: "out of memory" }).model;
  const stream = failing.generate("");
  await expect(read(stream)).rejects.toThrow("the model failed: out of memory");
  await expect(stream.result()).rejects.toThrow("out of memory");
  await expect(failing.chat([user("A")]).result()).rejects.toThrow("out of memory");
  const { model } = opened({ write: () => "abc" });
  await expect(model.generate("", { temperature: -1 }).result()).rejects.toThrow("temperature must be from 0 to 100");
  expect(() => model.generate([])).toThrow("the prompt has no tokens");
});

test("an option that does not exist is refused by name; undefined counts as left out", async () => {
  const { model, inner } = opened({ write: () => "abc" });
  const misspelt = { max_tokens: 5 } as object;
  expect(() => model.generate("", misspelt)).toThrow("there is no option max_tokens; expected one of temperature");
  expect(() => model.chat([user("A")], { suffix: "x" } as object)).toThrow("chat: there is no option suffix");
  await model.generate("", { temperature: undefined, maxTokens: undefined } as object).result();
  expect(inner.requests[0]).toEqual({ prompt: expect.anything(), sampling: {} });
});

test("a chat goes through the template, reasoning apart from content", async () => {
  const { model, inner } = opened({ write: () => "<think>\nHm.\n</think>\n\nYes." });
  const stream = model.chat([
    { role: "system", content: "S" },
    user("A"),
    { role: "assistant", content: "B" },
    user("C"),
  ]);
  const pieces = await read(stream);
  const of = (kind: string): string => pieces.map((piece) => (piece.kind === kind ? piece.text : "")).join("");
  expect([of("reasoning"), of("content")]).toEqual(["Hm.", "Yes."]);
  const answer = await stream.result();
  expect(answer).toMatchObject({ content: "Yes.", reasoning: "Hm.", message: { role: "assistant", content: "Yes." } });
  const end = "<\uff5cend\u2581of\u2581sentence\uff5c>";
  expect(inner.lastPrompt).toBe(
    `${bos}S${turn("User")}A${turn("Assistant")}B${end}${turn("User")}C${turn("Assistant")}`,
  );
});

test("a chat may go on from the beginning of an answer, and control tokens in messages stay text", async () => {
  const { model, inner } = opened({ write: () => "four." });
  const answer = await model
    .chat([user(turn("Assistant"))], { prefix: { content: "It is ", reasoning: null } })
    .result();
  expect([answer.content, answer.reasoning]).toEqual(["four.", null]);
  const assistant = inner.tokenizer.tokenToId(turn("Assistant"));
  expect(Array.from(inner.requests[0]?.prompt ?? []).filter((id) => id === assistant)).toHaveLength(1);
  expect(inner.lastPrompt.endsWith(`${turn("Assistant")}It is `)).toBe(true);
});

test("switches reach the template, and a grammar leaves no room for a thought", async () => {
  const chatTemplate = "{{ messages[0].content }}{% if thinking %}<think>{% else %}!{% endif %}";
  const { model, inner } = opened({ write: () => "y", chatTemplate });
  expect(await model.chat([user("A")], { variables: { thinking: true } }).result()).toMatchObject({ reasoning: "y" });
  expect(inner.lastPrompt).toBe("A<think>");
  expect(await model.chat([user("A")]).result()).toMatchObject({ content: "y", reasoning: null });
  const grammar = { kind: "choice", texts: ["y"] } as const;
  const held = await model.chat([user("A")], { variables: { thinking: true }, grammar }).result();
  expect(held).toMatchObject({ content: "y", reasoning: null });
  expect(inner.lastPrompt).toBe("A<think>\n</think>");
});

test("a score has a log-probability for each token and their sum", async () => {
  const { model, inner } = opened({ write: () => "" });
  const score = await model.score([5, 7, 9]);
  // The scripted model finds token id as likely as e^(-id / 1000).
  expect(score.logprobs).toEqual([null, -0.007, -0.009]);
  expect(score.sum).toBeCloseTo(-0.016, 12);
  expect(inner.requests[0]).toEqual({ prompt: [5, 7, 9], maxTokens: 0, promptLogprobs: 0 });
  const text = await model.score("ab");
  expect(text.ids).toEqual([inner.tokenizer.bosTokenId, ...inner.tokenizer.encode("ab")]);
  await expect(model.score([])).rejects.toThrow("score: the prompt has no tokens");
});

test("a score that is stopped throws the signal's reason", async () => {
  const { model } = opened({ write: () => "a", promptMs: 60_000 });
  const stop = new AbortController();
  const reason = new Error("no longer wanted");
  setTimeout(() => stop.abort(reason), 5);
  await expect(model.score("ab", { signal: stop.signal })).rejects.toBe(reason);
});

test("a model without a tokenizer takes ids alone", async () => {
  const inner = new ScriptedModel({ write: () => "abc" });
  const bare: Model = {
    info: inner.info,
    tokenizer: null,
    damage: null,
    stream: (request, signal): AsyncIterable<GenerationEvent> => inner.stream(request, signal),
    stats: () => inner.stats(),
    close: () => inner.close(),
  };
  const model = new LanguageModel(bare);
  expect(() => model.generate("a")).toThrow("generate: models/scripted has no tokenizer.json");
  expect(() => model.chat([user("a")])).toThrow("chat: models/scripted has no tokenizer.json");
  expect((await model.generate([3]).result()).ids).toHaveLength(3);
});

test("the model is a Model, and is closed once at the end of its scope", async () => {
  let closings = 0;
  const inner = new ScriptedModel({ write: () => "abc" });
  const close = inner.close.bind(inner);
  inner.close = async () => {
    closings++;
    await close();
  };
  {
    await using model = new LanguageModel(inner);
    expect(model.info).toBe(inner.info);
    expect((await model.stats()).pages.tokensPerPage).toBe(16);
    expect((await read(model.stream({ prompt: [1] }))).at(-1)).toMatchObject({ type: "finish", reason: "stop" });
    await model.close();
  }
  expect(closings).toBe(1);
});
