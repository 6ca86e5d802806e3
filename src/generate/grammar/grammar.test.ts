import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Random } from "../sampler.js";
import { Dfa, dead } from "./automaton.js";
import { applyMask, Constraint, TokenBytes } from "./constraint.js";
import { type JsonSchema, jsonObject, jsonSchema } from "./jsonSchema.js";
import { regex } from "./regex.js";

const accepts = (schema: JsonSchema, text: string): boolean => new Dfa(jsonSchema(schema)).matches(text);

describe("regex", () => {
  const patterns = [
    "a|bc*",
    "[a-c]+x?",
    "(ab){2,3}",
    "[^a]b",
    ".\\d{2}",
    "\\w+@\\w+",
    "(?:x|)y",
    "[\\d-]+",
    "é+|[а-я]{1,2}",
    "\\u{1F600}|\\x41",
    "^ab$",
  ];
  const letters = fc.constantFrom("a", "b", "c", "x", "y", "1", "2", "-", "@", "é", "ж", "😀", "A", "\n");
  test("accepts exactly the texts that JavaScript's own engine matches as a whole", () => {
    for (const pattern of patterns) {
      const dfa = new Dfa(regex(pattern));
      const reference = new RegExp(`^(?:${pattern})$`, "u");
      fc.assert(
        fc.property(fc.array(letters, { maxLength: 8 }), (parts) => {
          const text = parts.join("");
          expect([pattern, text, dfa.matches(text)]).toEqual([pattern, text, reference.test(text)]);
        }),
        { numRuns: 300, seed: 1 },
      );
    }
  });

  test("every character, and no surrogate, is matched by a dot or is a line end", () => {
    const dfa = new Dfa(regex(".|\\n|\\r|\\u2028|\\u2029"));
    for (let point = 0; point <= 0x10ffff; point += point < 0x3000 ? 1 : 97) {
      if (point >= 0xd800 && point <= 0xdfff) continue;
      expect(dfa.matches(String.fromCodePoint(point))).toBe(true);
    }
    let state = dfa.start;
    for (const byte of [0xed, 0xa0, 0x80]) state = state === dead ? dead : dfa.step(state, byte);
    expect(state).toBe(dead);
  });

  test("what is not regular, or not complete, is refused with its place", () => {
    expect(() => regex("a(?=b)")).toThrow('pattern "a(?=b)": look-around, which is not regular (character 3)');
    expect(() => regex("a\\1")).toThrow("\\1, which is not known here");
    expect(() => regex("(a")).toThrow("( without )");
    expect(() => regex("[a")).toThrow("[ without ]");
    expect(() => regex("a{3,2}")).toThrow("the count {3,2} is empty");
    expect(() => regex("a{5000}")).toThrow("a count above 1000");
    expect(() => regex("(".repeat(500))).toThrow("groups nested more than 100 deep");
    expect(() => new Dfa(regex("((a{1000}){1000})"))).toThrow("the grammar is too large");
  });

  test("an exponential automaton ends at its cap, not at the memory's", () => {
    const dfa = new Dfa(regex("(a|b)*a(a|b){20}"));
    const random = new Random(1);
    const text = Array.from({ length: 200_000 }, () => (random.next() < 0.5 ? "a" : "b")).join("");
    expect(() => dfa.matches(text)).toThrow("matching needs more than 50000 states");
  });
});

