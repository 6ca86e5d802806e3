/**
 * The pre-tokenizer of DeepSeek-V3: cuts UTF-8 text into the pieces inside which byte pairs may merge. The published
 * tokenizer.json states it as three `Split` stages, each run on what the one before left:
 *   1. \p{N}{1,3}
 *   2. [U+4E00-U+9FA5 U+3040-U+309F U+30A0-U+30FF]+
 *   3. a. one ASCII punctuation character, then [A-Za-z]+      b. [^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+
 *      c. ` ?[\p{P}\p{S}]+[\r\n]*`    d. \s*[\r\n]+    e. \s+(?!\S)    f. \s+
 * Unmatched stretches stay as pieces. Here it is one scan over bytes with a table of character classes, linear for every
 * input; pretokenize.test.ts holds it equal to the regular expressions. No alternative looks back, so a piece depends
 * only on where it starts, and the stages need no second pass: a character of another stage ends a stretch.
 * Classes are those of the Unicode version that Node carries; a character newer than it counts as unassigned.
 */

/** Cuts text into pieces that are encoded separately. */
export interface Pretokenizer {
  /** Starts on bytes[from, to), which must be whole, valid UTF-8. */
  begin(bytes: Uint8Array, from: number, to: number): void;
  /** End of the next piece (it starts where the last one ended), or -1 when none is left. */
  next(): number;
  /**
   * First position at or after `from` (and before `to`) at which the text can be cut in two without changing any piece;
   * -1 where there is none.
   */
  safeBorder(bytes: Uint8Array, from: number, to: number): number;
}

/** The source text of the three stages, as in the published tokenizer.json. */
export const deepSeekSplitPatterns: readonly [string, string, string] = [
  "\\p{N}{1,3}",
  "[一-龥\u3040-ゟ゠-ヿ]+",
  "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
];

const letterOrMark = 1;
const punctuation = 2; // \p{P} and \p{S}
const whiteSpace = 4; // newlines included
const newline = 8; // CR and LF only
const number = 16;
const kanaOrHan = 32; // the ranges of stage 2
const asciiLetter = 64;
const asciiPunctuation = 128;

const space = 0x20;

export class DeepSeekPretokenizer implements Pretokenizer {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #to = 0;
  readonly #classes = new CharacterClasses();
  readonly #ascii = this.#classes.page(0);

  begin(bytes: Uint8Array, from: number, to: number): void {
    this.#bytes = bytes;
    this.#at = from;
    this.#to = to;
  }

