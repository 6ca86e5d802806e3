/** A chat on a terminal or in a pipe: what the model says goes to standard output, all else to standard error. */
import type { ThoughtPart } from "../tokenizer/thought.js";
import type { ChatScreen } from "./chatLoop.js";

export interface Stream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

export class StreamScreen implements ChatScreen {
  readonly #out: Stream;
  readonly #error: Stream;
  readonly #hasColour: boolean;
  #kind: ThoughtPart["kind"] | null = null;

  /** @param out null: the model's words are not shown @param hasColour false: no dimmed text, as NO_COLOR asks for */
  constructor(out: Stream | null, error: Stream, hasColour: boolean) {
    this.#out = out ?? { write: () => true };
    this.#error = error;
    this.#hasColour = hasColour;
  }

  piece({ kind, text }: ThoughtPart): void {
    if (this.#kind === "reasoning" && kind === "content") this.#error.write("\n\n");
    this.#kind = kind;
    if (kind === "reasoning") this.#error.write(this.#dim(this.#shown(text, this.#error), this.#error));
    else this.#out.write(this.#shown(text, this.#out));
  }

  endAnswer(): void {
    (this.#kind === "reasoning" ? this.#error : this.#out).write("\n");
    this.#kind = null;
  }

  note(text: string): void {
    this.#error.write(`${this.#dim(this.#shown(text, this.#error), this.#error)}\n`);
  }

  problem(text: string): void {
    this.#error.write(`fathom: ${this.#shown(text, this.#error)}\n`);
  }

  #dim(text: string, { isTTY }: Stream): string {
    return isTTY && this.#hasColour ? `\x1b[2m${text}\x1b[22m` : text;
  }

  /** Without what a terminal would obey: a model may write anything. */
  #shown(text: string, { isTTY }: Stream): string {
    return isTTY ? text.replace(/[^\P{Cc}\n\t]/gu, "\ufffd") : text;
  }
}
