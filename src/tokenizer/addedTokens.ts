/**
 * Finds added tokens (control tokens and the like) in text before it is pre-tokenized: leftmost, of several the longest;
 * those that want raw text (`normalized: false`) first, the others in what is left. Follows Hugging Face `tokenizers`.
 */
import type { AddedToken } from "./tokenizerJson.js";

/** A stretch of ordinary text, or the id of an added token. */
export type TextPart = string | number;

export class AddedTokenFinder {
  readonly #byContent: ReadonlyMap<string, AddedToken>;
  readonly #raw: RegExp | null;
  readonly #normalized: RegExp | null;
  readonly #normalize: (text: string) => string;

  /** @param normalize what ordinary text goes through before tokens with `normalized: true` are looked for */
  constructor(tokens: readonly AddedToken[], normalize: (text: string) => string) {
    this.#normalize = normalize;
    const contentOf = (token: AddedToken): string => (token.normalized ? normalize(token.content) : token.content);
    this.#byContent = new Map(tokens.map((token) => [contentOf(token), token]));
    const pattern = (normalized: boolean): RegExp | null => {
      const contents = tokens.filter((token) => token.normalized === normalized).map(contentOf);
      if (contents.length === 0) return null;
      contents.sort((a, b) => b.length - a.length || (a < b ? -1 : 1));
      return new RegExp(contents.map((content) => content.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("|"), "gu");
    };
    this.#raw = pattern(false);
    this.#normalized = pattern(true);
  }

  /** Cuts a text at its added tokens; the strings that remain are normalized. */
  split(text: string): TextPart[] {
    const parts: TextPart[] = [];
    for (const part of this.#cut(text, this.#raw)) {
      if (typeof part === "number") parts.push(part);
      else parts.push(...this.#cut(this.#normalize(part), this.#normalized));
    }
    return parts;
  }

  #cut(text: string, pattern: RegExp | null): TextPart[] {
    if (text === "") return [];
    if (pattern === null) return [text];
    const parts: TextPart[] = [];
    let done = 0;
    for (const match of text.matchAll(pattern)) {
      const token = this.#byContent.get(match[0])!;
      let from = match.index;
      let to = from + match[0].length;
      if (
        token.singleWord &&
        (endsWithWord.test(text.slice(0, from).slice(-2)) || startsWithWord.test(text.slice(to)))
      ) {
        continue;
      }
      if (token.lstrip) while (from > done && whiteSpace.test(text[from - 1]!)) from--;
      if (token.rstrip) while (to < text.length && whiteSpace.test(text[to]!)) to++;
      if (from > done) parts.push(text.slice(done, from));
      parts.push(token.id);
      done = Math.max(done, to);
    }
    if (done < text.length) parts.push(text.slice(done));
    return parts;
  }
}

const startsWithWord = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
const endsWithWord = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;
const whiteSpace = /\p{White_Space}/u;
