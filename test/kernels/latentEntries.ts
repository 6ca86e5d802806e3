/** FP8 entries of a latent cache, made and read by the definition of the format and not by the kernels. */
import { native } from "../../src/tensor/native.js";
import { bf16Bits, bf16Value, noise, type Stored } from "./memory.js";

/** The value of an E4M3 byte from its sign, exponent and mantissa. */
export function e4m3(byte: number): number {
  const [exponent, mantissa] = [(byte >> 3) & 15, byte & 7];
  const magnitude = exponent === 0 ? mantissa * 2 ** -9 : (1 + mantissa / 8) * 2 ** (exponent - 7);
  return byte & 128 ? -magnitude : magnitude;
}

export function entryBytes(c: number, dr: number): number {
  return c + 4 * Math.ceil(c / 128) + 2 * dr;
}

/** c + dr values of each entry of a buffer. */
export function readEntries(bytes: Uint8Array, c: number, dr: number): Float32Array {
  const size = entryBytes(c, dr);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = bytes.length / size;
  const values = new Float32Array(count * (c + dr));
  for (let i = 0; i < count; i++) {
    const key = i * size + c + 4 * Math.ceil(c / 128);
    for (let j = 0; j < c; j++) {
      const scale = view.getFloat32(i * size + c + 4 * Math.floor(j / 128), true);
      values[i * (c + dr) + j] = e4m3(bytes[i * size + j]!) * scale;
    }
    for (let j = 0; j < dr; j++) values[i * (c + dr) + c + j] = bf16Value(view.getUint16(key + 2 * j, true));
  }
  return values;
}

/** Entries of random bytes and scales, values up to about 2. */
export function latentEntries(
  seed: number,
  count: number,
  c: number,
  dr: number,
): Pick<Stored, "address" | "type" | "rounded"> {
  const size = entryBytes(c, dr);
  const block = native().alloc(count * size + 64);
  const bytes = new Uint8Array(block.buffer, 0, count * size);
  const view = new DataView(block.buffer, 0, count * size);
  const random = noise(seed, count * size, 1000);
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < c; j++) {
      const byte = Math.floor(Math.abs(random[i * size + j]!) * 97) & 255;
      bytes[i * size + j] = (byte & 127) === 127 ? 3 : byte;
    }
    for (let g = 0; g * 128 < c; g++) view.setFloat32(i * size + c + 4 * g, 0.002 + (i % 7) * 0.0005, true);
    const key = i * size + c + 4 * Math.ceil(c / 128);
    for (let j = 0; j < dr; j++) view.setUint16(key + 2 * j, bf16Bits(random[i * size + c + j]! / 500), true);
  }
  return { address: block.address, type: 2, rounded: readEntries(bytes, c, dr) };
}
