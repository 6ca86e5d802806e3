/**
 * What the processes of one job say to each other. Two implementations pass one contract suite: `single` (one process; every collective is
 * the identity) and `mpi`. All operations are asynchronous; every member of the group calls the same operations in the same order.
 * Arrays are used in place and must not be touched until the promise is settled. spec: infrastructure 10.1.
 */

export type ReduceOp = "sum" | "max";

/** Types that are reduced; anything else travels as bytes and is added by our own kernels in rank order. */
export type Reducible = Float32Array | Float64Array | Int32Array;

export interface Communicator {
  readonly rank: number;
  readonly size: number;
  /** Members that give the same color form a group, ordered by key, then by rank. */
  split(color: number, key: number): Promise<Communicator>;
  barrier(): Promise<void>;
  /** Everyone's `data` becomes the root's. */
  broadcast(data: Uint8Array, root: number): Promise<void>;
  /** Everyone's `data` becomes the sum or maximum over ranks; every rank receives the same bits. */
  allReduce(data: Reducible, op: ReduceOp): Promise<void>;
  /** `input` holds size x output.length values; rank r receives the sum of everyone's part r. */
  reduceScatter(output: Float32Array, input: Float32Array): Promise<void>;
  /** `output` holds size x input.length bytes: everyone's input in rank order. */
  allGather(output: Uint8Array, input: Uint8Array): Promise<void>;
  /**
   * Sends `sendBytes[r]` bytes to each rank r (taken one after the other from `input`) and receives `receiveBytes[r]` from each (put one
   * after the other into `output`).
   */
  allToAllV(
    output: Uint8Array,
    receiveBytes: readonly number[],
    input: Uint8Array,
    sendBytes: readonly number[],
  ): Promise<void>;
  send(data: Uint8Array, to: number, tag: number): Promise<void>;
  /** @throws RangeError if the message has another length than `data` */
  receive(data: Uint8Array, from: number, tag: number): Promise<void>;
  /** Ends the whole job with this exit code. */
  abort(code: number): never;
  /** Leaves the job in an orderly way; nothing may be called afterwards. */
  close(): Promise<void>;
}
