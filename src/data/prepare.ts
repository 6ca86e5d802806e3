/**
 * From files to token shards, in two passes over the text so that memory stays bounded. The first hashes documents: exact duplicates are
 * left out and groups drawn for validation. The second encodes: fill in the middle, begin and end of each document, random splitting of
 * tokens that join punctuation and line breaks (DeepSeek-V3 report, section 4.1), shards.
 *
 * What is there already is kept if the tokenizer, the settings and the files (path, size, time) are the same.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../files/atomic.js";
import { EncodePool } from "../tokenizer/encodePool.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { Document } from "./documents.js";
import { checkFimOptions, type FimOptions, fimPassages, type Passage } from "./fim.js";
import {
  type DataManifest,
  manifestName,
  type PreparedSource,
  readManifest,
  type ValidationFile,
  validationName,
} from "./preparedData.js";
import { stream, uniform } from "./random.js";
import type { DataSource } from "./sources.js";
import { type ScanProgress, TextData, type TextDataOptions, type TextDataSettings } from "./textData.js";
import { idBits, type ShardInfo, writeShard } from "./tokenShards.js";

export interface PrepareOptions extends TextDataOptions {
  /** What to prepare; a TextData comes with its own options for holding out and reading. */
  readonly sources: readonly DataSource[] | TextData;
  readonly tokenizer: Tokenizer;
  readonly outDir: string;
  readonly seed: number;
  /** Fill in the middle. Default: rate 0.1, PSM, whole documents. */
  readonly fim?: Partial<FimOptions>;
  /** Share of tokens joining punctuation and line breaks that are split. Default 0.1; the report does not say. */
  readonly punctuationSplitRate?: number;
  /** Tokens per shard file. Default 16M. */
  readonly shardTokens?: number;
  /** Threads that encode. Default 1. */
  readonly threads?: number;
  readonly onProgress?: (progress: PrepareProgress) => void;
  readonly signal?: AbortSignal;
}

export type PrepareProgress =
  | ScanProgress
  | {
      readonly phase: "encode";
      readonly source: string;
      readonly documents: number;
      readonly bytes: number;
      /** Of text in all sources. */
      readonly totalBytes: number;
    };

interface Settings extends TextDataSettings {
  readonly seed: number;
  readonly fim: FimOptions;
  readonly punctuationSplitRate: number;
  readonly shardTokens: number;
}

/**
 * Writes shards, validation.jsonl and, last, data.json into `outDir`.
 * @returns the manifest, new or as it was
 * @throws RangeError for bad input or settings, with the file; the abort reason of `signal`
 */
export async function prepareData(options: PrepareOptions): Promise<DataManifest> {
  const { tokenizer, outDir } = options;
  const data = textDataOf(options);
  const settings = resolveSettings(data, options);
  const tokenizerHash = sha256(JSON.stringify([tokenizer.json, tokenizer.config]));
  const listed = data.files.map((files) => files.map(({ path, sizeBytes, mtimeMs }) => [path, sizeBytes, mtimeMs]));
  const key = sha256(JSON.stringify({ version: 1, tokenizerHash, settings, sources: data.sources, listed }));
  if (existsSync(join(outDir, manifestName))) {
    const old = readManifest(outDir);
    if (old.key === key) return old;
  }
  await data.scan(options.onProgress, options.signal ?? null);

  mkdirSync(outDir, { recursive: true });
  rmSync(join(outDir, manifestName), { force: true });
  const pool = new EncodePool(tokenizer, options.threads ?? 1);
  try {
    const manifest = await encodeAll(options, data, settings, pool, { key, tokenizerHash });
    writeFileAtomic(join(outDir, manifestName), `${JSON.stringify(manifest, null, 1)}\n`);
    removeStale(outDir, manifest);
    return manifest;
  } finally {
    await pool.close();
  }
}

