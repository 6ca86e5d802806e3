/**
 * Splits what a model writes into reasoning and answer: text between `<think>` and `</think>` is reasoning. Templates often open the tag
 * themselves, so it need not be in the text. Line breaks around the tags belong to neither. infrastructure.md 7.1, model.md F3.
 */

import { heldBack } from "./partialMarker.js";
import { thinkBegin, thinkEnd } from "./specialTokens.js";

export interface ThoughtPart {
  readonly kind: "reasoning" | "content";
  readonly text: string;
}

export class ThoughtSplitter {
  #state: "before" | "reasoning" | "content";
  /** Not yet given out. */
  #text = "";
  /** Line breaks at the beginning of a part are dropped. */
  #isAtStart = true;

  /** @param isThinking the prompt ends inside an opened `<think>` */
  constructor(isThinking: boolean) {
    this.#state = isThinking ? "reasoning" : "before";
  }

  get isReasoning(): boolean {
    return this.#state === "reasoning";
  }

  push(text: string): ThoughtPart[] {
    this.#text += text;
    const parts: ThoughtPart[] = [];
    if (this.#state === "before") {
      const begin = this.#text.trimStart();
      if (begin.length < thinkBegin.length && thinkBegin.startsWith(begin)) return parts;
      if (begin.startsWith(thinkBegin)) {
        this.#state = "reasoning";
        this.#text = begin.slice(thinkBegin.length);
      } else {
        this.#state = "content";
        this.#isAtStart = false; // an answer without reasoning is left as it is
      }
    }
    if (this.#state === "reasoning") {
      const end = this.#text.indexOf(thinkEnd);
      if (end < 0) {
        // Line breaks before the closing tag would be dropped, so they wait too.
        const kept = this.#text.slice(0, this.#text.length - heldBack(this.#text, thinkEnd)).replace(/[\r\n]+$/, "");
        this.#give("reasoning", kept, parts);
        this.#text = this.#text.slice(kept.length);
        return parts;
      }
      this.#give("reasoning", this.#text.slice(0, end).replace(/[\r\n]+$/, ""), parts);
      this.#text = this.#text.slice(end + thinkEnd.length);
      this.#state = "content";
      this.#isAtStart = true;
    }
    this.#give("content", this.#text, parts);
    this.#text = "";
    return parts;
  }

  /** What was held back. */
  end(): ThoughtPart[] {
    const parts: ThoughtPart[] = [];
    this.#give(this.#state === "reasoning" ? "reasoning" : "content", this.#text, parts);
    this.#text = "";
    return parts;
  }

  #give(kind: ThoughtPart["kind"], given: string, parts: ThoughtPart[]): void {
    const text = this.#isAtStart && this.#state !== "before" ? given.replace(/^[\r\n]+/, "") : given;
    if (text === "") return;
    this.#isAtStart = false;
    parts.push({ kind, text });
  }
}
