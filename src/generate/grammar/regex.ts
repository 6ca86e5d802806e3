/**
 * Regular expressions as automata: the part of JavaScript's syntax that describes regular languages. Groups only group; `^` and `$` stand at the
 * ends alone, since a pattern here always describes the whole text. No back-references, no look-around, no word borders.
 */
import { choice, type Fragment, optional, repeat, sequence } from "./automaton.js";
import { allCharacters, type CodePointRange, characters, common, complement } from "./characters.js";

const digits: readonly CodePointRange[] = [[0x30, 0x39]];
const word: readonly CodePointRange[] = [...digits, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
const space: readonly CodePointRange[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x2028, 0x2029],
  [0xfeff, 0xfeff],
];
const lineEnds: readonly CodePointRange[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
];
const classes: Readonly<Record<string, readonly CodePointRange[]>> = {
  d: digits,
  D: complement(digits),
  w: word,
  W: complement(word),
  s: space,
  S: complement(space),
};
const controls: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11, "0": 0 };

export const maxPatternLength = 10_000;
export const maxRepeats = 1000;
const maxNesting = 100;

/** @param within the only characters that texts may have @throws RangeError that shows the place in the pattern */
export function regex(pattern: string, within: readonly CodePointRange[] = allCharacters): Fragment {
  if (pattern.length > maxPatternLength) {
    throw new RangeError(`the pattern has ${pattern.length} characters; at most ${maxPatternLength} are allowed`);
  }
  return new Parser(pattern, within).parse();
}

class Parser {
  readonly #pattern: string;
  readonly #within: readonly CodePointRange[];
  readonly #symbols: readonly string[];
  #at = 0;
  #nesting = 0;

  constructor(pattern: string, within: readonly CodePointRange[]) {
    this.#pattern = pattern;
    this.#within = within;
    this.#symbols = Array.from(pattern);
  }

