/** The first records of some data as the model will read them: their text with what is learned told apart from context. post-training.md 13. */
import type { Tokenizer } from "../../tokenizer/tokenizer.js";
import { defaultRecordOptions, type RecordOptions, readRecords } from "./readRecords.js";
import type { RecordKind } from "./records.js";
import { ChatRenderer, type MaskedIds, type RenderOptions } from "./render.js";
import { renderRecord } from "./renderRecord.js";

export interface PreviewOptions {
  readonly paths: readonly string[];
  readonly read?: Partial<RecordOptions>;
  readonly tokenizer: Tokenizer;
  readonly render?: Partial<RenderOptions>;
  /** Records to show. */
  readonly records: number;
}

/** Tokens in a row that are all targets, or all none. */
export interface PreviewPiece {
  readonly text: string;
  readonly tokens: number;
  readonly isTarget: boolean;
}

export interface PreviewedRecord {
  readonly path: string;
  readonly row: number;
  readonly kind: RecordKind;
  readonly parts: readonly { readonly label: string; readonly pieces: readonly PreviewPiece[] }[];
  readonly columns: Readonly<Record<string, unknown>>;
}

/** @throws RowError for a bad row, or one that the template does not suit */
export async function previewData(options: PreviewOptions): Promise<PreviewedRecord[]> {
  const { tokenizer } = options;
  const renderer = new ChatRenderer(tokenizer, options.render);
  const previews: PreviewedRecord[] = [];
  if (options.records === 0) return previews;
  for await (const record of readRecords(options.paths, { ...defaultRecordOptions, ...options.read })) {
    const { path, row, kind, columns } = record;
    const parts = renderRecord(record, renderer).parts.map(({ label, sequence }) => ({
      label,
      pieces: maskPieces(tokenizer, sequence),
    }));
    previews.push({ path, row, kind, parts, columns });
    if (previews.length === options.records) break;
  }
  return previews;
}

/** A sequence in stretches; a character whose bytes lie on both sides of a border belongs to the side on which it ends. */
export function maskPieces(tokenizer: Tokenizer, { ids, isTarget }: MaskedIds): PreviewPiece[] {
  const decoder = tokenizer.decoder();
  const pieces: PreviewPiece[] = [];
  for (let from = 0; from < ids.length; ) {
    let text = "";
    let to = from;
    for (; to < ids.length && isTarget[to] === isTarget[from]; to++) text += decoder.push(ids[to]!);
    if (to === ids.length) text += decoder.flush();
    pieces.push({ text, tokens: to - from, isTarget: isTarget[from] === 1 });
    from = to;
  }
  return pieces;
}
