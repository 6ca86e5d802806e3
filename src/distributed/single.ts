/** The communicator of a job of one process: every collective is the identity. */
import type { Communicator, Reducible } from "./communicator.js";

class SingleCommunicator implements Communicator {
  readonly rank = 0;
  readonly size = 1;
  /** Messages to oneself, in order, by tag. */
  readonly #mail = new Map<number, Uint8Array[]>();

  async split(_color: number, _key: number): Promise<Communicator> {
    return new SingleCommunicator();
  }

  async barrier(): Promise<void> {}

  async broadcast(_data: Uint8Array, root: number): Promise<void> {
    checkRank("broadcast", root);
  }

  async allReduce(_data: Reducible): Promise<void> {}

  async reduceScatter(output: Float32Array, input: Float32Array): Promise<void> {
    checkLength("reduceScatter", output.length, input.length);
    output.set(input);
  }

  async allGather(output: Uint8Array, input: Uint8Array): Promise<void> {
    checkLength("allGather", output.length, input.length);
    output.set(input);
  }

  async allToAllV(
    output: Uint8Array,
    receiveBytes: readonly number[],
    input: Uint8Array,
    sendBytes: readonly number[],
  ): Promise<void> {
    checkLength("allToAllV", receiveBytes[0] ?? 0, sendBytes[0] ?? 0);
    output.set(input.subarray(0, sendBytes[0]));
  }

  async send(data: Uint8Array, to: number, tag: number): Promise<void> {
    checkRank("send", to);
    const queue = this.#mail.get(tag) ?? [];
    queue.push(data.slice());
    this.#mail.set(tag, queue);
  }

  async receive(data: Uint8Array, from: number, tag: number): Promise<void> {
    checkRank("receive", from);
    const message = this.#mail.get(tag)?.shift();
    if (!message) throw new RangeError(`receive: rank 0 waits for a message to itself (tag ${tag}) that was not sent`);
    checkLength("receive", data.length, message.length);
    data.set(message);
  }

  abort(code: number): never {
    process.exit(code);
  }

  async close(): Promise<void> {}
}

export function singleCommunicator(): Communicator {
  return new SingleCommunicator();
}

function checkRank(operation: string, rank: number): void {
  if (rank !== 0) throw new RangeError(`${operation}: rank ${rank} in a group of 1`);
}

function checkLength(operation: string, expected: number, actual: number): void {
  if (expected !== actual) throw new RangeError(`${operation}: ${actual} given where ${expected} are expected`);
}
