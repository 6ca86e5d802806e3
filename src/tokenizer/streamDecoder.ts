/**
 * Token ids to text one at a time. A character may be spread over tokens, so bytes are held back until it is complete;
 * what can never become UTF-8 is U+FFFD, exactly as if all bytes had been decoded at once.
 */
export class StreamDecoder {
  readonly #bytesOf: (id: number) => Uint8Array;
  readonly #utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

  constructor(bytesOf: (id: number) => Uint8Array) {
    this.#bytesOf = bytesOf;
  }

  /** The text that this token completes, often empty in the middle of a character. */
  push(id: number): string {
    return this.#utf8.decode(this.#bytesOf(id), { stream: true });
  }

  /** What is left at the end: U+FFFD for a character that never came to its end. The decoder can be used anew. */
  flush(): string {
    return this.#utf8.decode();
  }
}
