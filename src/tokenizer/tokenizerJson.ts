/**
 * Reads tokenizer.json (Hugging Face layout, byte-level BPE) into checked tables. What we cannot honour exactly (other model types, normalizers, dropout, ...) is refused by its key.
 */
import { byteCharacters, tokenBytes } from "./byteAlphabet.js";
import type { Pretokenizer } from "./pretokenize.js";
import { readPretokenizer } from "./regexPretokenize.js";

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  readonly normalized: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly singleWord: boolean;
}

/** What a tokenizer.json says, checked. */
export interface TokenizerTables {
  /** Largest id + 1. */
  readonly vocabSize: number;
  /** By id: what the token decodes to; null where no token has the id. */
  readonly bytes: readonly (Uint8Array | null)[];
  /** By id: can ordinary text become it (a token of the byte alphabet, not an added one)? */
  readonly isText: Uint8Array;
  readonly idOf: ReadonlyMap<string, number>;
  /** Left, right, result: 3 ids a merge, best rank first. */
  readonly merges: Int32Array;
  readonly ignoreMerges: boolean;
  readonly addedTokens: readonly AddedToken[];
  readonly normalization: "NFC" | null;
  /** A new pre-tokenizer; each encoder needs its own. */
  readonly newPretokenizer: () => Pretokenizer;
  /** Ids that the post-processor puts before and after a text; null when it adds none by itself. */
  readonly template: { readonly before: readonly number[]; readonly after: readonly number[] } | null;
}

/**
 * @param file named in errors
 * @throws RangeError with file and key for anything malformed or unsupported
 */
export function readTokenizerJson(json: unknown, file = "tokenizer.json"): TokenizerTables {
  const root = object(json, file, "the file");
  const model = object(root.model, file, "model");
  if (model.type !== undefined && model.type !== "BPE") refuse(file, "model.type", "BPE", model.type);
  if (model.dropout) refuse(file, "model.dropout", "none", model.dropout);
  if (model.byte_fallback) refuse(file, "model.byte_fallback", "false (bytes are in the alphabet)", true);
  for (const key of ["continuing_subword_prefix", "end_of_word_suffix"]) {
    if (model[key]) refuse(file, `model.${key}`, "none (byte-level BPE)", model[key]);
  }

  const idOf = new Map<string, number>();
  const bytes: (Uint8Array | null)[] = [];
  const text: boolean[] = [];
  const place = (content: string, id: unknown, key: string, decoded: Uint8Array | null): number => {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id > maxId) {
      throw new RangeError(`${file}: ${key} must be an id from 0 to ${maxId}, got ${show(id)}`);
    }
    if (bytes[id]) throw new RangeError(`${file}: ${key} takes id ${id}, which another token has`);
    while (bytes.length < id) bytes.push(null);
    bytes[id] = decoded ?? utf8.encode(content);
    text[id] = decoded !== null;
    idOf.set(content, id);
    return id;
  };
  for (const [token, id] of Object.entries(object(model.vocab, file, "model.vocab"))) {
    place(token, id, `model.vocab[${show(token)}]`, tokenBytes(token));
  }
  byteCharacters.forEach((character, byte) => {
    if (!idOf.has(character)) {
      throw new RangeError(
        `${file}: model.vocab lacks ${show(character)}, the symbol of byte ${byte}: not byte-level BPE`,
      );
    }
  });

  const merges = readMerges(model.merges, idOf, file);
  const addedTokens = readAddedTokens(root.added_tokens, idOf, file, place);
  for (const token of addedTokens) {
    text[token.id] = false;
    bytes[token.id] = utf8.encode(token.content);
  }
  return {
    vocabSize: bytes.length,
    bytes,
    isText: Uint8Array.from(bytes, (_, id) => (text[id] ? 1 : 0)),
    idOf,
    merges,
    ignoreMerges: model.ignore_merges === true,
    addedTokens,
    normalization: readNormalizer(root.normalizer, file),
    newPretokenizer: readPretokenizer(root.pre_tokenizer, file),
    template: readTemplate(root.post_processor, idOf, file),
  };
}

const maxId = (1 << 24) - 1;
const utf8 = new TextEncoder();

