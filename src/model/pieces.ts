/** Work on many rows in pieces of some tens of milliseconds, between which others get the processor. No gradients. */
import type { Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";

/** Lets others have the processor. */
export type Pause = () => Promise<void>;

/** A run of rows. */
export interface Piece {
  readonly begin: number;
  readonly rows: number;
}

/** Operations between two pauses: 20 to 30 ms on two cores. */
const operationsPerPiece = 6e9;
/** Rows that the kernels of attention take as one; see attention_tiles.h. */
const tileRows = 64;

/** Cuts rows into runs of whole tiles, as even as they come. @param operations of a row */
export function* pieces(rows: number, operations: number): Iterable<Piece> {
  const tiles = Math.ceil(rows / tileRows);
  const most = Math.max(1, Math.floor(operationsPerPiece / operations / tileRows));
  const each = Math.ceil(tiles / Math.max(1, Math.ceil(tiles / most))) * tileRows;
  for (let begin = 0; begin < rows; begin += each) yield { begin, rows: Math.min(each, rows - begin) };
}

/**
 * f over the rows of x, a piece at a time, with a pause after each. The bits are those of one call, for rows do not depend on each other.
 * @param x [rows, columns] @param operations of a row @param f gives rows like those it gets
 * @returns [rows, columns], new
 */
export async function inPieces(
  tape: Tape,
  x: Tensor,
  operations: number,
  pause: Pause,
  f: (x: Tensor, piece: Piece) => Tensor,
): Promise<Tensor> {
  const y = tape.empty(x.shape, x.dtype);
  for (const piece of pieces(x.rows, operations)) {
    const part = tape.scoped(() => f(x.rowsFrom(piece.begin, piece.rows), piece));
    y.rowsFrom(piece.begin, piece.rows).bytes().set(part.bytes());
    part.free();
    await pause();
  }
  return y;
}
