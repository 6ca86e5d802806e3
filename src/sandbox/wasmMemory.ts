/**
 * Sets the most memory a WebAssembly module may ever have, by rewriting the limits in its memory section: an engine refuses to grow
 * past them, so no code inside can. WebAssembly core specification, binary format, section 5.
 */

const pageBytes = 65_536;
const memorySection = 5;

/**
 * @param bytes a module that defines one memory
 * @returns the module with that memory's maximum at `maxBytes` (rounded down to pages)
 * @throws RangeError if it is no such module, or needs more to start with
 */
export function withMemoryMaximum(bytes: Uint8Array, maxBytes: number): Uint8Array<ArrayBuffer> {
  const magic = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
  if (magic.some((byte, i) => bytes[i] !== byte)) throw new RangeError("wasm: not a WebAssembly module of version 1");
  const maxPages = Math.floor(maxBytes / pageBytes);
  for (let at = magic.length; at < bytes.length; ) {
    const id = bytes[at];
    const size = readUnsigned(bytes, at + 1);
    const end = size.end + size.value;
    if (id === memorySection) {
      const count = readUnsigned(bytes, size.end);
      const flags = bytes[count.end];
      if (count.value !== 1 || flags === undefined || flags > 1) {
        throw new RangeError("wasm: expected one memory, not shared, with 32-bit addresses");
      }
      const minimum = readUnsigned(bytes, count.end + 1);
      if (minimum.value > maxPages) {
        throw new RangeError(`wasm: the module starts with ${minimum.value} pages, more than the limit of ${maxPages}`);
      }
      const body = [...unsigned(1), 1, ...unsigned(minimum.value), ...unsigned(maxPages)];
      const section = Uint8Array.from([memorySection, ...unsigned(body.length), ...body]);
      const result = new Uint8Array(at + section.length + bytes.length - end);
      result.set(bytes.subarray(0, at));
      result.set(section, at);
      result.set(bytes.subarray(end), at + section.length);
      return result;
    }
    at = end;
  }
  throw new RangeError("wasm: the module has no memory section");
}

/** LEB128. */
function readUnsigned(bytes: Uint8Array, start: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let at = start, factor = 1; at < start + 5; at++, factor *= 128) {
    const byte = bytes[at];
    if (byte === undefined) break;
    value += (byte & 127) * factor;
    if (byte < 128) return { value, end: at + 1 };
  }
  throw new RangeError(`wasm: a number at byte ${start} does not end`);
}

function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...unsigned(Math.floor(value / 128))];
}