  next(): number {
    const start = this.#at;
    if (start >= this.#to) return -1;
    const end = this.#pieceEnd(start);
    this.#at = end;
    return end;
  }

  /**
   * An ASCII letter or digit followed by ASCII white space: no piece holds white space after either, no rule looks back,
   * and what comes before does not depend on what follows.
   */
  safeBorder(bytes: Uint8Array, from: number, to: number): number {
    const ascii = this.#ascii;
    for (let at = Math.max(from, 1); at < to; at++) {
      const before = bytes[at - 1]!;
      const here = bytes[at]!;
      if (here < 0x80 && before < 0x80 && ascii[here]! & whiteSpace && ascii[before]! & (asciiLetter | number))
        return at;
    }
    return -1;
  }

  #pieceEnd(start: number): number {
    const bytes = this.#bytes;
    const to = this.#to;
    const lead = bytes[start]!;
    const first = this.#classAt(start);
    let at = start + utf8Length(lead);

    if (first & number) {
      for (let taken = 1; taken < 3 && at < to && this.#classAt(at) & number; taken++) at += utf8Length(bytes[at]!);
      return at;
    }
    const stage = first & kanaOrHan;
    if (first & asciiPunctuation && at < to && this.#classAt(at) & asciiLetter) {
      do at++;
      while (at < to && this.#classAt(at) & asciiLetter);
      return at;
    }
    if (first & letterOrMark) return this.#runEnd(at, letterOrMark, stage);
    if (!(first & (punctuation | newline)) && this.#continues(at, letterOrMark, stage)) {
      return this.#runEnd(at, letterOrMark, stage);
    }
    if (first & punctuation || (lead === space && this.#continues(at, punctuation, stage))) {
      at = this.#runEnd(at, punctuation, stage);
      while (stage === 0 && at < to && (bytes[at] === 0x0a || bytes[at] === 0x0d)) at++;
      return at;
    }
    if (first & whiteSpace) return this.#whiteSpaceEnd(start);
    // No rule begins here: the stretch goes on until one does.
    while (at < to) {
      const here = this.#classAt(at);
      const after = at + utf8Length(bytes[at]!);
      if (here !== stage || this.#continues(after, letterOrMark, stage)) break;
      at = after;
    }
    return at;
  }

  /** Rules d, e and f: through the last newline of the run; else all of it but a last character that something follows. */
  #whiteSpaceEnd(start: number): number {
    const bytes = this.#bytes;
    const to = this.#to;
    let at = start;
    let last = start;
    let afterNewline = -1;
    let following = 0;
    while (at < to) {
      following = this.#classAt(at);
      if (!(following & whiteSpace)) break;
      last = at;
      at += utf8Length(bytes[at]!);
      if (following & newline) afterNewline = at;
    }
    if (afterNewline >= 0) return afterNewline;
    const isStageEnd = at >= to || (following & (number | kanaOrHan)) !== 0;
    return isStageEnd || last === start ? at : last;
  }

  #continues(at: number, kind: number, stage: number): boolean {
    return at < this.#to && (this.#classAt(at) & (kind | kanaOrHan)) === (kind | stage);
  }

  #runEnd(from: number, kind: number, stage: number): number {
    const bytes = this.#bytes;
    const to = this.#to;
    const ascii = this.#ascii;
    let at = from;
    while (at < to) {
      const lead = bytes[at]!;
      if (lead < 0x80) {
        if (!(ascii[lead]! & kind) || stage !== 0) break;
        at++;
      } else {
        if ((this.#classAt(at) & (kind | kanaOrHan)) !== (kind | stage)) break;
        at += utf8Length(lead);
      }
    }
    return at;
  }

  #classAt(at: number): number {
    const lead = this.#bytes[at]!;
    return lead < 0x80 ? this.#ascii[lead]! : this.#classes.of(codePointAt(this.#bytes, at));
  }
}

/** Classes of all code points, in pages of 256 filled when first met. */
class CharacterClasses {
  readonly #pages: (Uint8Array | undefined)[] = new Array<Uint8Array | undefined>(0x1100);

  of(codePoint: number): number {
    return (this.#pages[codePoint >> 8] ?? this.page(codePoint >> 8))[codePoint & 0xff]!;
  }

  page(index: number): Uint8Array {
    const page = new Uint8Array(256);
    for (let low = 0; low < 256; low++) page[low] = classify((index << 8) | low);
    this.#pages[index] = page;
    return page;
  }
}

function classify(codePoint: number): number {
  const text = String.fromCodePoint(codePoint);
  let bits = 0;
  if (/[\p{L}\p{M}]/u.test(text)) bits |= letterOrMark;
  if (/[\p{P}\p{S}]/u.test(text)) bits |= punctuation;
  if (/\p{White_Space}/u.test(text)) bits |= whiteSpace; // not \s, which has U+FEFF and lacks U+0085
  if (/[\r\n]/.test(text)) bits |= newline;
  if (/\p{N}/u.test(text)) bits |= number;
  if (/[\u4e00-\u9fa5\u3040-\u30ff]/.test(text)) bits |= kanaOrHan;
  if (/[A-Za-z]/.test(text)) bits |= asciiLetter;
  if (codePoint < 0x80 && bits & punctuation) bits |= asciiPunctuation;
  return bits;
}

function utf8Length(lead: number): number {
  return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

function codePointAt(bytes: Uint8Array, at: number): number {
  const lead = bytes[at]!;
  if (lead < 0xe0) return ((lead & 0x1f) << 6) | (bytes[at + 1]! & 0x3f);
  if (lead < 0xf0) return ((lead & 0x0f) << 12) | ((bytes[at + 1]! & 0x3f) << 6) | (bytes[at + 2]! & 0x3f);
  return (
    ((lead & 0x07) << 18) | ((bytes[at + 1]! & 0x3f) << 12) | ((bytes[at + 2]! & 0x3f) << 6) | (bytes[at + 3]! & 0x3f)
  );
}
