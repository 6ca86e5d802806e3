/**
 * Between two products of decoding, memory waits for JavaScript and for small kernels. Threads that have nothing to do meanwhile bring the beginning of
 * the next weights to their caches; nobody waits for them, and no value depends on it.
 */
import { native } from "../native.js";
import type { Parameter } from "../parameter.js";
import type { Tensor } from "../tensor.js";

/** After a product: the matrix that is read next, if it is known. @param offsets [experts + 1] int32: the rows that experts have */
export function fetchNext({ next }: Parameter, offsets: Tensor | null = null): void {
  if (next && (next.shape.length === 2 || offsets)) fetchAhead(next, offsets);
}

/** A matrix, or those of the experts that have rows. */
export function fetchAhead({ data, scales, shape }: Parameter, offsets: Tensor | null): void {
  const isMatrix = shape.length === 2;
  const experts = isMatrix ? 1 : (shape[0] ?? 1);
  native().fetchWeights(
    data.address,
    scales?.values.address ?? null,
    isMatrix ? null : (offsets?.address ?? null),
    experts,
    data.byteLength / experts,
    (scales?.values.size ?? 0) / experts,
  );
}
