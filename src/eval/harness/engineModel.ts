/**
 * Our own engine as a model to evaluate. Many requests are under way at once, so that its passes are full; they are sorted by their ids,
 * so that those which begin alike (the same shots, the choices of one question) come one after the other and find their beginning in the
 * prefix cache; and choices of one token each are read off one pass.
 */
import { setMaxListeners } from "node:events";
import { isDeepStrictEqual } from "node:util";
import type { LanguageModel } from "../../generate/languageModel.js";
import { modelFailure } from "../../generate/modelFailure.js";
import type { PositionLogprobs } from "../../generate/request.js";
import type { Tokenizer } from "../../tokenizer/tokenizer.js";
import { encodePair, encodePrompt, rollingWindows, type ScoredIds } from "./encodePrompt.js";
import {
  type EvalModel,
  type EvalRequest,
  type EvalResponse,
  type GenerateRequest,
  type GenerateResponse,
  refusal,
} from "./evalModel.js";

/** Requests that are encoded and sorted at once: their ids are in memory. */
const chunkSize = 1024;
/** Requests under way: the engine works on its batch, the others wait at its door. */
const underWay = 128;
/** Other tokens that one request scores beside its own last. */
const mostAsked = 1000;

export class EngineModel implements EvalModel {
  readonly id: string;
  readonly name: string;
  readonly #model: LanguageModel;
  readonly #tokenizer: Tokenizer;

  /** Owns the model. @throws RangeError for one without a tokenizer */
  constructor(model: LanguageModel, name: string, id: string) {
    if (!model.tokenizer) throw new RangeError(`${name}: no tokenizer.json, which evaluation needs`);
    this.#model = model;
    this.#tokenizer = model.tokenizer;
    this.name = name;
    this.id = id;
  }

  async answer(
    requests: readonly EvalRequest[],
    onResponse: (index: number, response: EvalResponse) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const works = this.#works(requests, onResponse);
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    setMaxListeners(2 * underWay, both);
    const workers = Array.from({ length: Math.min(underWay, requests.length) }, async () => {
      for (;;) {
        both.throwIfAborted();
        const next = works.next();
        if (next.done) return;
        await next.value(both);
      }
    });
    try {
      await Promise.all(workers);
    } catch (error) {
      // What the first failure leaves behind is ended, and its own reason is told.
      stop.abort(error);
      await Promise.allSettled(workers);
      throw error;
    }
  }

