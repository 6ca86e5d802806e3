/**
 * An exponential moving average of the weights, in float32, to preview the quality after the learning rate has decayed (report 3.2.3; the
 * decay constant is not published). Each process averages its own piece of every parameter.
 */
import { native } from "../tensor/native.js";
import { Tensor } from "../tensor/tensor.js";
import type { AdamW } from "./adamw.js";

export class Ema {
  readonly decay: number;
  /** One per optimizer shard, in its order. */
  readonly averages: readonly Tensor[];
  readonly #optimizer: AdamW;

  /** Starts at the current weights. */
  constructor(optimizer: AdamW, decay: number) {
    if (!(decay > 0 && decay < 1)) throw new RangeError(`EMA decay must be between 0 and 1, got ${decay}`);
    this.decay = decay;
    this.#optimizer = optimizer;
    const arena = optimizer.arena;
    this.averages = optimizer.shards.map(({ length }) => Tensor.empty(arena, [length], "float32"));
    this.adoptWeights();
  }

  adoptWeights(): void {
    this.averages.forEach((average, i) => {
      const shard = this.#optimizer.shards[i];
      if (shard) average.bytes().set(shard.master.bytes());
    });
  }

  /** average = decay * average + (1 - decay) * weights */
  update(): void {
    this.averages.forEach((average, i) => {
      const shard = this.#optimizer.shards[i];
      if (!shard || average.size === 0) return;
      native().scale(average.address, this.decay, average.size, 0);
      native().addScaled(average.address, shard.master.address, 1 - this.decay, average.size, 0);
    });
  }
}
