/**
 * One text that is being written: its tokens, where they lie in the cache, and all that decides on the next one. What it writes depends on its
 * request alone: draws come from a generator of its own.
 */

import type { DrawnToken, TokenWish } from "../tensor/ops/drawTokens.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { CheckedRequest } from "./checkRequest.js";
import { applyMask, type Constraint } from "./grammar/constraint.js";
import type { GenerationEvent, PositionLogprobs, TokenTrace } from "./request.js";
import { changesLogits, drawn, isUntouched, logprobsOf, Random, type Sampling, TokenCounts } from "./sampler.js";
import { TextOutput } from "./textOutput.js";

/** What the choices of a request share. */
export interface ChoiceSettings {
  readonly request: CheckedRequest;
  readonly tokenizer: Tokenizer | null;
  readonly constraint: Constraint | null;
  /** Ids below this have a token. */
  readonly usableIds: number;
  /** Of these, the ones that have none: a published vocabulary may have holes. */
  readonly holes: readonly number[];
  readonly stopIds: ReadonlySet<number>;
}

export type FinishEvent = Extract<GenerationEvent, { readonly type: "finish" }>;

export class Choice {
  readonly index: number;
  /** Tokens written. */
  readonly ids: number[] = [];
  /** Pages of the cache, prompt included. */
  pages: number[] = [];
  /** Positions that the cache holds; those after it are written but not yet read by the model. */
  cached = 0;
  /** Tokens that an MTP module expects next. */
  drafts: readonly number[] = [];
  /** Positions that the MTP module has not seen: drafts are the worse for them. */
  numUndrafted = 0;
  isFinished = false;
  readonly #settings: ChoiceSettings;
  readonly #sampling: Sampling;
  readonly #random: Random;
  readonly #counts: TokenCounts | null;
  readonly #text: TextOutput;
  readonly #tellsOwn: boolean;
  readonly #isPlain: boolean;
  #state: number;

  constructor(index: number, settings: ChoiceSettings) {
    const { request, tokenizer, constraint } = settings;
    const seed = sumOfSeeds(request.sampling.seed, index);
    this.index = index;
    this.#settings = settings;
    this.#sampling = { ...request.sampling, seed };
    this.#random = new Random(seed);
    this.#counts = changesLogits(request.sampling) ? new TokenCounts(request.prompt) : null;
    // Where nothing changes the logits, the sampler's own log-probability is the one that is asked for.
    const { logprobs, logprobTemperature } = request;
    this.#tellsOwn = logprobs === 0 && logprobTemperature === request.sampling.temperature;
    const isPlain = isUntouched(request.sampling) && !constraint;
    this.#isPlain = isPlain && (logprobs === null || this.#tellsOwn);
    this.#text = new TextOutput(tokenizer?.decoder({ skipSpecialTokens: true }) ?? null, request.stop);
    this.#state = constraint?.start ?? 0;
  }

  /** Prompt and written tokens. */
  get length(): number {
    return this.#settings.request.prompt.length + this.ids.length;
  }

  /** Token of a position of prompt or text. */
  tokenAt(position: number): number {
    const { prompt } = this.#settings.request;
    const id = position < prompt.length ? prompt[position] : this.ids[position - prompt.length];
    if (id === undefined) throw new Error(`internal: no token at ${position} of ${this.length}`);
    return id;
  }

  /** What it takes to draw the token `ahead` places on; null where more than a temperature bears on it. */
  wish(ahead: number): TokenWish | null {
    const place = this.ids.length + ahead;
    return this.#isPlain && place >= this.#settings.request.minTokens ? this.#wishAt(place) : null;
  }

  /** Each place has its own number of the generator, whether or not others were asked for. */
  #wishAt(place: number): TokenWish {
    const { temperature } = this.#sampling;
    return { temperature, draw: temperature === 0 ? 0 : this.#random.at(place) };
  }

  /**
   * Takes the next token. @param logits [vocab] of the model, changed unless `known` is the token that was drawn from them as wished
   * @returns events to tell, the last of which is "finish" if the choice ends here
   */
  next(
    logits: Float32Array,
    known: DrawnToken | null,
    isDraft: (id: number) => boolean,
    experts: TokenTrace["experts"] | null,
  ): GenerationEvent[] {
    const { request, constraint, stopIds } = this.#settings;
    const mayStop = this.ids.length >= request.minTokens;
    const { id, logprob: ofToken, top } = known ? { ...known, top: [] } : this.#drawn(logits, mayStop);
    const logprob = request.logprobs === null ? null : ofToken;
    if (!known && logits[id] === Number.NEGATIVE_INFINITY) return [this.finish("stop", null)]; // A grammar's text with no end but this.
    if (mayStop && stopIds.has(id)) return [{ ...this.finish("stop", id), stopLogprob: logprob, stopExperts: experts }];
    this.ids.push(id);
    this.#counts?.add(id);
    const { text, stop } = this.#text.push(id, this.ids.length > request.minTokens);
    const logprobs: PositionLogprobs | null = logprob === null ? null : { id, logprob, top };
    const trace = experts && { isDrafted: isDraft(id), experts };
    const event: GenerationEvent = { type: "token", choice: this.index, id, text, logprobs, trace };
    if (stop !== null) return [event, this.finish("stop", stop, "")];
    if (constraint) {
      this.#state = constraint.advance(this.#state, id);
      if (constraint.isFinished(this.#state)) return [event, this.finish("stop", null)];
    }
    return this.ids.length >= request.maxTokens ? [event, this.finish("length", null)] : [event];
  }

  /** The next token, with the log-probability and the alternatives that the request asks for. */
  #drawn(logits: Float32Array, mayStop: boolean): PositionLogprobs {
    const { request, constraint, usableIds, holes, stopIds } = this.#settings;
    for (const id of holes) logits[id] = Number.NEGATIVE_INFINITY;
    // A copy: the logits are changed before it is known whose probability is asked for.
    const { logprobs: alternatives, logprobTemperature: temperature } = request;
    const copy = (): Float32Array => (temperature === 1 ? logits.slice() : logits.map((logit) => logit / temperature));
    const isUnchanged = !this.#counts && !constraint && mayStop;
    const reader =
      alternatives === null || (this.#tellsOwn && isUnchanged) ? null : logprobsOf(copy(), usableIds, alternatives);
    this.#counts?.apply(logits, this.#sampling);
    const ends = mayStop ? [...stopIds] : [];
    if (!mayStop) for (const id of stopIds) logits[id] = Number.NEGATIVE_INFINITY;
    if (constraint) applyMask(logits, constraint, this.#state, ends);
    const { draw } = this.#wishAt(this.ids.length);
    const { id, logprob } = drawn(logits, usableIds, this.#sampling, draw);
    return reader ? { id, logprob: reader.of(id), top: reader.top } : { id, logprob, top: [] };
  }

  /** Ends it. @param text what was held back and belongs to it; default: all of that */
  finish(
    reason: FinishEvent["reason"],
    stoppedBy: string | number | null,
    text = this.#text.flush(),
    error: string | null = null,
  ): FinishEvent {
    this.isFinished = true;
    const completionTokens = this.ids.length;
    const ofStop = { stopLogprob: null, stopExperts: null };
    return { type: "finish", choice: this.index, text, reason, stoppedBy, ...ofStop, completionTokens, error };
  }
}

/** Seeds are below 2^53 and go on from 0 beyond. */
function sumOfSeeds(seed: number, index: number): number {
  const left = Number.MAX_SAFE_INTEGER - seed;
  return index <= left ? seed + index : index - left - 1;
}
