/**
 * The sum of the gradients of a step's micro-batches. Each micro-batch's gradient is made by itself and then added to the sum, as a rank of
 * data parallelism would add it: with the same micro-batches, in rank order, N processes make the bits of one. (Letting the kernels of
 * the second micro-batch add to the first one's result would save the second set of gradients and round in another order: after fifty
 * steps of `tiny` the losses then differ by up to 3e-4, since small differences grow tenfold every nine steps or so.)
 */
import type { Arena } from "../tensor/arena.js";
import { native } from "../tensor/native.js";
import type { Parameter } from "../tensor/parameter.js";
import { Tensor } from "../tensor/tensor.js";

export class GradientSum {
  readonly #arena: Arena;
  readonly #parameters: readonly Parameter[];
  /** Made when a step first has a second micro-batch. */
  #spares: readonly Tensor[] = [];

  /** @param parameters those with gradients */
  constructor(arena: Arena, parameters: readonly Parameter[]) {
    this.#arena = arena;
    this.#parameters = parameters;
  }

  /** Runs the backward of each micro-batch; afterwards `grad` of every parameter is the sum. */
  async over<T>(batches: readonly T[], backward: (batch: T) => Promise<void>): Promise<void> {
    for (const { grad } of this.#parameters) grad?.fill(0);
    for (const [i, batch] of batches.entries()) {
      if (i === 0) await backward(batch);
      else await this.#apart(() => backward(batch));
    }
  }

  async #apart(backward: () => Promise<void>): Promise<void> {
    if (this.#spares.length === 0) {
      this.#spares = this.#parameters.map(({ shape }) => Tensor.empty(this.#arena, shape, "float32"));
    }
    const sums = this.#parameters.map((parameter, i) => {
      const sum = parameter.grad;
      parameter.grad = this.#spares[i] ?? null;
      parameter.grad?.fill(0);
      return sum;
    });
    try {
      await backward();
    } finally {
      for (const [i, parameter] of this.#parameters.entries()) parameter.grad = sums[i] ?? null;
    }
    for (const [i, sum] of sums.entries()) {
      const own = this.#spares[i];
      if (sum && own) native().addScaled(sum.address, own.address, 1, sum.size, sum.code);
    }
  }
}
