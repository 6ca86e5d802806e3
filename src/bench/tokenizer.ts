/**
 * Encoding of text: MB/s on one thread and on all of them. The floor is one look at each byte: FNV-1a over the text in JavaScript, which is the
 * least that an encoder does to find pieces in a table; with several threads, that many times as fast.
 */
import { readFileSync } from "node:fs";
import type { CodeCorpus } from "../data/codeCorpus.js";
import { EncodePool } from "../tokenizer/encodePool.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { median } from "../train/measure.js";
import type { Peer } from "./peerProcess.js";
import { measureSection, type Say, timed } from "./rounds.js";
import { type BenchRow, rateRow } from "./row.js";

export interface TokenizerOptions {
  readonly text: Uint8Array;
  /** Numbers of threads, each a row. */
  readonly threads: readonly number[];
  readonly repeats: number;
  /** Encodes the first `peerBytes` of the same text on one thread; null to do without. */
  readonly peer: Peer | null;
  readonly peerBytes: number;
  readonly say: Say;
}

export async function benchTokenizer(
  tokenizer: Tokenizer,
  options: TokenizerOptions,
): Promise<{ readonly rows: readonly BenchRow[] }> {
  const { text, repeats, peer, peerBytes, say } = options;
  const hashes = Array.from({ length: 5 }, () => {
    const begun = performance.now();
    hash(text);
    return (performance.now() - begun) / 1000;
  });
  const floorSeconds = median(hashes);
  const rows: BenchRow[] = [];
  for (const threads of options.threads) {
    const pool = new EncodePool(tokenizer, threads);
    try {
      await pool.encode(text.subarray(0, Math.min(text.length, 1 << 20)));
      const name = `encode, vocabulary ${tokenizer.vocabSize}, ${threads} ${threads === 1 ? "thread" : "threads"}`;
      const { ours, peers } = await measureSection({
        name: `tokenizer ${name}`,
        rounds: repeats,
        say,
        ours: () => timed(() => pool.encode(text)),
        peers: peer && threads === 1 ? [{ peer, ask: [`encode ${peerBytes}`] }] : [],
      });
      const facts = { bench: "tokenizer", case: name, threads, bytes: 1, at: { threads } } as const;
      const theirs = peers[0] ?? null;
      const sameWork =
        theirs && "samples" in theirs
          ? { ...theirs, samples: theirs.samples.map((seconds) => (seconds * text.length) / peerBytes) }
          : theirs;
      rows.push(rateRow(facts, "MB/s", text.length, ours, floorSeconds / threads, sameWork));
    } finally {
      await pool.close();
    }
  }
  return { rows };
}

/** FNV-1a over all bytes. */
function hash(bytes: Uint8Array): number {
  let state = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) state = Math.imul(state ^ (bytes[i] ?? 0), 0x01000193);
  return state;
}

/** The files of a corpus one after the other, up to `maxBytes`. */
export function joinedText({ paths }: Pick<CodeCorpus, "paths">, maxBytes: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let size = 0;
  for (const path of paths) {
    if (size >= maxBytes) break;
    const part = readFileSync(path);
    parts.push(part);
    size += part.length;
  }
  return Buffer.concat(parts);
}
