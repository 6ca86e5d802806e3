import { afterAll, describe, expect, test } from "vitest";
import { smallConfig, smallModel } from "../../../test/invariance/models.js";
import { modelInThread } from "../../generate/loadModel.js";
import { buildTokenizerConfig, buildTokenizerJson } from "../../tokenizer/newTokenizer.js";
import { Tokenizer } from "../../tokenizer/tokenizer.js";
import { documentIds, scoreTokens } from "../bitsPerByte.js";
import { EngineModel } from "./engineModel.js";
import type { EvalRequest, EvalResponse, GenerateRequest, GenerationSettings } from "./evalModel.js";
import type { Prompt } from "./prompt.js";

const tokenizer = Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig());
const positions = 320;
const model = smallModel(smallConfig({ vocab_size: tokenizer.vocabSize, max_position_embeddings: positions }));
afterAll(() => model.free());

const signal = new AbortController().signal;
const text = (content: string): Prompt => ({ kind: "text", text: content, suffix: null });
const letters = (length: number, seed: number): string =>
  Array.from({ length }, (_, i) => String.fromCharCode(97 + ((Math.imul(i + 31 * seed, 2654435761) >>> 9) % 26))).join(
    "",
  );

async function ask(
  requests: readonly EvalRequest[],
  cacheTokens = 8192,
): Promise<{ responses: EvalResponse[]; promptTokens: number }> {
  const inner = modelInThread(model, tokenizer, { maxBatch: 16, cacheTokens, speculation: 0 });
  const opened = new EngineModel(inner, "test", "test");
  const responses: EvalResponse[] = [];
  await opened.answer(
    requests,
    (index, response) => {
      expect(responses[index]).toBeUndefined();
      responses[index] = response;
    },
    signal,
  );
  const { promptTokens } = await inner.stats();
  await opened.close();
  return { responses, promptTokens };
}

/** By the trainer's pass over the whole, without engine, cache or batches. */
async function plainScore(context: string, continuation: string): Promise<{ sum: number }> {
  const ids = documentIds(tokenizer, Buffer.from(context + continuation));
  const [scores] = await scoreTokens(model, [ids]);
  const from = ids.length - tokenizer.encode(continuation).length;
  return { sum: (scores?.logprobs ?? []).slice(from).reduce<number>((sum, value) => sum + (value ?? 0), 0) };
}

