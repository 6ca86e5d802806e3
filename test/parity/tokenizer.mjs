/**
 * Our half of tokenizer.py, on the compiled package: trains on the texts of FOLDER/texts.json with two threads, saves the
 * tokenizer to FOLDER/tokenizer and the ids of each text to FOLDER/ids.json.
 *   node test/parity/tokenizer.mjs FOLDER VOCAB_SIZE
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { trainTokenizer } from "../../dist/tokenizer/bpeTrainer.js";
import { EncodePool } from "../../dist/tokenizer/encodePool.js";

const [folder, vocabSize] = process.argv.slice(2);
const texts = JSON.parse(readFileSync(join(folder, "texts.json"), "utf8"));
const start = performance.now();
const tokenizer = await trainTokenizer(texts, { vocabSize: Number(vocabSize), threads: 2 });
tokenizer.save(join(folder, "tokenizer"));
const trained = performance.now();
const pool = new EncodePool(tokenizer, 2);
const ids = [];
for await (const each of pool.encodeAll(texts)) ids.push(Array.from(each));
await pool.close();
const encoded = performance.now();
writeFileSync(join(folder, "ids.json"), JSON.stringify(ids));
const seconds = (ms) => (ms / 1000).toFixed(2);
console.log(`ours: trained in ${seconds(trained - start)} s, encoded in ${seconds(encoded - trained)} s`);
