/** The promises of the engine: what a request gets does not depend on how its prompt is cut, who runs beside it, or what is drafted. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterAll, describe, expect, test, vi } from "vitest";
import { scoreTokens } from "../../src/eval/bitsPerByte.js";
import { Engine, type EngineOptions } from "../../src/generate/engine.js";
import type { GenerationEvent, GenerationRequest } from "../../src/generate/request.js";
import type { DeepseekV3 } from "../../src/model/deepseekV3.js";
import type { CacheDtype } from "../../src/tensor/ops/latentAttention.js";
import { quantizedModel, smallConfig, smallModel, tokenRows } from "./models.js";

const positions = 640;
const config = smallConfig({ max_position_embeddings: positions, num_nextn_predict_layers: 1 });
const exact = smallModel(config);
const brief = smallModel(config, 1, "bfloat16");
const [int8, fp8] = (["int8", "float8_e4m3fn"] as const).map((weights) => quantizedModel(config, weights));
afterAll(() => {
  for (const model of [exact, brief, int8, fp8]) model?.free();
});

interface Answer {
  readonly ids: number[];
  readonly logprobs: number[];
  readonly prompt: Extract<GenerationEvent, { type: "prompt" }> | null;
  readonly reason: string;
}

const usual: Omit<EngineOptions, "breathe"> = { maxBatch: 32, cacheTokens: 8192, speculation: 0 };

function engineOf(model: DeepseekV3, options: Partial<EngineOptions> = {}): Engine {
  return new Engine(model, null, { ...usual, breathe: () => nextTurn(), ...options });
}

/** Choices of all requests, in order. Requests that are a number of steps late are added then. */
async function answers(
  engine: Engine,
  requests: readonly (GenerationRequest & { readonly after?: number })[],
): Promise<Answer[]> {
  const results: Answer[][] = requests.map(() => []);
  let steps = 0;
  const waiting = requests.map((request, i) => ({ request, i }));
  const addDue = (): void => {
    for (const one of waiting.splice(0)) {
      const { after = 0, ...request } = one.request;
      if (after > steps) {
        waiting.push(one);
        continue;
      }
      const own = results[one.i]!;
      let prompt: Answer["prompt"] = null;
      engine.add({ ignoreEos: true, logprobs: 0, ...request }, (event) => {
        if (event.type === "prompt") {
          prompt = event;
          return;
        }
        own[event.choice] ??= { ids: [], logprobs: [], prompt, reason: "" };
        const answer = own[event.choice]!;
        if (event.type === "token") {
          answer.ids.push(event.id);
          answer.logprobs.push(event.logprobs!.logprob);
        } else own[event.choice] = { ...answer, prompt, reason: event.reason };
      });
    }
  };
  addDue();
  while ((await engine.step()) || waiting.length > 0) {
    steps++;
    addDue();
  }
  return results.flat();
}

async function fresh(
  model: DeepseekV3,
  requests: Parameters<typeof answers>[1],
  options: Partial<EngineOptions> = {},
): Promise<{ readonly answers: Answer[]; readonly stats: ReturnType<Engine["stats"]> }> {
  using engine = engineOf(model, options);
  const result = await answers(engine, requests);
  const stats = engine.stats();
  expect(stats.pages.used, "pages in use at the end").toBe(0);
  return { answers: result, stats };
}

function prompt(length: number, seed: number): Int32Array {
  return tokenRows(1, length, 61, seed).slice(0, length);
}

const bits = ({ ids, logprobs, reason }: Answer): unknown => ({ ids, logprobs, reason });