describe("log-likelihoods", () => {
  const shots = letters(130, 1);
  const cases = [3, 40, 70, 75].flatMap((length, i) =>
    [" one", " two and more", " x"].map((choice) => [shots + letters(length, 10 + i), choice] as const),
  );
  const requests = cases.map(
    ([context, continuation]): EvalRequest => ({ kind: "loglikelihood", prompt: text(context), continuation }),
  );

  test("are those of a plain pass over context and continuation", async () => {
    const { responses } = await ask(requests);
    for (const [i, [context, continuation]] of cases.entries()) {
      const { sum } = await plainScore(context, continuation);
      const response = responses[i];
      expect(response).toMatchObject({ kind: "loglikelihood", tokens: continuation.length, cutTokens: 0 });
      expect(Math.abs((response?.kind === "loglikelihood" ? response.logprob : Number.NaN) - sum)).toBeLessThan(1e-4);
    }
  });

  test("are to the bit what each request gets alone, though beginnings come from the cache", async () => {
    const together = await ask(requests);
    const alone: EvalResponse[] = [];
    let computed = 0;
    for (const request of requests) {
      const { responses, promptTokens } = await ask([request]);
      alone.push(...responses);
      computed += promptTokens;
    }
    expect(together.responses).toEqual(alone);
    // 130 shared tokens are two pages, which each but the first of twelve requests finds; choices of the two longest contexts share a third.
    expect(computed - together.promptTokens).toBe(11 * 128 + 4 * 64);
  });

  test("of single tokens that differ in nothing else come from one pass", async () => {
    const choices = [" A", " B", " C", " D"];
    const delimited = choices.map(
      (continuation): EvalRequest => ({ kind: "loglikelihood", prompt: text(shots), continuation }),
    );
    const single = ["A", "B", "C", "D", "B"].map(
      (continuation): EvalRequest => ({ kind: "loglikelihood", prompt: text(`${shots}:`), continuation }),
    );
    const { responses, promptTokens } = await ask(single);
    expect(promptTokens).toBe(1 + shots.length + 1);
    const alone = await Promise.all(single.map(async (request) => (await ask([request])).responses[0]));
    expect(responses).toEqual(alone);
    expect(responses[4]).toEqual(responses[1]);
    // Two tokens each: four passes, of which three find two pages.
    expect((await ask(delimited)).promptTokens).toBe(4 * (1 + shots.length + 1) - 3 * 128);
  });

  test("say whether every token was the likeliest", async () => {
    const prompt = text(letters(20, 3));
    // What is written must be letters, for other bytes are no text.
    const head = model.parameters.find(({ name }) => name === "lm_head.weight")?.data;
    const width = head?.columns ?? 0;
    const kept = head?.floats().slice();
    head?.floats().fill(0, 0, (tokenizer.encode("a")[0] ?? 0) * width);
    head?.floats().fill(0, ((tokenizer.encode("z")[0] ?? 0) + 1) * width);
    const { responses } = await ask([generation(prompt, { maxGenToks: 6 })]);
    const greedy = responses[0]?.kind === "generate" ? responses[0].text : "";
    const other = `${greedy.slice(0, -1)}${greedy.endsWith("q") ? "r" : "q"}`;
    const scored = await ask([greedy, other].map((continuation) => ({ kind: "loglikelihood", prompt, continuation })));
    const single = await ask(
      [..."abcdefghijklmnopqrstuvwxyz"].map((continuation) => ({ kind: "loglikelihood", prompt, continuation })),
    );
    head?.floats().set(kept ?? []);
    const best = single.responses.flatMap((each, i) =>
      each.kind === "loglikelihood" && each.isGreedy ? [97 + i] : [],
    );
    expect(String.fromCharCode(...best)).toBe(greedy[0]);
    expect(greedy).toMatch(/^[a-z]{6}$/);
    expect(scored.responses.map((each) => each.kind === "loglikelihood" && each.isGreedy)).toEqual([true, false]);
  });

  test("of what is too long are those of the right end", async () => {
    const context = letters(500, 4);
    const { responses } = await ask([{ kind: "loglikelihood", prompt: text(context), continuation: "xyz" }]);
    // With the last token only looked at, the model's positions hold 318 letters of the context and "xy".
    expect(responses[0]).toMatchObject({ tokens: 3, cutTokens: 1 + 500 - 318 });
  });
});

test("a rolling log-likelihood adds up windows that score each token once", async () => {
  const short = letters(100, 5);
  const long = letters(700, 6);
  const { responses } = await ask([
    { kind: "rolling", text: long },
    { kind: "rolling", text: short },
  ]);
  const sumOf = async (content: string, window: number): Promise<number> => {
    // Windows of `window` inputs, the last of which predicts a token beyond: worked out by hand for this length.
    const ids = [...documentIds(tokenizer, Buffer.from(content))];
    let sum = 0;
    for (const [begin, end, fresh] of content.length > window
      ? [
          [0, 321, 1],
          [320, 641, 321],
          [380, 701, 641],
        ]
      : [[0, 101, 1]]) {
      // One position more than the model has for the trainer's pass: its last row predicts nothing, so the inputs are as many.
      const part = ids.slice(begin, end);
      const [scores] = await scoreTokens(longer, [part]);
      for (let at = fresh ?? 0; at < (end ?? 0); at++) sum += scores?.logprobs[at - (begin ?? 0)] ?? Number.NaN;
    }
    return sum;
  };
  const longer = smallModel(smallConfig({ vocab_size: tokenizer.vocabSize, max_position_embeddings: positions + 1 }));
  const values = responses.map((each) => (each.kind === "rolling" ? each.logprob : Number.NaN));
  expect(Math.abs((values[0] ?? 0) - (await sumOf(long, positions)))).toBeLessThan(1e-3);
  expect(Math.abs((values[1] ?? 0) - (await sumOf(short, positions)))).toBeLessThan(1e-4);
  expect(responses[0]).toMatchObject({ kind: "rolling", tokens: 700 });
  longer.free();
});

