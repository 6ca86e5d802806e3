/**
 * A JSON array in pieces: the bytes of one element after the other, found by brackets and quotes alone, so that an array of any size is read with
 * the memory of its largest element. What an element holds is for JSON.parse to judge.
 */
import { maxPartBytes } from "../../data/fileParts.js";

const space = new Set([0x20, 0x09, 0x0a, 0x0d]);
const byteOrderMark = [0xef, 0xbb, 0xbf];
const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const open = new Set([0x5b, 0x7b]);
const close = new Set([0x5d, 0x7d]);

/** The first byte that is no white space (null: none) and all the bytes from it on. */
export async function firstByte(
  chunks: AsyncIterable<Uint8Array>,
): Promise<{ readonly byte: number | null; readonly rest: AsyncIterable<Uint8Array> }> {
  const iterator = chunks[Symbol.asyncIterator]();
  const held: Uint8Array[] = [];
  let byte: number | null = null;
  let at = 0;
  while (byte === null) {
    const { value, done } = await iterator.next();
    if (done) break;
    held.push(value);
    for (const each of value) {
      const isMark = at < byteOrderMark.length && each === byteOrderMark[at];
      at++;
      if (isMark || space.has(each)) continue;
      byte = each;
      break;
    }
  }
  const rest = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield* held;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  };
  return { byte, rest: rest() };
}

/**
 * Elements of a file that begins with "[".
 * @throws RangeError naming the file for an element of more than `maxPartBytes`, an array without an end, or text behind it
 */
export async function* arrayElements(path: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = [];
  let size = 0;
  let count = 0;
  let depth = 0;
  let inText = false;
  let isEscaped = false;
  let isDone = false;
  const element = (last: Uint8Array): Uint8Array => {
    const bytes = held.length === 0 ? last : Buffer.concat([...held, last]);
    held = [];
    size = 0;
    return bytes;
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (inText) {
        if (isEscaped) isEscaped = false;
        else if (byte === backslash) isEscaped = true;
        else if (byte === quote) inText = false;
      } else if (isDone) {
        if (!space.has(byte))
          throw new RangeError(`${path}: text behind the end of the array; expected one JSON array`);
      } else if (byte === quote) inText = true;
      else if (open.has(byte)) {
        if (depth++ === 0) from = i + 1;
      } else if (close.has(byte) || byte === comma) {
        if (byte !== comma) depth--;
        if (depth === (byte === comma ? 1 : 0)) {
          const bytes = element(chunk.subarray(from, i));
          const isLast = byte !== comma;
          const isBlank = bytes.every((each) => space.has(each));
          if (isBlank && !(isLast && count === 0)) {
            throw new RangeError(`${path}: row ${count + 1}: expected an element of the array, found none`);
          }
          count++;
          if (!isBlank) yield bytes;
          from = i + 1;
          isDone = isLast;
        }
      }
    }
    if (!isDone && depth > 0 && from < chunk.length) {
      held.push(chunk.subarray(from));
      size += chunk.length - from;
      if (size > maxPartBytes) throw new RangeError(`${path}: row ${count + 1} is longer than ${maxPartBytes} bytes`);
    }
  }
  if (!isDone) throw new RangeError(`${path}: the array has no end after row ${count}; is the file complete?`);
}
