/**
 * What a load generator sends, drawn from a seed: when requests arrive, how long prompts and answers are, and which prompts begin alike.
 * Prompts are token ids, so that their lengths are exact and no tokenizer is measured. Every request has a generator of its own, so that
 * request i is the same whatever came before it.
 */
import { Random } from "../../generate/sampler.js";

/** Whole numbers, both ends included, all equally likely. */
export interface Span {
  readonly least: number;
  readonly most: number;
}

/** Clients that each wait for their answer before they ask again, or requests that come at a rate whether or not the others are answered. */
export type Arrival =
  | { readonly kind: "closed"; readonly clients: number }
  | { readonly kind: "open"; readonly requestsPerSecond: number };

export interface LoadPlan {
  readonly arrival: Arrival;
  /** Null: until it is stopped, of closed loops alone. */
  readonly requests: number | null;
  /** Tokens of a whole prompt, a shared beginning included. */
  readonly promptTokens: Span;
  readonly outputTokens: Span;
  /** The first tokens that a share (0 to 1) of the prompts have in common; null: none. */
  readonly sharedPrefix: { readonly tokens: number; readonly share: number } | null;
  /** Ids that prompts are made of. */
  readonly ids: Span;
  /** From 0 to 2^32 - 1. */
  readonly seed: number;
}

export interface PlannedRequest {
  readonly prompt: readonly number[];
  readonly outputTokens: number;
}

/** Requests of a plan that have generators of their own. */
const mostRequests = 2 ** 20;

/** @throws RangeError naming what does not fit together */
export function checkPlan({ arrival, requests, promptTokens, outputTokens, sharedPrefix, ids, seed }: LoadPlan): void {
  const refuse = (what: string): never => {
    throw new RangeError(`load plan: ${what}`);
  };
  if (arrival.kind === "closed") {
    if (!isWhole(arrival.clients, 1, 65_536)) refuse(`clients: a whole number from 1 to 65536, got ${arrival.clients}`);
  } else {
    if (!(arrival.requestsPerSecond > 0 && arrival.requestsPerSecond <= 1e6)) {
      refuse(`rate: above 0 and at most 1000000 requests/s, got ${arrival.requestsPerSecond}`);
    }
    if (requests === null) refuse("an open loop needs a number of requests");
  }
  if (requests !== null && !isWhole(requests, 1, mostRequests)) {
    refuse(`requests: a whole number from 1 to ${mostRequests}, got ${requests}`);
  }
  for (const [name, span] of Object.entries({ promptTokens, outputTokens })) {
    if (!isSpan(span, 1)) refuse(`${name}: whole numbers from 1, the least first, got ${span.least} to ${span.most}`);
  }
  if (!isSpan(ids, 0)) refuse(`ids: whole numbers from 0, the least first, got ${ids.least} to ${ids.most}`);
  if (!isWhole(seed, 0, 2 ** 32 - 1)) refuse(`seed: a whole number from 0 to ${2 ** 32 - 1}, got ${seed}`);
  if (sharedPrefix === null) return;
  const { tokens, share } = sharedPrefix;
  if (!(share >= 0 && share <= 1)) refuse(`share of prompts with the prefix: 0 to 1, got ${share}`);
  if (!isWhole(tokens, 1, promptTokens.least - 1)) {
    refuse(`prefix: from 1 to ${promptTokens.least - 1} tokens, fewer than the shortest prompt has, got ${tokens}`);
  }
}

/** Request `index` of a plan, from 0. */
export function plannedRequest(plan: LoadPlan, index: number): PlannedRequest {
  const random = new Random(plan.seed * mostRequests + index);
  const promptTokens = draw(random, plan.promptTokens);
  const outputTokens = draw(random, plan.outputTokens);
  const { sharedPrefix, ids } = plan;
  const prefix =
    sharedPrefix && random.next() < sharedPrefix.share ? prefixOf(plan.seed, sharedPrefix.tokens, ids) : [];
  const own = Array.from({ length: promptTokens - prefix.length }, () => draw(random, ids));
  return { prompt: [...prefix, ...own], outputTokens };
}

/** Milliseconds from the start at which the requests of an open loop come: a Poisson process, whose gaps are exponential. */
export function arrivalsMs(requestsPerSecond: number, requests: number, seed: number): Float64Array {
  const random = new Random(-2 - seed);
  let at = 0;
  return Float64Array.from({ length: requests }, () => {
    at -= (1000 * Math.log(1 - random.next())) / requestsPerSecond;
    return at;
  });
}

/** The same for a seed, however long. */
function prefixOf(seed: number, tokens: number, ids: Span): number[] {
  const random = new Random(-2 - seed - 2 ** 32);
  return Array.from({ length: tokens }, () => draw(random, ids));
}

function draw(random: Random, { least, most }: Span): number {
  return least === most ? least : least + Math.floor(random.next() * (most - least + 1));
}

function isSpan({ least, most }: Span, low: number): boolean {
  return isWhole(least, low, 2 ** 31) && isWhole(most, least, 2 ** 31);
}

function isWhole(value: number, low: number, high: number): boolean {
  return Number.isInteger(value) && value >= low && value <= high;
}