async function encodeAll(
  options: PrepareOptions,
  data: TextData,
  settings: Settings,
  pool: EncodePool,
  { key, tokenizerHash }: { readonly key: string; readonly tokenizerHash: string },
): Promise<DataManifest> {
  const { tokenizer, outDir, signal = null } = options;
  const scans = await data.scan();
  const totalBytes = scans.reduce((sum, { bytes }) => sum + bytes, 0);
  const validation: { readonly file: ValidationFile; readonly content: Uint8Array }[] = [];
  const prepared: PreparedSource[] = [];
  const borders = documentBorders(tokenizer);
  let doneBytes = 0;
  let doneDocuments = 0;
  for (const [s, source] of data.sources.entries()) {
    const scan = scans[s]!;
    const writer = new ShardWriter(outDir, `train-${s}`, idBits(tokenizer.vocabSize), settings.shardTokens);
    let fimDocuments = 0;
    const forms: Passage["kind"][] = []; // of texts on their way through the pool
    const texts = async function* (): AsyncGenerator<Uint8Array> {
      for await (const document of data.documents(s, signal)) {
        const { side, content } = document;
        if (side === "left out") continue;
        doneBytes += content.length;
        const progress = { documents: ++doneDocuments, bytes: doneBytes, totalBytes };
        options.onProgress?.({ phase: "encode", source: source.name, ...progress });
        if (side === "validation") {
          validation.push({ file: validationFile(source.name, document), content });
          continue;
        }
        for (const passage of fimPassages(content, settings.fim, settings.seed + s, document.index, 0)) {
          forms.push(passage.kind);
          if (passage.kind === "plain") yield passage.text;
          else yield* [passage.prefix, passage.middle, passage.suffix];
        }
      }
    };
    let parts: Int32Array[] = [];
    let written = 0;
    for await (const ids of pool.encodeAll(texts())) {
      parts.push(splitPunctuation(tokenizer, ids, settings, s, written, parts.length));
      const form = forms[0];
      if (form !== "plain" && parts.length < 3) continue;
      forms.shift();
      if (form !== "plain") fimDocuments++;
      writer.add(assemble(form ?? "plain", parts, borders, tokenizer));
      parts = [];
      written++;
    }
    const shards = writer.close();
    const { name, paths, weight, epochs } = source;
    prepared.push({
      name,
      paths,
      weight,
      epochs,
      files: data.files[s]?.length ?? 0,
      documents: scan.trainDocuments,
      bytes: scan.bytes - scan.heldBytes,
      tokens: shards.reduce((sum, { tokens }) => sum + tokens, 0),
      duplicates: scan.duplicates,
      skipped: scan.skipped,
      skippedFiles: scan.skippedFiles,
      fimDocuments,
      shards,
    });
  }
  const text = validation.map(({ file, content }) => {
    const { source, path, part } = file;
    return `${JSON.stringify({ source, path, part, text: Buffer.from(content).toString("utf8") })}\n`;
  });
  writeFileAtomic(join(outDir, validationName), text);
  const writer = new ShardWriter(outDir, "validation", idBits(tokenizer.vocabSize), settings.shardTokens);
  for await (const ids of pool.encodeAll(validation.map(({ content }) => content))) {
    writer.add(assemble("plain", [ids], borders, tokenizer));
  }
  const shards = writer.close();
  return {
    version: 1,
    key,
    contentKey: sha256(JSON.stringify(prepared.map(({ name, shards }) => [name, shards.map((shard) => shard.sha256)]))),
    tokenizer: { sha256: tokenizerHash, vocabSize: tokenizer.vocabSize },
    settings: { ...settings },
    sources: prepared,
    validation: {
      documents: validation.length,
      bytes: validation.reduce((sum, { file }) => sum + file.bytes, 0),
      tokens: shards.reduce((sum, { tokens }) => sum + tokens, 0),
      sha256: sha256(text.join("")),
      files: validation.map(({ file }) => file),
      shards,
    },
  };
}

function validationFile(source: string, { path, part, content }: Document): ValidationFile {
  return { source, path, part, sha256: sha256(content), bytes: content.length };
}

