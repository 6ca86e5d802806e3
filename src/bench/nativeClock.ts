/**
 * Seconds inside the kernels while something else runs: every function of the addon is replaced by one that looks at the clock before and after. Those
 * looks, and what crosses from JavaScript to C++, count as JavaScript's, so that its share is never told too small.
 */
import { native } from "../tensor/native.js";

export interface NativeTime {
  readonly seconds: number;
  readonly calls: number;
}

/** What is told so far. */
const clock = { milliseconds: 0, calls: 0 };
/** Made once, so that they are compiled as what they stand for is. */
let timed: Readonly<Record<string, unknown>> | null = null;

/** @returns what the body returns, and the time its calls took; calls within calls do not occur */
export async function withNativeClock<T>(
  body: () => Promise<T>,
): Promise<{ readonly value: T; readonly time: NativeTime }> {
  const addon = native() as unknown as Record<string, unknown>;
  const real = { ...addon };
  timed ??= Object.fromEntries(
    Object.entries(real).flatMap(([name, kernel]) => (isFunction(kernel) ? [[name, withClock(kernel)]] : [])),
  );
  Object.assign(addon, timed);
  const { milliseconds, calls } = clock;
  try {
    const value = await body();
    return {
      value,
      time: { seconds: (clock.milliseconds - milliseconds) / 1000, calls: clock.calls - calls },
    };
  } finally {
    Object.assign(addon, real);
  }
}

function withClock(kernel: (...args: unknown[]) => unknown): (...args: unknown[]) => unknown {
  return (...args) => {
    const begun = performance.now();
    try {
      return kernel(...args);
    } finally {
      clock.milliseconds += performance.now() - begun;
      clock.calls++;
    }
  };
}

function isFunction(value: unknown): value is (...args: unknown[]) => unknown {
  return typeof value === "function";
}
