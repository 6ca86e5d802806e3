/**
 * From tokens to text that is certain: bytes wait for the rest of their character, and what may be the beginning of a stop string waits for
 * the next token, so no reader ever sees a piece of a stop.
 */
import type { StreamDecoder } from "../tokenizer/streamDecoder.js";

export interface TextPiece {
  /** Belongs to the text now. */
  readonly text: string;
  /** The stop string that was met: the text ends before it. */
  readonly stop: string | null;
}

export class TextOutput {
  readonly #decoder: StreamDecoder | null;
  readonly #stops: readonly string[];
  #held = "";

  /** @param decoder null: there are only ids, and all text is empty @param stops none of them empty */
  constructor(decoder: StreamDecoder | null, stops: readonly string[]) {
    this.#decoder = decoder;
    this.#stops = stops;
  }

  /** @param mayStop false: too early for a stop string */
  push(id: number, mayStop: boolean): TextPiece {
    const text = this.#decoder?.push(id) ?? "";
    return this.#add(text, mayStop);
  }

  /** At the end, what was held back; a character that never came to its end is U+FFFD. */
  flush(): string {
    const rest = this.#held + (this.#decoder?.flush() ?? "");
    this.#held = "";
    return rest;
  }

  #add(text: string, mayStop: boolean): TextPiece {
    if (this.#stops.length === 0 || !mayStop) {
      const all = this.#held + text;
      this.#held = "";
      return { text: all, stop: null };
    }
    const all = this.#held + text;
    let at = -1;
    let met: string | null = null;
    for (const stop of this.#stops) {
      const found = all.indexOf(stop);
      if (found >= 0 && (at < 0 || found < at)) [at, met] = [found, stop];
    }
    if (met !== null) {
      this.#held = "";
      return { text: all.slice(0, at), stop: met };
    }
    const keep = Math.max(...this.#stops.map((stop) => beginningAtEnd(all, stop)));
    this.#held = all.slice(all.length - keep);
    return { text: all.slice(0, all.length - keep), stop: null };
  }
}

/** Length of the longest end of `text` that `stop` begins with. */
function beginningAtEnd(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length--) {
    if (stop.startsWith(text.slice(text.length - length))) return length;
  }
  return 0;
}
