import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { trainTokenizer } from "./bpeTrainer.js";
import { byteCharacters, tokenString } from "./byteAlphabet.js";
import { numFixedTokens } from "./specialTokens.js";
import { Tokenizer } from "./tokenizer.js";

const corpus = `
export function readTokens(text: string): readonly string[] {
  const tokens = text.split(" ").filter((token) => token.length > 0);
  return tokens; // für jede Zeile, 日本語のテキスト, 你好世界 你好世界
}
if (tokens.length > 100) { throw new RangeError("too many tokens: 100 at most"); }
`.repeat(3);

let tokenizer: Tokenizer;
let directory: string;
beforeAll(async () => {
  tokenizer = await trainTokenizer([corpus], { vocabSize: numFixedTokens + 150 });
  directory = mkdtempSync(join(tmpdir(), "tokenizer-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

const ids = (text: string): number[] => [...tokenizer.encode(text)];
const id = (token: string): number => tokenizer.tokenToId(token)!;
const anyText = fc.string({
  unit: fc.oneof(
    fc.constantFrom(..." \nae1.{日é", "tokens", "😀"),
    fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
  ),
  maxLength: 40,
});

/** The slow obvious form, on strings of the byte alphabet: merge the best-ranked pair everywhere, leftmost first. */
function mergeSlowly(piece: string): string[] {
  const merges = (tokenizer.json as { model: { merges: string[] } }).model.merges;
  const symbols = [...tokenString(Buffer.from(piece))];
  for (const merge of merges) {
    const [a, b] = merge.split(" ");
    for (let i = 0; i + 1 < symbols.length; i++) {
      if (symbols[i] === a && symbols[i + 1] === b) symbols.splice(i, 2, a! + b!);
    }
  }
  return symbols;
}

test("a piece becomes the tokens that merging in order of rank leaves", () => {
  // Letters only, so that the text is one piece whatever the pre-tokenizer does.
  const letters = fc.string({ unit: fc.constantFrom(..."ktoenslrgthxyz", "token", "en", "日", "é"), minLength: 1 });
  fc.assert(
    fc.property(letters, (piece) => {
      fc.pre(!/日/.test(piece) || /^日+$/.test(piece));
      expect(ids(piece)).toEqual(mergeSlowly(piece).map(id));
    }),
    { numRuns: 2_000 },
  );
  const long = "tokenslengththrow".repeat(50); // beyond what is remembered
  expect(ids(long)).toEqual(mergeSlowly(long).map(id));
});

test("every text comes back to the byte", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const wellFormed = Buffer.from(text, "utf8").toString("utf8");
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(wellFormed);
      expect([...tokenizer.encodeBytes(Buffer.from(text, "utf8"))]).toEqual(ids(text));
    }),
    { numRuns: 5_000 },
  );
  expect(tokenizer.decode(tokenizer.encode("\ufeffa\r\n\0"))).toBe("\ufeffa\r\n\0");
  expect(ids("")).toEqual([]);
});

test("lone surrogates and invalid bytes count as U+FFFD", () => {
  expect(ids("a\ud800b")).toEqual(ids("a\ufffdb"));
  expect([...tokenizer.encode("a\udc00", { allowSpecial: true })]).toEqual(ids("a\ufffd"));
  expect([...tokenizer.encodeBytes(Uint8Array.of(0x61, 0xff, 0xe6, 0x97))]).toEqual(ids("a\ufffd\ufffd"));
});

test("text never becomes a control token unless that is asked for", () => {
  const text = "a<｜end▁of▁sentence｜>b<think><|EOT|>";
  const plain = ids(text);
  const controls = new Set(tokenizer.addedTokenTexts.map(id));
  expect(plain.filter((each) => controls.has(each))).toEqual([]);
  expect(tokenizer.decode(plain)).toBe(text);
  expect([...tokenizer.encodeBytes(Buffer.from(text))]).toEqual(plain);
  expect([...tokenizer.encode(text, { allowSpecial: true })]).toEqual([
    ...ids("a"),
    id("<｜end▁of▁sentence｜>"),
    ...ids("b"),
    id("<think>"),
    id("<|EOT|>"),
  ]);
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...tokenizer.addedTokenTexts, "a ", "<", "｜", "|>")), (parts) => {
      expect(ids(parts.join("")).some((each) => controls.has(each))).toBe(false);
    }),
  );
});

test("BOS comes first when asked for, and special tokens can be left out of the text", () => {
  expect([...tokenizer.encode("a", { addSpecialTokens: true })]).toEqual([0, ...ids("a")]);
  const list = [0, ...ids("a"), id("<think>"), 1];
  expect(tokenizer.decode(list)).toBe("<｜begin▁of▁sentence｜>a<think><｜end▁of▁sentence｜>");
  expect(tokenizer.decode(list, { skipSpecialTokens: true })).toBe("a<think>");
  const noBos = Tokenizer.fromJson(tokenizer.json, { ...tokenizer.config, add_bos_token: false });
  expect([...noBos.encode("a", { addSpecialTokens: true })]).toEqual(ids("a"));
});

