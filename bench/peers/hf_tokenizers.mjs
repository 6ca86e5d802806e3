/**
 * Times the tokenizer of npm's @huggingface/tokenizers, the peer of `fathom bench tokenizer`.
 *
 *   node bench/peers/hf_tokenizers.mjs TOKENIZER_DIR TEXT_FILE
 *
 * Prints {"ready":true,"version":...}, then answers each line of standard input, `encode N`, with {"seconds":s,"tokens":n}: the first N bytes of the
 * file encoded in one thread, a line of text at a time in chunks of about 4 kB, as its speed falls on long texts.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

const { Tokenizer } = await import("@huggingface/tokenizers");
const [folder, file] = process.argv.slice(2);
const read = (name) => JSON.parse(readFileSync(join(folder, name), "utf8"));
const tokenizer = new Tokenizer(read("tokenizer.json"), read("tokenizer_config.json"));
const text = readFileSync(file, "utf8");
const entry = createRequire(import.meta.url).resolve("@huggingface/tokenizers");
const root = entry.slice(0, entry.lastIndexOf("/tokenizers/") + "/tokenizers/".length);
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

function chunks(bytes) {
  const result = [];
  const end = Math.min(text.length, bytes);
  for (let at = 0; at < end; ) {
    const border = text.indexOf("\n", at + 4096);
    const to = border < 0 || border >= end ? end : border;
    result.push(text.slice(at, to));
    at = to;
  }
  return result;
}

function encode(parts) {
  let tokens = 0;
  for (const part of parts) tokens += tokenizer.encode(part, { add_special_tokens: false }).ids.length;
  return tokens;
}

encode(chunks(1 << 16));
process.stdout.write(`${JSON.stringify({ ready: true, version })}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  const parts = chunks(Number(line.split(" ")[1]));
  const begun = performance.now();
  const tokens = encode(parts);
  process.stdout.write(`${JSON.stringify({ seconds: (performance.now() - begun) / 1000, tokens })}\n`);
}
