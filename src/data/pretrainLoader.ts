/**
 * Rows of tokens for pre-training, from prepared data: which row comes when is a function of a seed and of how many rows were taken from
 * each source, so the loader's state is a few integers and a resumed run sees what an uninterrupted one would.
 *
 * Each source is packed into rows of sequenceLength + 1 tokens and gone through in passes, each in an order of its own. Sources take turns:
 * the next row comes from the one that lags furthest behind its share, so realised shares are within a row of the wanted ones at all times.
 * All ranks walk through the same global batches and take contiguous slices of them: the world's size changes who computes, not what.
 */
import { type Packing, packDocuments } from "./packing.js";
import type { PreparedData } from "./preparedData.js";
import { hashInts, permuted, stream } from "./random.js";
import type { TokenStream } from "./tokenShards.js";

export interface LoaderOptions {
  /** Positions of the model in training; a row has one token more, the last target. */
  readonly sequenceLength: number;
  readonly seed: number;
}

/** Where the loader stands; plain JSON. */
export interface LoaderState {
  readonly version: 1;
  readonly seed: number;
  readonly sequenceLength: number;
  /** Hash of the prepared tokens, which a resumed run must have too. */
  readonly dataKey: string;
  /** Rows taken at this sequence length, by source. */
  readonly rows: Readonly<Record<string, number>>;
  /** Tokens trained on (sequenceLength per row), over all sequence lengths, by source. */
  readonly tokens: Readonly<Record<string, number>>;
}

export interface RealisedShare {
  readonly source: string;
  readonly tokens: number;
  /** Of all tokens so far; 0 before the first. */
  readonly share: number;
  readonly wantedShare: number;
  /** Passes over the source at this sequence length. */
  readonly epochs: number;
}

/** A run of tokens of one document in a row. */
export interface RowPart {
  readonly document: number;
  /** Position in the row. */
  readonly at: number;
  readonly length: number;
  readonly startsDocument: boolean;
  readonly endsDocument: boolean;
}

interface Mixed {
  readonly name: string;
  readonly tokens: TokenStream;
  /** Sums to 1 over the sources. */
  readonly share: number;
  packing: Packing;
  rowsTaken: number;
  tokensTaken: number;
}

export class PretrainLoader {
  readonly #data: PreparedData;
  readonly #seed: number;
  readonly #sources: readonly Mixed[];
  #sequenceLength: number;