interface Borders {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** What stands around each document. @throws RangeError for a tokenizer without BOS and EOS */
function documentBorders({ bosTokenId, eosTokenId }: Tokenizer): Borders {
  if (bosTokenId === null && eosTokenId === null) {
    throw new RangeError("the tokenizer has neither a begin nor an end token; documents would run together");
  }
  return { before: bosTokenId === null ? [] : [bosTokenId], after: eosTokenId === null ? [] : [eosTokenId] };
}

/** A document's ids. @param parts the text, or prefix, middle and suffix */
function assemble(
  form: Passage["kind"],
  parts: readonly Int32Array[],
  { before, after }: Borders,
  tokenizer: Tokenizer,
): Int32Array {
  const [first = new Int32Array(0), middle = first, suffix = first] = parts;
  if (form === "plain") return joined([before, first, after]);
  const { fim } = tokenizer;
  if (!fim) throw new Error("internal: fill in the middle without its tokens");
  return form === "psm"
    ? joined([before, [fim.begin], first, [fim.hole], suffix, [fim.end], middle, after])
    : joined([before, [fim.begin, fim.hole], suffix, [fim.end], first, middle, after]);
}

function joined(parts: readonly ArrayLike<number>[]): Int32Array {
  const all = new Int32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Replaces some tokens that join punctuation and line breaks by tokens that spell the same bytes. */
function splitPunctuation(
  tokenizer: Tokenizer,
  ids: Int32Array,
  { seed, punctuationSplitRate }: Settings,
  ...place: readonly number[]
): Int32Array {
  if (punctuationSplitRate === 0) return ids;
  const out: number[] = [];
  let isChanged = false;
  ids.forEach((id, at) => {
    const parts = tokenizer.splitCombined(id);
    if (parts && uniform(seed, stream.punctuation, ...place, at) < punctuationSplitRate) {
      out.push(...parts);
      isChanged = true;
    } else out.push(id);
  });
  return isChanged ? Int32Array.from(out) : ids;
}

/** Collects documents and writes a shard whenever enough have come together. */
class ShardWriter {
  readonly #shards: ShardInfo[] = [];
  readonly #folder: string;
  readonly #name: string;
  readonly #bits: 16 | 32;
  readonly #limit: number;
  #documents: Int32Array[] = [];
  #tokens = 0;

  constructor(folder: string, name: string, bits: 16 | 32, limit: number) {
    this.#folder = folder;
    this.#name = name;
    this.#bits = bits;
    this.#limit = limit;
  }

  add(document: Int32Array): void {
    this.#documents.push(document);
    this.#tokens += document.length;
    if (this.#tokens >= this.#limit) this.#write();
  }

  close(): ShardInfo[] {
    if (this.#documents.length > 0) this.#write();
    return this.#shards;
  }

  #write(): void {
    const file = `${this.#name}-${String(this.#shards.length).padStart(5, "0")}.tokens`;
    this.#shards.push({ file, ...writeShard(join(this.#folder, file), this.#bits, this.#documents) });
    this.#documents = [];
    this.#tokens = 0;
  }
}

function removeStale(folder: string, { sources, validation }: DataManifest): void {
  const kept = new Set([...sources.flatMap(({ shards }) => shards), ...validation.shards].map(({ file }) => file));
  for (const name of readdirSync(folder)) {
    if (/^(train-\d+|validation)-\d{5}\.tokens$/.test(name) && !kept.has(name)) rmSync(join(folder, name));
  }
}

function textDataOf({ sources, validationFraction, validationMaxBytes, read }: PrepareOptions): TextData {
  const given = { validationFraction, validationMaxBytes, read };
  const named = Object.entries(given).filter(([, value]) => value !== undefined);
  if (!(sources instanceof TextData)) return new TextData(sources, Object.fromEntries(named));
  if (named.length === 0) return sources;
  throw new TypeError(`prepareData: ${named[0]?.[0]} belongs to the TextData, which has its own`);
}

function resolveSettings(data: TextData, options: PrepareOptions): Settings {
  const settings: Settings = {
    ...data.settings,
    seed: options.seed,
    fim: { rate: 0.1, spmShare: 0, span: null, ...options.fim },
    punctuationSplitRate: options.punctuationSplitRate ?? 0.1,
    shardTokens: options.shardTokens ?? 1 << 24,
  };
  checkFimOptions(settings.fim);
  if (settings.fim.rate > 0 && !options.tokenizer.fim) {
    throw new RangeError("the tokenizer has no fill-in-the-middle tokens; use FIM rate 0");
  }
  const { punctuationSplitRate: rate, shardTokens } = settings;
  if (!(rate >= 0 && rate <= 1)) throw new RangeError(`punctuation split rate must be in [0, 1], got ${rate}`);
  if (!(Number.isInteger(shardTokens) && shardTokens > 0)) {
    throw new RangeError(`tokens per shard must be a positive integer, got ${shardTokens}`);
  }
  return settings;
}

function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
