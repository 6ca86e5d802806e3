/**
 * Tool calls in a stream of text: what stands before the markers is content, then each call's name and arguments come as they are written.
 * Two forms are read (infrastructure.md 7.1, model.md F3), told apart by what stands before the separator:
 *   V3, R1: call begin, `function`, separator, name, line break, a fenced block of JSON, call end
 *   V3.1:   call begin, name, separator, JSON, call end
 * Calls may come without the marker that opens their list: in DeepSeek's template later rounds look like that.
 */

import { heldBack } from "../tokenizer/partialMarker.js";
import { toolCallBegin, toolCallEnd, toolCallsBegin, toolCallsEnd, toolSeparator } from "../tokenizer/specialTokens.js";

export type ToolPart =
  | { readonly kind: "content"; readonly text: string }
  /** A call begins; `index` counts from 0. */
  | { readonly kind: "call"; readonly index: number; readonly name: string }
  | { readonly kind: "arguments"; readonly index: number; readonly text: string };

/** Reads calls out of text that comes in pieces. */
export interface ToolReader {
  push(text: string): ToolPart[];
  /** What was held back; a call that was cut off before its name is given as content. */
  end(): ToolPart[];
}

const fence = "```";

export class ToolParser implements ToolReader {
  #state: "content" | "between" | "head" | "name" | "arguments" = "content";
  #text = "";
  /** What a call that has no name yet began with. */
  #opening = "";
  #isFenced = false;
  #index = -1;

  push(text: string): ToolPart[] {
    this.#text += text;
    const parts: ToolPart[] = [];
    while (this.#step(parts));
    return parts;
  }

  end(): ToolPart[] {
    const parts: ToolPart[] = [];
    if (this.#state === "arguments") this.#giveArguments(this.#withoutFence(this.#text), parts);
    else if (this.#state === "content") this.#giveContent(this.#text, parts);
    else this.#giveContent(this.#opening + this.#text, parts);
    this.#text = "";
    this.#opening = "";
    return parts;
  }

  /** @returns whether there may be more to do */
  #step(parts: ToolPart[]): boolean {
    switch (this.#state) {
      case "content": {
        const list = this.#text.indexOf(toolCallsBegin);
        const call = this.#text.indexOf(toolCallBegin);
        if (list < 0 && call < 0) {
          const held = Math.max(heldBack(this.#text, toolCallsBegin), heldBack(this.#text, toolCallBegin));
          this.#giveContent(this.#take(this.#text.length - held), parts);
          return false;
        }
        const isList = list >= 0 && (call < 0 || list < call);
        this.#giveContent(this.#take(isList ? list : call), parts);
        if (isList) this.#take(toolCallsBegin.length);
        this.#state = "between";
        return true;
      }
      case "between": {
        const call = this.#text.indexOf(toolCallBegin);
        const end = this.#text.indexOf(toolCallsEnd);
        if (call >= 0 && (end < 0 || call < end)) {
          this.#take(call);
          this.#opening = this.#take(toolCallBegin.length);
          this.#state = "head";
          return true;
        }
        if (end < 0) return false;
        this.#take(end + toolCallsEnd.length);
        this.#state = "content";
        return true;
      }
      case "head": {
        const at = this.#text.indexOf(toolSeparator);
        if (at < 0) return false;
        const head = this.#take(at);
        this.#opening += head + this.#take(toolSeparator.length);
        this.#isFenced = head.trim() === "function";
        if (this.#isFenced) this.#state = "name";
        else this.#begin(head.trim(), parts);
        return true;
      }
      case "name": {
        if (/^\s*\{/.test(this.#text)) {
          this.#isFenced = false; // the other form, of a tool that is called "function"
          this.#begin("function", parts);
          return true;
        }
        const opening = /^([^\n]*)\n\s*```(?:json)?[^\S\n]*\n/.exec(this.#text);
        if (!opening) return false;
        this.#take(opening[0].length);
        this.#begin((opening[1] ?? "").trim(), parts);
        return true;
      }
      case "arguments": {
        const end = this.#text.indexOf(toolCallEnd);
        if (end < 0) {
          const held = heldBack(this.#text, toolCallEnd);
          this.#giveArguments(
            this.#take(this.#withoutFence(this.#text.slice(0, this.#text.length - held)).length),
            parts,
          );
          return false;
        }
        this.#giveArguments(this.#withoutFence(this.#take(end)), parts);
        this.#take(toolCallEnd.length);
        this.#state = "between";
        return true;
      }
      default:
        return this.#state satisfies never;
    }
  }

  #begin(name: string, parts: ToolPart[]): void {
    this.#index++;
    this.#opening = "";
    this.#state = "arguments";
    parts.push({ kind: "call", index: this.#index, name });
  }

  /** Arguments up to what is, or may be, the end of their fence. */
  #withoutFence(text: string): string {
    const trimmed = text.trimEnd();
    if (!this.#isFenced) return trimmed;
    for (let marks = fence.length; marks > 0; marks--) {
      if (trimmed.endsWith(fence.slice(0, marks))) return trimmed.slice(0, -marks).trimEnd();
    }
    return trimmed;
  }

  #giveContent(text: string, parts: ToolPart[]): void {
    if (text !== "") parts.push({ kind: "content", text });
  }

  #giveArguments(text: string, parts: ToolPart[]): void {
    if (text !== "") parts.push({ kind: "arguments", index: this.#index, text });
  }

  #take(length: number): string {
    const taken = this.#text.slice(0, length);
    this.#text = this.#text.slice(length);
    return taken;
  }
}
