/**
 * A value written as Python prints it: lists, dictionaries, strings, numbers, True, False and None. Some data sets keep nested rows as such
 * text, which is no JSON (strings stand between single quotes). Nothing is run: names, calls and operators are refused.
 */

/** @throws RangeError saying where the text is no plain value */
export function parsePythonLiteral(text: string): unknown {
  const reader = new Reader(text);
  const value = reader.value();
  reader.end();
  return value;
}

const escapes: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  a: "\x07",
  b: "\b",
  f: "\f",
  v: "\v",
  "\n": "",
};

class Reader {
  #at = 0;

  constructor(private readonly text: string) {}

  value(): unknown {
    this.#space();
    const char = this.text[this.#at] ?? "";
    if (char === "[") return this.#items("[", "]", () => this.value());
    if (char === "(") return this.#items("(", ")", () => this.value());
    if (char === "{") return Object.fromEntries(this.#items("{", "}", () => this.#entry()));
    if (char === "'" || char === '"') return this.#string(char);
    const word = /^(?:True|False|None)\b|^-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/.exec(this.text.slice(this.#at))?.[0];
    if (word === undefined) throw this.#refused("a list, dictionary, string, number, True, False or None");
    this.#at += word.length;
    if (word === "None") return null;
    return word === "True" || word === "False" ? word === "True" : Number(word);
  }

  end(): void {
    this.#space();
    if (this.#at < this.text.length) throw this.#refused("the end");
  }

  #items<T>(open: string, close: string, item: () => T): T[] {
    this.#take(open);
    const items: T[] = [];
    for (;;) {
      this.#space();
      if (this.text[this.#at] === close) break;
      if (items.length > 0) {
        this.#take(",");
        this.#space();
        if (this.text[this.#at] === close) break;
      }
      items.push(item());
    }
    this.#at++;
    return items;
  }

  #entry(): readonly [string, unknown] {
    const key = this.value();
    this.#space();
    this.#take(":");
    return [String(key), this.value()];
  }

  #string(quote: string): string {
    let out = "";
    for (this.#at++; this.text[this.#at] !== quote; this.#at++) {
      const char = this.text[this.#at];
      if (char === undefined) throw this.#refused(`a closing ${quote}`);
      out += char === "\\" ? this.#escape() : char;
    }
    this.#at++;
    return out;
  }

  /** From the backslash to the last character of the escape. */
  #escape(): string {
    const coded = /^\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/.exec(
      this.text.slice(this.#at, this.#at + 10),
    );
    if (coded) {
      this.#at += coded[0].length - 1;
      return String.fromCodePoint(Number.parseInt(coded[1] ?? coded[2] ?? coded[3] ?? "", 16));
    }
    const char = this.text[++this.#at] ?? "";
    if (/[0-9NxuU]/.test(char)) throw this.#refused("a known escape");
    return escapes[char] ?? (/['"\\]/.test(char) ? char : `\\${char}`);
  }

  #take(char: string): void {
    if (this.text[this.#at] !== char) throw this.#refused(`"${char}"`);
    this.#at++;
  }

  #space(): void {
    while (/\s/.test(this.text[this.#at] ?? "")) this.#at++;
  }

  #refused(expected: string): RangeError {
    const found = this.text.slice(this.#at, this.#at + 20);
    return new RangeError(`Python value: expected ${expected} at character ${this.#at}, got ${JSON.stringify(found)}`);
  }
}
