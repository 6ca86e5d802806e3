/**
 * Reads cleaned mathematics as an expression: numbers, letters, the four operations with and without a sign for the product, powers, roots,
 * fractions, and the usual functions. What it does not understand it refuses (NotMaths), and other comparisons are left.
 */
import { add, decimal, fraction, integer, type Rational } from "./rational.js";

export type Expression =
  | { readonly kind: "number"; readonly value: Rational; readonly isDecimal: boolean }
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "constant"; readonly name: "pi" | "e" | "i" | "infinity" }
  | { readonly kind: "sum" | "product"; readonly items: readonly Expression[] }
  | { readonly kind: "quotient" | "power"; readonly left: Expression; readonly right: Expression }
  | { readonly kind: "negative"; readonly of: Expression }
  | { readonly kind: "call"; readonly name: FunctionName; readonly args: readonly Expression[] };

export class NotMaths extends Error {}

const functions = [
  ...["sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"],
  ...["ln", "log", "exp", "sqrt", "root", "abs", "floor", "ceil", "factorial", "binomial"],
] as const;
export type FunctionName = (typeof functions)[number];
const named: ReadonlySet<string> = new Set(functions.slice(0, functions.indexOf("sqrt") + 1));

const greek = new Set(
  (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau upsilon phi varphi" +
    " chi psi omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega ell"
  ).split(" "),
);
/** Longer names of units are words anyway. */
const shortUnits = new Set(
  "cm mm km nm ft in yd mi kg mg lb oz ml mL dL hr min sec ms mph kmh kph Hz kW kJ".split(" "),
);

/** More than any answer; whatever is longer is compared as text. */
const maxLength = 1000;
const maxDepth = 60;

interface Token {
  readonly kind: "number" | "letter" | "word" | "command" | "sign";
  readonly text: string;
}

/** @throws NotMaths */
export function parseExpression(text: string): Expression {
  if (text.length > maxLength) throw new NotMaths(`longer than ${maxLength} characters`);
  const parser = new Parser(tokensOf(text));
  return parser.all();
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = /\s+|(\d+(?:\.\d*)?|\.\d+)|"([^"]*)"|\\([a-zA-Z]+|.)|([A-Za-z]+)|([\p{L}]+)|(.)/gsu;
  for (const [, number, quoted, command, letters, script, sign] of text.matchAll(pattern)) {
    if (number !== undefined) tokens.push({ kind: "number", text: number });
    else if (quoted !== undefined) tokens.push({ kind: "word", text: quoted });
    else if (command !== undefined) tokens.push({ kind: "command", text: command });
    else if (script !== undefined) tokens.push({ kind: "word", text: script });
    else if (sign !== undefined) tokens.push({ kind: "sign", text: sign });
    else if (letters !== undefined) tokens.push(...lettersOf(letters, /[\\^_{]/.test(text) ? 4 : 2));
  }
  return tokens;
}

/**
 * A run of letters: a function, a Greek letter, a unit, a word, or a product of letters.
 * @param maxFactors longest product; longer in what is plainly typed as mathematics
 */
function lettersOf(letters: string, maxFactors: number): Token[] {
  if (named.has(letters) || greek.has(letters) || letters === "pi") return [{ kind: "command", text: letters }];
  if (letters === "infinity" || letters === "inf") return [{ kind: "command", text: "infty" }];
  if (letters.length > maxFactors || shortUnits.has(letters) || /^(no|yes|true|false)$/i.test(letters))
    return [{ kind: "word", text: letters }];
  return [...letters].map((text) => ({ kind: "letter", text }));
}

class Parser {
  readonly #tokens: Token[];
  #at = 0;
  #depth = 0;
  /** Bars that are open: the next one closes. */
  #bars = 0;

  constructor(tokens: Token[]) {
    this.#tokens = tokens;
  }

  all(): Expression {
    const result = this.#sum();
    this.#skipUnit();
    if (this.#at < this.#tokens.length) throw this.#error();
    return result;
  }

  #peek(ahead = 0): Token | undefined {
    return this.#tokens[this.#at + ahead];
  }

