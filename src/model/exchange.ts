/** Rows of activations between the ranks of a group, differentiable: the gradient travels the same way back. */
import type { Communicator } from "../distributed/communicator.js";
import { bytesPerElement } from "../tensor/dtype.js";
import type { Tape } from "../tensor/tape.js";
import type { Tensor } from "../tensor/tensor.js";

/** Rows to and from each rank. */
export interface RowCounts {
  readonly sent: readonly number[];
  readonly received: readonly number[];
}

/** Tells every rank how many rows it will get. @param offsets [size + 1]: rows for rank r are [offsets[r], offsets[r + 1]) */
export async function receiveCounts(group: Communicator, offsets: Int32Array): Promise<RowCounts> {
  const sent = Array.from({ length: group.size }, (_, r) => (offsets[r + 1] ?? 0) - (offsets[r] ?? 0));
  const received = new Int32Array(group.size);
  const four = new Array<number>(group.size).fill(4);
  await group.allToAllV(bytesOf(received), four, bytesOf(Int32Array.from(sent)), four);
  return { sent, received: Array.from(received) };
}

/** @param x [sum of counts.sent, columns] in rank order @returns [sum of counts.received, columns], new */
export async function exchangeRows(tape: Tape, group: Communicator, x: Tensor, counts: RowCounts): Promise<Tensor> {
  const rowBytes = x.columns * bytesPerElement[x.dtype];
  const inBytes = (rows: readonly number[]): number[] => rows.map((count) => count * rowBytes);
  const y = tape.empty([total(counts.received), x.columns], x.dtype);
  await group.allToAllV(y.bytes(), inBytes(counts.received), x.bytes(), inBytes(counts.sent));
  tape.record(async () => {
    const dx = tape.empty(x.shape, x.dtype);
    const dy = y.grad ?? tape.zeros(y.shape, y.dtype);
    await group.allToAllV(dx.bytes(), inBytes(counts.sent), dy.bytes(), inBytes(counts.received));
    tape.contribute(x, dx);
  });
  return y;
}

/** The same for integers, which have no gradient. @param width integers a row */
export async function exchangeInts(
  group: Communicator,
  values: Int32Array,
  width: number,
  counts: RowCounts,
): Promise<Int32Array> {
  const result = new Int32Array(total(counts.received) * width);
  const inBytes = (rows: readonly number[]): number[] => rows.map((count) => count * width * 4);
  await group.allToAllV(bytesOf(result), inBytes(counts.received), bytesOf(values), inBytes(counts.sent));
  return result;
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

function bytesOf(values: Int32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