function readMerges(value: unknown, idOf: ReadonlyMap<string, number>, file: string): Int32Array {
  if (!Array.isArray(value)) refuse(file, "model.merges", "a list", value);
  const merges = new Int32Array(value.length * 3);
  value.forEach((entry: unknown, rank) => {
    const key = `model.merges[${rank}]`;
    const parts = typeof entry === "string" ? entry.split(" ") : entry;
    if (
      !Array.isArray(parts) ||
      parts.length !== 2 ||
      !parts.every((part) => typeof part === "string" && part !== "")
    ) {
      refuse(file, key, 'two tokens, "a b" or ["a", "b"]', entry);
    }
    const [left, right] = parts as [string, string];
    [left, right, left + right].forEach((token, part) => {
      const id = idOf.get(token);
      if (id === undefined) throw new RangeError(`${file}: ${key} needs ${show(token)}, which model.vocab lacks`);
      merges[3 * rank + part] = id;
    });
  });
  return merges;
}

function readAddedTokens(
  value: unknown,
  idOf: ReadonlyMap<string, number>,
  file: string,
  place: (content: string, id: unknown, key: string, decoded: null) => number,
): AddedToken[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) refuse(file, "added_tokens", "a list", value);
  const seen = new Set<string>();
  return value.map((entry: unknown, index) => {
    const key = `added_tokens[${index}]`;
    const token = object(entry, file, key);
    const content = token.content;
    if (typeof content !== "string" || content === "") refuse(file, `${key}.content`, "a text", content);
    if (seen.has(content)) throw new RangeError(`${file}: ${key}.content ${show(content)} is listed twice`);
    seen.add(content);
    const flag = (name: string, otherwise: boolean): boolean => {
      const given = token[name] ?? otherwise;
      if (typeof given !== "boolean") refuse(file, `${key}.${name}`, "true or false", given);
      return given;
    };
    const special = flag("special", false);
    const known = idOf.get(content);
    if (known !== undefined && known !== token.id) {
      throw new RangeError(`${file}: ${key}.id is ${show(token.id)}, but model.vocab has ${show(content)} at ${known}`);
    }
    return {
      id: known ?? place(content, token.id, `${key}.id`, null),
      content,
      special,
      normalized: flag("normalized", !special),
      lstrip: flag("lstrip", false),
      rstrip: flag("rstrip", false),
      singleWord: flag("single_word", false),
    };
  });
}

function readNormalizer(value: unknown, file: string): "NFC" | null {
  if (value === undefined || value === null) return null;
  const normalizer = object(value, file, "normalizer");
  if (normalizer.type === "NFC") return "NFC";
  if (normalizer.type === "Sequence" && Array.isArray(normalizer.normalizers)) {
    if (normalizer.normalizers.length === 0) return null;
    if (normalizer.normalizers.length === 1) return readNormalizer(normalizer.normalizers[0], file);
  }
  return refuse(file, "normalizer", "none or NFC", normalizer.type);
}

function readTemplate(value: unknown, idOf: ReadonlyMap<string, number>, file: string): TokenizerTables["template"] {
  if (value === undefined || value === null) return null;
  const processor = object(value, file, "post_processor");
  if (processor.type === "ByteLevel") return null;
  if (processor.type === "Sequence" && Array.isArray(processor.processors)) {
    const all = processor.processors.map((inner: unknown) => readTemplate(inner, idOf, file)).filter((t) => t !== null);
    if (all.length > 1) refuse(file, "post_processor.processors", "at most one template", all.length);
    return all[0] ?? null;
  }
  if (processor.type !== "TemplateProcessing" || !Array.isArray(processor.single)) {
    return refuse(file, "post_processor.type", "ByteLevel, TemplateProcessing or a Sequence of them", processor.type);
  }
  const before: number[] = [];
  const after: number[] = [];
  let side = before;
  processor.single.forEach((item: unknown, index: number) => {
    const key = `post_processor.single[${index}]`;
    const entry = object(item, file, key);
    if (entry.Sequence !== undefined) {
      side = after;
      return;
    }
    const name = object(entry.SpecialToken, file, `${key}.SpecialToken`).id;
    const id = typeof name === "string" ? idOf.get(name) : undefined;
    if (id === undefined) refuse(file, `${key}.SpecialToken.id`, "a token of the vocabulary", name);
    side.push(id);
  });
  return { before, after };
}

function object(value: unknown, file: string, key: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) refuse(file, key, "an object", value);
  return value as Record<string, unknown>;
}

function refuse(file: string, key: string, expected: string, got: unknown): never {
  throw new RangeError(`${file}: ${key}: expected ${expected}, got ${show(got)}`);
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
