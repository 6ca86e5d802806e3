/** What the engine owes each request and all of them together, whatever is asked, given up, or too large. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { smallConfig, smallModel } from "../../test/invariance/models.js";
import { byteTokenizer } from "../../test/serve/scriptedModel.js";
import { ToolParser } from "../serve/toolParser.js";
import { buildTokenizerConfig, buildTokenizerJson } from "../tokenizer/newTokenizer.js";
import { toolCallBegin } from "../tokenizer/specialTokens.js";
import { Tokenizer } from "../tokenizer/tokenizer.js";
import { Engine, type EngineOptions } from "./engine.js";
import { prefill, SequenceCache } from "./forward.js";
import type { GenerationEvent, GenerationRequest } from "./request.js";
import { Random } from "./sampler.js";

const tokenizer = byteTokenizer();
const model = smallModel(smallConfig({ vocab_size: tokenizer.vocabSize, max_position_embeddings: 640 }));
afterAll(() => model.free());

function engineOf(options: Partial<EngineOptions> = {}, of = model, text = true): Engine {
  const usual = { maxBatch: 32, cacheTokens: 4096, speculation: 2, breathe: () => nextTurn() };
  return new Engine(of, text ? tokenizer : null, { ...usual, ...options });
}

interface Asked {
  readonly number: number;
  readonly request: GenerationRequest;
  readonly events: GenerationEvent[];
}

function ask(engine: Engine, request: GenerationRequest): Asked {
  const events: GenerationEvent[] = [];
  return { number: engine.add(request, (event) => events.push(event)), request, events };
}

async function finish(engine: Engine): Promise<void> {
  while (await engine.step());
}

const numbers = (length: number, seed = 1): number[] =>
  Array.from({ length }, (_, i) => 3 + ((i * seed * 7 + seed) % 250));

function finishes({ events }: Asked): Extract<GenerationEvent, { type: "finish" }>[] {
  return events.flatMap((event) => (event.type === "finish" ? [event] : []));
}

/** The promises of request.ts: the prompt first, then tokens, one end for each choice, nothing after it, and honest counts. */
function checkOrder({ request, events }: Asked): void {
  const { n = 1 } = request;
  const written = new Map<number, number>();
  const ended = new Set<number>();
  for (const [i, event] of events.entries()) {
    if (event.type === "prompt") {
      expect(i).toBe(0);
      expect(event.promptTokens).toBe(request.prompt.length);
      expect(event.cachedTokens).toBeLessThan(event.promptTokens);
      continue;
    }
    expect(ended.has(event.choice), "after its end").toBe(false);
    if (event.type === "token") {
      expect(events[0]?.type).toBe("prompt");
      written.set(event.choice, (written.get(event.choice) ?? 0) + 1);
      continue;
    }
    ended.add(event.choice);
    expect(event.completionTokens).toBe(written.get(event.choice) ?? 0);
    if (event.reason === "length") expect(event.completionTokens).toBe(request.maxTokens);
    if (event.reason !== "abort") expect(events[0]?.type).toBe("prompt");
    expect(event.reason).not.toBe("error");
  }
  expect([...ended].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
}

test.each([0, 0.8])(
  "grammars and stop strings cut drafts as they cut what is drawn, temperature %f",
  async (temperature) => {
    const schema = { type: "array", items: { type: "integer" }, maxItems: 12 };
    const limits: Partial<GenerationRequest>[] = [
      { grammar: { kind: "regex", pattern: "[ab]{5,40}c" } },
      { grammar: { kind: "json_schema", schema } },
      { grammar: { kind: "choice", texts: ["yes", "yesterday", "no"] } },
      { stop: ["a"], minTokens: 3 },
      { stop: ["ab", "c"] },
    ];
    const written = async (options: Partial<EngineOptions>): Promise<{ texts: unknown; drafts: number }> => {
      using engine = engineOf(options);
      const all = limits.map((limit, i) =>
        ask(engine, { prompt: numbers(20, i + 1), maxTokens: 60, sampling: { temperature, seed: i }, ...limit }),
      );
      await finish(engine);
      const texts = all.map(({ events }) =>
        events.map((event) => (event.type === "token" ? event.id : event.type === "finish" ? event.reason : null)),
      );
      return { texts, drafts: engine.stats().speculation.drafts };
    };
    const plain = await written({ speculation: 0 });
    for (const speculation of [1, 4]) {
      const drafted = await written({ speculation, isDepthFixed: true });
      expect(drafted.texts).toEqual(plain.texts);
      expect(drafted.drafts).toBeGreaterThan(5);
    }
  },
);

test.each([1, 2, 3, 4, 5, 6])(
  "whatever comes and goes, every choice ends once and every page comes back (%i)",
  async (seed) => {
    const random = new Random(seed);
    const below = (count: number): number => Math.floor(random.next() * count);
    // Room for a few of them at most, and sometimes for a single one.
    using engine = engineOf({
      cacheTokens: [640, 384, 256][seed % 3] ?? 640,
      maxBatch: 1 + below(6),
      passTokens: 64 * (1 + below(3)),
      speculation: below(5),
    });
    const prefixes = [1, 2, 3].map((one) => numbers(engine.maxPositions, one));
    const all: Asked[] = [];
    let steps = 0;
    while (all.length < 60 || !engine.isIdle) {
      if (all.length < 60 && below(2) === 0) {
        const prompt = prefixes[below(3)]?.slice(0, 1 + below(engine.maxPositions)) ?? [1];
        const room = engine.maxPositions - prompt.length;
        all.push(
          ask(engine, {
            prompt,
            n: 1 + below(4),
            maxTokens: Math.min(room, below(3) === 0 ? below(200) : below(20)),
            sampling: { temperature: below(2), seed: below(1000) },
            priority: below(3),
            ignoreEos: below(2) === 0,
            ...(below(3) === 0 ? { grammar: { kind: "regex", pattern: "[ab]{5,60}" } } : {}),
            ...(below(4) === 0 ? { promptLogprobs: 1, logprobs: 1 } : {}),
            ...(below(4) === 0 ? { stop: ["a"], minTokens: below(5) } : {}),
          }),
        );
      }
      if (below(6) === 0) engine.abort(all[below(all.length)]?.number ?? 0);
      await engine.step();
      expect(++steps, "steps").toBeLessThan(20_000);
    }
    for (const asked of all) checkOrder(asked);
    const { pages, running, waiting, finished } = engine.stats();
    expect({ used: pages.used, running, waiting }).toEqual({ used: 0, running: 0, waiting: 0 });
    const told = all.flatMap(finishes);
    expect(finished.abort).toBe(told.filter(({ reason }) => reason === "abort").length);
    expect(finished.length).toBe(told.filter(({ reason }) => reason === "length").length);
  },
);

test("a prompt as large as the cache is read, for several choices too, and leaves nothing behind", async () => {
  using engine = engineOf({ cacheTokens: 256 });
  expect(engine.maxPositions).toBe(256);
  const full = ask(engine, { prompt: numbers(256), n: 3, maxTokens: 0 });
  const almost = ask(engine, { prompt: numbers(251), n: 3, maxTokens: 5, ignoreEos: true });
  await finish(engine);
  for (const asked of [full, almost]) checkOrder(asked);
  expect(finishes(full).map(({ completionTokens }) => completionTokens)).toEqual([0, 0, 0]);
  expect(finishes(almost).map(({ completionTokens }) => completionTokens)).toEqual([5, 5, 5]);
  expect(engine.stats().pages.used).toBe(0);
});

test("short prompts that keep coming do not keep a long one out", async () => {
  using engine = engineOf({ passTokens: 64, maxBatch: 8 });
  const long = ask(engine, { prompt: numbers(300), maxTokens: 1 });
  for (let i = 0; i < 30; i++) {
    ask(engine, { prompt: numbers(20, i + 2), maxTokens: 1 });
    await engine.step();
  }
  expect(finishes(long).length).toBe(1);
  await finish(engine);
});

test("two long answers that do not fit together are both written", async () => {
  // Each needs 6 of the 7 pages; prompts of 3 pages each would fit beside the other's.
  using engine = engineOf({ cacheTokens: 448, passTokens: 64 });
  const both = [1, 2].map((seed) => ask(engine, { prompt: numbers(180, seed), maxTokens: 200, ignoreEos: true }));
  for (let i = 0; i < 2000 && (await engine.step()); i++);
  for (const asked of both) checkOrder(asked);
  expect(engine.stats().preemptions).toBeLessThan(10);
});

test("a grammar that grows too large while it is followed ends its own request and no other", async () => {
  const words = abTokenizer(8);
  const wide = smallModel(smallConfig({ vocab_size: words.vocabSize, max_position_embeddings: 640 }));
  using engine = new Engine(wide, words, {
    maxBatch: 32,
    cacheTokens: 4096,
    speculation: 0,
    breathe: () => nextTurn(),
  });
  const other = ask(engine, { prompt: numbers(10), maxTokens: 600, ignoreEos: true });
  // The automaton knows which of the last 18 letters were "a": 2^18 states, a few hundred for each token of eight letters.
  const grammar = { kind: "regex", pattern: "[ab]*a[ab]{17}" } as const;
  const sampling = { temperature: 1, seed: 3 };
  const huge = ask(engine, { prompt: [5], n: 2, maxTokens: 600, grammar, sampling, ignoreEos: true });
  await finish(engine);
  expect(finishes(huge).map(({ reason, error }) => [reason, error])).toEqual(
    Array(2).fill(["error", expect.stringContaining("the grammar is too large")]),
  );
  checkOrder(other);
  expect(finishes(other)[0]?.reason).toBe("length");
  expect(engine.stats()).toMatchObject({ running: 0, pages: { used: 0 }, finished: { error: 2 } });
  wide.free();
});

/** A tokenizer of bytes and of all words of "a" and "b" up to a length. */
function abTokenizer(longest: number): Tokenizer {
  const letters = ["a", "b"].map((letter) => Buffer.from(letter));
  const merges: { readonly left: Uint8Array; readonly right: Uint8Array }[] = [];
  let words: Buffer[] = letters;
  for (let length = 2; length <= longest; length++) {
    const pairs = words.flatMap((left) => letters.map((right) => ({ left, right })));
    merges.push(...pairs);
    words = pairs.map(({ left, right }) => Buffer.concat([left, right]));
  }
  return Tokenizer.fromJson(buildTokenizerJson(merges), buildTokenizerConfig());
}

test("calls of a strict tool follow its schema, whatever the model would have written", async () => {
  const cities = ["Oslo", "Rome"];
  const schema = {
    type: "object",
    properties: { city: { enum: cities }, hot: { type: "boolean" } },
    required: ["city"],
  };
  const [begin = 0] = tokenizer.encode(toolCallBegin, { allowSpecial: true });
  for (const speculation of [0, 3]) {
    using engine = engineOf({ speculation });
    const { events } = ask(engine, {
      prompt: numbers(5),
      maxTokens: 500,
      // A model without training calls no tool unless it is made to.
      sampling: { temperature: 1, seed: 3, logitBias: { [begin]: 20 } },
      grammar: { kind: "tool_calls", tools: [{ name: "weather", schema }] },
    });
    await finish(engine);
    const parts = new ToolParser().push(events.map(({ text }) => text).join(""));
    const calls = parts.flatMap((part) => (part.kind === "call" ? [part] : []));
    expect(calls.length).toBeGreaterThan(2);
    for (const { name, index } of calls.slice(0, -1)) {
      const given = parts.map((part) => (part.kind === "arguments" && part.index === index ? part.text : "")).join("");
      const { city, hot, ...others } = JSON.parse(given) as Record<string, unknown>;
      expect([name, others, typeof hot]).toEqual(["weather", {}, expect.stringMatching(/boolean|undefined/)]);
      expect(cities).toContain(city);
    }
  }
});

describe("once the weights are damaged", () => {
  const damage = "model.safetensors: cut short";
  /** Three requests, of which two have room, on weights that are damaged from the moment that `begin` calls back. */
  async function damaged(begin: (setIn: () => void) => Partial<EngineOptions>, request: Partial<GenerationRequest>) {
    let isDamaged = false;
    const options = begin(() => {
      isDamaged = true;
    });
    using engine = engineOf({ maxBatch: 2, ...options, damage: () => (isDamaged ? damage : null) });
    const [before, after]: GenerationEvent["type"][][] = [[], []];
    const errors: (string | null)[] = [];
    for (const seed of [1, 2, 3]) {
      engine.add({ prompt: numbers(100, seed), maxTokens: 40, ignoreEos: true, ...request }, (event) => {
        (isDamaged ? after : before)?.push(event.type);
        if (event.type === "finish") errors.push(event.error);
      });
    }
    while (await engine.step()) expect(engine.damage).toBeNull();
    expect(errors).toEqual([damage, damage, damage]);
    expect([engine.damage, engine.stats().pages.used]).toEqual([damage, 0]);
    expect(() => engine.add({ prompt: [3] }, () => {})).toThrow(damage);
    return { before, after };
  }
  const ends = ["finish", "finish", "finish"];

  test("in the middle of a prompt, neither its log-probabilities nor a token is told", async () => {
    for (const request of [{ maxTokens: 0, promptLogprobs: 0 }, {}]) {
      const inReading = (setIn: () => void): Partial<EngineOptions> => ({
        breathe: async () => {
          setIn();
          await nextTurn();
        },
      });
      expect(await damaged(inReading, request)).toEqual({ before: [], after: ends });
    }
  });

  test("in the output head, the token is not told, be it the first or a later one, and all that runs or waits ends", async () => {
    for (const calls of [1, 2, 3, 5, 9]) {
      const { logits } = model;
      let left = calls;
      const inHead = (setIn: () => void): Partial<EngineOptions> => {
        model.logits = (...args) => {
          if (--left === 0) setIn();
          return logits.apply(model, args);
        };
        return {};
      };
      try {
        expect([calls, (await damaged(inHead, {})).after]).toEqual([calls, ends]);
      } finally {
        model.logits = logits;
      }
    }
  });
});

test("drafted or not, tokens are drawn from the model's own distribution", async () => {
  const vocab = 6;
  const tiny = smallModel(smallConfig({ vocab_size: vocab, max_position_embeddings: 64 }));
  const prompt = [1, 4];
  // Exactly: the product of softmaxes over every text of three tokens.
  const expected = new Map<string, number>();
  const extend = async (ids: readonly number[], mass: number): Promise<void> => {
    if (ids.length === 3) {
      expected.set(ids.join(), mass);
      return;
    }
    using cache = new SequenceCache(tiny, 8);
    const logits = await prefill(tiny, cache, [...prompt, ...ids]);
    const weights = Array.from(logits, Math.exp);
    const sum = weights.reduce((a, b) => a + b);
    for (const [id, weight] of weights.entries()) await extend([...ids, id], (mass * weight) / sum);
  };
  await extend([], 1);
  const counts = new Map<string, number>();
  using engine = engineOf({ speculation: 3, isDepthFixed: true, maxBatch: 128 }, tiny, false);
  const samples = 60 * 128;
  for (let i = 0; i < 60; i++) {
    const sampling = { temperature: 1, seed: i * 1000 };
    const { events } = ask(engine, { prompt, n: 128, maxTokens: 6, sampling, ignoreEos: true });
    await finish(engine);
    const texts = Array.from({ length: 128 }, (): number[] => []);
    for (const event of events) if (event.type === "token") texts[event.choice]?.push(event.id);
    for (const text of texts) {
      const key = text.slice(0, 3).join();
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  const { drafts, acceptedTokens } = engine.stats().speculation;
  expect(drafts).toBeGreaterThan(1000);
  expect(acceptedTokens[0]).toBeGreaterThan(100);
  // Rare texts count as one, so that each cell is expected ten times at least.
  let rest = { mean: 0, count: 0 };
  const cells: { readonly mean: number; readonly count: number }[] = [];
  for (const [key, probability] of expected) {
    const cell = { mean: probability * samples, count: counts.get(key) ?? 0 };
    if (cell.mean >= 10) cells.push(cell);
    else rest = { mean: rest.mean + cell.mean, count: rest.count + cell.count };
  }
  if (rest.mean > 0) cells.push(rest);
  expect(cells.length).toBeGreaterThan(40);
  const chiSquare = cells.reduce((sum, { mean, count }) => sum + (count - mean) ** 2 / mean, 0);
  const freedom = cells.length - 1;
  // Three standard deviations of a chi-square variable: one seed in 500 would fail, and the seeds are fixed.
  expect(Math.abs(chiSquare - freedom)).toBeLessThan(3 * Math.sqrt(2 * freedom));
  tiny.free();
});
