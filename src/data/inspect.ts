/**
 * What prepared data looks like: counts, lengths, how it packs, and rows as the model will see them, decoded, with the borders of the
 * documents in them.
 */
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { type LengthSummary, lengthSummary } from "./lengthSummary.js";
import type { PreparedData, PreparedSource } from "./preparedData.js";
import { PretrainLoader } from "./pretrainLoader.js";
import { hashInts, permuted, stream } from "./random.js";

export interface InspectedSource extends Omit<PreparedSource, "shards" | "paths"> {
  readonly share: number;
  readonly bytesPerToken: number;
  /** Tokens per document as stored, with the tokens around it. */
  readonly lengths: LengthSummary;
  readonly rows: number;
  /** Pieces cut to complete rows, beside documents longer than a row. */
  readonly cutPieces: number;
}

export interface InspectedPart {
  readonly document: number;
  readonly tokens: number;
  readonly startsDocument: boolean;
  readonly endsDocument: boolean;
  readonly text: string;
}

export interface InspectedRow {
  readonly source: string;
  readonly row: number;
  readonly parts: readonly InspectedPart[];
}

export interface DataInspection {
  readonly folder: string;
  readonly sequenceLength: number;
  readonly vocabSize: number;
  readonly documents: number;
  readonly bytes: number;
  readonly tokens: number;
  readonly sources: readonly InspectedSource[];
  readonly validation: { readonly documents: number; readonly bytes: number; readonly tokens: number };
  readonly rows: readonly InspectedRow[];
}

export interface InspectOptions {
  readonly sequenceLength: number;
  /** Rows to decode, drawn over the sources by turns. */
  readonly rows: number;
  readonly seed: number;
}

/** @throws RangeError for a bad sequence length, or a tokenizer of another vocabulary */
export function inspectData(data: PreparedData, tokenizer: Tokenizer, options: InspectOptions): DataInspection {
  const { manifest } = data;
  if (tokenizer.vocabSize !== manifest.tokenizer.vocabSize) {
    const { vocabSize } = manifest.tokenizer;
    throw new RangeError(`${data.folder}: prepared with ${vocabSize} tokens, the tokenizer has ${tokenizer.vocabSize}`);
  }
  const loader = new PretrainLoader(data, options);
  const shares = loader.realisedShares();
  const sources = manifest.sources.map((source, i): InspectedSource => {
    const { shards: _, paths: __, ...counts } = source;
    const packing = loader.packing(source.name);
    return {
      ...counts,
      share: shares[i]?.wantedShare ?? 0,
      bytesPerToken: source.bytes / source.tokens,
      lengths: lengthSummary(documentLengths(data.streams[i]?.documentStarts ?? new Float64Array(1))),
      rows: packing.numRows,
      cutPieces: packing.cutPieces,
    };
  });
  const rows = Array.from({ length: options.rows }, (_, n): InspectedRow => {
    const source = sources[n % sources.length];
    if (!source) throw new Error("internal: prepared data without sources");
    const turn = Math.floor(n / sources.length) % source.rows;
    const row = permuted(turn, source.rows, hashInts(options.seed, stream.rows, n % sources.length));
    const { ids, parts } = loader.packedRow(source.name, row);
    return {
      source: source.name,
      row,
      parts: parts.map(({ document, at, length, startsDocument, endsDocument }) => {
        const text = tokenizer.decode(ids.subarray(at, at + length));
        return { document, tokens: length, startsDocument, endsDocument, text };
      }),
    };
  });
  const { documents, bytes, tokens } = manifest.validation;
  const sum = (key: "documents" | "bytes" | "tokens"): number =>
    sources.reduce((total, source) => total + source[key], 0);
  return {
    folder: data.folder,
    sequenceLength: options.sequenceLength,
    vocabSize: manifest.tokenizer.vocabSize,
    documents: sum("documents"),
    bytes: sum("bytes"),
    tokens: sum("tokens"),
    sources,
    validation: { documents, bytes, tokens },
    rows,
  };
}

/** The inspection as lines for a terminal. */
export function describeInspection(inspection: DataInspection): string {
  const count = (value: number): string => Math.round(value).toLocaleString("en-US");
  const lines = [
    `${inspection.folder}: ${count(inspection.documents)} documents, ${count(inspection.bytes)} bytes, ` +
      `${count(inspection.tokens)} tokens (vocabulary ${count(inspection.vocabSize)})`,
  ];
  for (const source of inspection.sources) {
    const { lengths, skipped } = source;
    lines.push(
      `${source.name}: ${(100 * source.share).toFixed(1)}% of training; ${count(source.documents)} documents, ` +
        `${count(source.tokens)} tokens, ${source.bytesPerToken.toFixed(2)} bytes per token`,
      `  tokens per document: least ${count(lengths.min)}, median ${count(lengths.median)}, mean ${count(lengths.mean)}, ` +
        `90% up to ${count(lengths.p90)}, most ${count(lengths.max)}`,
      `  ${count(source.rows)} rows of ${inspection.sequenceLength} + 1 tokens, ${count(source.cutPieces)} pieces cut to fill them; ` +
        `${count(source.fimDocuments)} fill in the middle`,
      `  left out: ${count(source.duplicates)} duplicates, ${count(skipped.binary)} binary, ` +
        `${count(skipped.invalidUtf8)} not UTF-8, ${count(skipped.empty)} empty`,
    );
  }
  const { validation } = inspection;
  lines.push(
    `validation: ${count(validation.documents)} documents, ${count(validation.bytes)} bytes, ${count(validation.tokens)} tokens`,
  );
  for (const { source, row, parts } of inspection.rows) {
    lines.push("", `=== ${source}, row ${row}`);
    for (const part of parts) {
      const start = part.startsDocument ? "starts" : "goes on";
      const end = part.endsDocument ? "ends" : "is cut";
      lines.push(`--- document ${part.document}, ${part.tokens} tokens, ${start}, ${end}`, part.text);
    }
  }
  return lines.join("\n");
}

function documentLengths(documentStarts: Float64Array): Float64Array {
  return documentStarts.subarray(1).map((end, d) => end - (documentStarts[d] ?? 0));
}