describe("jsonSchema", () => {
  const person: JsonSchema = {
    type: "object",
    properties: {
      name: { type: "string", maxLength: 5 },
      age: { type: "integer", minimum: 0, maximum: 150 },
      tags: { type: "array", items: { enum: ["a", "b"] }, maxItems: 2 },
    },
    required: ["name"],
  };

  test("objects have their keys in order, the optional ones perhaps missing", () => {
    for (const text of [
      '{"name":"x"}',
      '{"name": "x", "age": 7}',
      '{"name":"x","tags":["a","b"]}',
      '{\n  "name": "\\u00e9\\n",\n  "age": 150\n}',
    ]) {
      expect([text, accepts(person, text)]).toEqual([text, true]);
      expect(() => JSON.parse(text)).not.toThrow();
    }
    for (const text of [
      "{}",
      '{"age":7}',
      '{"name":"x",}',
      '{"name":"x","age":151}',
      '{"age":7,"name":"x"}',
      '{"name":"123456"}',
      '{"name":"x","tags":["a","b","a"]}',
      '{"name":"x","more":1}',
    ]) {
      expect([text, accepts(person, text)]).toEqual([text, false]);
    }
  });

  test("whatever the automaton of any JSON object accepts, JSON.parse reads, and it accepts what JSON.stringify writes", () => {
    const dfa = new Dfa(jsonObject());
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })), (value) => {
        const text = JSON.stringify(value);
        // Numbers with more digits than are allowed for are not what this is about.
        fc.pre(!/[0-9]{15}|e-?[0-9]{4}/.test(text) && !/-0[^.]/.test(text) && !/\\ud[89a-f]/.test(text));
        expect([text, dfa.matches(text)]).toEqual([text, true]);
      }),
      { numRuns: 300, seed: 1 },
    );
    fc.assert(
      fc.property(fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })), (random) => {
        let state = dfa.start;
        const bytes: number[] = [];
        while (bytes.length < 4000) {
          const next = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => dfa.step(state, byte) !== dead);
          // Closing characters are preferred, so that the text ends.
          const closing = next.filter((byte) => '"}]'.includes(String.fromCharCode(byte)));
          if (dfa.accepts(state) || next.length === 0) break;
          const from = closing.length > 0 && (random.next().value ?? 0) < 0.5 ? closing : next;
          const byte = from[Math.floor((random.next().value ?? 0) * from.length)] ?? 0;
          bytes.push(byte);
          state = dfa.step(state, byte);
        }
        if (!dfa.accepts(state)) return;
        const text = new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes));
        expect(() => JSON.parse(text)).not.toThrow();
      }),
      { numRuns: 100, seed: 2 },
    );
  });

  test("bounds hold integers and numbers, with and without a type", () => {
    const share: JsonSchema = { type: "number", minimum: 0, exclusiveMaximum: 1 };
    for (const [text, isGood] of Object.entries({
      0: true,
      0.25: true,
      1: false,
      "-0.5": false,
      "1.0": false,
      "0.0": true,
    })) {
      expect([text, accepts(share, text)]).toEqual([text, isGood]);
    }
    expect(accepts({ minimum: 1.5 }, "1.75")).toBe(true);
    expect(accepts({ type: "integer", minimum: 1.5 }, "1.75")).toBe(false);
    // Of two bounds on one side the narrower counts.
    const both: JsonSchema = { type: "integer", minimum: 3, exclusiveMinimum: 3, maximum: 9, exclusiveMaximum: 7 };
    expect([3, 4, 6, 7, 9].map((value) => accepts(both, String(value)))).toEqual([false, true, true, false, false]);
    const price: JsonSchema = { type: "number", minimum: 0, maximum: 10, multipleOf: 0.25 };
    expect(["9.75", "9.8", "10", "10.25", "9.750"].map((text) => accepts(price, text))).toEqual([
      ...[true, false, true, false, false],
    ]);
  });

  test("references are unrolled, alternatives that would never end are left out", () => {
    const tree: JsonSchema = {
      $ref: "#/$defs/node",
      $defs: {
        node: {
          type: "object",
          properties: { next: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] } },
          required: ["next"],
        },
      },
    };
    expect(accepts(tree, '{"next":{"next":{"next":null}}}')).toBe(true);
    expect(accepts(tree, '{"next":{}}')).toBe(false);
    const endless: JsonSchema = { type: "object", properties: { me: { $ref: "#" } }, required: ["me"] };
    expect(() => jsonSchema(endless)).toThrow("refers to itself in a place that must be filled");
  });

  test("arrays: prefix, least and most items", () => {
    const pair: JsonSchema = {
      type: "array",
      prefixItems: [{ const: 1 }, { const: "x" }],
      items: { type: "null" },
      minItems: 1,
      maxItems: 3,
    };
    const good = ["[1]", '[1,"x"]', '[1, "x", null]'];
    const bad = ["[]", "[2]", '[1,"x",null,null]', "[1,null]"];
    for (const text of good) expect([text, accepts(pair, text)]).toEqual([text, true]);
    for (const text of bad) expect([text, accepts(pair, text)]).toEqual([text, false]);
    const two: JsonSchema = { type: "array", items: { type: "boolean" }, minItems: 2, maxItems: 2 };
    expect([accepts(two, "[true]"), accepts(two, "[true,false]"), accepts(two, "[]")]).toEqual([false, true, false]);
  });

  test("a pattern's text never leaves its string", () => {
    expect(accepts({ type: "string", pattern: ".*" }, '"a\\"')).toBe(false);
    expect(accepts({ type: "string", pattern: ".*" }, '"a"b"')).toBe(false);
    expect(accepts({ type: "string", pattern: "[a-z]{3}" }, '"abc"')).toBe(true);
    expect(accepts({ type: "string", format: "date" }, '"2024-02-30"')).toBe(true);
  });

  test("what is wrong or not supported is named with its place", () => {
    const wrong: readonly (readonly [JsonSchema, string])[] = [
      [
        { type: "strange" },
        'schema: type must be one of string, integer, number, boolean, null, array, object, got "strange"',
      ],
      [
        { type: "object", properties: { a: { uniqueItems: true } } },
        'schema/properties/a: has "uniqueItems", which is not supported here',
      ],
      [{ enum: [] }, "schema/enum: must have 1 to 2000 values, has 0"],
      [{ type: "integer", minimum: 4, maximum: 3 }, "schema: no integer has minimum 4 and maximum 3"],
      [{ type: "integer", minimum: 0.5, exclusiveMaximum: 1 }, "no integer has minimum 0.5 and exclusiveMaximum 1"],
      [{ type: "number", exclusiveMinimum: 2, maximum: 2 }, "has maximum 2 and exclusiveMinimum 2"],
      [{ type: "number", minimum: 1e15 }, "schema: no number that can be written here has minimum 1000000000000000"],
      [{ type: "number", minimum: "1" }, 'schema: minimum must be a number, got "1"'],
      [{ type: "number", multipleOf: 0 }, "schema: multipleOf must be a positive number, got 0"],
      [{ type: "number", multipleOf: 0.1234 }, "schema: multipleOf 0.1234 is not supported"],
      [{ type: "array", minItems: -1 }, "schema: minItems must be a whole number from 0 to 1000, got -1"],
      [{ type: "object", required: ["b"], properties: {} }, 'schema/required: names "b", which is no property'],
      [{ $ref: "#/$defs/none" }, 'schema: $ref "#/$defs/none" leads nowhere in schema'],
      [false, "schema: must be an object or true, got false"],
    ];
    for (const [schema, message] of wrong) expect(() => jsonSchema(schema)).toThrow(message);
    let deep: JsonSchema = { type: "null" };
    for (let i = 0; i < 100; i++) deep = { type: "array", items: deep };
    expect(() => jsonSchema(deep)).toThrow("is nested more than 64 deep");
  });
});

