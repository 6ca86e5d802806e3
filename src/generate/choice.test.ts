import { expect, test } from "vitest";
import { byteTokenizer } from "../../test/serve/scriptedModel.js";
import { type CheckedRequest, checkRequest } from "./checkRequest.js";
import { Choice, type ChoiceSettings } from "./choice.js";
import { Constraint, TokenBytes } from "./grammar/constraint.js";
import type { GenerationEvent, GenerationRequest } from "./request.js";

const tokenizer = byteTokenizer();
const { vocabSize } = tokenizer;
const idOf = (letter: string): number => tokenizer.encode(letter)[0] ?? 0;
const [a, b, c] = ["a", "b", "c"].map(idOf) as [number, number, number];

function checked(request: Partial<GenerationRequest>, size = vocabSize): CheckedRequest {
  const limits = { config: { vocabSize: size }, hasTokenizer: true, maxPositions: 100 };
  return checkRequest({ prompt: [1], ...request }, limits);
}

/** A model of four tokens without text; id 3 ends it. */
function numbers(request: Partial<GenerationRequest>, settings: Partial<ChoiceSettings> = {}, index = 0): Choice {
  const own = { request: checked(request, 4), tokenizer: null, constraint: null, usableIds: 4, holes: [] };
  return new Choice(index, { ...own, stopIds: new Set([3]), ...settings });
}

/** A model of bytes. */
function letters(request: Partial<GenerationRequest>, stopIds: readonly number[] = []): Choice {
  const { grammar } = request;
  const bytes = new TokenBytes(vocabSize, (id) => (tokenizer.isSpecial(id) ? null : tokenizer.idToBytes(id)));
  return new Choice(0, {
    request: checked(request),
    tokenizer,
    constraint: grammar ? new Constraint(grammar, bytes) : null,
    usableIds: vocabSize,
    holes: [],
    stopIds: new Set(stopIds),
  });
}

/** Probabilities 0.1, 0.2, 0.3 and 0.4. */
const tenths = (): Float32Array => Float32Array.from([1, 2, 3, 4], Math.log);

/** Logits with these ids likeliest first. */
function likely(...ids: number[]): Float32Array {
  const logits = new Float32Array(vocabSize).fill(-20);
  for (const [i, id] of ids.entries()) logits[id] = 10 - i;
  return logits;
}

const step = (choice: Choice, logits: Float32Array): GenerationEvent[] => choice.next(logits, null, () => false, null);
const idsOf = (events: readonly GenerationEvent[]): number[] =>
  events.flatMap((event) => (event.type === "token" ? [event.id] : []));

test("log-probabilities are the model's own, whatever penalties, bias and grammar make of the logits", () => {
  // 3 would be likeliest; a bias takes it down and another lifts 0, which has a tenth.
  const choice = numbers({ logprobs: 2, sampling: { logitBias: { 3: -100, 0: 5 }, repetitionPenalty: 2 } });
  const [event] = step(choice, tenths());
  if (event?.type !== "token") throw new Error("no token");
  expect(event.id).toBe(0);
  expect(event.logprobs?.logprob).toBeCloseTo(Math.log(0.1), 5);
  expect(event.logprobs?.top.map(({ id }) => id)).toEqual([3, 2]);
  expect(event.logprobs?.top[0]?.logprob).toBeCloseTo(Math.log(0.4), 5);
  const held = letters({ logprobs: 0, grammar: { kind: "regex", pattern: "b+" } });
  const [told] = step(held, likely(a, b));
  if (told?.type !== "token") throw new Error("no token");
  expect(told.id).toBe(b);
  expect(told.logprobs?.logprob).toBeCloseTo(-1 - Math.log(1 + Math.exp(-1)), 4);
});