  /** @throws RangeError for a bad sequence length, or if two sources have the same name */
  constructor(data: PreparedData, options: LoaderOptions) {
    const { sources } = data.manifest;
    this.#data = data;
    this.#seed = options.seed;
    this.#sequenceLength = checkLength(options.sequenceLength);
    const names = new Set(sources.map(({ name }) => name));
    if (names.size !== sources.length) throw new RangeError(`${data.folder}: two sources have the same name`);
    const weights = sources.map(({ weight, epochs, tokens }) => weight ?? (epochs ?? 1) * tokens);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    this.#sources = sources.map(({ name }, i): Mixed => {
      const tokens = data.streams[i]!;
      const packing = packDocuments(tokens.documentStarts, options.sequenceLength + 1);
      return { name, tokens, share: weights[i]! / total, packing, rowsTaken: 0, tokensTaken: 0 };
    });
  }

  get sequenceLength(): number {
    return this.#sequenceLength;
  }

  /** Rows in one pass over all sources. */
  get rowsPerEpoch(): number {
    return this.#sources.reduce((sum, { packing }) => sum + packing.numRows, 0);
  }

  /** Tokens trained on so far. */
  get tokensTaken(): number {
    return this.#sources.reduce((sum, { tokensTaken }) => sum + tokensTaken, 0);
  }

  /**
   * This rank's slice of the next global batch of sequences x world rows; every rank must ask for the same.
   * @param sequences rows of this rank
   * @returns [sequences, sequenceLength + 1] ids, new memory
   */
  next(sequences: number, rank = 0, world = 1): Int32Array {
    if (!Number.isInteger(sequences) || sequences < 1) {
      throw new RangeError(`a batch must have 1 sequence or more, got ${sequences}`);
    }
    if (!(Number.isInteger(world) && Number.isInteger(rank) && rank >= 0 && rank < world)) {
      throw new RangeError(`rank ${rank} is outside a world of ${world}`);
    }
    const width = this.#sequenceLength + 1;
    const out = new Int32Array(sequences * width);
    for (let i = 0; i < sequences * world; i++) {
      const source = this.#laggard();
      const mine = i - rank * sequences;
      if (mine >= 0 && mine < sequences) {
        this.#readRow(source, this.#rowAt(source, source.rowsTaken), out.subarray(mine * width, (mine + 1) * width));
      }
      source.rowsTaken++;
      source.tokensTaken += this.#sequenceLength;
    }
    return out;
  }

  /**
   * From now on rows of another length, for context extension: documents are packed anew and each source starts a new pass.
   * Token counts go on.
   */
  setSequenceLength(sequenceLength: number): void {
    if (sequenceLength === this.#sequenceLength) return;
    this.#sequenceLength = checkLength(sequenceLength);
    for (const source of this.#sources) {
      source.packing = packDocuments(source.tokens.documentStarts, sequenceLength + 1);
      source.rowsTaken = 0;
    }
  }

  state(): LoaderState {
    const each = (value: (source: Mixed) => number): Record<string, number> =>
      Object.fromEntries(this.#sources.map((source) => [source.name, value(source)]));
    return {
      version: 1,
      seed: this.#seed,
      sequenceLength: this.#sequenceLength,
      dataKey: this.#data.manifest.contentKey,
      rows: each(({ rowsTaken }) => rowsTaken),
      tokens: each(({ tokensTaken }) => tokensTaken),
    };
  }

  /** Continues where a state was taken. @throws RangeError if it belongs to other data or another seed */
  restore(state: LoaderState): void {
    const expect = (what: string, found: unknown, expected: unknown): void => {
      if (found !== expected)
        throw new RangeError(`loader state: ${what} is ${String(found)}, expected ${String(expected)}`);
    };
    expect("version", state.version, 1);
    expect("seed", state.seed, this.#seed);
    expect("the hash of the prepared tokens", state.dataKey, this.#data.manifest.contentKey);
    const counts = this.#sources.map(({ name }) => {
      const taken = { rows: state.rows[name], tokens: state.tokens[name] };
      for (const [what, count] of Object.entries(taken)) {
        if (!(count !== undefined && Number.isSafeInteger(count) && count >= 0)) {
          throw new RangeError(`loader state: ${what} of source "${name}" is ${String(count)}, expected a count`);
        }
      }
      return taken;
    });
    this.setSequenceLength(state.sequenceLength);
    this.#sources.forEach((source, i) => {
      source.rowsTaken = counts[i]?.rows ?? 0;
      source.tokensTaken = counts[i]?.tokens ?? 0;
    });
  }

  /** What the mixture has come to. */
  realisedShares(): RealisedShare[] {
    const total = this.tokensTaken;
    return this.#sources.map(({ name, share, packing, rowsTaken, tokensTaken }) => ({
      source: name,
      tokens: tokensTaken,
      share: total === 0 ? 0 : tokensTaken / total,
      wantedShare: share,
      epochs: rowsTaken / packing.numRows,
    }));
  }

  /** How the rows of a source are packed. @throws RangeError for an unknown source */
  packing(source: string): Packing {
    return this.#named(source).packing;
  }

  /** Row `row` of a source as packed, and the documents in it: for looking at the data. */
  packedRow(source: string, row: number): { readonly ids: Int32Array; readonly parts: readonly RowPart[] } {
    const mixed = this.#named(source);
    const { packing, tokens } = mixed;
    if (!(Number.isInteger(row) && row >= 0 && row < packing.numRows)) {
      throw new RangeError(`row ${row} of source "${source}" is outside [0, ${packing.numRows})`);
    }
    const ids = new Int32Array(packing.width);
    this.#readRow(mixed, row, ids);
    const parts: RowPart[] = [];
    let at = 0;
    for (let run = packing.rowRuns[row]!; run < packing.rowRuns[row + 1]!; run++) {
      const end = packing.starts[run]! + packing.lengths[run]!;
      // A repeated run may hold several documents.
      for (let start = packing.starts[run]!; start < end; ) {
        const document = documentAt(tokens.documentStarts, start);
        const [from, to] = [tokens.documentStarts[document]!, tokens.documentStarts[document + 1]!];
        const stop = Math.min(end, to);
        parts.push({ document, at, length: stop - start, startsDocument: start === from, endsDocument: stop === to });
        at += stop - start;
        start = stop;
      }
    }
    return { ids, parts };
  }

  /** The source furthest behind its share; ties go to the first. */
  #laggard(): Mixed {
    const total = this.#sources.reduce((sum, { rowsTaken }) => sum + rowsTaken, 0) + 1;
    let best = this.#sources[0]!;
    let bestLag = Number.NEGATIVE_INFINITY;
    for (const source of this.#sources) {
      const lag = source.share * total - source.rowsTaken;
      if (lag > bestLag) {
        best = source;
        bestLag = lag;
      }
    }
    return best;
  }

  /** The row that is taken as number `taken`, counted over all passes. */
  #rowAt(source: Mixed, taken: number): number {
    const { numRows } = source.packing;
    const index = this.#sources.indexOf(source);
    const pass = Math.floor(taken / numRows);
    return permuted(taken % numRows, numRows, hashInts(this.#seed, stream.rows, index, pass, this.#sequenceLength));
  }

  #readRow({ packing, tokens }: Mixed, row: number, out: Int32Array): void {
    let at = 0;
    for (let run = packing.rowRuns[row]!; run < packing.rowRuns[row + 1]!; run++) {
      const length = packing.lengths[run]!;
      tokens.read(packing.starts[run]!, out.subarray(at, at + length));
      at += length;
    }
    if (at !== packing.width) throw new Error(`internal: row ${row} has ${at} tokens, expected ${packing.width}`);
  }

  #named(name: string): Mixed {
    const source = this.#sources.find((candidate) => candidate.name === name);
    if (!source) throw new RangeError(`no source "${name}"; there are ${this.#sources.map((s) => s.name).join(", ")}`);
    return source;
  }
}

function checkLength(sequenceLength: number): number {
  if (Number.isInteger(sequenceLength) && sequenceLength >= 1) return sequenceLength;
  throw new RangeError(`sequence length must be a positive integer, got ${sequenceLength}`);
}

/** The last document that starts at or before a position and is not empty. */
function documentAt(documentStarts: Float64Array, position: number): number {
  let low = 0;
  let high = documentStarts.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (documentStarts[middle]! <= position) low = middle;
    else high = middle - 1;
  }
  return low;
}
