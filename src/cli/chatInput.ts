/**
 * From lines to what the user means by them: a text for the model, of one line or several, or a command for the chat. On a terminal pasted
 * text is told from typed text by the marks that the terminal puts around it (bracketed paste), so that its line breaks send nothing.
 */
import { createInterface, type Interface } from "node:readline/promises";
import type { Readable, Writable } from "node:stream";

export interface Input {
  readonly kind: "text" | "command";
  readonly text: string;
}

const block = '"""';

/** Joins the lines that belong together. */
export class LineJoiner {
  #lines: string[] = [];
  #state: "open" | "closed" | "block" = "closed";

  /** Lines have come that more are to follow. */
  get isOpen(): boolean {
    return this.#state !== "closed";
  }

  /** @returns what the line completes; null if more belongs to it, or nothing was said */
  push(line: string, isPasted = false): Input | null {
    if (this.#state === "closed" && !isPasted) {
      if (line.trim() === "") return null;
      if (line.startsWith("//")) return this.#rest(line.slice(1));
      if (line.startsWith("/")) return { kind: "command", text: line.trim() };
      if (line.trimStart().startsWith(block)) {
        this.#state = "block";
        return this.#blockLine(line.trimStart().slice(block.length), isPasted);
      }
    }
    return this.#state === "block" ? this.#blockLine(line, isPasted) : this.#rest(line, isPasted);
  }

  /** What is there of a text that was not completed. */
  end(): Input | null {
    const text = this.#lines.join("\n");
    this.reset();
    return text.trim() === "" ? null : { kind: "text", text };
  }

  reset(): void {
    this.#lines = [];
    this.#state = "closed";
  }

  #blockLine(line: string, isPasted: boolean): Input | null {
    const isLast = !isPasted && line.trimEnd().endsWith(block);
    const kept = isLast ? line.trimEnd().slice(0, -block.length) : line;
    // The marks may stand on lines of their own, which are no lines of the text then.
    if (kept !== "" || (!isLast && this.#lines.length > 0)) this.#lines.push(kept);
    return isLast ? this.end() : null;
  }

  #rest(line: string, isPasted = false): Input | null {
    const goesOn = isPasted || line.endsWith("\\");
    this.#lines.push(isPasted || !goesOn ? line : line.slice(0, -1));
    this.#state = "open";
    return goesOn ? null : this.end();
  }
}

export interface InputOptions {
  readonly input: Readable;
  /** Prompts and what is typed, on a terminal. */
  readonly output: Writable;
  /** A person types: there are prompts, Ctrl-C comes as `onInterrupt`, and an unfinished text ends with the input unsaid. */
  readonly isTerminal: boolean;
  /** @returns whether there was something to stop; if not, the line that is being typed is thrown away */
  readonly onInterrupt: () => boolean;
}

/** What the user says, one after the other; more may be said while an answer is written. */
export class ChatInput {
  readonly #options: InputOptions;
  readonly #lines: Interface;
  readonly #joiner = new LineJoiner();
  readonly #ready: Input[] = [];
  #isPasting = false;
  #isOver = false;
  #wake: (() => void) | null = null;

  constructor(options: InputOptions) {
    const { input, output, isTerminal } = options;
    this.#options = options;
    this.#lines = createInterface({ input, ...(isTerminal ? { output } : {}), terminal: isTerminal });
    this.#lines.on("line", (line) => this.#take(this.#joiner.push(line, this.#isPasting)));
    this.#lines.on("close", () => {
      const rest = this.#joiner.end();
      if (rest && !isTerminal) this.#ready.push(rest);
      if (isTerminal && this.#wake) output.write("\n"); // Ctrl-D leaves the cursor behind the prompt.
      this.#isOver = true;
      this.#wake?.();
    });
    if (!isTerminal) return;
    this.#lines.on("SIGINT", () => this.#interrupt());
    input.on("keypress", (_, key: { readonly name?: string } | undefined) => {
      if (key?.name === "paste-start") this.#isPasting = true;
      if (key?.name === "paste-end") this.#isPasting = false;
    });
    output.write("\x1b[?2004h");
  }

  /** @returns null at the end of the input */
  async next(): Promise<Input | null> {
    for (;;) {
      const input = this.#ready.shift();
      if (input) return input;
      if (this.#isOver) return null;
      this.#prompt();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
  }

  close(): void {
    if (this.#options.isTerminal) this.#options.output.write("\x1b[?2004l");
    this.#lines.close();
  }

  #take(input: Input | null): void {
    if (input) {
      this.#ready.push(input);
      this.#wake?.();
    } else if (this.#wake && !this.#isPasting) this.#prompt();
  }

  #prompt(): void {
    if (!this.#options.isTerminal) return;
    this.#lines.setPrompt(this.#joiner.isOpen ? "... " : "> ");
    this.#lines.prompt();
  }

  #interrupt(): void {
    if (this.#options.onInterrupt()) return;
    const isEmpty = this.#lines.line === "" && !this.#joiner.isOpen;
    this.#joiner.reset();
    this.#isPasting = false;
    this.#lines.write(null, { ctrl: true, name: "e" });
    this.#lines.write(null, { ctrl: true, name: "u" }); // deletes to the beginning of the line
    this.#options.output.write(isEmpty ? "\nCtrl-D or /exit ends\n" : "\n");
    if (this.#wake) this.#prompt();
  }
}
