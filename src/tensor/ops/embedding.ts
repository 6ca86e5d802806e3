/** Rows of a table by token id. */
import type { ComputeDtype } from "../dtype.js";
import { native } from "../native.js";
import type { Parameter } from "../parameter.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { shown } from "./sizes.js";

/**
 * @param ids [rows] int32; an id outside the vocabulary (a filler position of MTP) gives a zero row without a gradient
 * @param table [vocab, dim]
 * @returns [rows, dim] in `dtype`, new
 * @throws RangeError for ids that are not int32, or a table that is no matrix
 */
export function embedding(tape: Tape, ids: Tensor, table: Parameter, dtype: ComputeDtype): Tensor {
  const [vocab = 0, dim = 0] = table.shape;
  if (table.shape.length !== 2 || ids.dtype !== "int32") {
    throw new RangeError(
      `embedding: ids ${shown(ids)}, ${table.name} ${shown(table)}: expected [rows] int32 and [vocab, dim]`,
    );
  }
  const y = tape.empty([ids.size, dim], dtype);
  native().embeddingForward(y.address, table.data.address, ids.address, ids.size, dim, vocab, y.code, table.data.code);
  tape.record(() => {
    const dy = y.grad;
    const dtable = table.grad;
    if (dy && dtable)
      native().embeddingBackward(dtable.address, dy.address, ids.address, ids.size, dim, vocab, dy.code);
  });
  return y;
}
