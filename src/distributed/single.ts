/** The communicator of a job of one process: every collective is the identity. Wrong calls fail as they would over MPI. */
import { checkCounts, checkLength, checkRank, checkSplit, checkTag } from "./checks.js";
import type { Communicator, Reducible } from "./communicator.js";

class SingleCommunicator implements Communicator {
  readonly rank = 0;
  readonly size = 1;
  /** Messages to oneself, in order, by tag. */
  readonly #mail = new Map<number, Uint8Array[]>();

  async split(color: number, key: number): Promise<Communicator> {
    checkSplit(color, key);
    return new SingleCommunicator();
  }

  async barrier(): Promise<void> {}

  async broadcast(_data: Uint8Array, root: number): Promise<void> {
    checkRank("broadcast", root, 1);
  }

  async allReduce(_data: Reducible): Promise<void> {}

  async reduceScatter(output: Float32Array, input: Float32Array): Promise<void> {
    checkLength("reduceScatter: values of the input", output.length, input.length);
    output.set(input);
  }

  async allGather(output: Uint8Array, input: Uint8Array): Promise<void> {
    checkLength("allGather: bytes of the output", input.length, output.length);
    output.set(input);
  }

  async allToAllV(
    output: Uint8Array,
    receiveBytes: readonly number[],
    input: Uint8Array,
    sendBytes: readonly number[],
  ): Promise<void> {
    checkCounts("allToAllV: receiveBytes", receiveBytes, 1, output.length);
    checkCounts("allToAllV: sendBytes", sendBytes, 1, input.length);
    checkLength("allToAllV: own receiveBytes", sendBytes[0]!, receiveBytes[0]!);
    output.set(input.subarray(0, sendBytes[0]));
  }

  async send(data: Uint8Array, to: number, tag: number): Promise<void> {
    checkRank("send", to, 1);
    checkTag("send", tag);
    const queue = this.#mail.get(tag) ?? [];
    queue.push(data.slice());
    this.#mail.set(tag, queue);
  }

  async receive(data: Uint8Array, from: number, tag: number): Promise<void> {
    checkRank("receive", from, 1);
    checkTag("receive", tag);
    const message = this.#mail.get(tag)?.shift();
    if (!message) throw new RangeError(`receive: rank 0 waits for a message to itself (tag ${tag}) that was not sent`);
    checkLength(`receive: bytes of the message of rank 0 (tag ${tag})`, data.length, message.length);
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
