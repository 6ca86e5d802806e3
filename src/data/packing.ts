/**
 * Best-fit packing of documents into rows of equal length, after Ding et al. 2024 ("Fewer truncations improve language modeling"): a
 * document longer than a row is cut into whole rows and a rest; rests and short documents go, longest first, each into the fullest row
 * that still has room. Far fewer documents are cut than by chopping one long stream.
 *
 * Deviations: no padding. Rows that best fit leaves with a gap are completed with tokens of the emptiest rows, so every row is full and
 * every token is in exactly one row; only the last row, if the tokens do not divide, is completed by repeating tokens from the start.
 * Rows don't overlap, and documents of one row see each other (no mask), as in the DeepSeek-V3 report, section 4.1.
 */
import { bestFitDecreasing } from "./bestFit.js";

/** Rows as runs of tokens of the source: run i is `lengths[i]` tokens from `starts[i]`; row r has runs rowRuns[r] to rowRuns[r + 1]. */
export interface Packing {
  readonly width: number;
  readonly numRows: number;
  /** Token positions in the source. */
  readonly starts: Float64Array;
  readonly lengths: Int32Array;
  /** [numRows + 1] */
  readonly rowRuns: Float64Array;
  /** Pieces that fit a row but were cut to complete another. */
  readonly cutPieces: number;
  /** Tokens at the end of the last row that are there a second time. */
  readonly repeatedTokens: number;
}

/**
 * @param documentStarts [documents + 1] positions of the documents in the token stream, then its end
 * @param width tokens per row: inputs and one more for the last target
 * @throws RangeError without tokens
 */
export function packDocuments(documentStarts: Float64Array, width: number): Packing {
  if (!Number.isInteger(width) || width < 2)
    throw new RangeError(`packing: a row must have 2 tokens or more, got ${width}`);
  const numDocuments = documentStarts.length - 1;
  const numTokens = numDocuments > 0 ? documentStarts[numDocuments]! - documentStarts[0]! : 0;
  if (numTokens === 0) throw new RangeError("packing: no tokens; the data is empty");

  const pieces = cutLong(documentStarts, width);
  const rows = bestFit(pieces, width);
  const cutPieces = fillGaps(rows, width);

  const numRows = rows.length;
  const numRuns = rows.reduce((sum, row) => sum + row.runs.length / 2, 0);
  const last = rows[numRows - 1]!;
  const repeatedTokens = width - last.size;
  const starts: number[] = [];
  const lengths: number[] = [];
  const rowRuns = new Float64Array(numRows + 1);
  rows.forEach((row, r) => {
    for (let i = 0; i < row.runs.length; i += 2) {
      starts.push(row.runs[i]!);
      lengths.push(row.runs[i + 1]!);
    }
    rowRuns[r + 1] = starts.length;
  });
  if (starts.length !== numRuns) throw new Error("internal: runs were lost while packing");
  for (let missing = repeatedTokens; missing > 0; ) {
    const take = Math.min(missing, numTokens);
    starts.push(documentStarts[0]!);
    lengths.push(take);
    missing -= take;
  }
  rowRuns[numRows] = starts.length;
  return {
    width,
    numRows,
    starts: Float64Array.from(starts),
    lengths: Int32Array.from(lengths),
    rowRuns,
    cutPieces,
    repeatedTokens,
  };
}

interface Row {
  /** start, length, start, length, ... */
  readonly runs: number[];
  size: number;
}

interface Pieces {
  readonly starts: Float64Array;
  readonly lengths: Int32Array;
}

/** Whole rows of long documents, the rests, and the short documents, in the order of the stream. */
function cutLong(documentStarts: Float64Array, width: number): Pieces {
  let count = 0;
  const numDocuments = documentStarts.length - 1;
  for (let d = 0; d < numDocuments; d++) count += Math.ceil((documentStarts[d + 1]! - documentStarts[d]!) / width);
  const starts = new Float64Array(count);
  const lengths = new Int32Array(count);
  let at = 0;
  for (let d = 0; d < numDocuments; d++) {
    const end = documentStarts[d + 1]!;
    for (let start = documentStarts[d]!; start < end; start += width) {
      starts[at] = start;
      lengths[at++] = Math.min(width, end - start);
    }
  }
  return { starts, lengths };
}

/** Best fit decreasing over the pieces; see `bestFitDecreasing`. */
function bestFit({ starts, lengths }: Pieces, width: number): Row[] {
  return bestFitDecreasing(lengths, width).map((pieces) => ({
    runs: pieces.flatMap((piece) => [starts[piece]!, lengths[piece]!]),
    size: pieces.reduce((sum, piece) => sum + lengths[piece]!, 0),
  }));
}

/**
 * Completes the fullest rows with tokens of the emptiest, which vanish; at most one row, put last, stays unfull.
 * @returns pieces that were cut for it
 */
function fillGaps(rows: Row[], width: number): number {
  const full = rows.filter((row) => row.size === width);
  const open = rows.filter((row) => row.size < width).sort((a, b) => b.size - a.size); // stable
  let cuts = 0;
  let donor = open.length - 1;
  for (let i = 0; i <= donor; i++) {
    const row = open[i]!;
    while (row.size < width && donor > i) {
      const from = open[donor]!;
      const at = from.runs.length - 2;
      const start = from.runs[at]!;
      const length = from.runs[at + 1]!;
      const take = Math.min(width - row.size, length);
      // The cut piece's beginning stays; its end moves, so what is left of the document still has its start.
      row.runs.push(start + length - take, take);
      row.size += take;
      from.size -= take;
      if (take === length) from.runs.length = at;
      else {
        from.runs[at + 1] = length - take;
        cuts++;
      }
      if (from.size === 0) donor--;
    }
  }
  rows.length = 0;
  for (const row of full) rows.push(row);
  for (let i = 0; i <= donor; i++) rows.push(open[i]!);
  return cuts;
}
