/**
 * From logits to a token: temperature, then top-k, then top-p over what is left (infrastructure.md 7.1). Temperature 0 takes the largest logit,
 * the lowest id on ties. Each request has a generator of its own, so its result depends on nothing but its seed.
 */

export interface Sampling {
  /** 0 = greedy */
  readonly temperature: number;
  /** Smallest set of tokens whose probabilities reach this; 1 = all. */
  readonly topP: number;
  /** Most likely tokens to choose from; 0 = all. */
  readonly topK: number;
  /** Integer from 0 to 2^53 - 1. */
  readonly seed: number;
}

export const greedy: Sampling = { temperature: 0, topP: 1, topK: 0, seed: 0 };

/** @throws RangeError naming the value and its range */
export function checkSampling({ temperature, topP, topK, seed }: Sampling): void {
  const refuse = (name: string, value: number, range: string): never => {
    throw new RangeError(`sampling: ${name} must be ${range}, got ${value}`);
  };
  if (!(temperature >= 0 && temperature <= 100)) refuse("temperature", temperature, "from 0 to 100");
  if (!(topP > 0 && topP <= 1)) refuse("top-p", topP, "above 0 and at most 1");
  if (!Number.isInteger(topK) || topK < 0) refuse("top-k", topK, "a whole number from 0 (all)");
  if (!Number.isSafeInteger(seed) || seed < 0) refuse("seed", seed, "a whole number from 0 to 2^53 - 1");
}

/** SplitMix64 (Steele et al. 2014): uniform doubles in [0, 1) from a seed. */
export class Random {
  #state: bigint;

  constructor(seed: number) {
    this.#state = BigInt(seed);
  }

  next(): number {
    const mask = 0xffffffffffffffffn;
    this.#state = (this.#state + 0x9e3779b97f4a7c15n) & mask;
    let z = this.#state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
    return Number((z ^ (z >> 31n)) >> 11n) / 2 ** 53;
  }
}

/** @param logits [vocab] @param usable ids below this may be chosen: rows of a padded embedding have no token */
export function sample(logits: Float32Array, usable: number, sampling: Sampling, random: Random): number {
  const size = Math.min(usable, logits.length);
  if (sampling.temperature === 0) return argMax(logits, size);
  const ids = Uint32Array.from({ length: size }, (_, id) => id);
  // Best first; equal logits by id, so that the order is the same on every machine.
  ids.sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b);
  const kept = sampling.topK > 0 ? Math.min(sampling.topK, size) : size;
  const best = logits[ids[0] ?? 0] ?? 0;
  const weights = new Float64Array(kept);
  let total = 0;
  for (let i = 0; i < kept; i++) {
    const weight = Math.exp(((logits[ids[i] ?? 0] ?? 0) - best) / sampling.temperature);
    weights[i] = weight;
    total += weight;
  }
  let count = kept;
  if (sampling.topP < 1) {
    let mass = 0;
    for (count = 0; count < kept && mass < sampling.topP * total; count++) mass += weights[count] ?? 0;
    total = mass;
  }
  let left = random.next() * total;
  for (let i = 0; i < count; i++) {
    left -= weights[i] ?? 0;
    if (left < 0) return ids[i] ?? 0;
  }
  return ids[count - 1] ?? 0;
}

export function argMax(values: Float32Array, size = values.length): number {
  let best = 0;
  for (let i = 1; i < size; i++) if ((values[i] ?? 0) > (values[best] ?? 0)) best = i;
  return best;
}
