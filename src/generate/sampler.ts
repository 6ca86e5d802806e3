/**
 * From logits to a token: penalties and bias, temperature, then top-k, top-p and min-p over what is left (infrastructure.md 7.1). Temperature
 * 0 takes the largest logit, the lowest id on ties. Each request has a generator of its own and draws once a token, so its result depends on
 * nothing but its seed.
 */
import type { DrawnToken } from "../tensor/ops/drawTokens.js";

export interface Sampling {
  /** 0 = greedy */
  readonly temperature: number;
  /** Smallest set of tokens whose probabilities reach this; 1 = all. */
  readonly topP: number;
  /** Most likely tokens to choose from; 0 = all. */
  readonly topK: number;
  /** Tokens less likely than this share of the likeliest are left out; 0 = none. */
  readonly minP: number;
  /** Logits of tokens in prompt or text are divided by this if positive, else multiplied (Keskar et al. 2019); 1 = off. */
  readonly repetitionPenalty: number;
  /** Subtracted from a token's logit for each time it was written. */
  readonly frequencyPenalty: number;
  /** Subtracted from the logit of each token that was written. */
  readonly presencePenalty: number;
  /** Added to logits, by token id. */
  readonly logitBias: Readonly<Record<number, number>>;
  /** Integer from 0 to 2^53 - 1. */
  readonly seed: number;
}

export const greedy: Sampling = {
  temperature: 0,
  topP: 1,
  topK: 0,
  minP: 0,
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  logitBias: {},
  seed: 0,
};

export const maxLogitBiases = 1024;

/** @throws RangeError naming the value and its range */
export function checkSampling(sampling: Sampling): void {
  const within = (name: keyof Sampling, from: number, to: number, isOpen = false): void => {
    const value = sampling[name];
    if (typeof value === "number" && value <= to && (isOpen ? value > from : value >= from)) return;
    const range = isOpen ? `above ${from} and at most ${to}` : `from ${from} to ${to}`;
    throw new RangeError(`sampling: ${name} must be ${range}, got ${value}`);
  };
  const whole = (name: "topK" | "seed", range: string): void => {
    const value = sampling[name];
    if (Number.isSafeInteger(value) && value >= 0) return;
    throw new RangeError(`sampling: ${name} must be a whole number from 0${range}, got ${value}`);
  };
  within("temperature", 0, 100);
  within("topP", 0, 1, true);
  within("minP", 0, 1);
  within("repetitionPenalty", 0, 100, true);
  within("frequencyPenalty", -100, 100);
  within("presencePenalty", -100, 100);
  whole("topK", " (all)");
  whole("seed", " to 2^53 - 1");
  const biases = Object.entries(sampling.logitBias);
  if (biases.length > maxLogitBiases) {
    throw new RangeError(`sampling: logitBias has ${biases.length} tokens, at most ${maxLogitBiases} are taken`);
  }
  for (const [id, bias] of biases) {
    if (!/^\d{1,9}$/.test(id) || !(bias >= -100 && bias <= 100)) {
      throw new RangeError(`sampling: logitBias takes token ids with values from -100 to 100, got "${id}": ${bias}`);
    }
  }
}

/** Only a temperature, or none. */
export function isUntouched({ topK, topP, minP, temperature, ...sampling }: Sampling): boolean {
  const isWhole = temperature === 0 || (topK === 0 && topP === 1 && minP === 0);
  return isWhole && !changesLogits(sampling);
}

/** Are there penalties or biases? */
export function changesLogits(
  sampling: Pick<Sampling, "repetitionPenalty" | "frequencyPenalty" | "presencePenalty" | "logitBias">,
): boolean {
  const { repetitionPenalty, frequencyPenalty, presencePenalty, logitBias } = sampling;
  return (
    repetitionPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0 || Object.keys(logitBias).length > 0
  );
}

/** SplitMix64 (Steele et al. 2014): uniform doubles in [0, 1) from a seed. */
export class Random {
  readonly #seed: bigint;
  #count = 0;

  constructor(seed: number) {
    this.#seed = BigInt(seed);
  }