describe("generation", () => {
  test("is what the model writes by itself, cut at a stop text or at the limit", async () => {
    const prompt = letters(30, 7);
    const inner = modelInThread(model, tokenizer, { maxBatch: 1, cacheTokens: 1024, speculation: 0 });
    const whole = await inner.generate(prompt, { maxTokens: 12 }).result();
    await inner.close();
    const stop = whole.text.slice(5, 7);
    const { responses } = await ask([
      generation(text(prompt), { maxGenToks: 12 }),
      generation(text(prompt), { maxGenToks: 12, until: [stop] }),
    ]);
    expect(responses[0]).toMatchObject({ kind: "generate", text: whole.text, isTruncated: true, completionTokens: 12 });
    expect(responses[1]).toMatchObject({ text: whole.text.slice(0, whole.text.indexOf(stop)), isTruncated: false });
    expect(responses[0]?.kind === "generate" && (responses[0].cost?.promptMs ?? 0) > 0).toBe(true);
  });

  test("with a seed is reproducible and differs between seeds", async () => {
    const sampled = (seed: number): EvalRequest => ({
      ...generation(text("ab"), { maxGenToks: 20, temperature: 1 }),
      seed,
    });
    const { responses } = await ask([sampled(1), sampled(2), sampled(1)]);
    const texts = responses.map((each) => (each.kind === "generate" ? each.text : ""));
    expect(texts[0]).toBe(texts[2]);
    expect(texts[0]).not.toBe(texts[1]);
  });

  test("where nothing of the prompt may be cut has the room that is left, and one token at least", async () => {
    const asked = (length: number): EvalRequest =>
      generation(text(letters(length, 3)), { maxGenToks: 1000, cutPrompt: "none" });
    // Before the letters, a byte a token, stands the begin token.
    const { responses } = await ask([asked(309), asked(318)]);
    expect(responses[0]).toMatchObject({ promptTokens: 310, completionTokens: 10, isTruncated: true, cutTokens: 0 });
    expect(responses[1]).toMatchObject({ promptTokens: 319, completionTokens: 1, cutTokens: 0 });
    await expect(ask([asked(319)])).rejects.toThrow("the prompt has 320 tokens, of which none may be cut");
  });

  test("without room for a prompt is refused", async () => {
    await expect(ask([generation(text("ab"), { maxGenToks: 320 })])).rejects.toThrow(
      "max_gen_toks 320 leaves no room for a prompt in the model's 320 positions",
    );
  });
});

test("an aborted evaluation ends with the signal's reason, and keeps what was answered", async () => {
  const inner = modelInThread(model, tokenizer, { maxBatch: 2, cacheTokens: 2048, speculation: 0 });
  const opened = new EngineModel(inner, "test", "test");
  const stop = new AbortController();
  const requests = Array.from({ length: 40 }, (_, i) => generation(text(letters(10, i)), { maxGenToks: 100 }));
  let answered = 0;
  const ending = opened.answer(
    requests,
    () => {
      answered++;
      stop.abort(new RangeError("enough"));
    },
    stop.signal,
  );
  await expect(ending).rejects.toThrow("enough");
  expect(answered).toBeGreaterThan(0);
  expect(answered).toBeLessThan(40);
  expect((await inner.stats()).running).toBe(0);
  await opened.close();
});

function generation(prompt: Prompt, settings: Partial<GenerationSettings>): GenerateRequest {
  const usual = { until: [], maxGenToks: 16, temperature: 0, topP: 1, topK: 0 };
  return { kind: "generate", prompt, settings: { ...usual, ...settings }, seed: 0, repeat: 0 };
}
