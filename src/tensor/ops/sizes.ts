/** What the ops' checks of sizes share: kernels take addresses, so a size that does not fit must be refused before. */
import type { Dtype } from "../dtype.js";
import type { Shape, Tensor } from "../tensor.js";

/** "[2, 3] float32", or "none". */
export function shown(x: { readonly shape: Shape; readonly dtype?: Dtype } | null): string {
  if (!x) return "none";
  return `[${x.shape.join(", ")}]${x.dtype ? ` ${x.dtype}` : ""}`;
}

/**
 * The rows that offsets cover, their last value; -1 if there is none. The others are not read: whoever makes offsets makes them ascend.
 * @param offsets [parts + 1] int32
 * @throws TypeError for another type
 */
export function coveredRows(offsets: Tensor): number {
  return offsets.size === 0 ? -1 : offsets.intAt(offsets.size - 1);
}
