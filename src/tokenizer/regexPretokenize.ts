/**
 * Pre-tokenizers of other byte-level-BPE files (GPT-2, Llama 3, Qwen, older DeepSeek models): the stages that
 * tokenizer.json lists, run with JavaScript regular expressions translated from the Oniguruma syntax of the file.
 * DeepSeek-V3's own stages are recognised and get the fast scanner of pretokenize.ts. What cannot be translated exactly
 * is refused with its text. Deviation: a rule that keeps only its matches ("Removed", inverted) drops no text here.
 */
import { DeepSeekPretokenizer, deepSeekSplitPatterns, type Pretokenizer } from "./pretokenize.js";

/**
 * Checks the `pre_tokenizer` of a tokenizer.json.
 * @returns a maker of pre-tokenizers; each encoder needs its own
 * @throws RangeError naming file and key for what is not supported
 */
export function readPretokenizer(value: unknown, file: string): () => Pretokenizer {
  const stages = readStages(value, file, "pre_tokenizer");
  if (!stages.some((stage) => stage === "bytes")) {
    throw new RangeError(`${file}: pre_tokenizer: expected a ByteLevel stage, found none`);
  }
  const patterns = stages.filter((stage) => stage !== "bytes");
  const isDeepSeek =
    patterns.length === deepSeekSplitPatterns.length &&
    patterns.every((pattern, i) => spelledOut(pattern.source) === spelledOut(deepSeekSplitPatterns[i]!));
  if (isDeepSeek) return () => new DeepSeekPretokenizer();
  const regexes = patterns.map(({ source, key }) => translateRegex(source, `${file}: ${key}`));
  return () => new RegexPretokenizer(regexes);
}

/**
 * An Oniguruma (Ruby syntax) pattern as a global JavaScript expression: \s is White_Space, ^ and $ stand at lines,
 * `(?i:...)` becomes classes of both cases.
 * @param where opens the error message
 * @throws RangeError for a construct without an exact equal
 */