describe.each([
  ["float32", exact, undefined],
  ["bfloat16", brief, undefined],
  ["bfloat16 with a cache in FP8", brief, "float8_e4m3fn"],
  ["float32 with a cache in bfloat16", exact, "bfloat16"],
  ["weights in int8", int8!, undefined],
  ["weights in FP8", fp8!, undefined],
] as const)("%s", (_, model, cacheDtype: CacheDtype | undefined) => {
  const options = { cacheDtype };
  const requests = [300, 1, 64, 65, 128, 17, 200, 63, 90, 31, 2, 129, 5, 77, 250, 40].map((length, i) => ({
    prompt: prompt(length, i + 1),
    maxTokens: 12 + (i % 5),
  }));

  test("a prompt may be cut anywhere", async () => {
    const request = requests[0]!;
    const [whole] = (await fresh(model, [request], options)).answers;
    for (const passTokens of [64, 128]) {
      const [cut] = (await fresh(model, [request], { ...options, passTokens })).answers;
      expect(bits(cut!)).toEqual(bits(whole!));
    }
  });

  test("16 together, arriving one after the other, get what each gets alone", async () => {
    const late = requests.map((request, i) => ({ ...request, after: i }));
    const together = await fresh(model, late, { ...options, passTokens: 128 });
    for (const [i, request] of requests.entries()) {
      const [alone] = (await fresh(model, [request], options)).answers;
      expect(bits(together.answers[i]!), `request ${i}`).toEqual(bits(alone!));
    }
  });

  test.each([
    [0, 0],
    [3, 0.8],
  ])("pre-emption changes nothing, with %i drafts at temperature %f", async (speculation, temperature) => {
    const many = requests
      .slice(0, 6)
      .map((request, i) => ({ ...request, maxTokens: 150, sampling: { temperature, seed: i } }));
    const drafting = { ...options, speculation, isDepthFixed: true };
    const roomy = await fresh(model, many, drafting);
    const tight = await fresh(model, many, { ...drafting, cacheTokens: 640 });
    expect(tight.stats.preemptions).toBeGreaterThan(2);
    expect(tight.answers.map(bits)).toEqual(roomy.answers.map(bits));
  });

  test("a prefix from the cache gives the bits of a prompt that is read anew", async () => {
    using engine = engineOf(model, options);
    const shared = prompt(200, 50);
    const second = Int32Array.from([...shared.slice(0, 150), 9, 8, 7]);
    const first = await answers(engine, [{ prompt: shared, maxTokens: 10 }]);
    const again = await answers(engine, [
      { prompt: shared, maxTokens: 10 },
      { prompt: second, maxTokens: 10 },
      { prompt: shared, maxTokens: 10, salt: "another tenant" },
      { prompt: shared.slice(0, 192), maxTokens: 10 }, // The last token is read for what follows it.
    ]);
    expect(again.map((answer) => answer.prompt!.cachedTokens)).toEqual([192, 128, 0, 128]);
    expect(bits(again[0]!)).toEqual(bits(first[0]!));
    expect(bits(again[2]!)).toEqual(bits(first[0]!));
    const alone = await fresh(model, [{ prompt: second, maxTokens: 10 }], options);
    expect(bits(again[1]!)).toEqual(bits(alone.answers[0]!));
  });

  test("log-probabilities of a prompt behind a prefix from the cache have the bits of one that is read anew", async () => {
    const ids = prompt(300, 71);
    const whole = { prompt: ids, maxTokens: 0, promptLogprobs: 1 };
    const [alone] = (await fresh(model, [whole], options)).answers;
    const all = alone!.prompt!.logprobs!;
    expect(all.length).toBe(300);
    for (const speculation of [0, 2]) {
      using engine = engineOf(model, { ...options, speculation, passTokens: 128 });
      await answers(engine, [{ prompt: ids, maxTokens: 0 }]);
      const froms = [0, 1, 64, 65, 130, 192, 193, 298, 299];
      const found = await answers(
        engine,
        froms.map((promptLogprobsFrom) => ({ ...whole, promptLogprobsFrom })),
      );
      // The token before the first wanted one has to be read, and pages come whole.
      expect(found.map((answer) => answer.prompt!.cachedTokens)).toEqual([0, 0, 0, 64, 128, 128, 192, 256, 256]);
      for (const [i, from] of froms.entries()) expect(found[i]!.prompt!.logprobs).toEqual(all.slice(from));
    }
  });

  test("prompts that begin alike and then differ, all from the cache, have the bits of each alone", async () => {
    const ends = [81, 82, 83].map((seed) => prompt(100, seed));
    const all = ends.map((end, i) => Int32Array.from([...prompt(128, 80), ...end.slice(0, 80 + 7 * i)]));
    const scored = all.map((ids) => ({ prompt: ids, maxTokens: 0, promptLogprobs: 0, promptLogprobsFrom: 200 }));
    using engine = engineOf(model, options);
    await answers(
      engine,
      all.map((ids) => ({ prompt: ids, maxTokens: 0 })),
    );
    const together = await answers(engine, scored);
    expect(together.map((answer) => answer.prompt!.cachedTokens)).toEqual([192, 192, 192]);
    for (const [i, request] of scored.entries()) {
      const [alone] = (await fresh(model, [request], options)).answers;
      expect(together[i]!.prompt!.logprobs).toEqual(alone!.prompt!.logprobs);
    }
  });

  test("other tokens are scored in the place of a prompt's last with the bits of requests of their own", async () => {
    const ids = prompt(140, 72);
    const others = [5, 60, 0, 33];
    const withLast = (id: number): Int32Array => Int32Array.from([...ids, id]);
    const scored = { maxTokens: 0, promptLogprobs: 0, promptLogprobsFrom: 140 };
    const [one] = (await fresh(model, [{ ...scored, prompt: withLast(7), promptLogprobIds: others }], options)).answers;
    const [position] = one!.prompt!.logprobs!;
    const own = await fresh(
      model,
      [7, ...others].map((id) => ({ ...scored, prompt: withLast(id) })),
      options,
    );
    const values = own.answers.map((answer) => answer.prompt!.logprobs![0]!.logprob);
    expect([position!.logprob, ...position!.asked!.map(({ logprob }) => logprob)]).toEqual(values);
    expect(position!.asked!.map(({ id }) => id)).toEqual(others);
  });

  test.each([0, 0.8])("drafts change nothing, temperature %f", async (temperature) => {
    const sampled = requests.slice(0, 5).map((request, i) => ({
      ...request,
      maxTokens: 80,
      sampling: { temperature, seed: i, topK: 20, repetitionPenalty: temperature > 0 ? 1.1 : 1 },
    }));
    const plain = await fresh(model, sampled, options);
    for (const [speculation, isDepthFixed] of [
      [1, true],
      [4, true],
      [4, false],
    ] as const) {
      const drafted = await fresh(model, sampled, { ...options, speculation, isDepthFixed });
      expect(drafted.answers.map(bits)).toEqual(plain.answers.map(bits));
      expect(drafted.stats.speculation.drafts).toBeGreaterThan(isDepthFixed ? 10 : 0);
    }
  });
});

