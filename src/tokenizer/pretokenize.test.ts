import fc from "fast-check";
import { expect, test } from "vitest";
import { DeepSeekPretokenizer } from "./pretokenize.js";

/** The three stages as regular expressions; \s is spelled out because JavaScript's differs from the reference engine's. */
const stages = [
  /\p{N}{1,3}/gu,
  /[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+/gu,
  /[!"#$%&'()*+,\-./:;<=>?@[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\p{White_Space}*[\r\n]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu,
];

function splitByRegex(text: string): string[] {
  let pieces = text === "" ? [] : [text];
  for (const stage of stages) {
    pieces = pieces.flatMap((piece) => {
      const parts: string[] = [];
      let at = 0;
      for (const match of piece.matchAll(stage)) {
        if (match.index > at) parts.push(piece.slice(at, match.index));
        parts.push(match[0]);
        at = match.index + match[0].length;
      }
      if (at < piece.length) parts.push(piece.slice(at));
      return parts;
    });
  }
  return pieces;
}

const scanner = new DeepSeekPretokenizer();

function split(text: string): string[] {
  const bytes = new TextEncoder().encode(text);
  const pieces: string[] = [];
  scanner.begin(bytes, 0, bytes.length);
  for (let from = 0, to = scanner.next(); to >= 0; from = to, to = scanner.next()) {
    pieces.push(Buffer.from(bytes.subarray(from, to)).toString("utf8"));
  }
  return pieces;
}

const worked: readonly (readonly [string, readonly string[]])[] = [
  ["Hello, world!", ["Hello", ",", " world", "!"]],
  ["it's don't I'LL", ["it", "'s", " don", "'t", " I", "'LL"]],
  ["x = 1234567;\n\n  return y", ["x", " =", " ", "123", "456", "7", ";\n\n", " ", " return", " y"]],
  [" 12345 3.14159", [" ", "123", "45", " ", "3", ".", "141", "59"]],
  ["a  b   c\n", ["a", " ", " b", "  ", " c", "\n"]],
  ["你好，世界！今天2024年", ["你好", "，", "世界", "！", "今天", "202", "4", "年"]],
  ["foo_bar.baz(qux)", ["foo", "_bar", ".baz", "(qux", ")"]],
  ["tab\there\r\n\r\nend", ["tab", "\there", "\r\n\r\n", "end"]],
  ["end.\n\nNext", ["end", ".\n\n", "Next"]],
  ["日本語のテキストと한국어", ["日本語のテキストと", "한국어"]],
];

test.each(worked)("the pre-tokenizer cuts %j as the reference does", (text, pieces) => {
  expect(split(text)).toEqual(pieces);
});

test("the pre-tokenizer joins unmatched characters, splits marks and dots inside kana, and stops at stage borders", () => {
  for (const text of [
    "\0\0\0a\0\0 \0",
    "日本・語ーの\u3099\u3040あ\u3040",
    "a\u0301\u0301b \u0301x\u200d\u200dy",
    "  1  日  x \u00a0\u3000!\u0085\u2028z\ufeff\ufeffq",
    "'café's ''x -->\r\n\n",
    "\u{1d7d8}\u{1d7d9}\u{1d7da}\u{1d7db}½Ⅷ \u{1f600}\u{1f600}\n\u{20000}\u{e000}\u{10ffff}",
  ]) {
    expect(split(text)).toEqual(splitByRegex(text));
  }
});

test("the pre-tokenizer equals the regular expressions on arbitrary text", () => {
  const awkward = fc.constantFrom(
    ..." \t\r\n\v\u0085\u00a0\u3000\u2028\ufeff\0\u200d".split(""),
    ..."aZé\u0301ßЖ한日のー・\u3099\u3040".split(""),
    ..."019٣½Ⅷ.,;'\"_-(){}$+~^`。！€".split(""),
    "\u{1d7d8}",
    "\u{20000}",
    "\u{1f600}",
    "\u{e0100}",
    "\u{10ffff}",
    "\r\n",
    "  ",
  );
  const anyCharacter = fc.string({ unit: "binary", minLength: 1, maxLength: 1 });
  const text = fc.array(fc.oneof({ weight: 8, arbitrary: awkward }, anyCharacter), { maxLength: 40 });
  fc.assert(
    fc.property(text, (parts) => {
      const joined = Buffer.from(parts.join(""), "utf8").toString("utf8");
      expect(split(joined)).toEqual(splitByRegex(joined));
    }),
    { numRuns: 8_000 },
  );
});

test("cutting at a safe border changes no piece", () => {
  const unit = fc.constantFrom(..." \t\n\r.,_aZ9é日の1\u00a0".split(""), "x ", "3 ", "a\n", "  ");
  fc.assert(
    fc.property(fc.array(unit, { minLength: 2, maxLength: 30 }), fc.nat(30), (parts, from) => {
      const text = parts.join("");
      const bytes = Buffer.from(text, "utf8");
      const border = scanner.safeBorder(bytes, from, bytes.length);
      if (border < 0) return;
      const left = bytes.subarray(0, border).toString("utf8");
      const right = bytes.subarray(border).toString("utf8");
      expect([...splitByRegex(left), ...splitByRegex(right)]).toEqual(splitByRegex(text));
    }),
    { numRuns: 5_000 },
  );
});

test("a megabyte without a break takes linear time", () => {
  for (const unit of ["a", " ", "\n", "1", "!", "\0", "日", "\u0301", " \n", "'", "\t"]) {
    const time = (length: number): number => {
      const bytes = Buffer.from(unit.repeat(length), "utf8");
      const start = process.cpuUsage(); // not the clock: other processes may be running
      scanner.begin(bytes, 0, bytes.length);
      while (scanner.next() >= 0);
      return process.cpuUsage(start).user / 1000;
    };
    time(10_000);
    expect(time(1_000_000)).toBeLessThan(1_000);
  }
});
