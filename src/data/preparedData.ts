/**
 * A prepared data directory: token shards of each source for training, the held-out documents as text and as shards, and `data.json`,
 * which is written last and names everything with its hash. A directory without data.json is unfinished.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { isObject, readJson } from "../files/json.js";
import { type ShardInfo, TokenStream } from "./tokenShards.js";

export interface SkippedCounts {
  readonly binary: number;
  readonly invalidUtf8: number;
  readonly empty: number;
}

export interface PreparedSource {
  readonly name: string;
  readonly paths: readonly string[];
  readonly weight: number | null;
  readonly epochs: number | null;
  readonly files: number;
  /** For training, before documents are cut into passages. */
  readonly documents: number;
  readonly bytes: number;
  readonly tokens: number;
  /** Documents left out because the same bytes came before. */
  readonly duplicates: number;
  readonly skipped: SkippedCounts;
  /** Some of the files skipped. */
  readonly skippedFiles: readonly string[];
  /** Documents or passages in fill-in-the-middle form. */
  readonly fimDocuments: number;
  readonly shards: readonly ShardInfo[];
}

export interface ValidationFile {
  readonly source: string;
  readonly path: string;
  /** Line, row or part of the file from 1; null = the whole file. */
  readonly part: number | null;
  readonly sha256: string;
  readonly bytes: number;
}

export interface PreparedValidation {
  readonly documents: number;
  readonly bytes: number;
  readonly tokens: number;
  /** Hash of validation.jsonl. */
  readonly sha256: string;
  readonly files: readonly ValidationFile[];
  readonly shards: readonly ShardInfo[];
}

export interface DataManifest {
  readonly version: 1;
  /** Hash of everything the shards depend on: tokenizer, settings, and path, size and time of each file. */
  readonly key: string;
  /** Hash of what the shards hold: the same whenever the same text was prepared in the same way, files copied or touched or not. */
  readonly contentKey: string;
  readonly tokenizer: { readonly sha256: string; readonly vocabSize: number };
  readonly settings: Readonly<Record<string, unknown>>;
  readonly sources: readonly PreparedSource[];
  readonly validation: PreparedValidation;
}

export interface ValidationDocument extends ValidationFile {
  readonly content: Uint8Array;
}

export const manifestName = "data.json";
export const validationName = "validation.jsonl";

/** @throws RangeError for a missing file, or one that is no manifest of this version */
export function readManifest(folder: string): DataManifest {
  const path = join(folder, manifestName);
  if (!existsSync(path)) {
    throw new RangeError(`${folder}: no ${manifestName}; expected a folder of prepared data that is complete`);
  }
  const value = readJson(path);
  if (!isObject(value) || value.version !== 1) throw new RangeError(`${path}: expected "version": 1`);
  checkShape(path, "", value, manifestShape);
  const manifest = value as unknown as DataManifest; // checkShape has looked at every field
  for (const { file } of [...manifest.sources.flatMap(({ shards }) => shards), ...manifest.validation.shards]) {
    if (basename(file) !== file || file.startsWith(".")) {
      throw new RangeError(`${path}: shard ${JSON.stringify(file)} is not a plain file name`);
    }
  }
  return manifest;
}

/** Prepared data, open for reading. */
export class PreparedData implements Disposable {
  readonly folder: string;
  readonly manifest: DataManifest;
  /** Tokens of each source of the manifest, in its order. */
  readonly streams: readonly TokenStream[];
  readonly validation: TokenStream;

  /** @throws RangeError naming the file that is missing, damaged or of other size than the manifest says */
  constructor(folder: string) {
    this.folder = folder;
    this.manifest = readManifest(folder);
    const opened: TokenStream[] = [];
    const open = (shards: readonly ShardInfo[], tokens: number, what: string): TokenStream => {
      const stream = new TokenStream(shards.map(({ file }) => join(folder, file)));
      opened.push(stream);
      if (stream.numTokens === tokens) return stream;
      throw new RangeError(`${folder}: ${what} has ${stream.numTokens} tokens in its shards, expected ${tokens}`);
    };
    try {
      this.streams = this.manifest.sources.map(({ name, shards, tokens }) => open(shards, tokens, `source "${name}"`));
      this.validation = open(this.manifest.validation.shards, this.manifest.validation.tokens, "validation");
    } catch (error) {
      for (const stream of opened) stream[Symbol.dispose]();
      throw error;
    }
  }