test("drafts hold now and then, and a step then writes several tokens", async () => {
  // A model that repeats one token, and a module that knows.
  const model = smallModel(config);
  model.norm.data.fill(0);
  model.mtp[0]!.sharedHeadNorm.data.fill(0);
  const { answers: told, stats } = await fresh(model, [{ prompt: [3, 4], maxTokens: 60 }], {
    speculation: 3,
    isDepthFixed: true,
  });
  expect(told[0]!.ids.length).toBe(60);
  expect(stats.speculation.acceptedTokens.length).toBe(3);
  expect(stats.steps).toBeLessThan(45);
  model.free();
});

test("a fixed depth drafts in each step, and writes the same", async () => {
  const request = { prompt: prompt(40, 3), maxTokens: 30 };
  const plain = await fresh(exact, [request]);
  const { answers: told, stats } = await fresh(exact, [request], { speculation: 2, isDepthFixed: true });
  expect(told.map(bits)).toEqual(plain.answers.map(bits));
  const { drafts, draftTokens } = stats.speculation;
  // One pass read the prompt; each other one verified two drafts.
  expect(drafts).toBe(stats.steps - 1);
  expect(draftTokens).toBe(2 * drafts);
});

test("choices of one request are what requests with their seeds would get", async () => {
  const sampling = { temperature: 1, seed: 40 };
  const forked = await fresh(exact, [{ prompt: prompt(100, 3), maxTokens: 20, n: 5, sampling }]);
  expect(new Set(forked.answers.map(({ ids }) => ids.join())).size).toBe(5);
  for (const [i, choice] of forked.answers.entries()) {
    const own = { prompt: prompt(100, 3), maxTokens: 20, sampling: { temperature: 1, seed: 40 + i } };
    expect(bits(choice)).toEqual(bits((await fresh(exact, [own])).answers[0]!));
  }
  // Fewer pages than copies of the last one: some choices wait.
  const tight = await fresh(exact, [{ prompt: prompt(100, 3), maxTokens: 20, n: 5, sampling }], { cacheTokens: 256 });
  expect(tight.answers.map(bits)).toEqual(forked.answers.map(bits));
});

test("a running choice gets its share of the time while a long prompt is read", async () => {
  // By a clock that only its readings and the prompt move: a step of the running choice takes two, a piece of the prompt one and `extra`.
  const counts = async (extra: number): Promise<{ readonly pieces: number; readonly steps: number }> => {
    let clock = 0;
    let pieces = 0;
    using _now = vi.spyOn(performance, "now").mockImplementation(() => ++clock);
    using engine = engineOf(exact, {
      passTokens: 128,
      breathe: async () => {
        clock += extra;
        pieces++;
        await nextTurn();
      },
    });
    const order: string[] = [];
    engine.add({ prompt: [1, 2], maxTokens: 400, ignoreEos: true }, () => order.push("short"));
    for (let i = 0; i < 3; i++) await engine.step();
    engine.add({ prompt: prompt(600, 4), maxTokens: 1, ignoreEos: true }, () => order.push("long"));
    order.length = 0;
    pieces = 0;
    while (!order.includes("long")) await engine.step();
    return { pieces, steps: order.filter((name) => name === "short").length };
  };
  // A step is due when the prompt had 1.55 times as long as one takes, to the nearest piece.
  for (const [extra, piecesPerStep] of [
    [10, 1],
    [1, 2],
    [0, 3],
  ] as const) {
    const { pieces, steps } = await counts(extra);
    expect(steps).toBe(Math.ceil(pieces / piecesPerStep));
  }
});