test("with a temperature log-probabilities are the sampler's, and a stop token tells its own", () => {
  // Tenths 1 2 3 4 at temperature 1/2 are as 1 4 9 16.
  const choice = numbers({ logprobs: 0, logprobTemperature: 0.5, sampling: { logitBias: { 0: 5 } } });
  const [event] = step(choice, tenths());
  if (event?.type !== "token") throw new Error("no token");
  expect(event.logprobs?.logprob).toBeCloseTo(Math.log(1 / 30), 5);
  const [ended] = step(numbers({ logprobs: 0, logprobTemperature: 0.5 }), tenths());
  if (ended?.type !== "finish") throw new Error("not ended");
  expect(ended.stopLogprob).toBeCloseTo(Math.log(16 / 30), 5);
});

test("the log-probability that the sampler gives is the one that is computed from the logits", () => {
  const sampling = { temperature: 0.5, seed: 3 };
  const quick = numbers({ logprobs: 0, logprobTemperature: 0.5, sampling }, { stopIds: new Set() });
  const slow = numbers({ logprobs: 1, logprobTemperature: 0.5, sampling }, { stopIds: new Set() });
  for (let i = 0; i < 8; i++) {
    const [a] = step(quick, tenths());
    const [b] = step(slow, tenths());
    if (a?.type !== "token" || b?.type !== "token") throw new Error("no token");
    expect(a.id).toBe(b.id);
    expect(a.logprobs?.logprob).toBeCloseTo(b.logprobs?.logprob ?? Number.NaN, 5);
  }
});

test("penalties count what was written, and the prompt where they repeat", () => {
  // ln 4 = 1.386 and ln 3 = 1.099: the second time 1.386 - 0.3 is less than 1.099.
  const frequent = numbers({ sampling: { frequencyPenalty: 0.3 } }, { stopIds: new Set() });
  expect([1, 2, 3].flatMap(() => idsOf(step(frequent, tenths())))).toEqual([3, 2, 3]);
  const present = numbers({ sampling: { presencePenalty: 0.28 } }, { stopIds: new Set() });
  expect([1, 2, 3].flatMap(() => idsOf(step(present, tenths())))).toEqual([3, 3, 3]);
  const repeated = numbers({ prompt: [3], sampling: { repetitionPenalty: 1.3 } }, { stopIds: new Set() });
  expect(idsOf(step(repeated, tenths()))).toEqual([2]); // 1.386 / 1.3 = 1.066
});

test("a stop token ends it, is not counted, and cannot come before minTokens", () => {
  const now = numbers({});
  expect(step(now, tenths())).toEqual([
    {
      type: "finish",
      choice: 0,
      text: "",
      reason: "stop",
      stoppedBy: 3,
      stopLogprob: null,
      stopExperts: null,
      completionTokens: 0,
      error: null,
    },
  ]);
  const later = numbers({ minTokens: 2 });
  expect(idsOf(step(later, tenths()))).toEqual([2]);
  expect(idsOf(step(later, tenths()))).toEqual([2]);
  expect(step(later, tenths())).toMatchObject([{ type: "finish", stoppedBy: 3, completionTokens: 2 }]);
});

test("a draw is wished for no place before minTokens: it would not know that no stop token may come there", () => {
  const choice = numbers({ minTokens: 2, sampling: { temperature: 0.5 } });
  expect([0, 1, 2].map((ahead) => choice.wish(ahead)?.temperature)).toEqual([undefined, undefined, 0.5]);
  step(choice, tenths());
  expect([0, 1].map((ahead) => choice.wish(ahead)?.temperature)).toEqual([undefined, 0.5]);
});

test("maxTokens ends it with its last token", () => {
  const choice = numbers({ maxTokens: 2 }, { stopIds: new Set() });
  expect(step(choice, tenths()).map(({ type }) => type)).toEqual(["token"]);
  expect(step(choice, tenths())).toMatchObject([
    { type: "token", id: 3 },
    { type: "finish", reason: "length", completionTokens: 2 },
  ]);
  expect(choice.isFinished).toBe(true);
});