test("a streaming decoder gives whole characters and in the end the same text", () => {
  const decoder = tokenizer.decoder();
  const pushed = [0xf0, 0x9f, 0x98, 0x80, 0x61, 0xe6, 0x97].map((byte) => decoder.push(id(byteCharacters[byte]!)));
  expect([...pushed, decoder.flush()]).toEqual(["", "", "", "😀", "a", "", "", "\ufffd"]);

  const anyIds = fc.array(fc.integer({ min: 0, max: numFixedTokens + 149 }), { maxLength: 60 });
  fc.assert(
    fc.property(anyIds, (list) => {
      const parts = list.map((each) => decoder.push(each));
      const bytes = Buffer.concat(list.map((each) => tokenizer.idToBytes(each)));
      const whole = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
      expect([...parts, decoder.flush()].join("")).toBe(whole);
      expect(tokenizer.decode(list)).toBe(whole);
      for (const part of parts) expect(part).not.toMatch(/\p{Surrogate}/u);
    }),
  );
});

test("an id without a token is refused", () => {
  expect(() => tokenizer.decode([5, tokenizer.vocabSize])).toThrow(
    `id ${tokenizer.vocabSize} has no token: the vocabulary has ids 0 to ${tokenizer.vocabSize - 1}`,
  );
  expect(() => tokenizer.decode([-1])).toThrow("id -1 has no token");
});

test("a token that joins punctuation and line breaks can be split at the breaks", async () => {
  const trained = await trainTokenizer(["a;\n\nb;\n\nc {\nd {\n"], { vocabSize: numFixedTokens + 8 });
  const token = trained.tokenToId(tokenString(Buffer.from(";\n\n")))!;
  const parts = [...trained.splitCombined(token)!];
  expect(parts.map((each) => Buffer.from(trained.idToBytes(each)).toString())).toEqual(
    [";", "\n\n"].flatMap((text) => [...trained.encode(text)].map((each) => trained.decode([each]))),
  );
  expect(trained.decode(parts)).toBe(";\n\n");
  expect(trained.splitCombined(trained.tokenToId(";")!)).toBeNull();
});

test("a saved tokenizer reads back the same, whole or not at all", () => {
  tokenizer.save(join(directory, "saved"));
  expect(readdirSync(join(directory, "saved")).sort()).toEqual([
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
  ]);
  const back = Tokenizer.fromDirectory(join(directory, "saved"));
  expect(back.json).toEqual(tokenizer.json);
  expect(back.config).toEqual(tokenizer.config);
  expect([...back.encode(corpus)]).toEqual(ids(corpus));
  expect(back.chatTemplate).toBe(tokenizer.chatTemplate);
});

test("the chat template may stand in its own file or in a list", () => {
  const folder = mkdtempSync(join(directory, "template-"));
  const { chat_template: _, ...config } = tokenizer.config;
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizer.json));
  expect(Tokenizer.fromDirectory(folder).chatTemplate).toBeNull();
  writeFileSync(join(folder, "chat_template.jinja"), "own file");
  expect(Tokenizer.fromDirectory(folder).chatTemplate).toBe("own file");
  const named = [
    { name: "tool", template: "x" },
    { name: "default", template: "y" },
  ];
  expect(Tokenizer.fromJson(tokenizer.json, { ...config, chat_template: named }).chatTemplate).toBe("y");
});

test("tokens whose names mean something to JavaScript are tokens like others", async () => {
  const trained = await trainTokenizer(["constructor toString constructor __proto__ __proto__"], { vocabSize: 400 });
  trained.save(join(directory, "names"));
  const back = Tokenizer.fromDirectory(join(directory, "names"));
  expect([...back.encode("constructor __proto__")]).toEqual([...trained.encode("constructor __proto__")]);
  expect(back.vocabSize).toBe(trained.vocabSize);
});

test("merges may be listed as pairs, and a file may ask for whole pieces first", () => {
  type Json = { model: { merges: string[]; vocab: Record<string, number> } };
  const json = structuredClone(tokenizer.json) as Json;
  const pairs = { ...json, model: { ...json.model, merges: json.model.merges.map((merge) => merge.split(" ")) } };
  expect([...Tokenizer.fromJson(pairs).encode(corpus)]).toEqual(ids(corpus));

  // "qqq" is a token that no merge makes.
  const vocab = { ...json.model.vocab, qqq: tokenizer.vocabSize };
  const whole = { ...json, model: { ...json.model, vocab, ignore_merges: true } };
  const [q] = ids("q");
  expect([...Tokenizer.fromJson(whole).encode("qqq=qqqq")]).toEqual([tokenizer.vocabSize, ...ids("="), q, q, q, q]);
  const merged = { ...json, model: { ...json.model, vocab, ignore_merges: false } };
  expect([...Tokenizer.fromJson(merged).encode("qqq")]).toEqual([q, q, q]);
});

