/**
 * Two threads that wait for each other's messages without leaving their call stack: a guest's import function cannot await. The
 * messages go through a MessagePort; a counter in shared memory wakes the one that sleeps.
 */
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";

export interface LinkEnd {
  readonly port: MessagePort;
  /** Messages ever sent to side 0 and to side 1. */
  readonly counts: SharedArrayBuffer;
  readonly side: 0 | 1;
}

export class SyncLink {
  readonly #port: MessagePort;
  readonly #counts: Int32Array;
  readonly #side: 0 | 1;

  constructor({ port, counts, side }: LinkEnd) {
    this.#port = port;
    this.#counts = new Int32Array(counts);
    this.#side = side;
  }

  send(message: unknown): void {
    const other = 1 - this.#side;
    this.#port.postMessage(message);
    Atomics.add(this.#counts, other, 1);
    Atomics.notify(this.#counts, other);
  }

  /** Blocks this thread until there is a message. */
  receive(): unknown {
    for (;;) {
      const seen = Atomics.load(this.#counts, this.#side);
      const received = receiveMessageOnPort(this.#port);
      if (received) return received.message;
      Atomics.wait(this.#counts, this.#side, seen);
    }
  }
}