test("a stop string over two tokens: no piece of it is told, and minTokens holds for it too", () => {
  const choice = letters({ stop: ["bc"] });
  expect(step(choice, likely(a))).toMatchObject([{ text: "a" }]);
  expect(step(choice, likely(b))).toMatchObject([{ text: "" }]);
  expect(step(choice, likely(c))).toMatchObject([
    { type: "token", text: "" },
    { type: "finish", text: "", reason: "stop", stoppedBy: "bc", completionTokens: 3 },
  ]);
  const late = letters({ stop: ["bc"], minTokens: 2 });
  const told = [b, c, b, c].map((id) => step(late, likely(id)));
  expect(told.map((events) => events.length)).toEqual([1, 1, 1, 2]);
  expect(told.flat().map(({ text }) => text)).toEqual(["b", "c", "", "", ""]);
});

test("what was held back is told when something else ends it", () => {
  const cut = letters({ stop: ["bc"], maxTokens: 1 });
  expect(step(cut, likely(b))).toMatchObject([{ text: "" }, { type: "finish", text: "b", reason: "length" }]);
  const half = letters({ maxTokens: 1 });
  const [first = 0] = tokenizer.encode("\u20ac");
  expect(step(half, likely(first))).toMatchObject([{ text: "" }, { type: "finish", text: "\ufffd" }]);
  const ended = letters({ stop: ["bc"] }, [c]);
  step(ended, likely(b));
  expect(step(ended, likely(c))).toMatchObject([{ type: "finish", text: "b", stoppedBy: c }]);
});

test("a grammar ends the choice where nothing may follow, and lets the stop token in where the text is whole", () => {
  const fixed = letters({ grammar: { kind: "choice", texts: ["ab"] } });
  expect(idsOf(step(fixed, likely(c, a)))).toEqual([a]);
  expect(step(fixed, likely(c, b))).toMatchObject([
    { type: "token", id: b, text: "b" },
    { type: "finish", reason: "stop", stoppedBy: null, completionTokens: 2 },
  ]);
  const eos = tokenizer.eosTokenId ?? 0;
  const open = letters({ grammar: { kind: "regex", pattern: "ab*" } }, [eos]);
  expect(idsOf(step(open, likely(eos, a)))).toEqual([a]); // not whole yet
  expect(step(open, likely(eos, b))).toMatchObject([{ type: "finish", reason: "stop", stoppedBy: eos }]);
  // Too early for the stop token, but nothing else may come: the text ends all the same, sampled or not.
  for (const temperature of [0, 1]) {
    const early = letters({ grammar: { kind: "regex", pattern: "a?" }, minTokens: 5, sampling: { temperature } }, [
      eos,
    ]);
    expect(step(early, likely(eos, a)).map(({ type }) => type)).toEqual(["token", "finish"]);
  }
});

test("ids without a token are never written, nor is what lies beyond the vocabulary, whatever its bias", () => {
  const settings = { usableIds: 3, holes: [2], stopIds: new Set<number>() };
  const choice = numbers({ logprobs: 4, sampling: { logitBias: { 3: 100, 2: 100, 900: 5 } } }, settings);
  const [event] = step(choice, tenths());
  if (event?.type !== "token") throw new Error("no token");
  expect(event.id).toBe(1);
  expect(event.logprobs?.logprob).toBeCloseTo(Math.log(2 / 3), 5); // of 0.1 and 0.2
});

test("choice i draws with seed + i, also where that passes the largest seed", () => {
  const drawn = (seed: number, index: number): string => {
    const request = { sampling: { temperature: 1, seed } };
    const choice = numbers(request, { stopIds: new Set() }, index);
    return Array.from({ length: 40 }, () => idsOf(step(choice, tenths()))).join();
  };
  const largest = 2 ** 53 - 1;
  expect(drawn(largest - 1, 1)).toBe(drawn(largest, 0));
  expect(drawn(largest, 0)).not.toBe(drawn(0, 0));
  expect(drawn(largest, 1)).toBe(drawn(0, 0));
  expect(drawn(largest, 2)).toBe(drawn(1, 0));
  expect(drawn(largest, 3)).toBe(drawn(2, 0));
});