test("a file that asks for NFC gets it", () => {
  const composed = Tokenizer.fromJson({ ...(tokenizer.json as object), normalizer: { type: "NFC" } });
  expect([...composed.encode("e\u0301")]).toEqual(ids("é"));
  expect([...composed.encodeBytes(Buffer.from("e\u0301"))]).toEqual(ids("é"));
  expect(ids("e\u0301")).not.toEqual(ids("é"));
});

test("a mutated tokenizer.json loads or is refused, but never crashes", () => {
  const source = JSON.stringify(tokenizer.json);
  const values = [null, true, 0, -1, 1.5, 2 ** 40, "", "x", [], {}, [null], [[]]];
  fc.assert(
    fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 8 }), fc.constantFrom(...values), (path, value) => {
      const json: unknown = JSON.parse(source);
      let at = json as Record<string, unknown>;
      for (const step of path) {
        const keys = Object.keys(at);
        const key = keys[step % Math.max(1, keys.length)] ?? "x";
        const inner = at[key];
        if (step === path.at(-1) || typeof inner !== "object" || inner === null) {
          at[key] = value;
          break;
        }
        at = inner as Record<string, unknown>;
      }
      try {
        Tokenizer.fromJson(json).encode("some text <think>", { allowSpecial: true });
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        expect((error as Error).message).toMatch(/^tokenizer.json: /);
      }
    }),
    { numRuns: 300 },
  );
});

test("a damaged tokenizer is refused with file and key", () => {
  const folder = mkdtempSync(join(directory, "bad-"));
  expect(() => Tokenizer.fromDirectory(folder)).toThrow(/tokenizer.json: no such file; expected a directory/);
  writeFileSync(join(folder, "tokenizer.json"), '{"model":');
  expect(() => Tokenizer.fromDirectory(folder)).toThrow(/tokenizer.json: not readable as JSON: /);

  type Json = Record<string, unknown> & { model: Record<string, unknown> };
  const refused = (change: (json: Json) => void, message: string | RegExp): void => {
    const json = structuredClone(tokenizer.json) as Json;
    change(json);
    expect(() => Tokenizer.fromJson(json)).toThrow(message);
  };
  refused((json) => Object.assign(json.model, { type: "WordPiece" }), 'model.type: expected BPE, got "WordPiece"');
  refused((json) => Object.assign(json.model, { vocab: { a: 0 } }), 'model.vocab lacks "Ā", the symbol of byte 0');
  refused(
    (json) => (json.model.merges as string[]).push("zzz yyy"),
    /model.merges\[150\] needs "zzz", which model.vocab lacks/,
  );
  refused((json) => (json.model.merges as string[]).push("a"), /model.merges\[150\]: expected two tokens/);
  refused((json) => Object.assign(json.model.vocab as object, { "!!!": 3 }), /model.vocab\["!!!"\] takes id 3/);
  refused(
    (json) => Object.assign(json.model.vocab as object, { "!!!": -3 }),
    "must be an id from 0 to 16777215, got -3",
  );
  refused(
    (json) => Object.assign(json, { normalizer: { type: "NFKC" } }),
    'normalizer: expected none or NFC, got "NFKC"',
  );
  refused((json) => Object.assign(json, { pre_tokenizer: null }), "pre_tokenizer: expected an object, got null");
  refused(
    (json) => Object.assign(json, { post_processor: { type: "Bert" } }),
    /post_processor.type: expected ByteLevel/,
  );
  expect(() => Tokenizer.fromJson(tokenizer.json, { eos_token: "</s>" })).toThrow(
    'tokenizer_config.json: eos_token is "</s>", which tokenizer.json lacks',
  );
});

test("text without a break takes linear time", () => {
  for (const unit of ["a", " ", "1", "\n", "😀", "tokens"]) {
    const time = (bytes: number): number => {
      const text = unit.repeat(bytes / Buffer.byteLength(unit));
      const start = process.cpuUsage(); // not the clock: other processes may be running
      tokenizer.encode(text);
      return process.cpuUsage(start).user / 1000;
    };
    time(200_000);
    const one = time(1_000_000);
    expect(one, JSON.stringify(unit)).toBeLessThan(3_000);
    const two = Math.min(time(2_000_000), time(2_000_000));
    expect(two, `2 MB of ${JSON.stringify(unit)} against ${one} ms for 1 MB`).toBeLessThan(3 * one + 100);
  }
});