  parse(): Fragment {
    if (this.#peek() === "^") this.#at++;
    const result = this.#alternatives();
    if (this.#at < this.#symbols.length) this.#refuse(`unexpected ${this.#peek()}`);
    return result;
  }

  #alternatives(): Fragment {
    if (++this.#nesting > maxNesting) this.#refuse(`groups nested more than ${maxNesting} deep`);
    const parts = [this.#terms()];
    while (this.#peek() === "|") {
      this.#at++;
      parts.push(this.#terms());
    }
    this.#nesting--;
    return parts.length === 1 && parts[0] ? parts[0] : choice(...parts);
  }

  #terms(): Fragment {
    const parts: Fragment[] = [];
    for (let next = this.#peek(); next !== "" && next !== "|" && next !== ")"; next = this.#peek()) {
      if (next === "$" && this.#at === this.#symbols.length - 1) {
        this.#at++;
        break;
      }
      parts.push(this.#quantified());
    }
    return sequence(...parts);
  }

  #quantified(): Fragment {
    const atom = this.#atom();
    const mark = this.#peek();
    let result = atom;
    if (mark === "*") result = repeat(atom, 0, null);
    else if (mark === "+") result = repeat(atom, 1, null);
    else if (mark === "?") result = optional(atom);
    else if (mark === "{") return this.#counted(atom);
    else return atom;
    this.#at++;
    this.#skipLazyMark();
    return result;
  }

  #counted(atom: Fragment): Fragment {
    const rest = this.#symbols.slice(this.#at).join("");
    const found = /^\{(\d+)(,(\d*))?\}/.exec(rest);
    if (!found) this.#refuse("{ that is no count; write \\{ for the character");
    const least = Number(found[1]);
    const most = found[2] === undefined ? least : found[3] === "" ? null : Number(found[3]);
    if (least > maxRepeats || (most ?? 0) > maxRepeats) this.#refuse(`a count above ${maxRepeats}`);
    if (most !== null && most < least) this.#refuse(`the count {${least},${most}} is empty`);
    this.#at += found[0].length;
    this.#skipLazyMark();
    return repeat(atom, least, most);
  }

  /** Laziness changes what a search finds, not which texts match. */
  #skipLazyMark(): void {
    if (this.#peek() === "?") this.#at++;
  }

  #atom(): Fragment {
    const symbol = this.#take();
    switch (symbol) {
      case "(":
        return this.#group();
      case "[":
        return this.#oneOf(this.#set());
      case ".":
        return this.#oneOf(complement(lineEnds));
      case "\\":
        return this.#oneOf(this.#escape());
      case "*":
      case "+":
      case "?":
      case "{":
        return this.#refuse(`${symbol} with nothing to repeat`);
      case "^":
      case "$":
        return this.#refuse(`${symbol} inside the pattern; it always describes the whole text`);
      default: {
        const point = symbol.codePointAt(0) ?? 0;
        return this.#oneOf([[point, point]]);
      }
    }
  }

  #oneOf(ranges: readonly CodePointRange[]): Fragment {
    const kept = common(ranges, this.#within);
    if (kept.length === 0) this.#refuse("a set without characters that are allowed here");
    return characters(kept);
  }

  #group(): Fragment {
    if (this.#peek() === "?") {
      const rest = this.#symbols.slice(this.#at).join("");
      const found = /^\?(:|<[A-Za-z_]\w*>)/.exec(rest);
      if (!found) this.#refuse("look-around, which is not regular");
      this.#at += Array.from(found[0]).length;
    }
    const inner = this.#alternatives();
    if (this.#take() !== ")") this.#refuse("( without )");
    return inner;
  }

  #set(): CodePointRange[] {
    const isNegated = this.#peek() === "^";
    if (isNegated) this.#at++;
    const ranges: CodePointRange[] = [];
    for (;;) {
      const symbol = this.#take();
      if (symbol === "") this.#refuse("[ without ]");
      if (symbol === "]") break;
      const first = symbol === "\\" ? this.#escape() : single(symbol);
      const isRange = this.#peek() === "-" && this.#symbols[this.#at + 1] !== "]";
      if (!isRange) {
        ranges.push(...first);
        continue;
      }
      this.#at++;
      const end = this.#take();
      const last = end === "\\" ? this.#escape() : single(end);
      const [low, high] = [first[0]?.[0] ?? 0, last[0]?.[1] ?? 0];
      if (first.length !== 1 || last.length !== 1 || low !== first[0]?.[1] || high < low) {
        this.#refuse("a range in [] whose ends are not two characters in order");
      }
      ranges.push([low, high]);
    }
    return isNegated ? complement(ranges) : ranges;
  }

  #escape(): readonly CodePointRange[] {
    const symbol = this.#take();
    if (symbol === "") this.#refuse("\\ at the end");
    const named = classes[symbol];
    if (named) return named;
    const control = controls[symbol];
    if (control !== undefined) return [[control, control]];
    if (symbol === "x" || symbol === "u") {
      const rest = this.#symbols.slice(this.#at).join("");
      const found = (symbol === "x" ? /^([0-9a-fA-F]{2})/ : /^(?:([0-9a-fA-F]{4})|\{([0-9a-fA-F]{1,6})\})/).exec(rest);
      if (!found) this.#refuse(`\\${symbol} without its digits`);
      this.#at += found[0].length;
      const point = Number.parseInt(found[1] ?? found[2] ?? "", 16);
      if (point > 0x10ffff) this.#refuse("a code point above 10FFFF");
      return [[point, point]];
    }
    if (/[A-Za-z0-9]/.test(symbol)) this.#refuse(`\\${symbol}, which is not known here`);
    return single(symbol);
  }

  #peek(): string {
    return this.#symbols[this.#at] ?? "";
  }

  #take(): string {
    const symbol = this.#peek();
    if (symbol !== "") this.#at++;
    return symbol;
  }

  #refuse(what: string): never {
    throw new RangeError(`pattern ${JSON.stringify(this.#pattern)}: ${what} (character ${this.#at + 1})`);
  }
}

function single(symbol: string): CodePointRange[] {
  const point = symbol.codePointAt(0) ?? 0;
  return [[point, point]];
}
