/** What guests of both languages have in common: their limits, how they end, and what they wrote. */
import { EndOfGuest } from "./channelFile.js";

export interface GuestLimits {
  readonly memoryBytes: number;
  readonly outputBytes: number;
  /** Told once, when the interpreter is up and the program's time begins. */
  readonly onStarted: () => void;
  /** Told whenever the guest's clock has been moved on: all that it slept so far. */
  readonly onSlept: (sleptMs: number) => void;
}

/**
 * done: nothing more was asked, or the program ran to its end. exited: by itself, with that code. protocol: it wrote to the channel what
 * no honest guest writes. output: more than may be written. memory, crashed: the instance is of no use any more.
 */
export type GuestEnd =
  | { readonly kind: "done" }
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "protocol" | "output" | "memory" | "crashed"; readonly message: string };

export interface GuestRun {
  readonly end: GuestEnd;
  readonly stdout: string;
  readonly stderr: string;
  readonly sleptMs: number;
}

/** Both streams, `maxBytes` each; a guest that writes more is ended. */
export class OutputBuffer {
  readonly #maxBytes: number;
  readonly #parts = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  readonly #bytes = { stdout: 0, stderr: 0 };

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  write(stream: "stdout" | "stderr", bytes: Uint8Array): void {
    const room = this.#maxBytes - this.#bytes[stream];
    const part = bytes.slice(0, room);
    this.#parts[stream].push(part);
    this.#bytes[stream] += part.length;
    if (bytes.length > room) throw tooMuch(this.#maxBytes, stream);
  }

  bytes(stream: "stdout" | "stderr"): Uint8Array {
    return Buffer.concat(this.#parts[stream]);
  }

  texts(): { readonly stdout: string; readonly stderr: string } {
    const text = (stream: "stdout" | "stderr"): string => Buffer.from(this.bytes(stream)).toString("utf8");
    return { stdout: text("stdout"), stderr: text("stderr") };
  }
}

export function tooMuch(maxBytes: number, stream: "stdout" | "stderr"): EndOfGuest {
  return new EndOfGuest("output", `wrote more than ${maxBytes} bytes to ${stream}`);
}