  promptAsRead(request: EvalRequest): string {
    const { maxPositions } = this.#model.info;
    if (request.kind === "generate") return this.#tokenizer.decode(this.#encode(request).ids);
    if (request.kind === "rolling") return request.text;
    const { ids, from } = encodePair(this.#tokenizer, request.prompt, request.continuation, maxPositions + 1);
    return this.#tokenizer.decode(ids.subarray(0, from));
  }

  close(): Promise<void> {
    return this.#model.close();
  }

  /** Pieces of work, each of which answers one request or several. */
  *#works(
    requests: readonly EvalRequest[],
    onResponse: (index: number, response: EvalResponse) => void,
  ): Generator<(signal: AbortSignal) => Promise<void>, void> {
    for (let begin = 0; begin < requests.length; begin += chunkSize) {
      const scored: ScoredWork[] = [];
      const generated: {
        readonly index: number;
        readonly request: GenerateRequest;
        readonly ids: Int32Array;
        readonly cut: number;
      }[] = [];
      for (let index = begin; index < Math.min(requests.length, begin + chunkSize); index++) {
        const request = requests[index];
        if (!request) continue;
        try {
          if (request.kind === "generate") generated.push({ index, request, ...this.#encode(request) });
          else scored.push(...this.#scoredWorks(index, request, onResponse));
        } catch (error) {
          throw refusal(index, error);
        }
      }
      for (const group of groups(scored.sort((a, b) => compareIds(a.ids, b.ids)))) {
        yield (signal) => this.#score(group, signal);
      }
      for (const { index, request, ids, cut } of generated.sort((a, b) => compareIds(a.ids, b.ids))) {
        yield async (signal) => onResponse(index, await this.#generate(request, ids, cut, signal));
      }
    }
  }

  #encode({ prompt, settings }: GenerateRequest): { readonly ids: Int32Array; readonly cut: number } {
    const { maxPositions } = this.#model.info;
    const { cutPrompt } = settings;
    // Where nothing may be cut, a single token of the answer is all the room that is kept for it.
    const room = maxPositions - (cutPrompt === "none" ? 1 : settings.maxGenToks);
    if (room < 1) {
      throw new RangeError(
        `max_gen_toks ${settings.maxGenToks} leaves no room for a prompt in the model's ${maxPositions} positions ` +
          "(--gen-kwargs max_gen_toks=...)",
      );
    }
    return encodePrompt(this.#tokenizer, prompt, room, cutPrompt);
  }

  #scoredWorks(
    index: number,
    request: Exclude<EvalRequest, GenerateRequest>,
    onResponse: (index: number, response: EvalResponse) => void,
  ): ScoredWork[] {
    // The last id of all is only looked at.
    const most = this.#model.info.maxPositions + 1;
    if (request.kind === "loglikelihood") {
      const pair = encodePair(this.#tokenizer, request.prompt, request.continuation, most);
      const done = ({ logprob, isGreedy, tokens }: Sums): void =>
        onResponse(index, { kind: "loglikelihood", logprob, isGreedy, tokens, cutTokens: pair.cut });
      return [{ ...pair, done }];
    }
    const windows = rollingWindows(this.#tokenizer, request.text, most);
    if (windows.length === 0) throw new RangeError("a document is empty: nothing of it can be scored");
    // By window, so that the sum does not depend on which is done first.
    const sums = new Array<Sums | undefined>(windows.length).fill(undefined);
    return windows.map((window, i) => ({
      ...window,
      done: (sum) => {
        sums[i] = sum;
        const all = sums.flatMap((each) => (each ? [each] : []));
        if (all.length < windows.length) return;
        const logprob = all.reduce((total, each) => total + each.logprob, 0);
        onResponse(index, { kind: "rolling", logprob, tokens: all.reduce((total, { tokens }) => total + tokens, 0) });
      },
    }));
  }

  /** Works that are the same up to one last id. */
  async #score(works: readonly ScoredWork[], signal: AbortSignal): Promise<void> {
    const [first] = works;
    if (!first) return;
    const lasts = [...new Set(works.map(({ ids }) => ids.at(-1) ?? 0))];
    const request = {
      prompt: first.ids,
      maxTokens: 0,
      promptLogprobs: 1,
      promptLogprobsFrom: first.from,
      promptLogprobIds: lasts.slice(1),
    };
    let told: readonly (PositionLogprobs | null)[] = [];
    for await (const event of this.#model.stream(request, signal)) {
      if (event.type === "prompt") told = event.logprobs ?? [];
      else if (event.type === "finish") checkFinish(this.#model, event, signal);
    }
    for (const { ids, done } of works) {
      const last = ids.at(-1) ?? 0;
      let [logprob, isGreedy] = [0, true];
      for (const position of told) {
        if (!position) throw new Error("internal: a scored token without a log-probability");
        const isLast = position === told.at(-1);
        const id = isLast ? last : position.id;
        const value = id === position.id ? position : position.asked?.find((each) => each.id === id);
        if (!value) throw new Error(`internal: token ${id} was not scored`);
        logprob += value.logprob;
        isGreedy &&= position.top[0]?.id === id;
      }
      done({ logprob, isGreedy, tokens: told.length });
    }
  }

  async #generate(
    { settings, seed }: GenerateRequest,
    prompt: Int32Array,
    cut: number,
    signal: AbortSignal,
  ): Promise<GenerateResponse> {
    const { until, maxGenToks, temperature, topP, topK } = settings;
    const maxTokens = Math.min(maxGenToks, this.#model.info.maxPositions - prompt.length);
    const request = { prompt, maxTokens, stop: until, sampling: { temperature, topP, topK, seed } };
    let text = "";
    let cost: GenerateResponse["cost"] = null;
    let completionTokens = 0;
    let isTruncated = false;
    for await (const event of this.#model.stream(request, signal)) {
      text += event.text;
      if (event.type === "prompt") {
        const { promptMs, cachedTokens } = event;
        cost = { promptMs, cachedTokens, residentBytes: process.memoryUsage.rss() };
      } else if (event.type === "finish") {
        checkFinish(this.#model, event, signal);
        completionTokens = event.completionTokens;
        isTruncated = event.reason === "length";
      }
    }
    return {
      kind: "generate",
      text,
      isTruncated,
      promptTokens: prompt.length,
      completionTokens,
      cutTokens: cut,
      cost,
    };
  }
}

interface Sums {
  readonly logprob: number;
  readonly isGreedy: boolean;
  readonly tokens: number;
}

interface ScoredWork extends ScoredIds {
  readonly done: (sums: Sums) => void;
}

/** Of sorted works those that differ in nothing but a single scored id, or in nothing at all. */
function* groups(works: readonly ScoredWork[]): Generator<readonly ScoredWork[], void> {
  let group: ScoredWork[] = [];
  for (const work of works) {
    const [first] = group;
    if (first && belongTogether(first, work) && group.length < mostAsked) {
      group.push(work);
      continue;
    }
    if (group.length > 0) yield group;
    group = [work];
  }
  if (group.length > 0) yield group;
}

function belongTogether(a: ScoredIds, b: ScoredIds): boolean {
  if (a.ids.length !== b.ids.length || a.from !== b.from) return false;
  const isSingle = a.from === a.ids.length - 1;
  const end = isSingle ? a.ids.length - 1 : a.ids.length;
  return isDeepStrictEqual(a.ids.subarray(0, end), b.ids.subarray(0, end));
}

function compareIds(a: Int32Array, b: Int32Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function checkFinish(
  model: LanguageModel,
  event: { readonly reason: string; readonly error: string | null },
  signal: AbortSignal,
): void {
  if (event.reason === "error") throw modelFailure(model, event.error);
  if (event.reason !== "abort") return;
  signal.throwIfAborted();
  throw new Error("the model was closed meanwhile");
}
