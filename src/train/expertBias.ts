/**
 * Auxiliary-loss-free balancing: after each step the routing bias of an expert moves by gamma against its load. Report section 2.1.2,
 * model.md A7.1. Counts are those of the whole global batch of the step; the bias has no gradient, decay or clipping.
 */
import type { DeepseekV3 } from "../model/deepseekV3.js";

/** plain: b += gamma sign(mean - c). centred (Moonlight): the mean of the signs is taken off, so biases do not drift together. */
export type BiasUpdate = "plain" | "centred";

/** Moves `bias` in place. @param counts assignments per expert, summed over the whole step */
export function updateBias(bias: Float32Array, counts: ArrayLike<number>, gamma: number, update: BiasUpdate): void {
  const e = bias.length;
  let total = 0;
  for (let i = 0; i < e; i++) total += counts[i] ?? 0;
  const mean = total / e;
  const signs = Array.from({ length: e }, (_, i) => Math.sign(mean - (counts[i] ?? 0)));
  const shift = update === "centred" ? signs.reduce((sum, sign) => sum + sign, 0) / e : 0;
  signs.forEach((sign, i) => {
    bias[i] = (bias[i] ?? 0) + gamma * (sign - shift);
  });
}

/** Largest load over the mean load, less one: 0 is perfect balance. */
export function maxViolation(counts: ArrayLike<number>): number {
  let [total, most] = [0, 0];
  for (let i = 0; i < counts.length; i++) {
    total += counts[i] ?? 0;
    most = Math.max(most, counts[i] ?? 0);
  }
  const mean = total / counts.length;
  return mean > 0 ? (most - mean) / mean : 0;
}

/** Adds up the router reports of a step: one row of e counts per MoE layer, in the model's order. */
export class StepCounts {
  readonly layers: readonly number[];
  readonly numExperts: number;
  /** [layers * e] */
  readonly counts: Int32Array;

  constructor(model: DeepseekV3) {
    this.layers = model.moeLayers.map(({ layer }) => layer);
    this.numExperts = model.config.nRoutedExperts;
    this.counts = new Int32Array(this.layers.length * this.numExperts);
  }

  /** @param perSequence [sequences, e] */
  add(layer: number, perSequence: Int32Array): void {
    const at = this.layers.indexOf(layer) * this.numExperts;
    for (let i = 0; i < perSequence.length; i++) {
      const slot = at + (i % this.numExperts);
      this.counts[slot] = (this.counts[slot] ?? 0) + (perSequence[i] ?? 0);
    }
  }

  of(layer: number): Int32Array {
    const at = this.layers.indexOf(layer) * this.numExperts;
    return this.counts.subarray(at, at + this.numExperts);
  }

  reset(): void {
    this.counts.fill(0);
  }
}
