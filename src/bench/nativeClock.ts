/**
 * Seconds inside the kernels while something else runs: every function of the addon is replaced by one that looks at the clock before and after. Those
 * looks, and what crosses from JavaScript to C++, count as JavaScript's, so that its share is never told too small.
 */
import { native } from "../tensor/native.js";

export interface NativeTime {
  readonly seconds: number;
  readonly calls: number;
}

/** @returns what the body returns, and the time its calls took; calls within calls do not occur */
export async function withNativeClock<T>(
  body: () => Promise<T>,
): Promise<{ readonly value: T; readonly time: NativeTime }> {
  const addon = native() as unknown as Record<string, unknown>;
  const real = { ...addon };
  let [milliseconds, calls] = [0, 0];
  for (const [name, kernel] of Object.entries(real)) {
    if (typeof kernel !== "function") continue;
    addon[name] = (...args: unknown[]): unknown => {
      const begun = performance.now();
      try {
        return kernel.apply(addon, args);
      } finally {
        milliseconds += performance.now() - begun;
        calls++;
      }
    };
  }
  try {
    const value = await body();
    return { value, time: { seconds: milliseconds / 1000, calls } };
  } finally {
    Object.assign(addon, real);
  }
}
