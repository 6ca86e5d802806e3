/**
 * Fill in the middle: some documents are cut at two places and put in another order, so that the model learns to write what stands between
 * two texts. DeepSeek-V3 report, section 4.1: rate 0.1, in the order prefix, suffix, middle (PSM),
 *
 *   <fim begin> prefix <fim hole> suffix <fim end> middle <end of sentence>
 *
 * Applied to documents before packing. The report does not say how the cuts are drawn: here two uniform positions between characters
 * (Bavarian et al. 2022, who also describe SPM, the order suffix, prefix, middle). Special tokens are ids added around the encoded parts.
 *
 * Deviation, when asked for by `span`: a row shorter than the document would seldom hold prefix, suffix and middle together, so longer
 * documents are first cut into passages, which are drawn one by one; passages that stay plain stay joined.
 */
import { stream, uniform } from "./random.js";

export interface FimOptions {
  /** Share of documents (or passages) that are rearranged, 0 to 1. */
  readonly rate: number;
  /** Share of those that are in SPM order, 0 to 1. */
  readonly spmShare: number;
  /** Passages of about this many bytes are drawn instead of whole documents; null = whole documents, as in the report. */
  readonly span: number | null;
}

/** A text to encode, or a text cut in three. */
export type Passage =
  | { readonly kind: "plain"; readonly text: Uint8Array }
  | {
      readonly kind: "psm" | "spm";
      readonly prefix: Uint8Array;
      readonly middle: Uint8Array;
      readonly suffix: Uint8Array;
    };

/** @throws RangeError for a rate outside [0, 1] or a span that is not positive */
export function checkFimOptions({ rate, spmShare, span }: FimOptions): void {
  if (!(rate >= 0 && rate <= 1)) throw new RangeError(`FIM rate must be in [0, 1], got ${rate}`);
  if (!(spmShare >= 0 && spmShare <= 1)) throw new RangeError(`FIM share of SPM must be in [0, 1], got ${spmShare}`);
  if (span !== null && !(Number.isInteger(span) && span > 0)) {
    throw new RangeError(`FIM span must be a positive number of bytes, got ${span}`);
  }
}

/**
 * The passages of a document, which become documents of their own; the same for the same seed, document and epoch.
 * @param text valid UTF-8; the parts are views of it
 */
export function fimPassages(
  text: Uint8Array,
  options: FimOptions,
  seed: number,
  documentIndex: number,
  epoch: number,
): Passage[] {
  const draw = (passage: number, what: number): number =>
    uniform(seed, stream.fim, documentIndex, epoch, passage, what);
  const passages: Passage[] = [];
  let plainFrom = 0;
  let from = 0;
  for (let passage = 0; from < text.length; passage++) {
    const to = options.span === null ? text.length : passageEnd(text, from, options.span);
    if (draw(passage, 0) < options.rate) {
      if (plainFrom < from) passages.push({ kind: "plain", text: text.subarray(plainFrom, from) });
      const a = from + cutIn(text.subarray(from, to), draw(passage, 1));
      const b = from + cutIn(text.subarray(from, to), draw(passage, 2));
      passages.push({
        kind: draw(passage, 3) < options.spmShare ? "spm" : "psm",
        prefix: text.subarray(from, Math.min(a, b)),
        middle: text.subarray(Math.min(a, b), Math.max(a, b)),
        suffix: text.subarray(Math.max(a, b), to),
      });
      plainFrom = to;
    }
    from = to;
  }
  if (plainFrom < text.length) passages.push({ kind: "plain", text: text.subarray(plainFrom) });
  return passages;
}

/** End of the passage from `from` on: behind the last line end within the span, or at a character border. */
function passageEnd(text: Uint8Array, from: number, span: number): number {
  if (text.length - from <= span + (span >> 1)) return text.length; // no crumbs
  const line = text.lastIndexOf(10, from + span - 1) + 1;
  return line > from ? line : toCharacter(text, from + span);
}

/** A position between characters (0 and the end included), each as likely as any other. @param u uniform in [0, 1) */
function cutIn(text: Uint8Array, u: number): number {
  let characters = 0;
  for (const byte of text) if ((byte & 0xc0) !== 0x80) characters++;
  let left = Math.floor(u * (characters + 1));
  for (let at = 0; at < text.length; at++) {
    if (((text[at] ?? 0) & 0xc0) !== 0x80 && left-- === 0) return at;
  }
  return text.length;
}

/** The character border at or after a position. */
function toCharacter(text: Uint8Array, position: number): number {
  let at = position;
  while (at < text.length && ((text[at] ?? 0) & 0xc0) === 0x80) at++;
  return at;
}