  #is(text: string, ahead = 0): boolean {
    const token = this.#peek(ahead);
    return token?.kind === "sign" && token.text === text;
  }

  #isCommand(...names: readonly string[]): boolean {
    const token = this.#peek();
    return token?.kind === "command" && names.includes(token.text);
  }

  #take(text: string): boolean {
    if (!this.#is(text)) return false;
    this.#at++;
    return true;
  }

  #expect(text: string): void {
    if (!this.#take(text)) throw this.#error(text);
  }

  #error(expected = ""): NotMaths {
    const token = this.#peek();
    return new NotMaths(`${expected === "" ? "" : `expected ${expected}, `}got ${token?.text ?? "the end"}`);
  }

  /** Words after a value: `5 apples`, `3 cm^2`, `60 km / hr`. */
  #skipUnit(): void {
    while (this.#peek()?.kind === "word") {
      this.#at++;
      if (this.#take("^")) this.#exponent();
      if (this.#is("/") && this.#peek(1)?.kind === "word") this.#at++;
    }
  }

  #sum(): Expression {
    if (++this.#depth > maxDepth) throw new NotMaths(`nested more than ${maxDepth} deep`);
    const items = [this.#product()];
    for (;;) {
      if (this.#take("+")) items.push(this.#product());
      else if (this.#take("-")) items.push({ kind: "negative", of: this.#product() });
      else break;
    }
    this.#depth--;
    return items.length === 1 && items[0] ? items[0] : { kind: "sum", items };
  }

  #product(): Expression {
    let result = this.#signed();
    for (;;) {
      if (this.#take("*") || this.#takeCommand("cdot", "times", "ast")) result = productOf(result, this.#signed());
      else if (this.#take("/") || this.#takeCommand("div"))
        result = { kind: "quotient", left: result, right: this.#signed() };
      else if (this.#startsAtom()) result = this.#juxtaposed(result);
      else return result;
    }
  }

  /** A value right after another: a mixed number (`1\frac{1}{2}`, `1 1/2`), or a product. */
  #juxtaposed(left: Expression): Expression {
    const isWhole = left.kind === "number" && !left.isDecimal && left.value.denominator === 1n;
    if (this.#peek()?.kind === "number") {
      const [top, bottom] = [this.#peek(), this.#peek(2)];
      if (!isWhole || !this.#is("/", 1) || bottom?.kind !== "number") throw new NotMaths("two numbers side by side");
      this.#at += 3;
      return mixed(left, decimal(top?.text ?? ""), decimal(bottom.text));
    }
    const isFraction = this.#isCommand("frac");
    const right = this.#power();
    if (isWhole && isFraction && right.kind === "quotient") {
      const { left: top, right: bottom } = right;
      if (top.kind === "number" && bottom.kind === "number") return mixed(left, top.value, bottom.value);
    }
    return productOf(left, right);
  }

  #takeCommand(...names: readonly string[]): boolean {
    if (!this.#isCommand(...names)) return false;
    this.#at++;
    return true;
  }

  #startsAtom(): boolean {
    const token = this.#peek();
    if (token === undefined || token.kind === "word") return false;
    if (token.kind === "sign")
      return token.text === "(" || token.text === "[" || token.text === "{" || (token.text === "|" && this.#bars === 0);
    if (token.kind !== "command") return true;
    return (
      named.has(token.text) ||
      greek.has(token.text) ||
      ["pi", "infty", "frac", "binom", "lfloor", "lceil", "lvert"].includes(token.text)
    );
  }

  #signed(): Expression {
    let isNegative = false;
    for (;;) {
      if (this.#take("-")) isNegative = !isNegative;
      else if (!this.#take("+")) break;
    }
    const value = this.#power();
    return isNegative ? { kind: "negative", of: value } : value;
  }

  #power(): Expression {
    let base = this.#atom();
    for (;;) {
      if (this.#take("!")) base = { kind: "call", name: "factorial", args: [base] };
      else if (this.#take("^")) base = { kind: "power", left: base, right: this.#exponent() };
      else return base;
    }
  }

  #exponent(): Expression {
    if (++this.#depth > maxDepth) throw new NotMaths(`nested more than ${maxDepth} deep`);
    const isNegative = this.#take("-");
    const value = this.#is("^", 1) ? this.#power() : this.#atom();
    this.#depth--;
    return isNegative ? { kind: "negative", of: value } : value;
  }

  #atom(): Expression {
    const token = this.#peek();
    if (token === undefined) throw this.#error();
    this.#at++;
    if (token.kind === "number") return this.#number(token.text);
    if (token.kind === "letter") return this.#letter(token.text);
    if (token.kind === "command") return this.#command(token.text);
    if (token.kind === "sign") {
      const close = { "(": ")", "[": "]", "{": "}" }[token.text];
      if (close !== undefined) return this.#until(close);
      if (token.text === "|") {
        this.#bars++;
        const inner = this.#until("|");
        this.#bars--;
        return { kind: "call", name: "abs", args: [inner] };
      }
    }
    this.#at--;
    throw this.#error("a value");
  }

  #until(close: string): Expression {
    const inner = this.#sum();
    this.#expect(close);
    return inner;
  }

  #number(text: string): Expression {
    const isDecimal = text.includes(".");
    const value = decimal(text);
    if (value === null) throw new NotMaths(`the number ${text.slice(0, 20)} is too long`);
    if (isDecimal && this.#takeCommand("overline")) return this.#repeating(text, value);
    // 101_2: a numeral in another base is a name of its own, not a value to be compared with others.
    if (this.#take("_")) return { kind: "variable", name: `${text}_${this.#subscript()}` };
    return { kind: "number", value, isDecimal };
  }

  /** `0.1\overline{6}`: exactly what it means. */
  #repeating(text: string, start: Rational): Expression {
    this.#expect("{");
    const digits = this.#peek()?.text ?? "";
    this.#at++;
    this.#expect("}");
    if (!/^\d{1,50}$/.test(digits)) throw new NotMaths(`the repeating digits ${digits.slice(0, 20)}`);
    const places = BigInt(text.length - text.indexOf(".") - 1);
    const tail = fraction(BigInt(digits), (10n ** BigInt(digits.length) - 1n) * 10n ** places);
    const value = tail && add(start, tail);
    if (value === null) throw new NotMaths("a repeating decimal that is too long");
    return { kind: "number", value, isDecimal: false };
  }

  #letter(text: string): Expression {
    if (this.#take("_")) return { kind: "variable", name: `${text}_${this.#subscript()}` };
    if (text === "e" || text === "i") return { kind: "constant", name: text };
    return { kind: "variable", name: text };
  }

  #subscript(): string {
    if (!this.#take("{")) {
      const token = this.#peek();
      if (token === undefined || token.kind === "sign") throw this.#error("an index");
      this.#at++;
      return token.text;
    }
    let name = "";
    for (let token = this.#peek(); token !== undefined && !this.#is("}"); token = this.#peek()) {
      name += token.text;
      this.#at++;
    }
    this.#expect("}");
    return name;
  }

  #command(name: string): Expression {
    if (name === "pi") return { kind: "constant", name };
    if (name === "infty") return { kind: "constant", name: "infinity" };
    if (name === "frac") return { kind: "quotient", left: this.#argument(), right: this.#argument() };
    if (name === "binom") return { kind: "call", name: "binomial", args: [this.#argument(), this.#argument()] };
    if (name === "sqrt") {
      const degree = this.#take("[") ? this.#until("]") : null;
      const inner = this.#argument();
      return degree === null
        ? { kind: "call", name, args: [inner] }
        : { kind: "call", name: "root", args: [inner, degree] };
    }
    const close = { lfloor: "rfloor", lceil: "rceil", lvert: "rvert", "|": "|" }[name];
    if (close !== undefined) {
      const inner = this.#sum();
      if (!this.#takeCommand(close)) throw this.#error(`\\${close}`);
      return { kind: "call", name: name === "lfloor" ? "floor" : name === "lceil" ? "ceil" : "abs", args: [inner] };
    }
    if (named.has(name)) return this.#function(name as FunctionName);
    if (greek.has(name)) return this.#letter(name);
    this.#at--;
    throw this.#error("a value");
  }

  /** What `\frac` and `\sqrt` take: a group, or one digit or letter. */
  #argument(): Expression {
    const token = this.#peek();
    if (token?.kind !== "number" || !/^\d\d/.test(token.text)) return this.#atom();
    // \frac12: the first digit alone; the rest stays for what comes next.
    const [first, rest] = [token.text.slice(0, 1), token.text.slice(1)];
    this.#tokens.splice(this.#at, 1, { kind: "number", text: first }, { kind: "number", text: rest });
    return this.#atom();
  }

  /** `\sin x`, `\sin^2 x`, `\sin^{-1} x`, `\log_2 8`; without brackets the argument is the product that follows. */
  #function(name: FunctionName): Expression {
    const base = name === "log" && this.#take("_") ? this.#argument() : null;
    let exponent = this.#take("^") ? this.#exponent() : null;
    let called = name;
    if (exponent?.kind === "negative" && exponent.of.kind === "number" && exponent.of.value.numerator === 1n) {
      const inverse = `arc${name}`;
      if (!named.has(inverse)) throw new NotMaths(`${name} to the power -1`);
      called = inverse as FunctionName;
      exponent = null;
    }
    const argument = this.#functionArgument();
    const call: Expression = { kind: "call", name: called, args: base === null ? [argument] : [argument, base] };
    return exponent === null ? call : { kind: "power", left: call, right: exponent };
  }

  #functionArgument(): Expression {
    if (this.#is("(") || this.#is("{") || this.#is("[")) return this.#power();
    let result = this.#signed();
    while (
      this.#startsAtom() &&
      !(this.#peek()?.kind === "command" && named.has(this.#peek()?.text ?? "")) &&
      !this.#is("(")
    ) {
      result = productOf(result, this.#power());
    }
    return result;
  }
}

function productOf(left: Expression, right: Expression): Expression {
  return { kind: "product", items: left.kind === "product" ? [...left.items, right] : [left, right] };
}

function mixed(whole: Expression, top: Rational | null, bottom: Rational | null): Expression {
  const part = top && bottom && fraction(top.numerator * bottom.denominator, top.denominator * bottom.numerator);
  const value = part && add(whole.kind === "number" ? whole.value : integer(0), part);
  if (value === null) throw new NotMaths("a mixed number with denominator 0");
  return { kind: "number", value, isDecimal: false };
}

/** Names of the letters in it, sorted. */
export function variablesOf(expression: Expression): string[] {
  const names = new Set<string>();
  const visit = (part: Expression): void => {
    switch (part.kind) {
      case "variable":
        names.add(part.name);
        break;
      case "sum":
      case "product":
        part.items.forEach(visit);
        break;
      case "quotient":
      case "power":
        visit(part.left);
        visit(part.right);
        break;
      case "negative":
        visit(part.of);
        break;
      case "call":
        part.args.forEach(visit);
    }
  };
  visit(expression);
  return [...names].sort();
}