describe("Constraint", () => {
  const texts = [
    "",
    "{",
    "}",
    '"',
    '{"',
    'a":',
    "1",
    "12",
    "a",
    "b",
    "true",
    "tr",
    "ue",
    "é",
    "\u00c3",
    ":",
    ' "',
    "<end>",
  ];
  const tokens = new TokenBytes(texts.length, (id) =>
    texts[id] === "<end>" ? null : id === 14 ? Uint8Array.of(0xc3) : new TextEncoder().encode(texts[id]),
  );
  const allowed = (constraint: Constraint, state: number): string[] =>
    texts.filter((_, id) => (constraint.mask(state)[id >>> 5] ?? 0) & (1 << (id & 31)));

  test("a mask has the tokens whose every byte can follow, whole and in part", () => {
    const constraint = new Constraint({ kind: "choice", texts: ["true", "a1", "é"] }, tokens);
    expect(allowed(constraint, constraint.start)).toEqual(["a", "true", "tr", "é", "\u00c3"]);
    const after = constraint.advance(constraint.start, texts.indexOf("tr"));
    expect(allowed(constraint, after)).toEqual(["ue"]);
    const end = constraint.advance(after, texts.indexOf("ue"));
    expect([constraint.isComplete(end), constraint.isFinished(end)]).toEqual([true, true]);
    expect(constraint.advance(after, texts.indexOf("a"))).toBe(dead);
    expect(constraint.advance(after, texts.indexOf("<end>"))).toBe(dead);
  });

  test("masks equal those of trying every token byte by byte", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: fc.constantFrom("a", "b", "é", "1") }), { minLength: 1, maxLength: 40 }),
        (words) => {
          const vocabulary = new TokenBytes(words.length, (id) => new TextEncoder().encode(words[id]));
          const constraint = new Constraint({ kind: "regex", pattern: "(a|éb?)*1{2}(b|é)" }, vocabulary);
          const dfa = new Dfa(regex("(a|éb?)*1{2}(b|é)"));
          // The same walk in an automaton of its own: after each chosen word, whose bytes are known, every word is tried alone.
          let prefix = "";
          let state = constraint.start;
          for (let round = 0; round < 4; round++) {
            const mask = constraint.mask(state);
            const got = words.map((_, id) => ((mask[id >>> 5] ?? 0) & (1 << (id & 31))) !== 0);
            expect(got).toEqual(words.map((word) => word !== "" && runs(dfa, prefix + word)));
            const next = got.indexOf(true);
            if (next < 0) break;
            prefix += words[next];
            state = constraint.advance(state, next);
          }
        },
      ),
      { numRuns: 200, seed: 3 },
    );
  });

  test("applyMask leaves the end only where the text may end", () => {
    const constraint = new Constraint({ kind: "regex", pattern: "a1?" }, tokens);
    const end = texts.indexOf("<end>");
    const logits = new Float32Array(texts.length);
    applyMask(logits, constraint, constraint.start, [end]);
    expect(Array.from(logits.keys()).filter((id) => logits[id] === 0)).toEqual([texts.indexOf("a")]);
    const after = constraint.advance(constraint.start, texts.indexOf("a"));
    logits.fill(0);
    applyMask(logits, constraint, after, [end]);
    expect(Array.from(logits.keys()).filter((id) => logits[id] === 0)).toEqual([texts.indexOf("1"), end]);
  });
});

/** Whether a word's bytes lead anywhere from the start. */
function runs(dfa: Dfa, word: string): boolean {
  let state = dfa.start;
  for (const byte of new TextEncoder().encode(word)) {
    state = dfa.step(state, byte);
    if (state === dead) return false;
  }
  return true;
}
