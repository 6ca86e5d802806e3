/** Oracles that kernel tests share: central differences, and equality of bits whatever the number of threads. */
import { native } from "../../src/tensor/native.js";

/** Gradient of a scalar function at x by central differences, in double arithmetic; `step` suits values of order one. */
export function centralDifferences(f: (x: Float64Array) => number, at: ArrayLike<number>, step = 1e-5): Float64Array {
  const x = Float64Array.from(at);
  return Float64Array.from(x, (value, i) => {
    x[i] = value + step;
    const above = f(x);
    x[i] = value - step;
    const below = f(x);
    x[i] = value;
    return (above - below) / (2 * step);
  });
}

/** The sum of a[i] * b[i]. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i]! * b[i]!;
  return total;
}

/**
 * Runs `body` on 1, 2 and 3 threads, leaving 2.
 * @throws if any of the arrays it returns differs in a bit (NaNs of any kind are alike)
 */
export function expectSameBits(body: () => readonly ArrayLike<number>[]): void {
  let first: readonly ArrayLike<number>[] | null = null;
  try {
    for (const threads of [1, 2, 3]) {
      native().setThreads(threads);
      const result = body();
      first ??= result;
      for (const [a, array] of result.entries())
        for (let i = 0; i < array.length; i++)
          if (!Object.is(array[i], first[a]![i]))
            throw new Error(
              `output ${a} differs at [${i}]: ${first[a]![i]} on 1 thread, ${array[i]} on ${threads} (${native().isa()})`,
            );
    }
  } finally {
    native().setThreads(2);
  }
}