test("an aborted request ends at once and gives its pages back, whatever it was at", async () => {
  using engine = engineOf(exact, { passTokens: 64, speculation: 2 });
  const events: GenerationEvent[][] = [[], [], [], []];
  const ids = [400, 10, 300, 20].map((length, i) =>
    engine.add({ prompt: prompt(length, i), maxTokens: 100, n: 2, ignoreEos: true }, (event) => events[i]!.push(event)),
  );
  for (let i = 0; i < 4; i++) await engine.step();
  for (const id of ids.slice(0, 3)) engine.abort(id);
  for (const told of events.slice(0, 3)) {
    expect(told.slice(-2).map((event) => event.type === "finish" && event.reason)).toEqual(["abort", "abort"]);
  }
  while (await engine.step());
  expect(events[3]!.filter(({ type }) => type === "token").length).toBe(200);
  expect(engine.stats()).toMatchObject({
    running: 0,
    waiting: 0,
    pages: { used: 0 },
    finished: { abort: 6, length: 2 },
  });
});

test("log-probabilities of a prompt are the negated losses of its tokens", async () => {
  const ids = prompt(150, 8);
  const { answers: told } = await fresh(exact, [{ prompt: ids, maxTokens: 0, promptLogprobs: 2 }], { passTokens: 64 });
  const logprobs = told[0]!.prompt!.logprobs!;
  expect(logprobs.length).toBe(150);
  expect(logprobs[0]).toBeNull();
  const [scores] = await scoreTokens(exact, [[...ids]]);
  for (let i = 1; i < 150; i++) {
    expect(logprobs[i]!.id).toBe(ids[i]);
    expect(Math.abs(logprobs[i]!.logprob - scores!.logprobs[i]!)).toBeLessThan(1e-5);
    expect(logprobs[i]!.top.length).toBe(2);
    expect(logprobs[i]!.top[0]!.logprob).toBeGreaterThanOrEqual(logprobs[i]!.top[1]!.logprob);
  }
  expect(told[0]!.reason).toBe("length");
});

test("what is traced of a token are the experts of the position before it", async () => {
  using engine = engineOf(exact);
  const traces: (readonly (readonly number[])[])[] = [];
  engine.add({ prompt: prompt(20, 5), maxTokens: 4, trace: true, ignoreEos: true }, (event) => {
    if (event.type === "token") traces.push(event.trace!.experts);
  });
  while (await engine.step());
  const { numHiddenLayers, firstKDenseReplace, numExpertsPerTok, nRoutedExperts } = config;
  expect(traces.length).toBe(4);
  for (const layers of traces) {
    expect(layers.length).toBe(numHiddenLayers - firstKDenseReplace);
    for (const experts of layers) {
      expect(new Set(experts).size).toBe(numExpertsPerTok);
      for (const expert of experts) expect(expert).toBeLessThan(nRoutedExperts);
    }
  }
  // Every assignment of prompt and tokens is counted: the last token is not read.
  const { expertLoad } = engine.stats();
  for (const load of expertLoad) expect(load.reduce((a, b) => a + b)).toBe((20 + 3) * numExpertsPerTok);
});

test("a prompt that is only scored may be one token longer than the model's positions", async () => {
  const ids = prompt(positions + 1, 9);
  const { answers: told, stats } = await fresh(exact, [{ prompt: ids, maxTokens: 0, promptLogprobs: 0 }]);
  expect(told[0]!.prompt).toMatchObject({ promptTokens: positions + 1 });
  expect(told[0]!.prompt!.logprobs!.length).toBe(positions + 1);
  expect(stats.promptTokens).toBe(positions);
  // The same prediction of the last token as one that writes.
  const last = { prompt: ids.slice(0, positions), maxTokens: 0, promptLogprobs: 0 };
  const shorter = (await fresh(exact, [last])).answers[0]!.prompt!.logprobs!;
  expect(told[0]!.prompt!.logprobs!.slice(0, positions)).toEqual(shorter);
  using engine = engineOf(exact);
  expect(() => engine.add({ prompt: ids, maxTokens: 0 }, () => {})).toThrow(
    "641 tokens exceed the model's 640 positions",
  );
  expect(() => engine.add({ prompt: ids, promptLogprobs: 0 }, () => {})).toThrow("641 tokens exceed");
});