  /** The held-out documents. @throws RangeError if the file is not the one the manifest names */
  validationDocuments(): ValidationDocument[] {
    const path = join(this.folder, validationName);
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(path);
    } catch (error) {
      throw new RangeError(`${path}: cannot be read (${error instanceof Error ? error.message : String(error)})`);
    }
    const found = createHash("sha256").update(bytes).digest("hex");
    const { sha256, files } = this.manifest.validation;
    if (found !== sha256) throw new RangeError(`${path}: sha-256 is ${found}, expected ${sha256}`);
    const lines = new TextDecoder().decode(bytes).split("\n").slice(0, -1);
    return lines.map((line, i) => {
      const record: unknown = JSON.parse(line);
      const file = files[i];
      if (!file || !isObject(record) || typeof record.text !== "string") {
        throw new RangeError(`${path}:${i + 1}: expected a document with a text`);
      }
      return { ...file, content: Buffer.from(record.text, "utf8") };
    });
  }

  /** Hashes every shard. @throws RangeError naming one that has changed */
  verify(): void {
    this.manifest.sources.forEach(({ shards }, i) => {
      this.streams[i]?.verify(shards);
    });
    this.validation.verify(this.manifest.validation.shards);
  }

  [Symbol.dispose](): void {
    for (const stream of this.streams) stream[Symbol.dispose]();
    this.validation[Symbol.dispose]();
  }
}

type Shape =
  | "text"
  | "count"
  | "number?"
  | "object"
  | { readonly list: Shape }
  | { readonly fields: Readonly<Record<string, Shape>> };

const shardShape: Shape = {
  fields: { file: "text", sizeBytes: "count", sha256: "text", documents: "count", tokens: "count" },
};

const manifestShape: Shape = {
  fields: {
    key: "text",
    contentKey: "text",
    tokenizer: { fields: { sha256: "text", vocabSize: "count" } },
    settings: "object",
    sources: {
      list: {
        fields: {
          name: "text",
          paths: { list: "text" },
          weight: "number?",
          epochs: "number?",
          files: "count",
          documents: "count",
          bytes: "count",
          tokens: "count",
          duplicates: "count",
          skipped: { fields: { binary: "count", invalidUtf8: "count", empty: "count" } },
          skippedFiles: { list: "text" },
          fimDocuments: "count",
          shards: { list: shardShape },
        },
      },
    },
    validation: {
      fields: {
        documents: "count",
        bytes: "count",
        tokens: "count",
        sha256: "text",
        files: { list: { fields: { source: "text", path: "text", part: "number?", sha256: "text", bytes: "count" } } },
        shards: { list: shardShape },
      },
    },
  },
};

function checkShape(path: string, key: string, value: unknown, shape: Shape): void {
  const expect = (isGood: boolean, expected: string): void => {
    if (isGood) return;
    throw new RangeError(`${path}: ${key.slice(1) || "top level"}: expected ${expected}, got ${JSON.stringify(value)}`);
  };
  if (shape === "text") expect(typeof value === "string", "a text");
  else if (shape === "count") expect(typeof value === "number" && Number.isSafeInteger(value) && value >= 0, "a count");
  else if (shape === "number?") expect(value === null || typeof value === "number", "a number or null");
  else if (shape === "object") expect(isObject(value), "an object");
  else if ("list" in shape) {
    expect(Array.isArray(value), "a list");
    const list: readonly unknown[] = Array.isArray(value) ? value : [];
    for (const [i, item] of list.entries()) checkShape(path, `${key}[${i}]`, item, shape.list);
  } else {
    expect(isObject(value), "an object");
    const fields = isObject(value) ? value : {};
    for (const [name, inner] of Object.entries(shape.fields)) checkShape(path, `${key}.${name}`, fields[name], inner);
  }
}
