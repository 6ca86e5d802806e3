/**
 * Scalars as a TensorBoard event file: length-delimited records with masked CRC-32C checksums (the TFRecord framing) around `Event` messages
 * of protocol buffers, of which only the few fields needed are written: wall_time 1 (double), step 2 (varint), file_version 3 (string),
 * summary 5 { value 1 { tag 1 (string), simple_value 2 (float) } }.
 */
import { appendFileSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

/** CRC-32C (Castagnoli). */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crcTable[(crc ^ byte) & 255] ?? 0) ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Rotated and offset, as the framing asks, so that a checksum of data holding checksums stays sound. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}

/** A field of wire type 2: its key, its length, its bytes. */
function delimited(field: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([field * 8 + 2]), varint(content.length), content]);
}

function event(wallSeconds: number, step: number, body: Buffer): Buffer {
  const time = Buffer.alloc(9);
  time[0] = 1 * 8 + 1;
  time.writeDoubleLE(wallSeconds, 1);
  return Buffer.concat([time, Buffer.from([2 * 8]), varint(step), body]);
}

export function record(content: Buffer): Buffer {
  const header = Buffer.alloc(12);
  header.writeBigUInt64LE(BigInt(content.length));
  header.writeUInt32LE(maskedCrc(header.subarray(0, 8)), 8);
  const footer = Buffer.alloc(4);
  footer.writeUInt32LE(maskedCrc(content));
  return Buffer.concat([header, content, footer]);
}

/** Appends to one file; each process start makes a new one, which TensorBoard joins. */
export class EventFile {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    mkdirSync(dirname(path), { recursive: true });
    appendFileSync(path, record(event(Date.now() / 1000, 0, delimited(3, Buffer.from("brain.Event:2")))));
  }

  /** @param step at most 2^53 - 1 */
  scalars(step: number, values: Readonly<Record<string, number>>): void {
    const parts = Object.entries(values).map(([tag, value]) => {
      const number = Buffer.alloc(5);
      number[0] = 2 * 8 + 5;
      number.writeFloatLE(value, 1);
      return delimited(1, Buffer.concat([delimited(1, Buffer.from(tag)), number]));
    });
    appendFileSync(this.path, record(event(Date.now() / 1000, step, delimited(5, Buffer.concat(parts)))));
  }
}
