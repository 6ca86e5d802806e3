/**
 * JSON of files from outside where two entries of one name would hide a tensor: an object with a repeated key is refused, and nesting is
 * limited so that a hostile header cannot exhaust the stack. What single strings and numbers may look like is left to JSON.parse.
 */
const deepest = 16;

/** Objects come without a prototype, so that no key has a meaning of its own. @throws SyntaxError with the offset in the text */
export function parseStrictJson(text: string): unknown {
  const parser = new Parser(text);
  const value = parser.value(0);
  parser.space();
  if (parser.at < text.length) throw parser.error("expected the end");
  return value;
}

const [tab, newline, carriageReturn, space, quote, backslash] = [9, 10, 13, 32, 34, 92];

class Parser {
  at = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  error(what: string): SyntaxError {
    return new SyntaxError(`${what} at offset ${this.at}`);
  }

  space(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.at);
      if (code !== space && code !== newline && code !== carriageReturn && code !== tab) return;
      this.at++;
    }
  }

  value(depth: number): unknown {
    if (depth > deepest) throw this.error(`nested deeper than ${deepest} levels`);
    this.space();
    const next = this.#text[this.at];
    if (next === "{") return this.#object(depth);
    if (next === "[") return this.#array(depth);
    if (next === '"') return this.#string();
    return this.#scalar();
  }

  #object(depth: number): Record<string, unknown> {
    const result: Record<string, unknown> = Object.create(null);
    const seen = new Set<string>();
    this.at++;
    this.space();
    if (this.#text[this.at] === "}") {
      this.at++;
      return result;
    }
    for (;;) {
      this.space();
      if (this.#text[this.at] !== '"') throw this.error("expected a key");
      const key = this.#string();
      if (seen.has(key)) throw this.error(`key ${JSON.stringify(key)} appears twice`);
      seen.add(key);
      this.space();
      if (this.#text[this.at] !== ":") throw this.error('expected ":"');
      this.at++;
      result[key] = this.value(depth + 1);
      if (this.#ends("}")) return result;
    }
  }

  #array(depth: number): unknown[] {
    const result: unknown[] = [];
    this.at++;
    this.space();
    if (this.#text[this.at] === "]") {
      this.at++;
      return result;
    }
    for (;;) {
      result.push(this.value(depth + 1));
      if (this.#ends("]")) return result;
    }
  }

  /** After a member: a comma, or the closing bracket. */
  #ends(close: string): boolean {
    this.space();
    const next = this.#text[this.at];
    if (next !== "," && next !== close) throw this.error(`expected "," or "${close}"`);
    this.at++;
    return next === close;
  }

  #string(): string {
    const begin = this.at;
    let isPlain = true;
    for (this.at++; ; this.at++) {
      const code = this.#text.charCodeAt(this.at);
      if (code === quote) break;
      if (Number.isNaN(code)) throw this.error("string without an end");
      if (code === backslash) this.at++;
      if (code === backslash || code < space) isPlain = false;
    }
    this.at++;
    if (isPlain) return this.#text.slice(begin + 1, this.at - 1);
    return String(this.#parsed(begin));
  }

  #scalar(): unknown {
    const begin = this.at;
    while (/[-+.\w]/.test(this.#text[this.at] ?? "")) this.at++;
    if (this.at === begin) throw this.error("expected a value");
    return this.#parsed(begin);
  }

  #parsed(begin: number): unknown {
    try {
      return JSON.parse(this.#text.slice(begin, this.at));
    } catch {
      throw this.error(`malformed ${JSON.stringify(this.#text.slice(begin, Math.min(this.at, begin + 40)))}`);
    }
  }
}