export function translateRegex(pattern: string, where: string): RegExp {
  const fail = (what: string): never => {
    throw new RangeError(`${where}: cannot translate ${what} of ${JSON.stringify(pattern)}`);
  };
  let out = "";
  let inClass = false;
  const ignoresCase: boolean[] = [false]; // by depth of groups
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i]!;
    const rest = pattern.slice(i);
    if (character === "\\") {
      const escaped =
        /^\\(?:[pP]\{\^?\w+\}|x\{[0-9a-fA-F]+\}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[\s\S])/u.exec(rest)?.[0] ?? "\\";
      out += translateEscape(escaped, inClass) ?? fail(escaped);
      i += escaped.length - 1;
    } else if (inClass) {
      if (character === "[" || rest.startsWith("&&")) fail("a class inside a class");
      if (character === "]") inClass = false;
      out += ignoresCase.at(-1) && /[A-Za-z-]/.test(character) ? fail("a class under (?i:") : character;
    } else if (character === "[") {
      inClass = true;
      out += character;
      if (pattern[i + 1] === "^") {
        out += "^";
        i++;
      }
      if (pattern[i + 1] === "]") {
        out += "\\]";
        i++;
      }
    } else if (character === "(") {
      const opening = /^\((?:\?(?:i:|:|=|!|<=|<!))?/.exec(rest)![0];
      if (opening === "(" && pattern[i + 1] === "?") fail(rest.slice(0, 4));
      ignoresCase.push(opening === "(?i:" || ignoresCase.at(-1)!);
      out += opening === "(?i:" ? "(?:" : opening;
      i += opening.length - 1;
    } else if (character === ")") {
      ignoresCase.pop();
      out += character;
    } else if (character === "^") out += "(?<![^\\n])";
    else if (character === "$") out += "(?![^\\n])";
    else if (character === ".") out += "[^\\n]";
    else if (/^[?*+}]\+/.test(rest)) fail("a possessive quantifier");
    else out += ignoresCase.at(-1) ? bothCases(character) : character;
  }
  try {
    return new RegExp(out, "gu");
  } catch (error) {
    throw new RangeError(`${where}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

interface SplitRule {
  readonly source: string;
  readonly key: string;
}

/** Rule of a ByteLevel stage with `use_regex`: GPT-2's. */
const gpt2Pattern = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

class RegexPretokenizer implements Pretokenizer {
  readonly #rules: readonly RegExp[];
  #ends: number[] = [];
  #at = 0;

  constructor(rules: readonly RegExp[]) {
    this.#rules = rules;
  }

  begin(bytes: Uint8Array, from: number, to: number): void {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString("utf8");
    let pieces = text === "" ? [] : [text];
    for (const rule of this.#rules) pieces = pieces.flatMap((piece) => split(piece, rule));
    let end = from;
    this.#ends = pieces.map((piece) => {
      end += Buffer.byteLength(piece, "utf8");
      return end;
    });
    this.#at = 0;
  }

  next(): number {
    return this.#ends[this.#at++] ?? -1;
  }

  /** Nothing is known about where an arbitrary rule lets a text be cut. */
  safeBorder(): number {
    return -1;
  }
}

function split(piece: string, rule: RegExp): string[] {
  const parts: string[] = [];
  let at = 0;
  for (const match of piece.matchAll(rule)) {
    if (match[0] === "") continue;
    if (match.index > at) parts.push(piece.slice(at, match.index));
    parts.push(match[0]);
    at = match.index + match[0].length;
  }
  if (at < piece.length) parts.push(piece.slice(at));
  return parts;
}

function readStages(value: unknown, file: string, key: string): (SplitRule | "bytes")[] {
  const refuse = (name: string, expected: string, got: unknown): never => {
    throw new RangeError(`${file}: ${key}${name}: expected ${expected}, got ${JSON.stringify(got) ?? "nothing"}`);
  };
  if (typeof value !== "object" || value === null) return refuse("", "an object", value);
  const stage = value as Record<string, unknown>;
  switch (stage.type) {
    case "Sequence": {
      const inner = stage.pretokenizers;
      if (!Array.isArray(inner)) return refuse(".pretokenizers", "a list", inner);
      return inner.flatMap((item: unknown, i) => readStages(item, file, `${key}.pretokenizers[${i}]`));
    }
    case "ByteLevel":
      if (stage.add_prefix_space === true) refuse(".add_prefix_space", "false", true);
      return stage.use_regex === false ? ["bytes"] : [{ source: gpt2Pattern, key }, "bytes"];
    case "Digits":
      return [{ source: stage.individual_digits === true ? "\\p{N}" : "\\p{N}+", key }];
    case "Punctuation":
      if ((stage.behavior ?? "Isolated") !== "Isolated") refuse(".behavior", "Isolated", stage.behavior);
      return [{ source: "[\\p{P}$+<=>^`|~]", key }];
    case "Split": {
      const isolates = stage.behavior === "Isolated" || (stage.behavior === "Removed" && stage.invert === true);
      if (!isolates) refuse(".behavior", "Isolated, or Removed and inverted", stage.behavior);
      const pattern = (stage.pattern ?? {}) as Record<string, unknown>;
      if (typeof pattern.Regex === "string") return [{ source: pattern.Regex, key: `${key}.pattern.Regex` }];
      if (typeof pattern.String !== "string" || pattern.String === "") {
        return refuse(".pattern", "{Regex} or {String}", stage.pattern);
      }
      return [{ source: pattern.String.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"), key: `${key}.pattern.String` }];
    }
    default:
      return refuse(".type", "Sequence, Split, ByteLevel, Digits or Punctuation", stage.type);
  }
}

/** One escape of the source, or null if it has no equal here. */
function translateEscape(escaped: string, inClass: boolean): string | null {
  const letter = escaped[1];
  switch (letter) {
    case undefined:
      return null;
    case "s":
      return "\\p{White_Space}";
    case "S":
      return "\\P{White_Space}";
    case "d":
      return "\\p{Nd}";
    case "D":
      return "\\P{Nd}";
    case "w":
      return inClass ? wordProperties : `[${wordProperties}]`;
    case "W":
      return inClass ? null : `[^${wordProperties}]`;
    case "n":
    case "r":
    case "t":
    case "f":
    case "v":
      return escaped;
    case "p":
    case "P": {
      if (escaped.length === 2) return null;
      const isNegated = escaped[3] === "^" ? letter === "p" : letter === "P";
      return `\\${isNegated ? "P" : "p"}{${escaped.slice(escaped[3] === "^" ? 4 : 3, -1)}}`;
    }
    case "x":
    case "u":
      return escaped.length === 2 ? null : escaped.startsWith("\\x{") ? `\\u${escaped.slice(2)}` : escaped;
    default:
      // An escaped punctuation character or blank means itself; an unknown letter or digit means something else there.
      return /[A-Za-z0-9]/.test(letter) ? null : `\\u{${letter.codePointAt(0)!.toString(16)}}`;
  }
}

const wordProperties = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";

/** Case folding of Unicode knows two letters beyond ASCII that fold to ASCII ones: the long s and the Kelvin sign. */
function bothCases(character: string): string {
  if (!/[A-Za-z]/.test(character)) return character;
  const lower = character.toLowerCase();
  const extra = lower === "s" ? "\u017f" : lower === "k" ? "\u212a" : "";
  return `[${lower}${lower.toUpperCase()}${extra}]`;
}

/** The same pattern with CR and LF written as escapes, so that both spellings compare equal. */
function spelledOut(pattern: string): string {
  return pattern.replaceAll("\r", "\\r").replaceAll("\n", "\\n");
}
