/**
 * Documents on their way to worker threads: many small ones travel in one buffer, and a large one is cut where cutting
 * changes no piece of the pre-tokenizer, so that several threads can share it.
 */
import { isUtf8 } from "node:buffer";

/** Texts in one buffer: text i is bytes[ends[i - 1], ends[i]), valid UTF-8. */
export interface TextBatch {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly ends: readonly number[];
}

export type Texts = Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

/** Finds the first place at or after `from` where a text may be cut, or -1. */
export type FindBorder = (bytes: Uint8Array, from: number) => number;

/** A document and the parts it was cut into: `isLast` is false while parts of the same document follow. */
export interface DocumentPart {
  readonly bytes: Uint8Array;
  readonly isLast: boolean;
}

/** UTF-8 of a text; lone surrogates and invalid bytes become U+FFFD. A valid array is returned as it is. */
export function utf8Bytes(text: string | Uint8Array): Uint8Array {
  if (typeof text === "string") return encoder.encode(text);
  return isUtf8(text) ? text : encoder.encode(new TextDecoder("utf-8", { ignoreBOM: true }).decode(text));
}

/** Cuts a document into parts of about `partBytes`; shorter ones, and text without a border, stay whole. */
export function* cutText(bytes: Uint8Array, partBytes: number, findBorder: FindBorder): Generator<DocumentPart> {
  let from = 0;
  while (bytes.length - from > partBytes) {
    const border = findBorder(bytes, from + partBytes);
    if (border < 0) break;
    yield { bytes: bytes.subarray(from, border), isLast: false };
    from = border;
  }
  yield { bytes: bytes.subarray(from), isLast: true };
}

/** Copies texts into one buffer of its own. */
export function joinTexts(texts: readonly Uint8Array[]): TextBatch {
  const ends: number[] = [];
  let length = 0;
  for (const text of texts) {
    length += text.length;
    ends.push(length);
  }
  const bytes = new Uint8Array(length);
  texts.forEach((text, i) => {
    bytes.set(text, i === 0 ? 0 : ends[i - 1]!);
  });
  return { bytes, ends };
}

const encoder = new TextEncoder();
