/** The next token of each row at once: what a sampler does where nothing but a temperature bears on the logits. */
import { native } from "../native.js";
import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";

export interface TokenWish {
  /** 0 = the largest logit, the lowest id on ties */
  readonly temperature: number;
  /** Uniform in [0, 1). */
  readonly draw: number;
}

export interface DrawnToken {
  readonly id: number;
  /** Of the distribution of all tokens at the temperature; 0 for greedy choices. */
  readonly logprob: number;
}

/**
 * @param logits [rows, width] float32, left as they are
 * @param wishes one for each row; null: the row is not drawn
 * @param usable ids below this may be drawn
 */
export function drawTokens(
  tape: Tape,
  logits: Tensor,
  wishes: readonly (TokenWish | null)[],
  usable: number,
): (DrawnToken | null)[] {
  const { rows, columns } = logits;
  if (wishes.length !== rows || usable > columns || logits.dtype !== "float32") {
    throw new RangeError(
      `drawTokens: ${wishes.length} wishes below ${usable} for ${logits.dtype} [${logits.shape.join(", ")}]`,
    );
  }
  if (wishes.every((wish) => wish === null)) return wishes.map(() => null);
  const ids = tape.empty([rows], "int32");
  const logprobs = tape.empty([rows], "float32");
  const inverse = tape.empty([rows], "float32");
  const places = tape.empty([rows, 2], "int32"); // Room for a double each: no tensor holds any.
  const draws = new Float64Array(places.ints().buffer, places.ints().byteOffset, rows);
  wishes.forEach((wish, row) => {
    inverse.floats()[row] = wish === null ? -1 : wish.temperature === 0 ? 0 : 1 / wish.temperature;
    draws[row] = wish?.draw ?? 0;
  });
  native().drawTokens(
    ids.address,
    logprobs.address,
    logits.address,
    inverse.address,
    places.address,
    rows,
    columns,
    usable,
  );
  return wishes.map((wish, row) => wish && { id: ids.ints()[row] ?? 0, logprob: logprobs.floats()[row] ?? 0 });
}