  next(): number {
    return this.at(this.#count++);
  }

  /** The number that the call of `next` with this index gives, from 0. */
  at(index: number): number {
    const mask = 0xffffffffffffffffn;
    let z = (this.#seed + BigInt(index + 1) * 0x9e3779b97f4a7c15n) & mask;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
    return Number((z ^ (z >> 31n)) >> 11n) / 2 ** 53;
  }
}

/** Tokens that a request's penalties look at. */
export class TokenCounts {
  readonly #prompt: ReadonlySet<number>;
  readonly #written = new Map<number, number>();

  constructor(prompt: Iterable<number>) {
    this.#prompt = new Set(prompt);
  }

  add(id: number): void {
    this.#written.set(id, (this.#written.get(id) ?? 0) + 1);
  }

  /** Changes logits in place by penalties and bias. */
  apply(logits: Float32Array, sampling: Sampling): void {
    const { repetitionPenalty, frequencyPenalty, presencePenalty, logitBias } = sampling;
    if (repetitionPenalty !== 1) {
      for (const id of new Set([...this.#prompt, ...this.#written.keys()])) {
        const logit = logits[id] ?? 0;
        logits[id] = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
      }
    }
    if (frequencyPenalty !== 0 || presencePenalty !== 0) {
      for (const [id, count] of this.#written) {
        logits[id] = (logits[id] ?? 0) - frequencyPenalty * count - presencePenalty;
      }
    }
    for (const [id, bias] of Object.entries(logitBias)) {
      const at = Number(id);
      if (at < logits.length) logits[at] = (logits[at] ?? 0) + bias;
    }
  }
}

/**
 * Where more than a temperature bears on the logits; else tensor/ops/drawTokens.ts does the same for many rows.
 * @param logits [vocab]
 * @param usable ids below this may be chosen: rows of a padded embedding have no token
 * @param draw uniform in [0, 1)
 * @returns the token and its log-probability in the distribution of all tokens at the temperature, with penalties and all; 0 for greedy ones
 */
export function drawn(logits: Float32Array, usable: number, sampling: Sampling, draw: number): DrawnToken {
  const size = Math.min(usable, logits.length);
  const best = argMax(logits, size);
  if (sampling.temperature === 0) return { id: best, logprob: 0 };
  const weights = new Float64Array(size);
  const most = logits[best] ?? 0;
  let total = 0;
  for (let id = 0; id < size; id++) {
    const weight = Math.exp(((logits[id] ?? 0) - most) / sampling.temperature);
    weights[id] = weight;
    total += weight;
  }
  const { topK, topP, minP } = sampling;
  const told = (id: number): DrawnToken => {
    return { id, logprob: ((logits[id] ?? 0) - most) / sampling.temperature - Math.log(total) };
  };
  if ((topK === 0 || topK >= size) && topP === 1 && minP === 0) return told(pick(weights, null, draw * total) ?? best);
  const kept = likeliest(weights, total, topK === 0 ? size : topK, topP);
  const likely = kept.filter((id) => (weights[id] ?? 0) >= minP); // The best weight is 1.
  const mass = likely.reduce((sum, id) => sum + (weights[id] ?? 0), 0);
  return told(pick(weights, likely, draw * mass) ?? best);
}

/**
 * Ids of the `topK` largest weights, of these the fewest that make up `topP` of their sum; best first, equal ones by id. Only ids above a
 * falling bar are sorted: a vocabulary has many ids and few likely ones.
 */
function likeliest(weights: Float64Array, total: number, topK: number, topP: number): number[] {
  for (let bar = 2 ** -7; ; bar *= 2 ** -7) {
    const all = bar < 1e-300;
    const ids: number[] = [];
    let mass = 0;
    for (let id = 0; id < weights.length; id++) {
      const weight = weights[id] ?? 0;
      if (!all && weight < bar) continue;
      ids.push(id);
      mass += weight;
    }
    const isEnough = ids.length >= topK || (topK >= weights.length && mass >= topP * total);
    if (!all && !isEnough && ids.length < weights.length) continue;
    ids.sort((a, b) => (weights[b] ?? 0) - (weights[a] ?? 0) || a - b);
    ids.length = Math.min(ids.length, topK);
    const whole = topK >= weights.length ? total : ids.reduce((sum, id) => sum + (weights[id] ?? 0), 0);
    let reached = 0;
    let count = 0;
    while (count < ids.length && reached < topP * whole) reached += weights[ids[count++] ?? 0] ?? 0;
    return ids.slice(0, Math.max(1, count));
  }
}

/** The first of `ids` (null: all) at which the running sum of weights passes `left`. */
function pick(weights: Float64Array, ids: readonly number[] | null, left: number): number | null {
  const count = ids?.length ?? weights.length;
  let last: number | null = null;
  for (let i = 0; i < count; i++) {
    const id = ids ? (ids[i] ?? 0) : i;
    const weight = weights[id] ?? 0;
    if (weight === 0) continue;
    last = id;
    left -= weight;
    if (left < 0) return id;
  }
  return last;
}

export function argMax(values: Float32Array, size = values.length): number {
  let best = 0;
  for (let i = 1; i < size; i++) if ((values[i] ?? 0) > (values[best] ?? 0)) best = i;
  return best;
}

/** Log-probabilities before any of the above. @param n alternatives, likeliest first */
export function logprobsOf(logits: Float32Array, usable: number, n: number): LogprobReader {
  const size = Math.min(usable, logits.length);
  const most = logits[argMax(logits, size)] ?? 0;
  let sum = 0;
  for (let id = 0; id < size; id++) sum += Math.exp((logits[id] ?? 0) - most);
  const offset = most + Math.log(sum);
  const of = (id: number): number => (logits[id] ?? Number.NEGATIVE_INFINITY) - offset;
  const top: number[] = [];
  for (let id = 0; id < size && n > 0; id++) {
    if (top.length === n && (logits[id] ?? 0) <= (logits[top[n - 1] ?? 0] ?? 0)) continue;
    let at = top.length;
    while (at > 0 && (logits[top[at - 1] ?? 0] ?? 0) < (logits[id] ?? 0)) at--;
    top.splice(at, 0, id);
    top.length = Math.min(top.length, n);
  }
  return { of, top: top.map((id) => ({ id, logprob: of(id) })) };
}

export interface LogprobReader {
  readonly of: (id: number) => number;
  readonly top: readonly { readonly id: number; readonly logprob: number }[];
}
