/** Named figures over all processes. */
import type { Communicator } from "./communicator.js";

/** Their sums, or the most or the least of each, the same on every process; each must give the same names in the same order. */
export async function reduced<T extends Readonly<Record<string, number>>>(
  world: Communicator,
  how: "sum" | "max" | "min",
  figures: T,
): Promise<T> {
  // The communicator knows no least; adding 0 makes 0 of -0.
  const sign = how === "min" ? -1 : 1;
  const values = Float64Array.from(Object.values(figures), (value) => sign * value);
  await world.allReduce(values, how === "sum" ? "sum" : "max");
  return Object.fromEntries(Object.keys(figures).map((name, i) => [name, sign * (values[i] ?? 0) + 0] as const)) as T;
}
