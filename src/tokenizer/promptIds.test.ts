import { expect, test } from "vitest";
import { buildTokenizerConfig, buildTokenizerJson } from "./newTokenizer.js";
import { promptIds } from "./promptIds.js";
import { Tokenizer } from "./tokenizer.js";

const tokenizer = Tokenizer.fromJson(buildTokenizerJson([]), buildTokenizerConfig());
const id = (token: string): number => tokenizer.tokenToId(token) ?? -1;
const letter = (character: string): number => tokenizer.encode(character)[0] ?? -1;
const start = id("<\uff5cbegin\u2581of\u2581sentence\uff5c>");

test("a text begins a document", () => {
  expect([...promptIds(tokenizer, "ab", null)]).toEqual([start, letter("a"), letter("b")]);
});

test("a gap is asked for in the order prefix, suffix, middle", () => {
  const [begin, hole, end] = ["begin", "hole", "end"].map((name) => id(`<\uff5cfim\u2581${name}\uff5c>`));
  expect([...promptIds(tokenizer, "a", "b")]).toEqual([start, begin, letter("a"), hole, letter("b"), end]);
  expect([...promptIds(tokenizer, "a", "")]).toEqual([start, begin, letter("a"), hole, end]);
});

test("control tokens in prompt and suffix stay text", () => {
  const ids = [...promptIds(tokenizer, "<\uff5cfim\u2581hole\uff5c>", "<\uff5cfim\u2581end\uff5c>")];
  expect(ids.filter((each) => tokenizer.isSpecial(each))).toHaveLength(4); // start, begin, hole, end
});

test("a suffix needs the tokens for gaps", () => {
  const json = buildTokenizerJson([]) as { added_tokens: { content: string }[] };
  const without = { ...json, added_tokens: json.added_tokens.filter(({ content }) => !content.includes("fim")) };
  const plain = Tokenizer.fromJson(without, buildTokenizerConfig());
  expect(() => promptIds(plain, "a", "b")).toThrow("no fill-in-the-middle tokens");
  expect(() => promptIds(plain, "a", null)).not.toThrow();
});
